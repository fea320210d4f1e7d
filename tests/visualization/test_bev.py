from __future__ import annotations

import numpy as np
import pytest
import torch

from d2ext.structures import Boxes3D, Camera, ground_rotation
from d2ext.visualization import draw_bev
from d2ext.visualization.bev import BirdsEyeView, fitting_range, ring_spacing

BLUE = (255, 0, 0)


def boxes(
    *places: tuple[float, float, float], ground=None, width: float = 2.0, length: float = 4.0
) -> Boxes3D:
    """Boxes at (right, ahead) on the ground with a yaw."""
    location = torch.tensor([[x, 1.6, z] for x, z, _ in places], dtype=torch.float64)
    if ground is not None:
        location = location @ ground_rotation(ground).T
    return Boxes3D.from_kitti(location, [[1.5, width, length]] * len(places), [p[2] for p in places], ground)


def coloured(panel: np.ndarray) -> np.ndarray:
    """(M, 2) pixels x, y that are clearly blue."""
    excess = panel[..., 0].astype(int) - panel[..., 2]
    return np.argwhere(excess > 70)[:, ::-1]


@pytest.mark.parametrize("tilt", [0.0, 0.2])
@pytest.mark.parametrize(("place", "x", "z"), [((3.0, 20.0, 0.0), 3, 20), ((-6.0, 31.0, -np.pi / 2), -6, 31)])
def test_boxes_are_at_their_metres(tilt: float, place: tuple, x: float, z: float) -> None:
    """The footprint's centre and size in pixels, from the metric scale; on a tilted plane along the plane."""
    ground = None
    if tilt:
        ground = torch.tensor([0.02, -np.cos(tilt), -np.sin(tilt), 1.6], dtype=torch.float64)
        ground[:3] /= ground[:3].norm()
    panel = draw_bev(boxes(place, ground=ground), colors=[BLUE], size=(800, 500), range_m=40, ground=ground)
    view = BirdsEyeView((800, 500), 40, ground)
    found = coloured(panel)
    assert view.scale == pytest.approx(view.bottom / 40)
    nose = 0.35 * 2  # the heading line sticks out by this much
    ahead = place[2] != 0  # heads away from the camera, else to the right
    width, height = (2.0, 4.0 + nose) if ahead else (4.0 + nose, 2.0)
    expected = (x - 1.0, z - 2.0) if ahead else (x - 2.0, z - 1.0)
    low = np.array([250 + expected[0] * view.scale, view.bottom - (expected[1] + height) * view.scale])
    high = low + np.array([width, height]) * view.scale
    np.testing.assert_allclose(found.min(axis=0), low, atol=3)
    np.testing.assert_allclose(found.max(axis=0), high, atol=3)


def test_fitting_range_holds_all_boxes() -> None:
    rng = np.random.default_rng(0)
    for size in ((700, 300), (300, 700)):
        for reach in (5, 40, 150):
            places = [
                (rng.uniform(-reach, reach) / 3, rng.uniform(1, reach), rng.uniform(-3, 3)) for _ in range(9)
            ]
            shown = boxes(*places)
            view = BirdsEyeView(size, fitting_range([shown], size))
            pixels = view.pixels(view.metres(shown.corners().numpy()))
            assert view.range_m % 10 == 0
            assert (
                (pixels[..., 0] >= 0).all()
                and (pixels[..., 0] <= size[1]).all()
                and (pixels[..., 1] >= 0).all()
            )


def test_ring_spacing_gives_a_few_rings() -> None:
    ranges = [*range(20, 400, 10), 620, 1_000, 99_990, 3_000_000]
    assert all(2 <= r / ring_spacing(r) <= 6 for r in ranges)


def test_field_of_view_ends_at_the_edges_of_the_image() -> None:
    """With a focal length of half the width the view opens 45 degrees to each side."""
    camera = Camera([[300.0, 0, 299.5, 0], [0, 300, 100, 0], [0, 0, 1, 0]], (200, 600))
    nothing = boxes((0.0, 5.0, 0.0))[:0]
    panel, without = (draw_bev(nothing, size=(600, 600), range_m=40, camera=c) for c in (camera, None))
    view = BirdsEyeView((600, 600), 40)
    lit = np.abs(panel.astype(int) - without).sum(axis=-1) > 20
    for right, ahead, seen in (
        (0, 10, True),
        (9, 12, True),
        (-9, 12, True),
        (12.7, 11.3, False),
        (-12.7, 11.3, False),
    ):
        x, y = view.pixels(np.array([right, ahead]) + 0.2).round().astype(int)
        assert lit[y, x] == seen, (right, ahead)


def test_empty_panel() -> None:
    assert draw_bev(boxes((0.0, 5.0, 0.0))[:0], []).shape == (640, 400, 3)
