"""What came after DETR: queries of noisy labels, queries of cells; and DETR as published, as it was."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
import torch
from detectron2.config import CfgNode
from detectron2.structures import Boxes, Instances
from torch import Tensor, nn

from d2ext.layers import MapCells
from d2ext.modeling.box3d.head import Box3DHead
from d2ext.modeling.box3d.images import VIEW_DIM, EncodedImages
from d2ext.modeling.detection.decoder import NEVER, PromptClassifier
from d2ext.modeling.detection.denoising import Denoising
from d2ext.modeling.detection.selection import SIDE, SelectedBoxes
from d2ext.modeling.meta_arch.detr3d import DETR3D
from tests.modeling.detection.test_detection3d import small_config, small_model


class Numbers(nn.Module):
    """Class numbers as they are, so that a test can read them."""

    def forward(self, classes: Tensor) -> Tensor:
        return classes[..., None].float()


def labels_of(boxes: list[list[float]], classes: list[int], size: tuple[int, int]) -> Instances:
    labels = Instances(size)
    labels.gt_boxes = Boxes(torch.tensor(boxes).view(-1, 4))
    labels.gt_classes = torch.tensor(classes, dtype=torch.long)
    return labels


def images_of(sizes: list[tuple[int, int]], features: Any = None) -> EncodedImages:
    P = torch.tensor([[60.0, 0, 64, 0], [0, 60, 48, 0], [0, 0, 1, 0]]).repeat(len(sizes), 1, 1)
    records = [{"image": torch.zeros(3, *size)} for size in sizes]
    plane = torch.tensor([[0.0, -1, 0, 1.6]] * len(sizes))
    return EncodedImages(features, P, plane, torch.tensor(sizes), records)


@pytest.fixture
def labelled() -> tuple[EncodedImages, list[Instances]]:
    """Two images of different sizes, with three objects and with one, far from the edges."""
    sizes = [(96, 160), (64, 128)]
    boxes = [[[40.0, 30, 60, 50], [80, 40, 84, 60], [50, 50, 90, 56]], [[50.0, 20, 70, 40]]]
    return images_of(sizes), [
        labels_of(b, c, s) for b, c, s in zip(boxes, ([4, 2, 3], [1]), sizes, strict=True)
    ]


def test_published_detr_is_what_it_was(toy_records):
    """Its parameters by name, and to rounding its losses, as before there was anything else; on one machine
    they were the same to the last bit."""
    model = small_model("DETR3D", **{"MODEL.DETECTION3D.MATCHER": "hungarian"}).train()
    names = "\n".join(f"{name} {tuple(p.shape)}" for name, p in model.named_parameters())
    assert hashlib.sha256(names.encode()).hexdigest()[:16] == "31981a0e5eb00e71"
    assert {name: value.item() for name, value in model(toy_records).items()} == pytest.approx(
        {
            "loss_class": 2.265866,
            "loss_l1": 1.916456,
            "loss_box": 3.024621,
            "loss_center": 3.356915,
            "loss_size": 1.788191,
            "loss_angle": 2.945784,
            "loss_depth": 1.694208,
        },
        rel=1e-4,
    )


def test_a_query_is_its_own_object_with_noise_and_its_counterpart_has_more(labelled):
    frames, instances = labelled
    torch.manual_seed(0)
    noisy = Denoising(30, Numbers(), 9, box_noise=0.4, label_noise=0.0)(frames, instances)
    wanted = dict(zip(noisy.rows.tolist(), noisy.columns.tolist(), strict=True))
    objects = torch.cat([x.gt_boxes.tensor for x in instances])
    classes = torch.cat([x.gt_classes for x in instances])
    assert noisy.groups.shape == (2, 30)  # 5 groups of 2 queries for each of 3 objects
    shares = []
    for image, first, count in ((0, 0, 3), (1, 3, 1)):
        for group in range(5):
            for k in range(count):
                for counterpart in (0, 1):
                    place = group * 6 + counterpart * 3 + k
                    target, row = objects[first + k], image * 30 + place
                    assert noisy.groups[image, place] == group + 1
                    assert noisy.objects[image, place, 0] == classes[first + k]
                    assert wanted.pop(row, None) == (None if counterpart else first + k)
                    half = (target[2:] - target[:2]).repeat(2) / 2
                    away = (noisy.boxes[image, place] - target).abs() / half
                    assert (away >= 0.4 * counterpart - 1e-4).all() and (
                        away <= 0.4 * (counterpart + 1)
                    ).all()
                    shares.append(away)
    assert not wanted
    assert len({round(x, 3) for x in torch.cat(shares).tolist()}) > 100  # each corner has its own
    alone = noisy.groups[1][noisy.groups[1] < 0]
    assert len(alone) == 20 == len(alone.unique())  # of the image that has two objects less


def test_labels_are_changed_as_often_as_told(labelled):
    frames, instances = labelled
    torch.manual_seed(0)
    noisy = Denoising(3000, Numbers(), 9, box_noise=0.4, label_noise=0.5)(frames, instances)
    kept = noisy.objects[0, :, 0].view(-1, 2, 3) == instances[0].gt_classes
    assert float(kept.float().mean()) == pytest.approx(0.5 + 0.5 / 9, abs=0.03)


def test_without_objects_all_queries_are_alone(labelled):
    frames, instances = labelled
    noisy = Denoising(6, Numbers(), 9, 1.0, 0.5)(frames, [x[:0] for x in instances])
    assert (noisy.groups < 0).all() and not len(noisy.rows) and torch.isfinite(noisy.boxes).all()


def test_no_group_sees_another_and_queries_see_none(toy_records):
    model = small_model("DETR3D+").train()
    with torch.no_grad():
        frames = model.encode(toy_records)
        boxes, objects = model.proposals(frames)
        instances = [toy_records[0]["instances"], toy_records[1]["instances"][:3]]
        noisy = model.denoising(frames, instances)
        alone = [x.raw["classes"] for x in model.decoder(frames, boxes, objects)]
        own, others = model.decode_beside(frames, boxes, objects, noisy)
        changed = (noisy.groups == 2)[..., None]
        assert changed.any() and (noisy.groups == 1).any() and (noisy.groups < 0).any()
        other = noisy._replace(
            boxes=torch.where(changed, noisy.boxes * 0.7 + 3, noisy.boxes),
            objects=torch.where(changed, -noisy.objects, noisy.objects),
        )
        own_after, others_after = model.decode_beside(frames, boxes, objects, other)
    moved = changed.flatten()
    for i in range(len(own)):
        assert torch.allclose(own[i].raw["classes"], alone[i], atol=1e-5)
        for name, value in others[i].raw.items():
            assert torch.equal(own[i].raw[name], own_after[i].raw[name])
            assert torch.equal(value[~moved], others_after[i].raw[name][~moved])
            assert not torch.isclose(value[moved], others_after[i].raw[name][moved]).all()


def test_what_is_asked_of_nothing_learns_nothing(toy_records):
    """Of an image with fewer objects than others: its queries without one change no loss."""
    model = small_model("DETR3D+").train()
    instances = [toy_records[0]["instances"], toy_records[1]["instances"][:1]]
    frames = model.encode(toy_records)
    boxes, objects = model.proposals(frames)
    noisy = model.denoising(frames, instances)
    content = noisy.objects.detach().requires_grad_()
    _, others = model.decode_beside(frames, boxes, objects, noisy._replace(objects=content))
    pairs = noisy.pairs(len(others))
    sum(model.criterion(model.decoder.box_head, others, frames, instances, pairs).values()).backward()
    reached = content.grad.abs().sum(-1) > 0
    assert torch.equal(reached, noisy.groups > 0)


class AskedDETR(DETR3D):
    """DETR whose classes are three prompts."""

    @classmethod
    def class_layer(cls, cfg: CfgNode) -> PromptClassifier:
        return PromptClassifier(cfg.MODEL.DETECTION3D.HIDDEN_DIM, 12, bias=-2.0)

    def prompts(self, frames: EncodedImages) -> Tensor:
        return self.words.expand(frames.sizes.shape[0], -1, -1)


def test_prompts_can_take_the_place_of_the_class_layer(toy_records):
    """Of cells and of every layer; another order of the prompts is another order of the classes."""
    torch.manual_seed(0)
    model = AskedDETR(small_config("DETR3D+"))
    model.words = torch.randn(3, 12)
    frames = model.encode(toy_records)
    outputs = [model.proposals.propose(frames, model.prompts(frames))]
    outputs += model.decoder(frames, *model.start(frames))
    assert all(x.raw["classes"].shape[1] == 3 for x in outputs)
    found = model.eval()(toy_records)
    model.words = model.words[[2, 0, 1]]
    for a, b in zip(found, model(toy_records), strict=True):
        assert len(a["instances"]) == 20
        assert torch.allclose(a["instances"].scores, b["instances"].scores, atol=1e-5)
        place = torch.tensor([1, 2, 0])[a["instances"].pred_classes]
        assert torch.equal(place, b["instances"].pred_classes)
    labels = [x["instances"] for x in toy_records]
    for x in labels:
        x.gt_classes = x.gt_classes % 3
    assert all(torch.isfinite(x) for x in model.train().losses(frames, labels).values())


DIM, COUNT = 8, 6


@pytest.fixture
def selection() -> SelectedBoxes:
    torch.manual_seed(0)
    head = Box3DHead(DIM + VIEW_DIM, 16, torch.tensor([[1.5, 1.6, 4.0]] * 3))
    nn.init.normal_(head.out.weight)
    return SelectedBoxes(COUNT, DIM, head, learned=False)


def cells_of(sizes: list[tuple[int, int]], height: int, width: int) -> EncodedImages:
    g = torch.Generator().manual_seed(1)
    maps = [torch.randn(len(sizes), DIM, height // s, width // s, generator=g) for s in (8, 16)]
    return images_of(sizes, MapCells.of(maps, [8, 16]))


def test_the_best_cells_of_the_image_are_chosen(selection):
    sizes = [(64, 96), (33, 41)]
    frames = cells_of(sizes, 64, 96)
    proposed = selection.propose(frames)
    index, boxes = selection.choose(proposed, 2)
    scores = proposed.raw["classes"].view(2, -1, 3).amax(-1)
    middles, _ = frames.features.places()
    decoded = selection.box_head.box2d(*proposed).view(2, -1, 4)
    for i, (height, width) in enumerate(sizes):
        starts = [
            (x - h, y - h) for j, (x, y) in enumerate(middles.tolist()) for h in [3.5 if j < 96 else 7.5]
        ]
        shown = [j for j, (x, y) in enumerate(starts) if x < width and y < height]
        best = sorted(shown, key=lambda j: -scores[i, j].item())[:COUNT]
        assert index[i].tolist() == best
        assert torch.equal(boxes[i], decoded[i, best])
        assert all(scores[i, j] == NEVER for j in range(len(middles)) if j not in shown)


def test_cells_propose_from_squares_around_them(selection):
    nn.init.zeros_(selection.box_head.out.weight)
    frames = cells_of([(64, 96)], 64, 96)
    boxes = selection.box_head.box2d(*selection.propose(frames))
    assert boxes[0].tolist() == pytest.approx(
        [3.5 - 4 * SIDE, 3.5 - 4 * SIDE, 3.5 + 4 * SIDE, 3.5 + 4 * SIDE]
    )
    assert boxes[-1].tolist() == pytest.approx(
        [87.5 - 8 * SIDE, 55.5 - 8 * SIDE, 87.5 + 8 * SIDE, 55.5 + 8 * SIDE]
    )


def test_an_image_of_fewer_cells_than_boxes_chooses_alike_in_any_batch(selection):
    small = (16, 8)  # two cells, and one
    alone = selection(cells_of([small], 16, 16))
    frames = cells_of([(64, 96), small], 64, 96)
    tokens = frames.features.tokens
    single = cells_of([small], 16, 16).features.tokens
    for there, here in ((0, 0), (12, 2), (96, 4)):
        tokens[1, there] = single[0, here]
    together = selection(frames)
    for a, b in zip(alone, together, strict=True):
        assert a.shape[1] == COUNT and torch.allclose(a[0], b[1], atol=1e-4)
