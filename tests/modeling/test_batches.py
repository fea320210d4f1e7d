"""What a model says and learns of an image does not depend on the images beside it, whatever their sizes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from detectron2.modeling import build_model
from torch import nn

from d2ext.data import image_record
from d2ext.data.formats.kitti import read_calib, read_ground
from d2ext.data.image_io import read_image
from d2ext.engine import load_config
from d2ext.modeling.box3d.records import size_groups
from d2ext.projects.u2enet import U2ENetPredictor, add_u2enet_config
from d2ext.structures import Camera
from tests.modeling.conftest import toy_config, toy_record
from tests.modeling.detection.test_detection3d import small_model

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "projects/U2ENet"
CONFIG = ROOT / "configs/U2ENet/u2enet_tiny_synthroad.yaml"
PLANE = [0.0, -0.98, -0.199, 6.5]
#: Padding on both axes, on one, on none; the first two have one size once padded to multiples of 32.
SIZES = [(90, 150), (70, 160), (61, 90), (33, 200), (128, 64)]
GROUNDERS = ("U2ENet", "TwoStageGrounder")
DETECTORS = ("DiffusionDet3D", "SparseRCNN3D", "DETR3D", "DETR3D+")


def make(name: str, norm: str = "GN") -> nn.Module:
    """A small model whose scores are spread, so that peaks are no ties."""
    torch.manual_seed(0)
    if name in DETECTORS:
        model = small_model(name, **{"MODEL.TIMM.NORM": norm})
        if name == "DETR3D+":  # or rounding would choose among cells of a score
            model.proposals.box_head.out.weight.data[:14].mul_(30)
        return model
    cfg = toy_config()
    cfg.MODEL.META_ARCHITECTURE = name
    cfg.merge_from_list(
        ["MODEL.GROUNDING.NORM", norm, "MODEL.TIMM.NORM", norm, "MODEL.GROUNDING.SCORE_THRESHOLD", 0.0]
    )
    cfg.merge_from_list(["MODEL.GROUNDING.TOPK", 8, "MODEL.GROUNDING.DUPLICATE_IOU", 1.0])
    model = build_model(cfg)
    with torch.no_grad():
        model.head.heatmap.weight.mul_(30)
        for p in model.parameters():  # zero-initialised norms would hide what comes before them
            p.add_(0.02 * torch.randn_like(p))
    return model


def records(sizes=SIZES) -> list[dict]:
    return [toy_record(i, *size, PLANE if i % 2 else None) for i, size in enumerate(sizes)]


def found(output: dict) -> list:
    return output["grounding"] if "grounding" in output else [output["instances"]]


@pytest.mark.parametrize("norm", ["GN", "BN"])
@pytest.mark.parametrize("name", GROUNDERS + DETECTORS)
def test_an_answer_in_a_batch_is_the_answer_alone(name, norm):
    model, batch = make(name, norm).eval(), records()
    together = model(batch)
    for record, output in zip(batch, together, strict=True):
        for a, b in zip(found(model([record])[0]), found(output), strict=True):
            assert len(a) == len(b) > 0
            assert torch.equal(a.pred_classes, b.pred_classes)
            assert torch.allclose(a.scores, b.scores, rtol=0, atol=1e-4)
            assert torch.allclose(a.pred_boxes.tensor, b.pred_boxes.tensor, rtol=0, atol=1e-2)
            limit = 1e-3 * (
                1 + a.pred_boxes3d.center[:, 2:, None] / 100
            )  # what an untrained head puts far away
            assert ((a.pred_boxes3d.corners() - b.pred_boxes3d.corners()).abs() < limit).all()


@pytest.fixture
def sums(monkeypatch):
    """Losses that are sums over what they count, not means."""
    for module in ("grounding.head", "box3d.head", "detection.criterion", "meta_arch.two_stage"):
        monkeypatch.setattr(
            f"d2ext.modeling.{module}.loss_normalizer", lambda totals, least=1.0: torch.ones_like(totals)
        )


@pytest.mark.parametrize("norm", ["GN", "BN"])
@pytest.mark.parametrize("name", GROUNDERS + DETECTORS)
def test_losses_of_a_batch_are_the_sums_of_those_of_its_images(name, norm, sums, monkeypatch):
    """With BatchNorm of images of different sizes only: images of one size share their statistics."""
    model, batch = make(name, norm).train(), records(SIZES if norm == "GN" else SIZES[1:])
    if name == "DiffusionDet3D":  # what is drawn at random is to be the same for an image wherever it stands

        def start(frames, instances):
            noise = [torch.Generator().manual_seed(int(r["image_id"])) for r in frames.records]
            signal = torch.stack([torch.randn(20, 4, generator=g) for g in noise])
            return model.start(frames, signal, torch.full((len(signal),), 500))

        monkeypatch.setattr(model, "training_boxes", start)
    alone = [model([record]) for record in batch]
    for key, value in model(batch).items():
        if key.endswith("_denoising"):  # other noise, and in other groups
            continue
        assert value.item() == pytest.approx(sum(a[key].item() for a in alone), rel=1e-4, abs=1e-5), key


def test_the_first_of_a_batch_alone_leaves_the_same_running_statistics():
    """Statistics of BatchNorm after an image of one size do not know of the padding of others."""
    model, copy = make("U2ENet", "BN").train(), make("U2ENet", "BN").train()
    first, second = records(SIZES[2:4])
    model([first, second])
    copy([first])
    copy([second])
    for (key, a), b in zip(model.state_dict().items(), copy.state_dict().values(), strict=True):
        assert torch.allclose(a.float(), b.float(), atol=1e-5), key


def test_real_frames_of_two_datasets(shared_dir):
    """The shipped model on a roadside and a car image: cars of the first are found beside the second too."""
    options = [
        "MODEL.DEVICE",
        "cpu",
        "MODEL.WEIGHTS",
        str(TINY / "weights/u2enet_tiny_synthroad.safetensors"),
    ]
    cfg = load_config(add_u2enet_config, str(CONFIG), options)
    model = U2ENetPredictor(cfg).model
    (road,) = (shared_dir / "data/rope3d/training/image_2").glob("*.jpg")
    batch = []
    for file, folder, kind in (
        (road, road.parents[1], "denorm"),
        (shared_dir / "data/mono3drefer/images/000008.png", shared_dir / "data/mono3drefer", "planes"),
    ):
        image, text = read_image(file), f"{file.stem}.txt"
        camera = Camera(read_calib(folder / "calib" / text), image.shape[:2])
        batch.append(image_record(cfg, image, camera, read_ground(folder / kind / text)))
        batch[-1]["sentences"] = ["All cars.", "The nearest car."]
    together = model(batch)
    for record, output in zip(batch, together, strict=True):
        for a, b in zip(found(model([record])[0]), found(output), strict=True):
            assert torch.allclose(a.scores, b.scores, rtol=0, atol=1e-4)
            assert torch.allclose(a.pred_boxes3d.corners(), b.pred_boxes3d.corners(), rtol=0, atol=1e-3)
    assert len(found(together[0])[0])


def test_images_are_grouped_by_their_padded_size():
    assert size_groups([(90, 150), (33, 64), (96, 129)], 32) == {(96, 160): [0, 2], (64, 64): [1]}
    assert size_groups([(5, 7)], 0) == {(5, 7): [0]}
    assert size_groups([], 32) == {}


def test_with_statistics_over_processes_every_process_makes_one_pass(monkeypatch):
    """Others may have other sizes: a pass more in one process would wait for them for ever."""
    model = nn.Sequential(nn.SyncBatchNorm(3))
    sizes = [(90, 150), (33, 200)]
    assert len(size_groups(sizes, 32, model.train())) == 2
    monkeypatch.setattr("d2ext.modeling.box3d.records.comm.get_world_size", lambda: 2)
    assert size_groups(sizes, 32, model) == {(96, 224): [0, 1]}
    assert len(size_groups(sizes, 32, model.eval())) == 2
    assert len(size_groups(sizes, 32, nn.BatchNorm2d(3).train())) == 2
