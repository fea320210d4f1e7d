"""Predictors are Detectron2's: same attributes, one kind of answer, the boxes that evaluation gives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from detectron2.config import CfgNode, get_cfg
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.transforms import AugInput, Augmentation
from detectron2.engine import DefaultPredictor
from detectron2.structures import Instances
from project_scripts import ROOT

from d2ext.data.box_plane import boxes_are_level, settle_box_plane
from d2ext.data.builtin import register_dataset
from d2ext.data.image_io import read_image, resize
from d2ext.engine.predictor import model_metadata
from d2ext.evaluation import named_rows
from d2ext.projects.diffusion_det3d import (
    Detection3DPredictor,
    Detection3DTrainer,
    add_diffusion_det3d_config,
)
from d2ext.projects.trajad import TrajADPredictor, TrajADTrainer, add_trajad_config
from d2ext.projects.u2enet import U2ENetPredictor, U2ENetTrainer, add_u2enet_config
from d2ext.structures import Camera
from d2ext.structures.vocabulary import ROAD
from tests.toy_backbone import NARROW_OPTIONS

PLANE = [0.08, -0.98, -0.18, 5.0]  # of a road that is tilted to both sides
P = [[150.0, 0, 80, 0], [0, 150, 48, 0], [0, 0, 1, 0]]
TEXTS = ["All cars.", "The van on the left."]
FIELDS = {"pred_boxes", "pred_boxes3d", "scores", "pred_classes", "pred_yaw"}
KINDS = {"level": ("mono3drefer", "kitti"), "ground": ("monomulti3d", "rope3d")}
CAR = {
    "id": 0,
    "has_3d": True,
    "category_id": 0,
    "location": [0.0, 1.5, 20.0],
    "dimensions": [1.5, 1.7, 4.0],
    "yaw": 0.3,
    "alpha": 0.3,
    "bbox": [60.0, 40.0, 100.0, 70.0],
    "truncated": 0.0,
    "occluded": 0,
}


@pytest.fixture(scope="module")
def image_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("image") / "0.png"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (96, 160, 3), np.uint8))
    return path


@pytest.fixture
def datasets(image_file: Path) -> Iterator[None]:
    """One image four times: for each convention one of single and multiple targets, and one of objects."""
    names = []
    for convention, kinds in KINDS.items():
        level = convention == "level"
        for kind in kinds:
            sentences = [
                {"id": i, "text": text, "target_ids": [0], "properties": []} for i, text in enumerate(TEXTS)
            ]
            record = {
                "image_id": "0",
                "file_name": str(image_file),
                "height": 96,
                "width": 160,
                "camera": P,
                "ground_plane": (np.array(PLANE) / np.linalg.norm(PLANE[:3])).tolist(),
                "level_boxes": level,
                "single_target": True,
                "annotations": [CAR],
                "sentences": sentences,
            }
            names.append(f"predictors_{kind}")
            register_dataset(names[-1], lambda r=record: [r], evaluator_type=kind, level_boxes=level)
    yield
    for name in names:
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)


def config(add_keys: Any, file: str, *options: Any) -> CfgNode:
    cfg = get_cfg()
    add_keys(cfg)
    cfg.merge_from_file(str(ROOT / "configs" / file))
    cfg.merge_from_list(["MODEL.DEVICE", "cpu", "MODEL.WEIGHTS", "", "TEST.DTYPE", "float32", *options])
    cfg.merge_from_list(["INPUT.SIZE", [96, 160], "DATALOADER.NUM_WORKERS", 0])
    return cfg


SMALL = [*NARROW_OPTIONS, "MODEL.BACKBONE.WEIGHTS", "", "MODEL.PLANE_HEAD.ENABLED", False]


def make(method: str, *options: Any) -> tuple[CfgNode, Any]:
    """The config and the small random model of a method, many of whose boxes are answers."""
    torch.manual_seed(0)
    if method == "U2ENet":
        low = ["MODEL.GROUNDING.SCORE_THRESHOLD", 0.0]
        cfg = config(add_u2enet_config, "U2ENet/Base-U2ENet-tiny.yaml", *SMALL, *low, *options)
        return cfg, U2ENetTrainer.build_model(cfg).eval()
    low = ["MODEL.DETECTION3D.SCORE_THRESHOLD", 0.0, "MODEL.DETECTION3D.NUM_BOXES", 8]
    file = "DiffusionDet3D/sparse_rcnn_tiny_synthroad.yaml"
    cfg = config(add_diffusion_det3d_config, file, *SMALL, *low, *options)
    return cfg, Detection3DTrainer.build_model(cfg).eval()


@pytest.mark.parametrize("convention", KINDS)
@pytest.mark.parametrize("method", ["U2ENet", "DiffusionDet3D"])
def test_a_predictor_gives_the_boxes_of_evaluation(
    datasets: None, image_file: Path, tmp_path: Path, method: str, convention: str
) -> None:
    name = f"predictors_{KINDS[convention][method != 'U2ENet']}"
    cfg, model = make(method, "DATASETS.TEST", (name,), "OUTPUT_DIR", str(tmp_path))
    trainer = U2ENetTrainer if method == "U2ENet" else Detection3DTrainer
    trainer.test(cfg, model)
    (row,) = json.loads((tmp_path / "inference" / name / "predictions.json").read_text())
    camera, image = Camera(P, (96, 160)), read_image(image_file)
    found: list[Instances]
    if method == "U2ENet":
        evaluated = [sentence["predictions"] for sentence in row["sentences"]]
        predictor = U2ENetPredictor(cfg, model)
        found = predictor(image, TEXTS, camera, PLANE, single_target=True)
    else:
        evaluated = [row["predictions"]]
        predictor = Detection3DPredictor(cfg, model)
        found = [predictor(image, camera, PLANE)]
    assert len(found) == len(evaluated) and len(evaluated[0]) > 0
    plane = predictor.box_plane(PLANE)
    assert (plane is None) == (convention == "level")
    for instances, expected in zip(found, evaluated, strict=True):
        assert set(instances.get_fields()) == FIELDS and instances.image_size == (96, 160)
        assert instances.scores.tolist() == sorted(instances.scores.tolist(), reverse=True)
        for mine, theirs in zip(named_rows(instances, plane, ROAD.names), expected, strict=True):
            assert mine.pop("class") == ROAD.names[theirs.pop("category_id")]
            for key, value in theirs.items():
                assert mine[key] == pytest.approx(value, abs=1e-4), key
        up = torch.tensor([0.0, -1.0, 0.0] if plane is None else plane[:3].tolist())
        corners = instances.pred_boxes3d.corners()  # as high as the first, or on the other side
        offsets = (corners - corners[:, :1]) @ up
        height = instances.pred_boxes3d.size[:, :1]
        assert torch.isclose(offsets.abs(), height, atol=1e-3).sum(1).eq(4).all()
        assert torch.isclose(offsets.abs(), torch.zeros(1), atol=1e-3).sum(1).eq(4).all()


@pytest.mark.parametrize("method", ["U2ENet", "DiffusionDet3D"])
def test_a_level_predictor_without_a_ground_takes_the_default(image_file: Path, method: str) -> None:
    def answer(plane: list[float] | None, *options: Any) -> torch.Tensor:
        cfg, model = make(method, *options)
        predictor: Any = (U2ENetPredictor if method == "U2ENet" else Detection3DPredictor)(cfg, model)
        words = [TEXTS] if method == "U2ENet" else []
        found = predictor(read_image(image_file), *words, Camera(P, (96, 160)), plane)
        (first, *_) = found if method == "U2ENet" else [found]
        assert len(first)
        return first.pred_boxes3d.corners()

    level, default = (
        ["INPUT.BOX_PLANE", "level", "INPUT.GROUND_ERROR", (1.0, 1.0, 1.0)],
        [0.0, -1.0, 0.0, 1.65],
    )
    none = answer(None, *level, "INPUT.DEFAULT_GROUND", ())
    assert torch.equal(answer(None, *level), answer(default, *level))
    assert not torch.equal(answer(None, *level), none)
    assert torch.equal(answer(None, "INPUT.BOX_PLANE", "ground"), none)


def test_the_convention_is_the_config_s_or_that_of_the_datasets(datasets: None) -> None:
    cfg = get_cfg()
    add_u2enet_config(cfg)
    level, ground = "predictors_mono3drefer", "predictors_monomulti3d"
    cases = [
        ((level,), (), True),
        ((ground,), (level,), False),
        ((level, "predictors_kitti"), (), True),
        ((level, ground), (), False),
        ((), (level,), True),
        ((), (), False),
        (("no_such_dataset", level), (), True),
        (("no_such_dataset",), (), False),
    ]
    for test, train, expected in cases:
        cfg.DATASETS.TEST, cfg.DATASETS.TRAIN, cfg.INPUT.BOX_PLANE = test, train, "auto"
        assert boxes_are_level(cfg) == expected
        settle_box_plane(cfg)  # an export, where the datasets are not registered
        cfg.DATASETS.TEST = cfg.DATASETS.TRAIN = ()
        assert boxes_are_level(cfg) == expected


@pytest.mark.parametrize(("kind", "split"), [(k, "train") for ks in KINDS.values() for k in ks])
def test_metadata_say_what_the_records_say(shared_dir: Path, kind: str, split: str) -> None:
    name = f"predictors_real_{kind}"
    register_dataset(name, kind, shared_dir / "data" / kind, split)
    level = MetadataCatalog.get(name).get("level_boxes", False)
    records = DatasetCatalog.get(name)
    DatasetCatalog.remove(name)
    MetadataCatalog.remove(name)
    assert records and all(record.get("level_boxes", False) == level for record in records)


def test_predictors_are_detectron2_s(datasets: None, image_file: Path) -> None:
    image = read_image(image_file)
    trajad = config(add_trajad_config, "TrajAD/Base-TrajAD.yaml", "MODEL.EFFICIENT_AD.TEACHER", "")
    made = [(Detection3DPredictor, *make("DiffusionDet3D")), (U2ENetPredictor, *make("U2ENet"))]
    made.append((TrajADPredictor, trajad, TrajADTrainer.build_model(trajad).eval()))
    for kind, cfg, model in made:
        predictor = kind(cfg, model)
        assert isinstance(predictor, DefaultPredictor) and predictor.model is model
        assert predictor.cfg == cfg and predictor.cfg is not cfg
        assert predictor.input_format == cfg.INPUT.FORMAT
        assert isinstance(predictor.aug, Augmentation)
        given = AugInput(np.zeros((200, 400, 3), np.uint8))
        predictor.aug(given)
        fitted = (96, 160) if kind is TrajADPredictor else (80, 160)  # of 96 x 160
        assert given.image.shape[:2] == fitted
        transform = predictor.aug.get_transform(image)
        assert np.array_equal(transform.apply_image(image), resize(image, transform.size))


def test_metadata_have_the_classes_of_the_model(datasets: None) -> None:
    cfg = get_cfg()
    add_u2enet_config(cfg)
    own = ["cart", "pram", "sledge"]
    for test in ((), ("no_such_dataset",), ("predictors_kitti",), ("no_such_dataset", "predictors_kitti")):
        cfg.DATASETS.TEST, cfg.MODEL.CLASSES = test, own
        assert model_metadata(cfg).thing_classes == own
        cfg.MODEL.CLASSES = []
        found = model_metadata(cfg)
        assert found.thing_classes == list(ROAD.names)
        assert (found is MetadataCatalog.get("predictors_kitti")) == ("predictors_kitti" in test)
    assert "no_such_dataset" not in MetadataCatalog
