from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torchvision.ops import box_iou

from d2ext.structures import (
    BOX_EDGES,
    BOX_FRONT_FACE,
    NEAR_PLANE,
    Boxes3D,
    Camera,
    ground_rotation,
    height_above_plane,
    iou3d,
    normalize_plane,
    wrap_angle,
)

TILTED = [-0.0109, -0.9771, -0.2124, 7.0044]


def kitti_fields(n: int = 40, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    location = torch.rand(n, 3, generator=generator, dtype=torch.float64) * torch.tensor([30.0, 3.0, 60.0])
    location = location - torch.tensor([15.0, 0.0, -4.0])
    hwl = torch.rand(n, 3, generator=generator, dtype=torch.float64) * 3 + 0.4
    ry = (torch.rand(n, generator=generator, dtype=torch.float64) - 0.5) * 2 * math.pi
    return location, hwl, ry


@pytest.mark.parametrize("ground", [None, TILTED])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_kitti_roundtrip(ground, dtype):
    fields = [t.to(dtype) for t in kitti_fields()]
    back = Boxes3D.from_kitti(*fields, ground).to_kitti(ground)
    for expected, value in zip(fields, back, strict=True):
        assert value.dtype == dtype
        assert torch.allclose(value, expected, atol=1e-4 if dtype == torch.float32 else 1e-10)


def test_corners_follow_the_kitti_convention():
    location, hwl, ry = kitti_fields()
    corners = Boxes3D.from_kitti(location, hwl, ry).corners()
    for (x, y, z), (h, w, length), yaw, box in zip(location, hwl, ry, corners, strict=True):
        c, s = math.cos(yaw), math.sin(yaw)
        expected = [
            [x + c * p + s * d, y - up, z - s * p + c * d]
            for up, p, d in itertools.product((0, h), (-length / 2, length / 2), (-w / 2, w / 2))
        ]
        distance = torch.cdist(torch.tensor(expected, dtype=torch.float64), box)
        assert (distance.min(dim=0).values < 1e-9).all() and (distance.min(dim=1).values < 1e-9).all()


def test_corner_order_edges_and_front_face():
    boxes = Boxes3D.from_kitti(*kitti_fields(), TILTED)
    corners = boxes.corners()
    assert torch.allclose(corners.mean(dim=1), boxes.center)
    assert torch.allclose(corners[:, :4].mean(dim=1), boxes.bottom_center())
    front = corners[:, list(BOX_FRONT_FACE)].mean(dim=1)
    assert torch.allclose(front, boxes.center + boxes.rotation[:, :, 0] * boxes.size[:, 2:] / 2)
    start, end = np.array(BOX_EDGES).T
    lengths = (corners[:, start] - corners[:, end]).norm(dim=-1).sort(dim=1).values
    assert torch.allclose(lengths, boxes.size.sort(dim=1).values.repeat_interleave(4, dim=1))
    assert torch.allclose(boxes.volume(), boxes.size[:, 0] * boxes.size[:, 1] * boxes.size[:, 2])


def test_boxes_on_a_tilted_ground_stand_flat_on_it():
    plane = normalize_plane(torch.tensor(TILTED, dtype=torch.float64))
    location, hwl, ry = kitti_fields()
    location = location - height_above_plane(location, plane)[:, None] * plane[:3]
    corners = Boxes3D.from_kitti(location, hwl, ry, plane).corners()
    heights = height_above_plane(corners, plane)
    assert torch.allclose(heights[:, :4], torch.zeros_like(heights[:, :4]), atol=1e-9)
    assert torch.allclose(heights[:, 4:], hwl[:, :1].expand(-1, 4))


@pytest.mark.parametrize("ground", [None, TILTED])
def test_flip_mirrors_the_corners_and_keeps_headings(ground):
    location, hwl, ry = kitti_fields()
    boxes = Boxes3D.from_kitti(location, hwl, ry, ground)
    flipped = boxes.flip()
    mirror = torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
    distance = torch.cdist(boxes.corners() * mirror, flipped.corners())
    assert (distance.min(dim=2).values < 1e-9).all()
    assert torch.allclose(torch.linalg.det(flipped.rotation), torch.ones(len(boxes), dtype=torch.float64))
    assert torch.allclose(flipped.rotation[:, :, 0], boxes.rotation[:, :, 0] * mirror)
    plane = None if ground is None else [-ground[0], *ground[1:]]
    new_location, new_hwl, new_ry = flipped.to_kitti(plane)
    assert torch.allclose(new_location, location * mirror) and torch.equal(new_hwl, hwl)
    assert torch.allclose(wrap_angle(new_ry - (math.pi - ry)), torch.zeros_like(ry), atol=1e-9)
    assert torch.allclose(
        wrap_angle(flipped.alpha(plane) - (math.pi - boxes.alpha(ground))), torch.zeros_like(ry), atol=1e-9
    )
    assert torch.allclose(flipped.flip().corners(), boxes.corners())


def test_alpha_and_yaw_are_inverse():
    location, _, ry = kitti_fields()
    alpha = Boxes3D.alpha_from_yaw(ry, location)
    assert (alpha >= -math.pi).all() and (alpha < math.pi).all()
    assert torch.allclose(Boxes3D.yaw_from_alpha(alpha, location), wrap_angle(ry))


def test_alpha_is_the_yaw_of_an_object_straight_ahead():
    boxes = Boxes3D.from_kitti([[0.0, 1.6, 20.0], [20.0, 1.6, 20.0]], [[1.5, 1.7, 4.0]] * 2, [0.5, 0.5])
    assert boxes.alpha().tolist() == pytest.approx([0.5, 0.5 - math.pi / 4])


def test_projection_of_boxes_cut_by_the_near_plane():
    """Against a dense sampling of the edges in front of the plane."""
    camera = Camera([[700, 0, 600, 45], [0, 700, 170, 0.2], [0, 0, 1, 0.003]], (375, 1242)).to(torch.float64)
    location = torch.tensor([[0.5, 1.6, 1.0], [-2.0, 1.7, 0.3], [1.8, 1.5, -0.5], [0.0, 1.6, 20.0]]).double()
    boxes = Boxes3D.from_kitti(
        location, torch.tensor([[1.5, 1.7, 4.2]] * 4).double(), torch.tensor([0.3, 1.2, 1.5, 0])
    )
    boxes2d, uv, valid = boxes.project(camera)
    assert valid.all() and uv.shape == (4, 8, 2)
    t = torch.linspace(0, 1, 20001, dtype=torch.float64)[:, None]
    for box, corners in zip(boxes2d, boxes.corners(), strict=True):
        samples = torch.cat([corners[i] + t * (corners[j] - corners[i]) for i, j in BOX_EDGES])
        pixels, _ = camera.project(samples[samples[:, 2] + camera.P[2, 3] > NEAR_PLANE])
        expected = torch.cat((pixels.amin(dim=0), pixels.amax(dim=0)))
        assert torch.allclose(box, expected, rtol=2e-3, atol=1e-3)


def test_boxes_behind_the_camera_are_not_valid():
    camera = Camera([[700, 0, 600, 45], [0, 700, 170, 0.2], [0, 0, 1, 0.003]], (375, 1242))
    boxes = Boxes3D.from_kitti([[0.0, 1.6, -20.0], [0.0, 1.6, 20.0]], [[1.5, 1.7, 4.2]] * 2, [0.0, 0.0])
    boxes2d, _, valid = boxes.project(camera)
    assert valid.tolist() == [False, True]
    assert boxes2d[0].tolist() == [0, 0, 0, 0]
    assert boxes2d.isfinite().all()


def test_clipped_projection_stays_in_the_image():
    camera = Camera([[700, 0, 600, 0], [0, 700, 170, 0], [0, 0, 1, 0]], (375, 1242))
    boxes = Boxes3D.from_kitti([[-9.0, 1.6, 8.0]], [[1.5, 1.7, 4.2]], [0.2])
    free, clipped = boxes.project(camera)[0][0], boxes.project(camera, clipped=True)[0][0]
    assert free[0] < 0 and clipped[0] == 0
    assert clipped.tolist()[1:3] == pytest.approx(free.tolist()[1:3])


def test_corners_and_projection_are_differentiable():
    camera = Camera([[700, 0, 600, 45], [0, 700, 170, 0.2], [0, 0, 1, 0.003]], (375, 1242)).to(torch.float64)
    location = torch.tensor([[1.0, 1.6, 12.0], [0.3, 1.6, 1.0]], dtype=torch.float64, requires_grad=True)
    hwl = torch.tensor([[1.5, 1.7, 4.2]] * 2, dtype=torch.float64, requires_grad=True)
    ry = torch.tensor([0.4, 0.3], dtype=torch.float64, requires_grad=True)

    def corners_and_boxes(location, hwl, ry):
        boxes = Boxes3D.from_kitti(location, hwl, ry, TILTED)
        return boxes.corners(), boxes.project(camera)[0]

    assert torch.autograd.gradcheck(corners_and_boxes, (location, hwl, ry))


def test_geometry_keeps_its_precision_under_autocast():
    location, hwl, ry = (t.float() for t in kitti_fields())
    camera = Camera([[700, 0, 600, 45], [0, 700, 170, 0.2], [0, 0, 1, 0.003]], (375, 1242))

    def everything() -> list[torch.Tensor]:
        boxes = Boxes3D.from_kitti(location, hwl, ry, TILTED)
        uv, depth = camera.resize((200, 600)).project(boxes.center)
        points = camera.resize((200, 600)).unproject(uv, depth)
        return [boxes.corners(), *boxes.to_kitti(TILTED), uv, points, iou3d(boxes, boxes)]

    expected = everything()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for value, reference in zip(everything(), expected, strict=True):
            assert value.dtype == torch.float32 and torch.equal(value, reference)


def test_indexing_and_cat():
    boxes = Boxes3D.from_kitti(*kitti_fields(5))
    assert len(boxes[2]) == 1 and torch.equal(boxes[2].center[0], boxes.center[2])
    assert len(boxes[1:4]) == 3
    assert len(boxes[torch.tensor([True, False, True, False, False])]) == 2
    assert len(boxes[torch.tensor([4, 0])]) == 2
    joined = Boxes3D.cat([boxes[:2], boxes[2:]])
    assert torch.equal(joined.rotation, boxes.rotation)
    assert len(Boxes3D.cat([])) == 0
    assert boxes.to(torch.float32).center.dtype == torch.float32


def test_no_boxes():
    empty = Boxes3D.from_kitti(torch.zeros(0, 3), torch.zeros(0, 3), torch.zeros(0), TILTED)
    camera = Camera([[700, 0, 600, 0], [0, 700, 170, 0], [0, 0, 1, 0]], (375, 1242))
    assert len(empty) == 0 and empty.corners().shape == (0, 8, 3)
    assert [tuple(t.shape) for t in empty.project(camera)] == [(0, 4), (0, 8, 2), (0,)]
    assert len(empty.flip()) == 0 and empty.alpha().shape == (0,)
    assert len(Boxes3D.cat([empty, empty])) == 0


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="rotation"):
        Boxes3D(torch.zeros(2, 3), torch.zeros(2, 3), torch.zeros(3, 3))


