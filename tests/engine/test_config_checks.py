"""A config that cannot work is refused in one line, before a dataset is read or a model built."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog

from d2ext.checks import _EXPECTED, _TOGETHER, Expected, every, number, one_of, rising, some_of, whole
from d2ext.engine import load_config, train_or_evaluate
from d2ext.projects.diffusion_det3d import Detection3DTrainer, add_diffusion_det3d_config
from d2ext.projects.janus import JanusTrainer, add_janus_config
from d2ext.projects.open_vocab3d import OpenVocabTrainer, add_open_vocab3d_config
from d2ext.projects.road_watch import add_road_watch_config
from d2ext.projects.scene_sana import SceneSanaTrainer, add_scene_sana_config
from d2ext.projects.trajad import TrajADTrainer, add_trajad_config
from d2ext.projects.u2enet import U2ENetPredictor, U2ENetTrainer, add_u2enet_config

ROOT = Path(__file__).resolve().parents[2]
PROJECTS = {
    "U2ENet": (U2ENetTrainer, add_u2enet_config, "u2enet_tiny_synthroad.yaml"),
    "DiffusionDet3D": (Detection3DTrainer, add_diffusion_det3d_config, "diffusion_tiny_synthroad.yaml"),
    "TrajAD": (TrajADTrainer, add_trajad_config, "trajad_synthtraffic.yaml"),
    "OpenVocab3D": (OpenVocabTrainer, add_open_vocab3d_config, "openvocab_tiny_synthroad.yaml"),
    "SceneSana": (SceneSanaTrainer, add_scene_sana_config, "sana_f16_scenes.yaml"),
    "Janus": (JanusTrainer, add_janus_config, "stage3_tiny_synthroad.yaml"),
}
#: Projects that train nothing.
CHAINS = {"RoadWatch": (None, add_road_watch_config, "road_watch_synthroad.yaml")}


def refused(project: str, *options: str, evaluate: bool = False) -> str:
    """The message for the project's shipped config with these options."""
    trainer, add_keys, file = PROJECTS[project]
    path = str(ROOT / "configs" / project / file)
    args = argparse.Namespace(config_file=path, opts=list(options), eval_only=evaluate, resume=False)
    with pytest.raises((ValueError, KeyError)) as error:
        train_or_evaluate(trainer, add_keys, args)
    message = str(error.value)
    assert "\n" not in message and len(message) < 300
    return message


@pytest.fixture(autouse=True)
def nothing_is_begun(monkeypatch, tmp_path):
    def fail(*args, **kwargs):
        raise AssertionError("work was begun")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(DatasetCatalog, "get", fail)
    monkeypatch.setattr("d2ext.engine.trainer.build_model", fail)
    monkeypatch.setattr("d2ext.engine.predictor.build_model", fail)
    monkeypatch.setattr("d2ext.engine.project.default_setup", fail)
    yield
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("project", PROJECTS)
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("INPUT.SIZE", "(0, 640)"),
        ("INPUT.SIZE", "(288,)"),
        ("INPUT.SIZE", "(288, 640, 3)"),
        ("INPUT.SIZE", "(288.5, 640)"),
        ("INPUT.SIZE", "(-288, 640)"),
        ("INPUT.SIZE", "('a', 'b')"),
        ("INPUT.SIZE", "288"),
        ("INPUT.SIZE", "big"),
        ("INPUT.FORMAT", "CMYK"),
        ("INPUT.COLOR_JITTER.HUE", "-0.1"),
        ("TEST.DTYPE", "half"),
        ("SOLVER.AMP.DTYPE", "float8"),
        ("SOLVER.LR_SCHEDULER_NAME", "Cosine"),
        ("SOLVER.WEIGHT_DECAY", "nan"),
        ("MODEL.DEVICE", "gpu"),
        ("MODEL.DEVICE", ""),
        ("MODEL.DEVICE", "cuda:99"),
        ("MODEL.DEVICE", "meta"),
        ("MODEL.META_ARCHITECTURE", "Nonsense"),
        ("MODEL.META_ARCHITECTURE", "GeneralizedRCNN"),
        ("MODEL.PIXEL_STD", "[0.0, 1.0, 1.0]"),
        ("MODEL.PIXEL_MEAN", "[1.0, 1.0]"),
        ("SOLVER.MAX_ITER", "-5"),
        ("SOLVER.MAX_MINUTES", "-1"),
        ("SOLVER.IMS_PER_BATCH", "0"),
        ("SOLVER.IMS_PER_BATCH", "-4"),
        ("SOLVER.BASE_LR", "-0.1"),
        ("SOLVER.OPTIMIZER", "Adagrad"),
        ("SOLVER.CHECKPOINT_PERIOD", "0"),
        ("SOLVER.EMA.DECAY", "1.0"),
        ("DATALOADER.NUM_WORKERS", "-1"),
        ("DATALOADER.DATASET_WEIGHTS", "(1.0, 0.0)"),
        ("DATASETS.TRAIN", "(1, 2)"),
        ("DATASETS.TRAIN", "('no_such_dataset',)"),
        ("DATASETS.TRAIN", "()"),
        ("DATASETS.TEST", "('synthroad_rope3d_tset',)"),
        ("TEST.EVAL_PERIOD", "-1"),
    ],
    ids=lambda x: str(x),
)
def test_values_that_no_project_can_have(project, key, value):
    assert key.rsplit(".", 1)[1] in refused(project, key, value)


