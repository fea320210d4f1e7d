"""The ground plane that a picture shows, and what models do with it."""

import math

import pytest
import torch
from detectron2.modeling import build_model

from d2ext.modeling.box3d.images import EncodedImages, view_features
from d2ext.modeling.box3d.plane import PlaneHead, fill_planes, planes_of_tilt, tilt_of_planes
from d2ext.structures import Camera, plane_of_tilt
from tests.modeling.conftest import toy_config, toy_record
from tests.modeling.detection.test_detection3d import small_model

NAN = float("nan")
ON = {"MODEL.PLANE_HEAD.ENABLED": True}


def test_planes_are_those_of_the_scalar_formula_and_come_back():
    tilt = torch.tensor([[0.3, 0.05, math.log(6.5)], [-0.02, -0.1, math.log(1.4)]])
    planes = planes_of_tilt(tilt)
    for row, (pitch, roll, height) in zip(planes, tilt.tolist(), strict=True):
        assert torch.allclose(row, torch.tensor(plane_of_tilt(math.exp(height), pitch, roll)), atol=1e-6)
    assert torch.allclose(tilt_of_planes(planes), tilt, atol=1e-5)


def test_only_what_was_not_given_is_filled_and_no_gradient_comes_back_from_it():
    plane = torch.tensor([[0.0, -1.0, 0.0, 1.6], [NAN] * 4])
    tilt = torch.tensor([[0.3, 0.0, 2.0], [0.2, 0.0, 1.0]], requires_grad=True)
    filled, given = fill_planes(plane, tilt)
    assert given.tolist() == [True, False] and torch.equal(filled[0], plane[0])
    assert torch.allclose(filled[1], torch.tensor(plane_of_tilt(math.e, 0.2)), atol=1e-6)
    assert not filled.requires_grad
    assert fill_planes(plane, None)[0] is plane


def test_what_lies_outside_of_the_image_has_no_vote():
    torch.manual_seed(0)
    head = PlaneHead(8, 16)
    P = Camera(torch.tensor([[150.0, 0, 64, 0], [0, 150, 48, 0], [0, 0, 1, 0]]), (64, 96)).P[None]
    sizes = torch.tensor([[64, 96]])
    features = torch.randn(1, 8, 4, 5)
    other = features.clone()
    other[:, :, 2:] = 9.0
    other[:, :, :, 3:] = -9.0
    small = head(features[:, :, :2, :3], P, sizes, 32)
    assert torch.allclose(head(features, P, sizes, 32), small, atol=1e-6)
    assert torch.allclose(head(other, P, sizes, 32), small, atol=1e-6)
    assert not torch.allclose(head(features, P, torch.tensor([[128, 160]]), 32), small, atol=1e-6)


def test_the_loss_is_the_mean_error_of_the_known_planes():
    head = PlaneHead(8, 16, loss_weight=2.0)
    true = [torch.tensor(plane_of_tilt(5.0, 0.3, 0.02)), None, torch.tensor(plane_of_tilt(2.0, 0.1, 0.0))]
    tilt = torch.tensor([[0.3, 0.02, math.log(5)], [7.0, 7.0, 7.0], [0.12, 0.0, math.log(2) + 0.5]])
    images = EncodedImages(
        None, torch.zeros(3, 3, 4), tilt, tilt, [{"true_plane": p} for p in true], tilt=tilt
    )
    expected = 2.0 * (0.02 / 0.2 + 0.5) / 2  # steps of a vote, two known planes
    assert float(head.losses([images])["loss_plane"]) == pytest.approx(expected, abs=1e-4)
    images.records = [{}] * 3
    assert float(head.losses([images])["loss_plane"]) == 0.0


def grounder(**options):
    cfg = toy_config()
    for key, value in (ON | options).items():
        cfg.merge_from_list([key, value])
    torch.manual_seed(0)
    return build_model(cfg)


@pytest.mark.parametrize(
    "make",
    [grounder, lambda **o: small_model("DiffusionDet3D", **ON), lambda **o: small_model("DETR3D", **ON)],
)
def test_a_step_trains_the_head_by_the_true_planes_alone(make):
    model = make().train()
    records = [toy_record(0, 96, 160, None), toy_record(1, 96, 128, [0.0, -0.98, -0.199, 6.5])]
    true = records[1]["true_plane"] = records[1]["ground_plane"]
    records[1]["ground_plane"] = None  # the model is not told
    losses = model(records)
    assert losses["loss_plane"] > 0 and all(value.isfinite() for value in losses.values())
    own = [p for p in model.plane_head.parameters()]
    others = sum(value for name, value in losses.items() if name != "loss_plane")
    assert all(
        g is None or not g.any()
        for g in torch.autograd.grad(others, own, retain_graph=True, allow_unused=True)
    )
    assert all(g.isfinite().all() and g.any() for g in torch.autograd.grad(losses["loss_plane"], own[-2:]))
    assert true is not None


def test_boxes_stand_on_the_plane_that_the_picture_shows_where_none_is_given():
    model = grounder(**{"MODEL.GROUNDING.SINGLE_TARGET": True}).eval()
    record = toy_record(0, 96, 160, None)
    (level,) = model([record | {"level_boxes": True}])
    (tilted,) = model([record | {"level_boxes": False}])
    with torch.no_grad():
        plane = model.encode_images([record]).plane[0]
    assert float(plane[1]) < 0 and not plane.isnan().any()
    for a, b in zip(level["grounding"], tilted["grounding"], strict=True):
        down = b.pred_boxes3d.rotation[:, :, 1]
        assert torch.allclose(down, -plane[:3].expand_as(down), atol=1e-5)
        assert torch.allclose(a.pred_boxes3d.rotation[:, :, 1], torch.tensor([0.0, 1.0, 0.0]).expand_as(down))
    given = torch.tensor([0.0, -1.0, 0.0, 3.0])
    with torch.no_grad():
        assert torch.equal(model.encode_images([record | {"ground_plane": given}]).plane[0], given)


def test_a_detector_is_told_whether_the_plane_was_given():
    model = small_model("DiffusionDet3D", **ON).eval()
    record = toy_record(0, 96, 160, None)
    with torch.no_grad():
        (seen,) = (model.encode([record | {"level_boxes": False}]),)
        told = model.encode([record | {"ground_plane": seen.plane[0], "box_plane": seen.plane[0]}])
    boxes = torch.tensor([[[60.0, 60, 90, 90], [10.0, 70, 50, 95]]])
    a, b = view_features(seen.views(boxes)), view_features(told.views(boxes))
    assert torch.equal(a[:, :-1], b[:, :-1]) and torch.equal(b[:, -1], torch.ones(2))
    assert torch.equal(a[:, -1], torch.full((2,), 0.5))
    assert torch.equal(seen.records[0]["box_plane"], seen.plane[0])


def test_answers_do_not_depend_on_the_images_beside():
    model = small_model("DiffusionDet3D", **ON).eval()
    records = [toy_record(0, 96, 160, None), toy_record(1, 64, 96, None)]
    with torch.no_grad():
        both = model.encode(records).plane
        alone = torch.cat([model.encode([record]).plane for record in records])
    assert torch.allclose(both, alone, atol=1e-5)
