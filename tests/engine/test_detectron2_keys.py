"""Keys of Detectron2 mean what they mean there, or cannot be set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from detectron2.config import CfgNode, get_cfg
from detectron2.solver.build import get_default_optimizer_params
from tiny import TinyModel, TinyTrainer, tiny_config

from d2ext.checks import check_values
from d2ext.data.config import add_image_config
from d2ext.engine import add_engine_config, build_optimizer, load_config
from d2ext.projects.diffusion_det3d import add_diffusion_det3d_config
from d2ext.projects.janus import add_janus_config
from d2ext.projects.open_vocab3d import add_open_vocab3d_config
from d2ext.projects.road_watch import add_road_watch_config
from d2ext.projects.scene_sana import add_scene_sana_config
from d2ext.projects.trajad import add_trajad_config
from d2ext.projects.u2enet import add_u2enet_config
from d2ext.unread_keys import UNREAD

ROOT = Path(__file__).resolve().parents[2]
PROJECTS = {
    "U2ENet": add_u2enet_config,
    "DiffusionDet3D": add_diffusion_det3d_config,
    "TrajAD": add_trajad_config,
    "OpenVocab3D": add_open_vocab3d_config,
    "SceneSana": add_scene_sana_config,
    "Janus": add_janus_config,
}
#: Projects that train nothing.
CHAINS = {"RoadWatch": add_road_watch_config}
OTHER = {
    "INPUT.MIN_SIZE_TRAIN": (640,),
    "INPUT.MIN_SIZE_TRAIN_SAMPLING": "range",
    "INPUT.MAX_SIZE_TRAIN": 900,
    "INPUT.MIN_SIZE_TEST": 640,
    "INPUT.MAX_SIZE_TEST": 900,
    "INPUT.RANDOM_FLIP": "none",
    "INPUT.CROP.ENABLED": True,
    "INPUT.CROP.TYPE": "absolute",
    "INPUT.CROP.SIZE": [0.5, 0.5],
    "INPUT.MASK_FORMAT": "bitmask",
    "DATASETS.PROPOSAL_FILES_TRAIN": ("a.pkl",),
    "DATASETS.PROPOSAL_FILES_TEST": ("a.pkl",),
    "DATALOADER.SAMPLER_TRAIN": "RepeatFactorTrainingSampler",
    "DATALOADER.REPEAT_THRESHOLD": 0.1,
    "DATALOADER.REPEAT_SQRT": False,
    "TEST.AUG.ENABLED": True,
    "TEST.DETECTIONS_PER_IMAGE": 50,
    "TEST.KEYPOINT_OKS_SIGMAS": [0.1],
    "VIS_PERIOD": 20,
    "FLOAT32_PRECISION": "medium",
}


def test_every_unread_key_is_tried_here() -> None:
    assert OTHER.keys() == UNREAD.keys()


def has(cfg: CfgNode, key: str) -> bool:
    *above, leaf = key.split(".")
    for part in above:
        cfg = cfg[part]
    return leaf in cfg


def project_config(project: str) -> CfgNode:
    cfg = get_cfg()
    PROJECTS[project](cfg)
    return cfg


@pytest.mark.parametrize("key", OTHER)
@pytest.mark.parametrize("project", PROJECTS)
def test_a_key_that_nothing_reads_is_one_line_that_names_ours(project: str, key: str) -> None:
    cfg = project_config(project)
    if not has(cfg, key) or not has(cfg, UNREAD[key][0]):
        assert key == "FLOAT32_PRECISION"
        return  # newer than this Detectron2
    check_values(cfg)
    cfg.merge_from_list([key, OTHER[key]])
    with pytest.raises(ValueError) as error:
        check_values(cfg)
    message = str(error.value)
    assert message.startswith(key) and UNREAD[key][1] in message
    assert "\n" not in message and len(message) < 300


def test_a_config_for_a_loader_of_detectron2_keeps_its_keys() -> None:
    cfg = get_cfg()
    add_engine_config(cfg)
    cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.RANDOM_FLIP = 640, "none"
    check_values(cfg)
    add_image_config(cfg)
    with pytest.raises(ValueError, match="INPUT.M"):
        check_values(cfg)


@pytest.mark.parametrize("file", sorted((ROOT / "configs").glob("*/*.yaml")), ids=lambda p: p.stem)
def test_shipped_configs_set_none_of_them(file: Path) -> None:
    load_config((PROJECTS | CHAINS)[file.parent.name], str(file))


def groups(optimizer: Any) -> dict[int, tuple[float, float]]:
    rows = optimizer.param_groups if hasattr(optimizer, "param_groups") else optimizer
    return {id(p): (g["lr"], g["weight_decay"]) for g in rows for p in g["params"]}


@pytest.mark.parametrize("decay", [None, 0.0, 0.03])
def test_biases_have_the_rate_and_decay_that_they_have_in_detectron2(
    tmp_path: Path, decay: float | None
) -> None:
    cfg, model = tiny_config(tmp_path), TinyModel()
    cfg.SOLVER.WEIGHT_DECAY, cfg.SOLVER.WEIGHT_DECAY_NORM = 0.05, 0.05
    cfg.SOLVER.BIAS_LR_FACTOR, cfg.SOLVER.WEIGHT_DECAY_BIAS = 2.0, decay
    theirs = groups(
        get_default_optimizer_params(
            model,
            base_lr=cfg.SOLVER.BASE_LR,
            weight_decay_norm=0.05,
            bias_lr_factor=2.0,
            weight_decay=0.05,
            weight_decay_bias=decay,
        )
    )
    theirs = {p: (lr, 0.05 if d is None else d) for p, (lr, d) in theirs.items()}
    assert groups(build_optimizer(cfg, model)) == theirs


def test_the_reference_world_size_scales_batch_rate_and_length_as_in_detectron2(tmp_path: Path) -> None:
    cfg = tiny_config(tmp_path)
    cfg.SOLVER.REFERENCE_WORLD_SIZE = 4  # processes; here is one
    trainer = TinyTrainer(cfg)
    assert trainer.cfg.SOLVER.IMS_PER_BATCH == 1 and trainer.max_iter == 4 * cfg.SOLVER.MAX_ITER
    lr = trainer.scheduler.optimizer.param_groups[0]["initial_lr"]
    assert lr == pytest.approx(cfg.SOLVER.BASE_LR / 4)
    cfg.SOLVER.REFERENCE_WORLD_SIZE = 3
    with pytest.raises(ValueError, match="REFERENCE_WORLD_SIZE is 3, expected a divisor .* 4"):
        TinyTrainer(cfg)