def test_a_key_that_a_project_does_not_read_is_none_of_its_keys():
    assert "Non-existent key: INPUT.FLIP_PROB" in refused("TrajAD", "INPUT.FLIP_PROB", "0.5")
    assert "key: MODEL.WIGHTS, did you mean MODEL.WEIGHTS?" in refused("U2ENet", "MODEL.WIGHTS", "a.pth")


@pytest.mark.parametrize(
    ("project", "key", "value"),
    [
        ("U2ENet", "DATASETS.TRAIN", "('synthtraffic_trajectories_train',)"),
        ("U2ENet", "DATASETS.TEST", "('rope3d_val',)"),
        ("U2ENet", "DATASETS.VAL", "('kitti_val',)"),
        ("U2ENet", "MODEL.META_ARCHITECTURE", "EfficientAD"),
        ("U2ENet", "MODEL.META_ARCHITECTURE", "DETR3D"),
        ("U2ENet", "MODEL.BACKBONE.NAME", "build_nothing"),
        ("U2ENet", "MODEL.GROUNDING.TOPK", "0"),
        ("U2ENet", "MODEL.GROUNDING.SENTENCE_CHUNK", "-1"),
        ("U2ENet", "MODEL.GROUNDING.FUSION_DIMS", "[64, 0, 32]"),
        ("U2ENet", "MODEL.GROUNDING.FUSION_DIMS", "[64, 96]"),
        ("U2ENet", "MODEL.GROUNDING.FUSION_DIMS", "[7, 7, 7]"),
        ("U2ENet", "MODEL.U2ENET.FUSION", "mean"),
        ("U2ENet", "MODEL.GROUNDING.IN_FEATURES", "['p6', 'p4', 'p3']"),
        ("U2ENet", "MODEL.GROUNDING.IN_FEATURES", "['p3', 'p4', 'p5']"),
        ("U2ENet", "MODEL.GROUNDING.IN_FEATURES", "[]"),
        ("U2ENet", "MODEL.GROUNDING.DETAIL_FEATURE", "p4"),
        ("U2ENet", "MODEL.GROUNDING.REFINE_POINTS", "1"),
        ("U2ENet", "MODEL.GROUNDING.DEPTH_ESTIMATES", "[]"),
        ("U2ENet", "MODEL.GROUNDING.DEPTH_ESTIMATES", "['stereo']"),
        ("U2ENet", "MODEL.GROUNDING.TEXT_HEAD_DIM", "7"),
        ("U2ENet", "MODEL.TWO_STAGE.ATTENTION_HEADS", "0"),
        ("U2ENet", "MODEL.TIMM.NAME", "resnet17"),
        ("U2ENet", "MODEL.TIMM.NORM", "LN"),
        ("U2ENet", "MODEL.TIMM.WIDTHS", "[0, 1, 2, 3]"),
        ("U2ENet", "MODEL.IDA.CHANNELS", "[64]"),
        ("DiffusionDet3D", "MODEL.DETECTION3D.IN_FEATURES", "['p2', 'p7']"),
        ("DiffusionDet3D", "MODEL.DETECTION3D.HIDDEN_DIM", "100"),
        ("DiffusionDet3D", "MODEL.DETECTION3D.ATTENTION_HEADS", "7"),
        ("DiffusionDet3D", "MODEL.DETECTION3D.MATCHER", "greedy"),
        ("DiffusionDet3D", "MODEL.DIFFUSION.SAMPLER", "euler"),
        ("DiffusionDet3D", "MODEL.DIFFUSION.SCHEDULE", "cosine"),
        ("DiffusionDet3D", "MODEL.DIFFUSION.SMALLEST", "1.0"),
        ("DiffusionDet3D", "MODEL.DIFFUSION.STEPS", "1001"),
        ("Janus", "MODEL.JANUS.OBJECTIVE", "dreams"),
        ("Janus", "MODEL.JANUS.TRAINED", "['adaptors']"),
        ("Janus", "INPUT.RATIOS.ASK", "-1.0"),
        ("TrajAD", "MODEL.EFFICIENT_AD.PDN", "large"),
        ("TrajAD", "MODEL.EFFICIENT_AD.BRANCH.NAME", "gru"),
        ("TrajAD", "MODEL.EFFICIENT_AD.BRANCH.ATTENTION_HEADS", "7"),
        ("TrajAD", "INPUT.GRAPH.OVERLAP", "256"),
        ("TrajAD", "INPUT.RECORDING.LAYOUT", "waymo"),
        ("U2ENet", "INPUT.SCALE_RANGE", "(1.2, 0.8)"),
        ("U2ENet", "INPUT.SCALE_RANGE", "(0.0, 1.0)"),
        ("U2ENet", "INPUT.FLIP_PROB", "1.5"),
        ("U2ENet", "MODEL.GROUNDING.POOLING", "max"),
        ("U2ENet", "MODEL.CLASSES", "['car', 'car']"),
        ("DiffusionDet3D", "DATASETS.TRAIN", "('mvtec_ad_bottle_train',)"),
        ("DiffusionDet3D", "DATASETS.TEST", "('mono3drefer_test',)"),
        ("DiffusionDet3D", "MODEL.META_ARCHITECTURE", "U2ENet"),
        ("DiffusionDet3D", "MODEL.DETECTION3D.NUM_BOXES", "0"),
        ("DiffusionDet3D", "MODEL.DIFFUSION.STEPS", "0"),
        ("TrajAD", "DATASETS.TRAIN", "('mono3drefer_train',)"),
        ("TrajAD", "DATASETS.TEST", "('rope3d_val',)"),
        ("TrajAD", "MODEL.META_ARCHITECTURE", "U2ENet"),
        ("TrajAD", "MODEL.EFFICIENT_AD.QUANTILES", "[0.9, 0.5]"),
        ("TrajAD", "DATASETS.HELD_OUT", "2.0"),
    ],
)
def test_values_that_a_project_cannot_have(project, key, value):
    assert key.rsplit(".", 1)[1] in refused(project, key, value)


