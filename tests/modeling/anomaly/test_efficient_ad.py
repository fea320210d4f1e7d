"""EfficientAD of toy width: losses against loops, what each loss teaches, exact normalisation of maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from detectron2.config import CfgNode, get_cfg
from detectron2.modeling import build_model

from d2ext.modeling.anomaly.branch import ATTENTIONS
from d2ext.modeling.anomaly.maps import enlarge, hard_feature_loss
from d2ext.modeling.anomaly.normalizer import threshold_above
from d2ext.modeling.anomaly.pdn import STRIDE
from d2ext.modeling.meta_arch.efficient_ad import EfficientAD
from d2ext.projects.trajad import add_trajad_config

CONFIG = Path(__file__).resolve().parents[3] / "configs/TrajAD/Base-TrajAD.yaml"


def _config(*options) -> CfgNode:
    cfg = get_cfg()
    add_trajad_config(cfg)
    cfg.merge_from_file(str(CONFIG))
    toy = ["MODEL.DEVICE", "cpu", "MODEL.EFFICIENT_AD.WIDTH", 1 / 48, "MODEL.EFFICIENT_AD.BRANCH.DIM", 8]
    cfg.merge_from_list([*toy, *options])
    return cfg


def _model(*options) -> EfficientAD:
    torch.manual_seed(0)
    return build_model(_config(*options))


def _records(count: int, height: int = 64, width: int = 80) -> list[dict]:
    generator = torch.Generator().manual_seed(1)
    shape = (count, 3, height, width)
    return [{"image": x} for x in torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)]


@pytest.mark.parametrize("quantile", [0.0, 0.9, 0.999])
def test_hard_feature_loss_equals_the_loop(quantile):
    difference = torch.rand(2, 3, 17, 19, dtype=torch.float64)
    values = sorted(difference.flatten().tolist())
    place = quantile * (len(values) - 1)
    low = int(place)
    threshold = values[low] + (place - low) * (values[min(low + 1, len(values) - 1)] - values[low])
    hard = [value for value in values if value >= threshold]
    assert hard_feature_loss(difference, quantile).item() == pytest.approx(sum(hard) / len(hard), rel=1e-12)


def test_each_loss_teaches_its_own_part():
    model = _model()
    channels = model.teacher.out_channels
    records = [x | {"branch_image": x["image"], "penalty_image": x["image"].flip(0)} for x in _records(2)]
    losses = model.losses(records)
    assert set(losses) == {"loss_hard", "loss_branch", "loss_student_branch", "loss_penalty"}

    def taught(loss: torch.Tensor) -> set[str]:
        model.zero_grad(set_to_none=True)
        loss.backward(retain_graph=True)
        last = model.student[-1].weight.grad
        parts = {
            "to teacher": last is not None and bool(last[:channels].any()),
            "to branch": last is not None and bool(last[channels:].any()),
            "branch": any(p.grad is not None and bool(p.grad.any()) for p in model.branch.parameters()),
            "teacher": any(p.grad is not None for p in model.teacher.parameters()),
        }
        return {name for name, touched in parts.items() if touched}

    assert taught(losses["loss_hard"]) == {"to teacher"}
    assert taught(losses["loss_penalty"]) == {"to teacher"}
    assert taught(losses["loss_branch"]) == {"branch"}
    assert taught(losses["loss_student_branch"]) == {"to branch", "branch"}


def test_losses_equal_their_definitions():
    model = _model("MODEL.EFFICIENT_AD.HARD_QUANTILE", 0.0, "MODEL.EFFICIENT_AD.BRANCH.DROPOUT", 0.0)
    model.teacher_mean.uniform_(-1, 1)
    model.teacher_std.uniform_(1, 2)
    records = _records(2)
    images = torch.stack([x["image"] for x in records]).double()
    x = ((images - model.pixel_mean) / model.pixel_std).float()
    with torch.no_grad():
        teacher = (model.teacher(x) - model.teacher_mean) / model.teacher_std
        student, to_branch = model.student(x).split(model.teacher.out_channels, 1)
        branch = model.branch(x, teacher.shape[-2:])
        losses = model.losses(records)
    expected = {
        "loss_hard": ((teacher - student) ** 2).mean(),
        "loss_branch": ((teacher - branch) ** 2).mean(),
        "loss_student_branch": ((branch - to_branch) ** 2).mean(),
    }
    assert losses.keys() == expected.keys()
    for name, value in expected.items():
        assert losses[name].item() == pytest.approx(value.item(), rel=1e-4)


def test_teacher_statistics_equal_those_of_all_features_at_once():
    model = _model()
    records = _records(5)
    model.measure_teacher([[x] for x in records])
    x = torch.stack([(x["image"] - model.pixel_mean) / model.pixel_std for x in records])
    features = model.teacher(x).double().numpy()
    np.testing.assert_allclose(model.teacher_mean.flatten(), features.mean((0, 2, 3)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(model.teacher_std.flatten(), features.std((0, 2, 3)), rtol=1e-4)


def test_the_two_quantiles_are_mapped_to_0_and_a_tenth_exactly(monkeypatch):
    """1,001 values over three images: both quantiles are values of the maps."""
    model = _model().eval()
    generator = torch.Generator().manual_seed(2)
    values = torch.rand(2, 1001, generator=generator) * torch.tensor([[3.0], [70.0]])
    parts = list(values.split([300, 1, 700], 1))
    queue = iter([part[:, None] for part in parts])
    monkeypatch.setattr(model, "raw_maps", lambda images, patches=None: tuple(next(queue)))
    model.measure_maps([[x] for x in _records(3)])
    monkeypatch.setattr(model, "raw_maps", lambda images, patches=None: tuple(values[:, None]))
    out = model(_records(1))[0]
    for key in ("local_map", "global_map"):
        ordered = out[key].flatten().sort().values
        assert ordered[900].item() == 0.0
        assert ordered[995].item() == np.float32(0.1)


def test_quantiles_have_no_limit_on_the_number_of_pixels(monkeypatch):
    """torch.quantile takes 2 ** 24 values at most."""
    model = _model().eval()
    ramp = torch.arange(2500 * 1700, dtype=torch.float32).view(2500, 1700)
    monkeypatch.setattr(model, "raw_maps", lambda images, patches=None: (ramp, 2 * ramp))
    model.measure_maps([_records(4)])
    expected = [0.9 * ramp.numel(), 0.995 * ramp.numel()]
    assert model.local_quantiles.tolist() == pytest.approx(expected, rel=1e-6)
    assert torch.equal(model.global_quantiles, 2 * model.local_quantiles)


@pytest.mark.parametrize(
    "count, false_alarms", [(1, 0.05), (18, 0.05), (19, 0.05), (40, 0.05), (9, 0.3), (5, 0)]
)
def test_another_normal_image_is_above_the_threshold_as_rarely_as_was_asked_for(count, false_alarms):
    """Each of n + 1 images of the same kind is the new one equally often: the share that a threshold from the
    others calls abnormal; as few of the others as that needs are above it."""
    scores = np.random.default_rng(count).normal(1, 0.2, count + 1).astype(np.float32)
    parts = [(new, np.delete(scores, i)) for i, new in enumerate(scores)]
    wrong = np.mean([new >= threshold_above(others.tolist(), false_alarms) for new, others in parts])
    smallest = 1 / (count + 1)  # that n images can promise
    assert wrong <= max(false_alarms, smallest) + 1e-9
    assert wrong > max(false_alarms, smallest) - smallest
    threshold = threshold_above(scores[1:].tolist(), 0)
    assert threshold == np.nextafter(scores[1:].max(), np.float32(9))  # the greatest itself is normal


def test_a_threshold_is_positive_even_if_no_score_is():
    assert 0 < threshold_above([-1.0, -2.0], 0.05) < 0.01


def test_the_threshold_is_measured_on_the_held_out_scores_and_given_with_each_result():
    model = _model("MODEL.EFFICIENT_AD.FALSE_ALARMS", 0.0).eval()
    records = _records(5)
    with torch.no_grad():
        assert {found["threshold"] for found in model(records)} == {0.2}  # nothing is measured yet
        model.measure_maps([[x] for x in records])
        found = model(records)
        scores = sorted(x["score"] for x in found)
        (threshold,) = {x["threshold"] for x in found}
        assert scores[-1] < threshold == pytest.approx(scores[-1], rel=1e-6)
        stored = _model().eval()
        stored.load_state_dict(model.state_dict())
        assert stored.threshold() == threshold == stored(records[:1])[0]["threshold"]
        given = _model("TEST.THRESHOLD", 3).eval()
        given.load_state_dict(model.state_dict())
        assert given.threshold() == 3.0 == given(records[:1])[0]["threshold"]


def test_maps_that_are_the_same_everywhere_cannot_be_normalised(monkeypatch):
    model = _model().eval()
    monkeypatch.setattr(model, "raw_maps", lambda images, patches=None: (torch.ones(4, 4), torch.ones(4, 4)))
    with pytest.raises(
        ValueError, match=r"quantiles \(0.9, 0.995\) of a map are 1.0 and 1.0 on the held-out"
    ):
        model.measure_maps([_records(1)])


@pytest.mark.parametrize("padding", [False, True])
@pytest.mark.parametrize("branch", ATTENTIONS)
def test_inference_gives_maps_of_the_images_own_size(padding, branch):
    options = ("MODEL.EFFICIENT_AD.PADDING", padding, "MODEL.EFFICIENT_AD.BRANCH.NAME", branch)
    model = _model(*options).eval()
    with torch.no_grad():
        out = model([*_records(1, 64, 80), *_records(1, 71, 103)])
    for found, size in zip(out, ((64, 80), (71, 103)), strict=True):
        for key in ("anomaly_map", "local_map", "global_map"):
            assert found[key].shape == size and found[key].dtype == torch.float32
        assert torch.allclose(found["anomaly_map"], (found["local_map"] + found["global_map"]) / 2)
        assert found["score"] == found["anomaly_map"].max().item()


@pytest.mark.parametrize(("first", "nodes"), [(0, (16, 21)), (16, (9, 13)), (2, (16, 20))])
def test_enlarging_is_linear_between_the_middles_of_patches(first, nodes):
    """Of values that rise as their places do, a pixel between two middles has its own place."""
    y, x = (first + STRIDE * torch.arange(float(n)) for n in nodes)
    maps = torch.stack(torch.meshgrid(y, x, indexing="ij"))[None]
    large = enlarge(maps, first, (64, 82))[0]
    for axis, (middles, size) in enumerate(((y, 64), (x, 82))):
        expected = torch.arange(float(size)).clamp(middles[0], middles[-1])
        assert torch.allclose(large[axis], expected.view((-1, 1) if axis == 0 else (1, -1)).expand(64, 82))


@pytest.mark.parametrize("padding", [False, True])
def test_the_map_lies_over_the_patches_it_describes(padding):
    model = _model("MODEL.EFFICIENT_AD.PADDING", padding).eval()
    plain = torch.full((3, 128, 160), 100, dtype=torch.uint8)
    with torch.no_grad():
        for row, column in ((60, 50), (64, 100)):
            spotted = plain.clone()
            spotted[:, row - 2 : row + 3, column - 2 : column + 3] = 255
            maps = [model.raw_maps(model.images([{"image": x}]))[0] for x in (plain, spotted)]
            change = (maps[1] - maps[0]).abs()
            for axis, place in ((1, row), (0, column)):
                weight = change.sum(axis)
                center = (weight * torch.arange(len(weight))).sum() / weight.sum()
                assert abs(center.item() - place) < 4


@pytest.mark.parametrize("size", [(1, 1), (32, 80), (80, 32)])
def test_images_smaller_than_a_patch_are_refused(size):
    message = f"expected images of at least 33 x 33 pixels, got {size[1]} x {size[0]}"
    with pytest.raises(ValueError, match=message):
        _model().eval()(_records(1, *size))


def test_an_unknown_branch_is_refused():
    with pytest.raises(ValueError, match=r"BRANCH.NAME 'gru': expected one of autoencoder, softmax, lin"):
        _model("MODEL.EFFICIENT_AD.BRANCH.NAME", "gru")