def read_labels(path, needed: str = "") -> np.ndarray:
    rows = [line.split() for line in path.read_text().splitlines()]
    return np.array([[float(v) for v in row[1:15]] for row in rows if row[0].lower() == needed])


def test_real_roadside_boxes_stand_on_the_tilted_ground(shared_dir):
    root = shared_dir / "data" / "rope3d" / "training"
    (label,) = (root / "label_2").glob("*.txt")
    P = np.array((root / "calib" / label.name).read_text().split()[1:13], dtype=float).reshape(3, 4)
    plane = np.array((root / "denorm" / label.name).read_text().split(), dtype=float)
    rows = read_labels(label, "car")
    rows = rows[(rows[:, 0] == 0) & (rows[:, 1] == 0) & (rows[:, 7:10] > 0).all(axis=1)]
    assert len(rows) >= 8
    camera = Camera(P, (1080, 1920))
    overlap = {}
    for name, ground in (("ground", plane), ("level", None)):
        boxes = Boxes3D.from_kitti(rows[:, 10:13], rows[:, 7:10], rows[:, 13], ground)
        boxes2d, _, valid = boxes.project(camera, clipped=True)
        assert valid.all()
        overlap[name] = float(box_iou(boxes2d, torch.tensor(rows[:, 3:7])).diag().mean())
        assert torch.allclose(boxes.alpha(ground), wrap_angle(torch.tensor(rows[:, 2])), atol=1e-6)
    assert overlap["ground"] > 0.97
    assert overlap["level"] < 0.85


def test_real_kitti_boxes_project_onto_their_2d_labels(shared_dir):
    root = shared_dir / "data" / "mono3drefer"
    overlaps = []
    for label in sorted((root / "label_2").glob("*.txt")):
        rows = read_labels(label, "car")
        if len(rows) == 0:
            continue
        (p2,) = (line for line in (root / "calib" / label.name).read_text().splitlines() if line[:3] == "P2:")
        camera = Camera(np.array(p2.split()[1:], dtype=float).reshape(3, 4), (375, 1242))
        boxes2d, _, _ = Boxes3D.from_kitti(rows[:, 10:13], rows[:, 7:10], rows[:, 13]).project(
            camera, clipped=True
        )
        overlaps += box_iou(boxes2d, torch.tensor(rows[:, 3:7])).diag()[rows[:, 1] <= 1].tolist()
    assert np.mean(overlaps) > 0.95


def test_ground_rotation_is_used_for_boxes():
    boxes = Boxes3D.from_kitti([[0.0, 0.0, 10.0]], [[1.0, 1.0, 1.0]], [0.0], TILTED)
    assert torch.allclose(boxes.rotation[0], ground_rotation(torch.tensor(TILTED)))