@pytest.mark.parametrize("key", ["SOLVER.AMP.DTYPE", "TEST.DTYPE"])
def test_half_precision_that_the_device_lacks(key):
    options = ("MODEL.DEVICE", "cpu", "SOLVER.AMP.ENABLED", "True", key, "float16")
    assert key in refused("DiffusionDet3D", *options)


def test_widths_of_what_is_not_built_do_not_count():
    """DETR3D has heads of its own, and U2ENet none of the two-stage model's."""
    for name in ("detr", "detr_published"):
        path = ROOT / f"configs/DiffusionDet3D/{name}_tiny_synthroad.yaml"
        load_config(add_diffusion_det3d_config, str(path), ["MODEL.DETECTION3D.ATTENTION_HEADS", "7"])
    path = ROOT / "configs/U2ENet/u2enet_tiny_synthroad.yaml"
    load_config(add_u2enet_config, str(path), ["MODEL.TWO_STAGE.NUM_HEADS", "7"])


def test_evaluation_asks_for_its_datasets_only():
    assert "DATASETS.TEST" in refused("U2ENet", "DATASETS.TEST", "()", evaluate=True)
    with pytest.raises(AssertionError, match="work was begun"):
        refused("U2ENet", "DATASETS.TRAIN", "()", "MODEL.DEVICE", "cpu", evaluate=True)


