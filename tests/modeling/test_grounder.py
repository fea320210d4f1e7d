"""What every grounding model shares: viewing geometry, and boxes in the original pixels."""

import pytest
import torch

from d2ext.modeling.meta_arch.grounder import viewing_maps
from d2ext.modeling.records import original_boxes
from d2ext.structures import Camera


def test_viewing_maps_equal_the_camera_cell_by_cell():
    plane = torch.tensor([0.02, -0.97, -0.24, 7.0], dtype=torch.float64)
    plane /= plane[:3].norm()
    camera = Camera(
        torch.tensor([[300.0, 0, 120, 20], [0, 310, 60, 0.2], [0, 0, 1, 0.003]], dtype=torch.float64),
        (128, 256),
    )
    maps = viewing_maps(camera.P[None], plane[None], torch.tensor([[128, 256]]), 16, 8, 16)[0]
    for row in range(8):
        for column in range(16):
            uv = torch.tensor([column * 16 + 7.5, row * 16 + 7.5], dtype=torch.float64)
            _, direction = camera.rays(uv)
            origin = camera.center()
            t = -(plane[:3] @ origin + plane[3]) / (plane[:3] @ direction)
            ground = min(max(10 / t.item(), 0.0), 4.0)
            expected = [direction[0].item(), direction[1].item(), ground, (2 * column + 1) / 16 - 1]
            assert maps[:, row, column].tolist() == pytest.approx(expected, abs=1e-9)


def test_boxes_go_back_to_the_original_pixels():
    camera = Camera(torch.tensor([[300.0, 0, 120, 20], [0, 310, 60, 0.2], [0, 0, 1, 0.003]]), (375, 1242))
    small = camera.resize((192, 636))
    points = torch.tensor([[0.5, 0.2, 9.0], [2.0, 0.9, 12.0]])
    before, after = camera.project(points)[0], small.project(points)[0]
    got = original_boxes(after.flatten()[None], small.image_size, camera.image_size)
    assert torch.allclose(got.tensor, before.flatten()[None], atol=1e-3)
