"""Variants and datasets of one's own, registered from outside."""

from __future__ import annotations

import pytest
import torch
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.modeling import build_model
from torch import nn

from d2ext.data import register_dataset
from d2ext.engine import load_config
from d2ext.layers import maps_of_sentences
from d2ext.modeling.anomaly.branch import BRANCH_REGISTRY
from d2ext.modeling.box3d.config import check_classes, settle_classes, vocabulary_of
from d2ext.modeling.detection.diffusion import SAMPLER_REGISTRY, ddim
from d2ext.modeling.detection.matching import MATCHER_REGISTRY, Hungarian
from d2ext.modeling.grounding.fusion import FUSION_REGISTRY
from d2ext.modeling.text.numbers import NUMBER_DIM
from d2ext.modeling.text.pooling import POOLING_REGISTRY
from d2ext.projects.trajad import add_trajad_config
from d2ext.projects.u2enet import add_u2enet_config
from tests.modeling.conftest import ROOT, toy_config
from tests.modeling.detection.test_detection3d import small_config


class MeanWord(nn.Module):
    """Every location is told the mean word."""

    def __init__(self, dim: int, text_dim: int, inner_dim: int, state_dim: int, num_heads: int) -> None:
        super().__init__()
        self.visual, self.words = nn.Conv2d(dim, inner_dim, 1), nn.Linear(text_dim, inner_dim)

    def forward(self, visual, text, mask, sentence_to_visual):
        mean = (text * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return maps_of_sentences(self.visual(visual), sentence_to_visual) + self.words(mean)[..., None, None]


class FirstWord(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim + NUMBER_DIM

    def forward(self, words, numbers, mask):
        return torch.cat([words[:, 0], numbers.sum(1)], 1).float()


@pytest.fixture
def variants():
    """Registered for the time of a test."""
    added = {
        FUSION_REGISTRY: MeanWord,
        POOLING_REGISTRY: FirstWord,
        MATCHER_REGISTRY: type("Nearest", (Hungarian,), {}),
        BRANCH_REGISTRY: flat_branch,
        SAMPLER_REGISTRY: own_ddim,
    }
    for registry, variant in added.items():
        registry.register(variant)
    yield
    for registry, variant in added.items():
        del registry._obj_map[variant.__name__]


def flat_branch(branch, out_channels: int) -> nn.Module:
    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.value = nn.Parameter(torch.zeros(out_channels, 1, 1))

        def forward(self, images, out_size):
            return self.value.expand(len(images), -1, *out_size)

    return Flat()


def own_ddim(**options):
    return ddim(**options)


def test_a_fusion_and_a_pooling_train_and_answer(variants, toy_records):
    cfg = toy_config()
    cfg.merge_from_list(["MODEL.U2ENET.FUSION", "MeanWord", "MODEL.GROUNDING.POOLING", "FirstWord"])
    model = build_model(cfg)
    losses = model.train()(toy_records)
    sum(losses.values()).backward()
    assert model.fusion.steps[0].ssm.words.weight.grad.abs().sum() > 0
    model.eval().settings.single_target = True
    assert all(len(answer) == 1 for image in model(toy_records) for answer in image["grounding"])


def test_a_matcher_and_a_sampler_train_and_answer(variants, toy_records):
    options = {"MODEL.DETECTION3D.MATCHER": "Nearest", "MODEL.DIFFUSION.SAMPLER": "own_ddim"}
    torch.manual_seed(0)
    model = build_model(small_config("DiffusionDet3D", **options))
    torch.manual_seed(0)
    same = build_model(small_config("DiffusionDet3D", **{"MODEL.DETECTION3D.MATCHER": "hungarian"}))
    torch.manual_seed(1)
    losses = model.train()(toy_records)
    torch.manual_seed(1)
    expected = same.train()(toy_records)
    assert all(losses[name] == expected[name] for name in expected)
    for a, b in zip(model.eval()(toy_records), same.eval()(toy_records), strict=True):
        assert torch.equal(a["instances"].scores, b["instances"].scores)


def test_a_second_branch_is_chosen_by_its_name(variants):
    path = str(ROOT / "configs/TrajAD/Base-TrajAD.yaml")
    options = ["MODEL.EFFICIENT_AD.BRANCH.NAME", "flat_branch", "MODEL.EFFICIENT_AD.WIDTH", "0.03"]
    model = build_model(load_config(add_trajad_config, path, options))
    assert model.branch(torch.zeros(2, 3, 64, 64), (4, 5)).shape == (2, model.teacher.out_channels, 4, 5)


OWN = ["forklift", "crane", "bus"]


@pytest.fixture
def own_dataset(toy_records):
    sizes = {0: [2.0, 1.2, 3.0], 1: [9.0, 3.0, 12.0]}
    record = {
        "annotations": [{"category_id": i % 2, "has_3d": i < 4, "dimensions": sizes[i % 2]} for i in range(6)]
    }
    register_dataset("own_train", lambda: [record], classes=OWN, evaluator_type="rope3d")
    yield "own_train"
    DatasetCatalog.remove("own_train")
    MetadataCatalog.remove("own_train")


def test_models_have_the_classes_of_their_data_with_sizes_known_or_measured(own_dataset, toy_records):
    for cfg in (toy_config(), small_config("SparseRCNN3D"), small_config("DETR3D")):
        cfg.DATASETS.TRAIN = (own_dataset,)
        sizes = vocabulary_of(cfg).sizes
        assert sizes["forklift"] == pytest.approx((2.0, 1.2, 3.0))
        assert sizes["crane"] == pytest.approx((9.0, 3.0, 12.0))
        assert sizes["bus"] == (3.10, 2.65, 10.80)  # as among the road classes
        settled = settle_classes(cfg)
        assert settled.MODEL.CLASSES == OWN
        settled = settled.clone()
        settled.defrost()
        settled.DATASETS.TRAIN = ()  # nothing but the config is needed from here on
        model = build_model(settled)
        for record in toy_records:
            record["instances"].gt_classes %= 3
        losses = model.train()(toy_records)
        assert all(torch.isfinite(value) for value in losses.values())
        head = model.head.box_head if hasattr(model, "head") else model.decoder.box_head
        assert head.parts["classes"] == 3
        assert torch.allclose(head.mean_sizes[1], torch.tensor([9.0, 3.0, 12.0]))


def test_a_dataset_of_other_classes_is_refused_in_one_line(own_dataset):
    path = str(ROOT / "configs/U2ENet/u2enet_tiny_synthroad.yaml")
    cfg = settle_classes(load_config(add_u2enet_config, path))
    expected = "'own_train' has the classes forklift, crane, bus, expected the model's: car"
    with pytest.raises(ValueError, match=expected):
        check_classes(cfg, ["synthroad_mono3drefer_test", own_dataset])