def test_a_name_that_is_nearly_right_is_told():
    assert "'mono3drefer_train'" in refused("U2ENet", "DATASETS.TRAIN", "('mono3drefer_trian',)")


def test_predictors_ask_for_the_device_before_they_build():
    path = str(ROOT / "configs/U2ENet/u2enet_tiny_synthroad.yaml")
    cfg = load_config(add_u2enet_config, path, ["MODEL.DEVICE", "cuda:99", "MODEL.WEIGHTS", "a.pth"])
    with pytest.raises(ValueError, match=r"MODEL.DEVICE: expected one of this machine .*'cuda:99'"):
        U2ENetPredictor(cfg)


def test_a_config_may_name_a_gpu_that_this_machine_lacks():
    """Reading, packing and exporting a config need none."""
    path = str(ROOT / "configs/TrajAD/trajad_synthtraffic.yaml")
    assert load_config(add_trajad_config, path, ["MODEL.DEVICE", "cuda:7"]).MODEL.DEVICE == "cuda:7"


@pytest.mark.parametrize("path", sorted((ROOT / "configs").rglob("*.yaml")), ids=lambda p: p.stem)
def test_shipped_configs_pass(path):
    project = path.parent.name
    load_config((PROJECTS | CHAINS)[project][1], str(path))


def test_every_declared_key_exists():
    files = [
        (add_keys, str(ROOT / "configs" / name / file))
        for name, (_, add_keys, file) in (PROJECTS | CHAINS).items()
    ]
    configs = [load_config(add_keys, path) for add_keys, path in files]
    for key in (*_EXPECTED, *_TOGETHER):
        nodes: list = configs
        for part in key.split("."):
            nodes = [node[part] for node in nodes if isinstance(node, CfgNode) and part in node]
        assert nodes, key  # whose value may be None


def test_expectations():
    nan = float("nan")
    yes_no: list[tuple[Expected, list, list]] = [
        (whole(1), [1, 7], [0, -1, 1.0, True, "1", None, nan]),
        (number(0, 1), [0, 0.5, 1], [-0.1, 1.1, nan, True]),
        (number(above=0), [1e-9, 5], [0, -1, float("inf")]),
        (one_of("a", "b"), ["a"], ["c", None, 1]),
        (some_of("a", "b"), [["a"], ("b", "a")], [[], "a", ["c"], ["a", "c"], 3]),
        (every(whole(0), 2), [[0, 1], (2, 3)], [[0], [0, 1, 2], [0, -1], "01", 5]),
        (every(number()), [[], [1.5, 2]], [["a"], 3]),
        (rising(number(above=0)), [(1, 1), (0.5, 2)], [(2, 1), (0, 1), (1,)]),
    ]
    for expected, good, bad in yes_no:
        for value in good:
            assert expected.holds(value), (expected, value)
        for value in bad:
            try:
                assert not expected.holds(value), (expected, value)
            except (TypeError, ValueError):
                pass
