"""Sharing a model through a folder: what was pushed is what is pulled, and it runs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parents[2]


def hub(*arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "scripts/hub.py", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


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


def test_push_and_pull_through_a_folder(run_folder):
    shared, fetched = run_folder / "shared", run_folder / "fetched"
    pushed = hub(
        "push", run_folder / "model_final.pth", "--config", run_folder / "config.yaml",
        "--metrics", run_folder / "mono3drefer_test/metrics.json", "--to", shared,
    )  # fmt: skip
    assert pushed.returncode == 0, pushed.stderr
    pulled = hub("pull", shared, "--to", fetched)
    assert pulled.returncode == 0, pulled.stderr
    weights = load_file(fetched / "model.safetensors")
    original = torch.load(run_folder / "model_final.pth", weights_only=True)["model"]
    assert weights.keys() == original.keys()
    assert torch.equal(weights["head.weight"], original["head.weight"].half())
    card = (fetched / "README.md").read_text()
    assert "| published | Acc@0.25 | 61.25 |" in card and "Near" not in card
    assert "Trained on mono3drefer_train" in card
    assert "/home/me" not in (fetched / "config.yaml").read_text()


def test_a_pushed_training_run_is_a_config_that_loads(tmp_path):
    from d2ext.engine import load_config
    from d2ext.projects.u2enet import add_u2enet_config

    cfg = load_config(add_u2enet_config, str(ROOT / "configs/U2ENet/u2enet_tiny_synthroad.yaml"))
    (tmp_path / "config.yaml").write_text(cfg.dump())
    torch.save({"model": {"a": torch.zeros(1)}}, tmp_path / "m.pth")
    done = hub("push", tmp_path / "m.pth", "--config", tmp_path / "config.yaml", "--to", tmp_path / "shared")
    assert done.returncode == 0, done.stderr
    again = load_config(add_u2enet_config, str(tmp_path / "shared/config.yaml"))
    assert again.MODEL.U2ENET == cfg.MODEL.U2ENET and again.MODEL.WEIGHTS == ""


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "config.yaml").unlink(), "config.yaml: no such file"),
        (lambda f: (f / "config.yaml").write_text("[1, 2]"), "config.yaml: expected the config.yaml of a"),
        (lambda f: (f / "model_final.pth").write_bytes(b"no"), "model_final.pth: "),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(run_folder, damage, message):
    damage(run_folder)
    shared = run_folder / "shared"
    done = hub("push", run_folder / "model_final.pth", "--config", run_folder / "config.yaml", "--to", shared)
    assert done.returncode == 1 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert message in done.stderr and not shared.exists()


def test_pulling_what_is_no_model(tmp_path):
    done = hub("pull", tmp_path, "--to", tmp_path / "x")
    assert done.returncode == 1 and "has no model.safetensors" in done.stderr
    assert not (tmp_path / "x").exists()
