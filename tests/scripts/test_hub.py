"""Sharing a model through a folder: what was pushed is what is pulled, and it runs."""

import json
from functools import partial
from pathlib import Path

import pytest
import torch
import yaml
from project_scripts import ROOT, call_script, load_script
from safetensors.torch import load_file


@pytest.fixture
def hub():
    """Calls hub.py as a command; returns its exit status."""
    return partial(call_script, load_script("hub", ""))


@pytest.fixture
def run_folder(tmp_path) -> Path:
    torch.save({"model": {"head.weight": torch.randn(3, 4)}, "iteration": 9}, tmp_path / "model_final.pth")
    config = {"MODEL": {"META_ARCHITECTURE": "U2ENet", "WEIGHTS": "/home/me/w.pth", "DEVICE": "cuda"}}
    config |= {"OUTPUT_DIR": "/home/me/out", "DATASETS": {"TRAIN": ["mono3drefer_train"]}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "mono3drefer_test").mkdir()
    metrics = {"published": {"Acc@0.25": 61.25, "Near/Acc@0.25": 80.0}}
    (tmp_path / "mono3drefer_test/metrics.json").write_text(json.dumps(metrics))
    return tmp_path


def test_push_and_pull_through_a_folder(hub, run_folder):
    shared, fetched = run_folder / "shared", run_folder / "fetched"
    assert not hub(
        "push", run_folder / "model_final.pth", "--config", run_folder / "config.yaml",
        "--metrics", run_folder / "mono3drefer_test/metrics.json", "--to", shared,
    )  # fmt: skip
    assert not hub("pull", shared, "--to", fetched)
    weights = load_file(fetched / "model.safetensors")
    original = torch.load(run_folder / "model_final.pth", weights_only=True)["model"]
    assert weights.keys() == original.keys()
    assert torch.equal(weights["head.weight"], original["head.weight"].half())
    card = (fetched / "README.md").read_text()
    assert "| published | Acc@0.25 | 61.25 |" in card and "Near" not in card
    assert "Trained on mono3drefer_train" in card
    assert "/home/me" not in (fetched / "config.yaml").read_text()


def test_a_pushed_training_run_is_a_config_that_loads(hub, tmp_path):
    from d2ext.engine import load_config
    from d2ext.projects.u2enet import add_u2enet_config

    cfg = load_config(add_u2enet_config, str(ROOT / "configs/U2ENet/u2enet_tiny_synthroad.yaml"))
    (tmp_path / "config.yaml").write_text(cfg.dump())
    torch.save({"model": {"a": torch.zeros(1)}}, tmp_path / "m.pth")
    files = (tmp_path / "m.pth", "--config", tmp_path / "config.yaml")
    assert not hub("push", *files, "--to", tmp_path / "shared")
    again = load_config(add_u2enet_config, str(tmp_path / "shared/config.yaml"))
    assert again.MODEL.GROUNDING == cfg.MODEL.GROUNDING and again.MODEL.WEIGHTS == ""


@pytest.mark.parametrize(
    ("damage", "status", "message"),
    [
        (lambda f: (f / "config.yaml").unlink(), 2, "config.yaml: no such file"),
        (lambda f: (f / "config.yaml").write_text("[1, 2]"), 1, "config.yaml: expected the config.yaml of a"),
        (lambda f: (f / "model_final.pth").write_bytes(b"no"), 1, "model_final.pth: "),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(hub, run_folder, capsys, damage, status, message):
    damage(run_folder)
    shared = run_folder / "shared"
    files = (run_folder / "model_final.pth", "--config", run_folder / "config.yaml")
    assert hub("push", *files, "--to", shared) == status
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert message in error and not shared.exists()


def test_pulling_what_is_no_model(hub, tmp_path, capsys):
    assert hub("pull", tmp_path, "--to", tmp_path / "x") == 1
    assert "has no model.safetensors" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
