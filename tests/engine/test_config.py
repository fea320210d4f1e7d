"""Files that a config names, and values that it takes."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import yaml
from detectron2.config import CfgNode

from d2ext import hub
from d2ext.engine import load_config
from d2ext.engine.config import WEIGHTS_KEYS
from d2ext.modeling.text.tokenizer import SentenceTokenizer
from d2ext.projects.diffusion_det3d import add_diffusion_det3d_config
from d2ext.projects.janus import add_janus_config
from d2ext.projects.open_vocab3d import add_open_vocab3d_config
from d2ext.projects.road_watch import add_road_watch_config
from d2ext.projects.scene_sana import add_scene_sana_config
from d2ext.projects.trajad import add_trajad_config
from d2ext.projects.u2enet import add_u2enet_config
from d2ext.shipped import SHIPPED as REPOSITORY

ADD_KEYS = {
    "U2ENet": add_u2enet_config,
    "DiffusionDet3D": add_diffusion_det3d_config,
    "Janus": add_janus_config,
    "TrajAD": add_trajad_config,
    "OpenVocab3D": add_open_vocab3d_config,
    "SceneSana": add_scene_sana_config,
    "RoadWatch": add_road_watch_config,
}
CONFIGS = sorted((REPOSITORY / "configs").glob("*/*.yaml"))
TINY = REPOSITORY / "configs/U2ENet/u2enet_tiny_synthroad.yaml"
SHIPPED = "projects/U2ENet/weights/u2enet_tiny_synthroad.safetensors"


def value(cfg: CfgNode, key: str) -> str:
    for part in key.split("."):
        cfg = cfg.get(part, CfgNode())
    return str(cfg or "")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_weights_are_found_from_any_folder(path: Path, tmp_path: Path, monkeypatch) -> None:
    """Also by the config that a run leaves, read from yet another folder."""
    monkeypatch.chdir(tmp_path)
    add_keys = ADD_KEYS[path.parent.name]
    cfg = load_config(add_keys, str(path))
    (tmp_path / "config.yaml").write_text(cfg.dump())
    monkeypatch.chdir("/")
    again = load_config(add_keys, str(tmp_path / "config.yaml"))
    for key in WEIGHTS_KEYS:
        assert value(again, key) == value(cfg, key)
        if (REPOSITORY / value(cfg, key)).is_file():
            assert Path(value(cfg, key)).is_absolute()
    lines = [line.strip() for line in path.read_text().splitlines()]
    named = [line.split(": ", 1)[1] for line in lines if ": projects/" in line]
    shipped = {str(REPOSITORY / name) for name in named if (REPOSITORY / name).is_file()}
    assert shipped <= {value(cfg, key) for key in WEIGHTS_KEYS}


def test_the_working_folder_comes_first(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    own = tmp_path / SHIPPED
    options = ["MODEL.WEIGHTS", SHIPPED]
    assert load_config(add_u2enet_config, str(TINY), options).MODEL.WEIGHTS == str(REPOSITORY / SHIPPED)
    own.parent.mkdir(parents=True)
    own.touch()
    assert load_config(add_u2enet_config, str(TINY), options).MODEL.WEIGHTS == str(own)


@pytest.mark.parametrize("name", ["nowhere.pth", "roberta-base", "detectron2://x.pkl"])
def test_what_is_no_file_stays_as_it_is(tmp_path: Path, monkeypatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    cfg = load_config(add_u2enet_config, str(TINY), ["MODEL.TEXT.NAME", name, "MODEL.TIMM.WEIGHTS", name])
    assert cfg.MODEL.TEXT.NAME == cfg.MODEL.TIMM.WEIGHTS == name


def test_a_whole_number_is_a_fraction_too() -> None:
    options = ["SOLVER.MAX_MINUTES", "2", "SOLVER.BASE_LR", "1", "SOLVER.MAX_ITER", "3"]
    solver = load_config(add_u2enet_config, str(TINY), options).SOLVER
    assert (solver.MAX_MINUTES, solver.BASE_LR, solver.MAX_ITER) == (2.0, 1.0, 3)
    assert isinstance(solver.MAX_ITER, int)
    with pytest.raises(ValueError, match="Type mismatch"):
        load_config(add_u2enet_config, str(TINY), ["SOLVER.MAX_ITER", "2.5"])


@pytest.mark.parametrize("in_file", [True, False, "auto", None])
@pytest.mark.parametrize(
    "option, expected", [("True", True), ("False", False), ("auto", "auto"), ("None", None)]
)
def test_every_choice_of_the_precision_replaces_every_other(tmp_path, in_file, option, expected) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"SOLVER": {"AMP": {"ENABLED": in_file}}, "VERSION": 2}))
    assert load_config(add_u2enet_config, str(path)).SOLVER.AMP.ENABLED == in_file
    cfg = load_config(add_u2enet_config, str(path), ["SOLVER.AMP.ENABLED", option])
    assert cfg.SOLVER.AMP.ENABLED == expected


def test_no_shipped_config_chooses_a_precision() -> None:
    for path in CONFIGS:
        cfg = load_config(ADD_KEYS[path.parent.name], str(path))
        assert (cfg.SOLVER.AMP.ENABLED, cfg.TEST.DTYPE) == (None, "auto"), path


def test_a_hub_that_is_not_there_is_not_asked_again_and_again(monkeypatch, tmp_path) -> None:
    """One look whether it answers; then the name of the key, at once."""
    asked, before = [], hub.constants.HF_HUB_OFFLINE

    def refuse(address, timeout):
        asked.append(address)
        raise OSError("unreachable")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(hub.urllib.request, "getproxies", dict)
    hub.hub_answers.cache_clear()
    try:
        for _ in range(2):
            with pytest.raises(FileNotFoundError, match="^MODEL.TEXT.NAME nobody/nothing: no tokenizer"):
                SentenceTokenizer("nobody/nothing")
    finally:
        hub.hub_answers.cache_clear()
    assert len(asked) == 1
    assert before == hub.constants.HF_HUB_OFFLINE
