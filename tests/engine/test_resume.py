"""Killed and resumed training equals uninterrupted training bit for bit."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny import TinyTrainer, tiny_config

RUNS = {
    # what the killed process left: the last whole checkpoint, and what else
    "in_step": {"last_checkpoint", "model_0000002.pth"},
    "while_writing": {"last_checkpoint", "model_0000002.pth", ".model_0000005.pth.tmp"},
    "before_tagging": {"model_0000002.pth"},
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("crash_runs")
    script = Path(__file__).with_name("crash_runs.py")
    done = subprocess.run(
        [sys.executable, script, root],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return root


def equal(a: object, b: object) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(equal, a, b))
    return a == b


@pytest.mark.parametrize("name", RUNS)
def test_killed_run_leaves_whole_checkpoints_and_resumes_bit_identical(runs: Path, name: str) -> None:
    left = set(
        re.sub(r"\.[0-9a-f]{32}\.tmp$", ".tmp", (runs / f"{name}.left").read_text(), flags=re.M).split()
    )
    assert RUNS[name] <= left and "model_final.pth" not in left
    expected = torch.load(runs / "uninterrupted/model_final.pth", weights_only=True)
    resumed = torch.load(runs / name / "model_final.pth", weights_only=True)
    assert equal(expected, resumed)  # weights, their average, optimizer moments, schedule, best result
    assert {"WeightAverage", "Validation"} <= expected["trainer"]["hooks"].keys()
    assert not list((runs / name).glob(".*.tmp"))


def test_training_changes_the_weights(runs: Path) -> None:
    first = torch.load(runs / "uninterrupted/model_0000002.pth", weights_only=True)["model"]
    last = torch.load(runs / "uninterrupted/model_final.pth", weights_only=True)["model"]
    assert all(not torch.equal(first[k], last[k]) for k in first if k != "text_encoder.bias")


@pytest.mark.parametrize("kept, left", [(0, (2, 5, 8)), (2, (5, 8)), (1, (8,))])
def test_the_latest_checkpoints_are_kept(tmp_path: Path, kept: int, left: tuple[int, ...]) -> None:
    cfg = tiny_config(tmp_path)
    cfg.SOLVER.MAX_ITER, cfg.SOLVER.CHECKPOINTS_KEPT = 10, kept
    trainer = TinyTrainer(cfg)
    trainer.resume_or_load(resume=False)
    trainer.train()
    names = {f"model_{done:07d}.pth" for done in left} | {"model_final.pth"}
    assert {path.name for path in tmp_path.glob("*.pth")} == names
    assert trainer.checkpointer.get_checkpoint_file() == str(tmp_path / "model_final.pth")
