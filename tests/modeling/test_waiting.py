"""How often the host must wait for the device in a training step and in inference of every model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from detectron2.config import CfgNode, get_cfg
from detectron2.modeling import build_model
from pretend_device import listed, move, needs_transformers_5, pretend_device

from d2ext.projects.trajad import add_trajad_config
from tests.modeling.detection.test_detection3d import small_config

PLANE = [0.0, -0.98, -0.199, 6.5]
GROUNDERS = ("U2ENet", "TwoStageGrounder")
DETECTORS = ("DiffusionDet3D", "SparseRCNN3D", "DETR3D", "DETR3D+")


def anomaly_config() -> CfgNode:
    cfg = get_cfg()
    add_trajad_config(cfg)
    cfg.merge_from_file(str(Path(__file__).resolve().parents[2] / "configs/TrajAD/Base-TrajAD.yaml"))
    small = ["MODEL.DEVICE", "cpu", "MODEL.EFFICIENT_AD.WIDTH", 1 / 48, "MODEL.EFFICIENT_AD.BRANCH.DIM", 8]
    cfg.merge_from_list(small)
    return cfg


@pytest.fixture
def build(toy_cfg: CfgNode) -> Callable[..., torch.nn.Module]:
    """A small model by name, with other options."""

    def make(name: str, *options: object) -> torch.nn.Module:
        if name in GROUNDERS:
            cfg = toy_cfg
            cfg.MODEL.META_ARCHITECTURE = name
        else:
            cfg = anomaly_config() if name == "EfficientAD" else small_config(name)
        cfg.merge_from_list(list(options))
        torch.manual_seed(0)
        return build_model(cfg)

    return make


@pytest.fixture
def batch(make_record) -> Callable[[int], list[dict]]:
    """Images of two sizes, with and without a ground plane, with five and two objects."""

    def make(count: int) -> list[dict]:
        records = [make_record(i, 64, 96 if i % 3 else 128, PLANE if i % 2 else None) for i in range(count)]
        for record in records[1::2]:
            record["instances"] = record["instances"][:2]
            record["sentences"] = record["sentences"][:2]
            record["sentence_targets"] = [torch.tensor([0]), torch.tensor([1, 0])]
        for record in records:
            record["branch_image"] = record["penalty_image"] = record["image"]
        return records

    return make


def same_sizes(records: list[dict]) -> list[dict]:
    """For a model that trains on images of one size."""
    return [r | {k: records[0][k] for k in ("image", "branch_image", "penalty_image")} for r in records]


def waits_of_training(model: torch.nn.Module, records: list[dict]) -> list[str]:
    """Of the second step: constants are copied to the device in the first. Checks that the losses are those
    of the host, or the program that is watched has gone astray."""
    torch.manual_seed(1)
    expected = {k: v.item() for k, v in model.train()(records).items()}
    with pretend_device() as waits:
        move(model)
        torch.manual_seed(1)
        assert {k: v.item() for k, v in model(records).items()} == pytest.approx(expected, rel=1e-5)
        waits.clear()
        sum(model(records).values()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        return list(waits)


def waits_of_inference(model: torch.nn.Module, records: list[dict]) -> list[str]:
    with pretend_device() as waits, torch.no_grad():
        move(model.eval())
        model(records[:1])
        waits.clear()
        model(records)
        return list(waits)


@needs_transformers_5
@pytest.mark.parametrize("name", GROUNDERS)
def test_a_training_step_of_a_grounder_never_waits(build, batch, name):
    waits = waits_of_training(build(name, "MODEL.PLANE_HEAD.ENABLED", name == "U2ENet"), batch(3))
    assert not waits, listed(waits)


@needs_transformers_5
def test_a_frozen_text_encoder_does_not_wait_for_new_sentences(build):
    encoder = build("U2ENet", "MODEL.TEXT.FROZEN", True).text_encoder
    with pretend_device() as waits:
        move(encoder)
        encoder(["The red car."])
        waits.clear()
        encoder(["The red car.", "Two buses and a van within 12.5 meters."])
    assert not waits, listed(waits)


@pytest.mark.parametrize(
    ("name", "matcher", "count"),
    [
        ("DiffusionDet3D", "dynamic_k", 1),
        ("SparseRCNN3D", "hungarian", 1),
        ("DETR3D", "dynamic_k", 1),
        ("DETR3D+", "hungarian", 2),  # of cells, and of what the decoder makes of them
    ],
)
def test_a_training_step_of_a_detector_waits_once_for_each_matching(build, batch, name, matcher, count):
    options = ("MODEL.DETECTION3D.MATCHER", matcher, "MODEL.PLANE_HEAD.ENABLED", name == "DETR3D")
    waits = waits_of_training(build(name, *options), batch(3))
    assert len(waits) == count and all("matching.py" in w for w in waits), listed(waits)


@pytest.mark.parametrize("branch", ["softmax", "gated_linear"])
def test_a_training_step_of_anomaly_detection_never_waits(build, batch, branch):
    model = build("EfficientAD", "MODEL.EFFICIENT_AD.BRANCH.NAME", branch)
    waits = waits_of_training(model, same_sizes(batch(2)))
    assert not waits, listed(waits)


@pytest.mark.parametrize(
    "name",
    [*(pytest.param(name, marks=needs_transformers_5) for name in GROUNDERS), *DETECTORS, "EfficientAD"],
)
def test_inference_waits_once_whatever_the_images_and_sentences(build, batch, name):
    options = () if name == "EfficientAD" else ("MODEL.PLANE_HEAD.ENABLED", name in ("U2ENet", "DETR3D"))
    waits = waits_of_inference(build(name, *options), batch(3))
    assert len(waits) == 1, listed(waits)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("name", GROUNDERS + ("EfficientAD",))
def test_no_training_step_waits_for_a_real_gpu(build, batch, name):
    records = same_sizes(batch(2)) if name == "EfficientAD" else batch(2)
    model = build(name).train().cuda()
    sum(model(records).values()).backward()
    try:
        torch.cuda.set_sync_debug_mode("error")
        sum(model(records).values()).backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_the_pretended_device_sees_what_would_wait():
    values = torch.tensor([1.0, -2.0, 3.0])
    with pretend_device() as waits:
        x = values.to("cuda:0", non_blocking=True)
        assert not waits
        programs: dict[str, Callable[[], object]] = {
            "item": lambda: x[0].item(),
            "float": lambda: float(x.sum()),
            "if": lambda: bool(x[0] > 0),
            "cpu": lambda: x.cpu(),
            "tolist": lambda: x.tolist(),
            "nonzero": lambda: (x > 0).nonzero(),
            "mask": lambda: x[x > 0],
            "assignment": lambda: x.clone().__setitem__(x > 0, x[:2]),
            "select": lambda: x.masked_select(x > 0),
            "unique": lambda: x.unique(),
            "repeat": lambda: x.repeat_interleave((x > 0).long()),
            "copy": lambda: values.to("cuda:0"),
            "list": lambda: torch.tensor([1.0, 2.0], device="cuda:0"),
            "new": lambda: x.new_tensor([1.0, 2.0]),
            "index": lambda: x[[0, 2]],
            "equal": lambda: torch.equal(x, x),
        }
        for name, program in programs.items():
            waits.clear()
            program()
            assert waits, name
        waits.clear()
        y = torch.where(x > 0, x, 0.0).masked_fill(x < 0, 1.0)[x.long().argsort()]
        y[0], y[1:] = 3.0, y[1:] * 2
        torch.arange(3, device=x.device).repeat_interleave(2)
        assert not waits, listed(waits)
        with pytest.raises(RuntimeError, match="on the device and on the host"):
            x + values
