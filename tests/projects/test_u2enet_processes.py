"""U2ENet evaluated by several processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
DATASETS = ("synthroad_mono3drefer_test", "synthroad_monomulti3d_test")


def evaluate(processes: int, datasets: Path, output: Path) -> dict[str, bytes]:
    """The files that the shipped checkpoint's evaluation leaves, on five images a dataset."""
    weights = ROOT / "projects/U2ENet/weights/u2enet_tiny_synthroad.safetensors"
    command = ["projects/U2ENet/train_net.py", "--num-gpus", processes, "--eval-only"]
    command += ["--config-file", "configs/U2ENet/u2enet_tiny_synthroad.yaml", "MODEL.WEIGHTS", weights]
    command += ["MODEL.DEVICE", "cpu", "DATALOADER.NUM_WORKERS", 0, "OUTPUT_DIR", output]
    variables = {"DETECTRON2_DATASETS": str(datasets), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, *map(str, command)]
    subprocess.run(command, cwd=ROOT, env=os.environ | variables, check=True, capture_output=True)
    folders = [output / "inference" / name for name in DATASETS]
    files = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(output)): path.read_bytes() for path in files}


def test_two_processes_write_the_same_predictions_and_table_as_one(few_scenes, tmp_path):
    one = evaluate(1, few_scenes, tmp_path / "one")
    assert {f"inference/{name}/metrics.json" for name in DATASETS} <= one.keys()
    assert evaluate(2, few_scenes, tmp_path / "two") == one
