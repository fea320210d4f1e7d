from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from d2ext.structures import Boxes3D, bev_iou, iou3d, rectangle_intersection

shapely = pytest.importorskip("shapely")

TILTED = [-0.0109, -0.9771, -0.2124, 7.0044]


def random_fields(n: int, seed: int, spread: float = 4.0) -> torch.Tensor:
    """(n, 7) x, y (bottom), z, h, w, l, ry."""
    generator = torch.Generator().manual_seed(seed)
    unit = torch.rand(n, 7, generator=generator, dtype=torch.float64)
    low = torch.tensor([-spread, 1.0, 20 - spread, 1.0, 0.5, 0.8, -7.0])
    high = torch.tensor([spread, 2.5, 20 + spread, 2.0, 2.5, 5.0, 7.0])
    return low + unit * (high - low)


def boxes_from(fields: torch.Tensor, ground: list[float] | None = None) -> Boxes3D:
    return Boxes3D.from_kitti(fields[:, :3], fields[:, 3:6], fields[:, 6], ground)


def shapely_iou(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    def polygon(box):
        x, _, z, _, w, length, ry = box
        c, s = math.cos(ry), math.sin(ry)
        halves = [(length / 2, w / 2), (length / 2, -w / 2), (-length / 2, -w / 2), (-length / 2, w / 2)]
        return shapely.Polygon([(x + c * p + s * d, z - s * p + c * d) for p, d in halves])

    area = polygon(a).intersection(polygon(b)).area
    overlap = max(0.0, min(a[1], b[1]) - max(a[1] - a[3], b[1] - b[3]))
    base_a, base_b = a[4] * a[5], b[4] * b[5]
    bev = area / (base_a + base_b - area)
    return bev, area * overlap / (base_a * a[3] + base_b * b[3] - area * overlap)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
def test_random_boxes_match_shapely(dtype, tolerance):
    a, b = random_fields(30, 0), random_fields(40, 1)
    expected = np.array([[shapely_iou(p, q) for q in b.numpy()] for p in a.numpy()])
    boxes_a, boxes_b = boxes_from(a.to(dtype)), boxes_from(b.to(dtype))
    for function, values in ((bev_iou, expected[..., 0]), (iou3d, expected[..., 1])):
        result = function(boxes_a, boxes_b)
        assert result.dtype == dtype and result.shape == (30, 40)
        assert np.abs(result.numpy() - values).max() < tolerance
        assert 0.2 < (values > 0).mean() < 0.95


BASE = [1.3, 1.7, 25.1, 1.5, 1.8, 4.4, 0.37]


def moved(along: float = 0.0, across: float = 0.0, up: float = 0.0, turn: float = 0.0, scale: float = 1.0):
    x, y, z, h, w, length, ry = BASE
    c, s = math.cos(ry), math.sin(ry)
    return [
        x + c * along + s * across,
        y - up,
        z - s * along + c * across,
        h * scale,
        w * scale,
        length * scale,
        ry + turn,
    ]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (moved(), 1.0),
        (moved(turn=math.pi), 1.0),
        (moved(turn=-4 * math.pi), 1.0),
        (moved(along=4.4), 0.0),  # touching ends
        (moved(across=-1.8), 0.0),  # touching sides
        (moved(up=1.5), 0.0),  # one on top of the other
        (moved(along=4.4, across=1.8), 0.0),  # touching corners
        (moved(along=2.2), 1 / 3),  # shared long edges
        (moved(scale=0.5), 0.125),  # contained, same bottom plane
        (moved(scale=0.5, along=1.1, across=0.45), 0.125),  # contained, two shared edges
        (moved(turn=math.pi / 2), 1.8**2 / (2 * 1.8 * 4.4 - 1.8**2)),  # a cross
        (moved(turn=1e-9), 1.0),
        (moved(along=50.0), 0.0),
    ],
)
def test_special_positions(other, expected, dtype):
    a = boxes_from(torch.tensor([BASE], dtype=torch.float64).to(dtype))
    b = boxes_from(torch.tensor([other], dtype=torch.float64).to(dtype))
    tolerance = 1e-12 if dtype == torch.float64 else 2e-5
    tolerance = 5e-9 if other == moved(turn=1e-9) and dtype == torch.float64 else tolerance
    for first, second in ((a, b), (b, a)):
        assert iou3d(first, second).item() == pytest.approx(expected, abs=tolerance)
        assert iou3d(first, second, aligned=True).item() == pytest.approx(expected, abs=tolerance)
        assert iou3d(first, second).item() <= 1


