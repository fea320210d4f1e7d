"""TrajAD on several processes: what is measured does not depend on their number."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from d2ext.data.synthtraffic.generate import generate
from d2ext.engine import read_checkpoint

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


def measure(processes: int, datasets: Path, output: Path) -> dict[str, torch.Tensor]:
    """The checkpoint of a training of one step that moves no weight."""
    command = ["projects/TrajAD/train_net.py", "--num-gpus", processes]
    command += ["--config-file", "configs/TrajAD/trajad_synthtraffic.yaml", "MODEL.DEVICE", "cpu"]
    command += ["DATALOADER.NUM_WORKERS", 0, "SOLVER.BASE_LR", 1e-12, "SOLVER.MAX_ITER", 1]
    command += ["SOLVER.IMS_PER_BATCH", 2, "SOLVER.AMP.ENABLED", False, "TEST.DTYPE", "float32"]
    command += ["OUTPUT_DIR", output]
    variables = {"DETECTRON2_DATASETS": str(datasets), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, *map(str, command)]
    subprocess.run(command, cwd=ROOT, env=os.environ | variables, check=True, capture_output=True)
    return read_checkpoint(output / "model_final.pth")["model"]


def test_two_processes_measure_the_same_statistics_quantiles_and_figures_as_one(tmp_path):
    generate(tmp_path / "synthtraffic", 5, 5, 3, 3, progress=False)
    one, two = (measure(n, tmp_path, tmp_path / str(n)) for n in (1, 2))
    measured = ("teacher_mean", "teacher_std", "local_quantiles", "global_quantiles", "measured_threshold")
    for name in measured:
        assert torch.allclose(one[name], two[name], rtol=1e-4, atol=1e-5)
    assert one["local_quantiles"][1] != pytest.approx(0.1) and one["measured_threshold"] > 0.01
    paths = (tmp_path / f"{n}/inference/synthtraffic_trajectories_test/metrics.json" for n in (1, 2))
    figures = [json.loads(path.read_text())["anomaly"] for path in paths]
    assert {"image AUROC", "pixel AUROC", "AUPRO"} <= figures[0].keys()
    assert figures[0] == pytest.approx(figures[1], abs=0.05)
