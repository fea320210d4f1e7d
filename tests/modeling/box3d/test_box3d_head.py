"""3D box coding and the multi-task head against closed forms."""

import math

import pytest
import torch

from d2ext.modeling.box3d.coder import decode_angle, encode_angle, fuse_log_depths, ground_log_depth
from d2ext.modeling.box3d.head import Box3DHead
from d2ext.modeling.box3d.objects import ObjectTargets, ObjectViews
from d2ext.structures import ROAD, Boxes3D, Camera
from d2ext.structures.projection import project_points

MEAN_SIZES = [ROAD.sizes[name] for name in ROAD.names]
PLANE = [-0.0109, -0.9771, -0.2124, 7.0]
P = torch.tensor([[690.0, 3.0, 250.0, 40.0], [0, 730.0, 140.0, 0.3], [0, 0, 1, 0.003]], dtype=torch.float64)


def standing_boxes(n: int = 50) -> Boxes3D:
    """Random boxes on the tilted plane in front of the camera."""
    g = torch.Generator().manual_seed(0)
    plane = torch.tensor(PLANE, dtype=torch.float64)
    plane = plane / plane[:3].norm()
    xz = torch.rand(n, 2, generator=g, dtype=torch.float64) * torch.tensor([30.0, 80.0]) + torch.tensor(
        [-15.0, 15.0]
    )
    y = -(plane[0] * xz[:, 0] + plane[2] * xz[:, 1] + plane[3]) / plane[1]
    location = torch.stack([xz[:, 0], y, xz[:, 1]], 1)
    hwl = torch.rand(n, 3, generator=g, dtype=torch.float64) * 3 + 0.5
    yaw = torch.rand(n, generator=g, dtype=torch.float64) * 6.2 - 3.1
    return Boxes3D.from_kitti(location, hwl, yaw, plane)


@pytest.mark.parametrize("num_bins", [4, 12])
def test_angles_survive_encoding(num_bins):
    alpha = torch.linspace(-math.pi, math.pi - 1e-6, 1001, dtype=torch.float64)
    bins, residual = encode_angle(alpha, num_bins)
    assert residual.abs().max() <= 1 + 1e-9
    logits = torch.nn.functional.one_hot(bins, num_bins).double()
    decoded = decode_angle(logits, residual[:, None].expand(-1, num_bins))
    assert torch.allclose(torch.cos(decoded - alpha), torch.ones_like(alpha), atol=1e-12)


def test_ground_depth_recovers_standing_boxes():
    boxes = standing_boxes()
    plane = torch.tensor(PLANE, dtype=torch.float64)
    plane = (plane / plane[:3].norm()).expand(len(boxes), 4)
    many = P.expand(len(boxes), 3, 4)
    base, _ = project_points(many, boxes.center - plane[:, :3] * boxes.size[:, :1] / 2)
    log_depth, hit = ground_log_depth(many, base, plane, boxes.size[:, 0])
    assert hit.all()
    assert torch.allclose(log_depth.exp(), boxes.center[:, 2], atol=1e-9)


def test_ground_depth_knows_where_there_is_none():
    plane = torch.tensor([[0.0, -1.0, 0.0, 1.65], [math.nan] * 4, [0.0, -1.0, 0.0, 1.65]])
    uv = torch.tensor([[250.0, 20.0], [250.0, 200.0], [250.0, 200.0]])
    log_depth, hit = ground_log_depth(P.float().expand(3, 3, 4), uv, plane, torch.ones(3))
    assert hit.tolist() == [False, False, True]
    assert torch.isfinite(log_depth).all()


def test_fusion_is_the_inverse_variance_mean():
    depths = torch.tensor([[1.0, 2.0, 4.0]], dtype=torch.float64)
    scales = torch.tensor([[0.1, 0.2, math.inf]], dtype=torch.float64)
    fused, log_scale = fuse_log_depths(depths, scales.log())
    expected = (1 / 0.01 + 2 / 0.04) / (1 / 0.01 + 1 / 0.04)
    assert fused.item() == pytest.approx(expected, abs=1e-12)
    assert log_scale.exp().item() == pytest.approx((1 / 0.01 + 1 / 0.04) ** -0.5, abs=1e-12)


def perfect_raw(head: Box3DHead, boxes: Boxes3D, views: ObjectViews, box2d, classes) -> dict:
    """Raw predictions that mean exactly ``boxes``, worked out by hand from the definitions."""
    uv, _ = project_points(views.P, boxes.center)
    base, _ = project_points(views.P, boxes.center - views.plane[:, :3] * boxes.size[:, :1] / 2)
    depth = boxes.center[:, 2]
    alpha = boxes.alpha(views.plane[0])
    bins, residual = encode_angle(alpha, head.num_bins)
    mid, wh = (box2d[:, :2] + box2d[:, 2:]) / 2, box2d[:, 2:] - box2d[:, :2]
    focal = views.P[:, 1, 1]
    return {
        "classes": 50.0 * torch.nn.functional.one_hot(classes, len(MEAN_SIZES)),
        "box_offset": (mid - views.uv) / views.unit,
        "box_log_size": (wh / views.unit).log() - 1.0,
        "center_offset": (uv - views.uv) / views.unit,
        "base_offset": (base - torch.stack([mid[:, 0], box2d[:, 3]], 1)) / views.unit,
        "size": (boxes.size / head.mean_sizes[classes]).log(),
        "angle_bin": 50.0 * torch.nn.functional.one_hot(bins, head.num_bins),
        "angle_residual": residual[:, None].expand(-1, head.num_bins),
        "log_depth": (depth.log() - 3.0 - (focal / 700.0).log())[:, None],
        "log_pixel_height": ((focal * boxes.size[:, 0] / depth).log() - 3.0)[:, None],
        "log_told_depth": (depth.log() - 3.0)[:, None],
        "depth_log_scales": torch.zeros(len(boxes), 4),
    }


