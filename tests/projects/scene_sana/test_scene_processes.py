"""SceneSana on two processes: the same losses, weights and pictures as on one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from toy_scenes import SIZE, TOY, record, toy_config

from d2ext.data.image_io import read_image
from d2ext.data.scenes.writing import SceneFiles
from d2ext.engine import read_checkpoint
from d2ext.structures import ROAD, Camera

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]


def write_scenes(root: Path) -> None:
    files = SceneFiles(root / "toys", {}, ROAD.names)
    for number in range(8):
        r = record(number, root)
        camera, ground = Camera(torch.tensor(r["camera"]), SIZE), torch.tensor(r["ground_plane"])
        split, picture = "train" if number < 5 else "test", read_image(r["file_name"])
        files.add(split, picture, r["annotations"], camera, ground, False, r["sentences"])
    files.finish()


def train(processes: int, root: Path, output: Path, base: str, *options: object) -> dict:
    """The checkpoint of a training of three steps, and the figures."""
    sets = {"TRAIN": ["toys_monomulti3d_train"], "TEST": ["toys_monomulti3d_test"]}
    solver = TOY["SOLVER"] | {"MAX_ITER": 3, "IMS_PER_BATCH": 4}
    config = toy_config(
        root / f"{output.name}.yaml", base, DATASETS=sets, SOLVER=solver, OUTPUT_DIR=str(output)
    )
    command = ["projects/SceneSana/train_net.py", "--num-gpus", processes, "--config-file", config, *options]
    variables = {"DETECTRON2_DATASETS": str(root), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, *map(str, command)]
    subprocess.run(command, cwd=ROOT, env=os.environ | variables, check=True, capture_output=True)
    figures = json.loads((output / "inference/toys_monomulti3d_test/metrics.json").read_text())
    return {"model": read_checkpoint(output / "model_final.pth")["model"], "figures": figures}


@pytest.mark.parametrize("base", ["Base-Autoencoder", "Base-SceneSana"])
def test_two_processes_train_and_evaluate_as_one(tmp_path, base):
    write_scenes(tmp_path)
    options = ("MODEL.AUTOENCODER.PERCEPTUAL_WEIGHT", 0.0, "MODEL.SCENE.OFFSET_NOISE", 0.1)
    one, two = (train(n, tmp_path, tmp_path / str(n), base, *options) for n in (1, 2))
    assert one["model"].keys() == two["model"].keys()
    for name, value in one["model"].items():
        assert torch.allclose(value, two["model"][name], rtol=1e-3, atol=2e-5), name
    for section, found in one["figures"].items():
        assert found == pytest.approx(two["figures"][section], rel=0.02, abs=0.5)