def test_area_of_a_square_and_its_eighth_turn_is_an_octagon():
    half = torch.tensor([0.5, 0.5], dtype=torch.float64)
    c = math.sqrt(0.5)
    zero, heading = torch.zeros(2, dtype=torch.float64), torch.tensor([1.0, 0.0], dtype=torch.float64)
    area = rectangle_intersection(half, half, zero, heading, torch.tensor([c, c], dtype=torch.float64))
    assert area.item() == pytest.approx(2 * math.sqrt(2) - 2, abs=1e-12)


def test_rectangle_intersection_broadcasts_leading_dimensions():
    generator = torch.Generator().manual_seed(3)
    half = torch.rand(4, 1, 6, 2, generator=generator, dtype=torch.float64) + 0.2
    offset = torch.randn(4, 5, 6, 2, generator=generator, dtype=torch.float64)
    angle = torch.rand(5, 6, generator=generator, dtype=torch.float64) * 7
    heading = torch.stack((angle.cos(), angle.sin()), dim=-1)
    still = torch.tensor([0.6, 0.8], dtype=torch.float64)
    area = rectangle_intersection(half, half[0], offset, still, heading)
    assert area.shape == (4, 5, 6)
    one = rectangle_intersection(half[2, 0, 3], half[0, 0, 3], offset[2, 1, 3], still, heading[1, 3])
    assert area[2, 1, 3].item() == pytest.approx(one.item(), abs=1e-14)


@pytest.mark.parametrize("function", [bev_iou, iou3d])
def test_iou_does_not_depend_on_the_frame(function):
    """Boxes on a tilted ground have the IoU of the same boxes on a level one."""
    fields, other = random_fields(20, 5), random_fields(20, 6)
    level = function(boxes_from(fields), boxes_from(other))

    def tilt(boxes: Boxes3D) -> Boxes3D:
        G = boxes_from(torch.zeros(1, 7, dtype=torch.float64), TILTED).rotation[0]
        return Boxes3D(boxes.center @ G.T, boxes.size, G @ boxes.rotation)

    assert torch.allclose(function(tilt(boxes_from(fields)), tilt(boxes_from(other))), level, atol=1e-12)
    flipped = function(boxes_from(fields).flip(), boxes_from(other).flip())
    assert torch.allclose(flipped, level, atol=1e-12)


def test_matrix_aligned_and_transposed_agree():
    a, b = boxes_from(random_fields(50, 7)), boxes_from(random_fields(50, 8))
    for function in (bev_iou, iou3d):
        matrix = function(a, b)
        assert torch.allclose(matrix.diag(), function(a, b, aligned=True), atol=1e-14)
        assert torch.allclose(matrix, function(b, a).T, atol=1e-12)


def test_no_boxes():
    some, none = boxes_from(random_fields(3, 0)), boxes_from(random_fields(0, 0))
    assert iou3d(some, none).shape == (3, 0) and iou3d(none, some).shape == (0, 3)
    assert bev_iou(none, none, aligned=True).shape == (0,)


def test_boxes_without_extent_do_not_overlap():
    flat = boxes_from(torch.tensor([[0.0, 1, 20, 0, 0, 0, 0]], dtype=torch.float64))
    assert iou3d(flat, flat).item() == 0 and bev_iou(flat, flat).item() == 0


def test_different_up_axes_are_refused():
    level, tilted = boxes_from(random_fields(2, 0)), boxes_from(random_fields(2, 0), TILTED)
    with pytest.raises(ValueError, match="up axis"):
        iou3d(level, tilted)


def test_aligned_needs_equal_numbers():
    with pytest.raises(ValueError, match="2 and 3"):
        iou3d(boxes_from(random_fields(2, 0)), boxes_from(random_fields(3, 0)), aligned=True)


@pytest.mark.parametrize(("function", "key"), [(bev_iou, "iou_bev"), (iou3d, "iou_3d")])
def test_golden_rotated_iou(golden_dir, function, key):
    golden = json.loads((golden_dir / "rotated_iou.json").read_text())
    pairs = golden["inputs"]["pairs"]
    a, b = (
        boxes_from(torch.tensor([pair[side] for pair in pairs], dtype=torch.float64)) for side in ("a", "b")
    )
    exact = np.array(golden["expected"][f"{key}_hp"])
    assert np.abs(function(a, b, aligned=True).numpy() - exact).max() < 1e-9
    assert np.abs(function(a, b).diag().numpy() - exact).max() < 1e-9