def test_head_decodes_what_its_losses_ask_for():
    boxes = standing_boxes().to(torch.float32)
    n = len(boxes)
    head = Box3DHead(8, 16, 1.5 * torch.ones(len(MEAN_SIZES), 3))
    camera = Camera(P.float(), (288, 512))
    box2d, _, valid = boxes.project(camera)
    assert valid.all()
    classes = torch.arange(n) % len(MEAN_SIZES)
    plane = torch.tensor(PLANE)
    plane = plane / plane[:3].norm()
    uv, _ = camera.project(boxes.center)
    views = ObjectViews(uv.round() + 1.0, 4.0, camera.P.expand(n, 3, 4), plane.expand(n, 4))
    raw = perfect_raw(head, boxes, views, box2d, classes)

    decoded = head.decode(raw, views, raw["classes"].softmax(1))
    assert torch.equal(decoded.classes, classes)
    assert torch.allclose(decoded.center, boxes.center, atol=2e-3, rtol=0)
    assert torch.allclose(decoded.hwl, boxes.size, atol=1e-4)
    assert torch.allclose(torch.cos(decoded.alpha - boxes.alpha(plane)), torch.ones(n), atol=1e-6)
    assert torch.allclose(decoded.box2d, box2d, atol=1e-2)

    targets = ObjectTargets(
        classes, box2d, boxes.center, boxes.size, boxes.alpha(plane), torch.ones(n, dtype=torch.bool)
    )
    losses = head.losses(raw, views, targets, torch.ones(n), 4.0)
    for name, value in losses.items():
        # log of the Laplace scale e^-1 times its square root, four times over four
        best = -math.exp(-0.5) if name == "loss_depth" else 0.0
        assert value.item() == pytest.approx(best, abs=2e-3), name


def test_objects_without_a_3d_label_train_the_2d_part_only():
    boxes = standing_boxes(4).to(torch.float32)
    head = Box3DHead(8, 16, torch.tensor(MEAN_SIZES))
    views = ObjectViews(torch.rand(4, 2) * 200, 4.0, P.float().expand(4, 3, 4), torch.full((4, 4), math.nan))
    box2d = torch.tensor([[10.0, 10.0, 40.0, 40.0]]).expand(4, 4)
    targets = ObjectTargets(
        torch.zeros(4, dtype=torch.long),
        box2d,
        boxes.center,
        boxes.size,
        torch.zeros(4),
        torch.zeros(4, dtype=torch.bool),
    )
    losses = head.losses(head(torch.randn(4, 8)), views, targets, torch.ones(4), 4.0)
    zero = {k for k, v in losses.items() if v.item() == 0.0}
    assert zero == {"loss_center", "loss_size", "loss_angle", "loss_depth"}


def test_a_depth_estimate_left_out_counts_for_nothing():
    n = 5
    head = Box3DHead(8, 16, torch.tensor(MEAN_SIZES), depth_estimates=["height", "told"])
    plane = torch.tensor(PLANE) / torch.tensor(PLANE[:3]).norm()
    views = ObjectViews(torch.rand(n, 2) * 200, 4.0, P.float().expand(n, 3, 4), plane.expand(n, 4))
    raw = head(torch.randn(n, 8))
    before = head.decode(raw, views, raw["classes"]).depth
    raw["log_depth"] = raw["log_depth"] + 1.0
    assert torch.equal(head.decode(raw, views, raw["classes"]).depth, before)
    raw["log_told_depth"] = raw["log_told_depth"] + 1.0
    assert (head.decode(raw, views, raw["classes"]).depth > before).all()


def test_ground_alone_without_a_plane_falls_back_to_direct():
    head = Box3DHead(8, 16, torch.tensor(MEAN_SIZES), depth_estimates=["ground"])
    views = ObjectViews(torch.rand(3, 2) * 200, 4.0, P.float().expand(3, 3, 4), torch.full((3, 4), math.nan))
    raw = head(torch.randn(3, 8))
    raw["log_depth"] = torch.tensor([[0.0], [0.5], [1.0]])
    expected = torch.exp(raw["log_depth"][:, 0] + 3.0) * P[1, 1].float() / 700.0
    assert torch.allclose(head.decode(raw, views, raw["classes"]).depth, expected, rtol=1e-5)
