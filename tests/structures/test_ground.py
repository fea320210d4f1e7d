from __future__ import annotations

import pytest
import torch

from d2ext.structures import flip_plane, ground_rotation, height_above_plane, normalize_plane

PLANES = torch.tensor(
    [[-0.0109, -0.9771, -0.2124, 7.0044], [0.05, -0.99, 0.02, 1.65], [0.2, -0.7, -0.6, 9.0]],
    dtype=torch.float64,
)


def test_level_ground_gives_the_identity():
    level = torch.tensor([0.0, -1.0, 0.0, 1.65], dtype=torch.float64)
    assert torch.equal(ground_rotation(level), torch.eye(3, dtype=torch.float64))


def test_ground_rotation_is_right_handed_with_the_downward_normal():
    planes = normalize_plane(PLANES)
    G = ground_rotation(planes)
    eye = torch.eye(3, dtype=torch.float64).expand(3, 3, 3)
    assert torch.allclose(G.transpose(1, 2) @ G, eye, atol=1e-12)
    assert torch.allclose(torch.linalg.det(G), torch.ones(3, dtype=torch.float64))
    assert torch.allclose(G[:, :, 1], -planes[:, :3])
    # The first axis leans as little as possible from the camera's x axis: it has no part along n x x.
    x = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64).expand(3, 3)
    sideways = torch.linalg.cross(planes[:, :3], x)
    assert torch.allclose((G[:, :, 0] * sideways).sum(dim=1), torch.zeros(3, dtype=torch.float64), atol=1e-12)
    assert (G[:, 0, 0] > 0).all()


@pytest.mark.parametrize("scale", [2.0, -0.5])
def test_normalize_plane_keeps_the_plane(scale):
    expected = normalize_plane(PLANES)
    assert torch.allclose(normalize_plane(PLANES * scale), expected)
    assert torch.allclose(expected[:, :3].norm(dim=1), torch.ones(3, dtype=torch.float64))
    assert (expected[:, 1] < 0).all()
    assert torch.allclose(height_above_plane(torch.zeros(3, dtype=torch.float64), expected), expected[:, 3])


def test_flip_plane_mirrors_heights():
    plane = normalize_plane(PLANES[0])
    points = torch.randn(10, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    mirrored = points * torch.tensor([-1.0, 1.0, 1.0])
    assert torch.allclose(height_above_plane(mirrored, flip_plane(plane)), height_above_plane(points, plane))


@pytest.mark.parametrize("plane", [[0, -1, 0], [0, 0, 1, 2], [0, float("nan"), 0, 1]])
def test_bad_planes_are_refused(plane):
    with pytest.raises(ValueError, match="ground plane"):
        normalize_plane(plane)
