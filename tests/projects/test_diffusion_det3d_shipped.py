"""What the shipped diffusion detector finds in scenes of another seed than it was trained on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from project_scripts import ROOT

from d2ext.data.synthroad.__main__ import main as render

pytestmark = pytest.mark.slow

WEIGHTS = "projects/DiffusionDet3D/weights/diffusion_tiny_synthroad.safetensors"


@pytest.fixture(scope="module")
def unseen_scenes(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("datasets")
    counts = ("--train", "1", "--val", "1", "--test", "60", "--workers", "2")
    assert render(["--root", str(root / "synthroad"), "--seed", "77", *counts]) == 0
    return root


def evaluate(datasets: Path, output: Path, steps: int) -> dict[str, float]:
    """The exact metrics of the shipped weights."""
    config = "configs/DiffusionDet3D/diffusion_tiny_synthroad.yaml"
    options = ["MODEL.WEIGHTS", WEIGHTS, "MODEL.DIFFUSION.STEPS", str(steps), "OUTPUT_DIR", str(output)]
    command = [sys.executable, "projects/DiffusionDet3D/train_net.py", "--eval-only", "--config-file", config]
    environment = os.environ | {"DETECTRON2_DATASETS": str(datasets)}
    subprocess.run([*command, *options], cwd=ROOT, env=environment, check=True)
    return json.loads((output / "inference/synthroad_rope3d_test/metrics.json").read_text())["exact"]


def test_shipped_detector_on_unseen_scenes_with_one_and_four_steps(unseen_scenes, tmp_path):
    one, four = (evaluate(unseen_scenes, tmp_path / str(steps), steps) for steps in (1, 4))
    assert four["car bev@0.5/all"] >= 70 and four["car 3d@0.5/all"] >= 65
    assert four["car 3d@0.5/all"] >= one["car 3d@0.5/all"]
