"""Training runs on real frames, the full-size configurations, and what the shipped checkpoint reaches."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = ROOT / "projects/U2ENet/weights/u2enet_tiny_synthroad.safetensors"


def train_net(config: str, datasets: Path, output: Path, *options: str) -> None:
    command = [
        sys.executable,
        "projects/U2ENet/train_net.py",
        "--config-file",
        f"configs/U2ENet/{config}.yaml",
    ]
    command += options if "OUTPUT_DIR" in options else [*options, "OUTPUT_DIR", str(output)]
    subprocess.run(command, cwd=ROOT, env=os.environ | {"DETECTRON2_DATASETS": str(datasets)}, check=True)


def render(datasets: Path, *options: str) -> None:
    command = [sys.executable, "-m", "d2ext.data.synthroad", "--root", str(datasets / "synthroad"), *options]
    subprocess.run(command, check=True)


def metrics(output: Path, dataset: str) -> dict:
    return json.loads((output / "inference" / dataset / "metrics.json").read_text())


def overfit_and_reload(config: str, dataset: str, datasets: Path, output: Path) -> dict:
    """Train on a dataset, evaluate on it, and evaluate the written checkpoint again."""
    test = ("DATASETS.TEST", f"('{dataset}',)")
    train_net(config, datasets, output / "train", *test)
    trained = metrics(output / "train", dataset)
    weights = ("MODEL.WEIGHTS", str(output / "train/model_final.pth"))
    train_net(config, datasets, output, "--eval-only", *test, *weights, "OUTPUT_DIR", str(output / "again"))
    assert metrics(output / "again", dataset) == trained
    return trained


def test_tiny_model_learns_the_real_kitti_frames(shared_dir, tmp_path):
    result = overfit_and_reload("u2enet_tiny_mono3drefer", "mono3drefer_train", shared_dir / "data", tmp_path)
    assert result["published"]["Acc@0.5"] >= 90


def test_tiny_model_learns_the_real_roadside_frame(shared_dir, tmp_path):
    result = overfit_and_reload("u2enet_tiny_monomulti3d", "monomulti3d_train", shared_dir / "data", tmp_path)
    assert result["exact"]["F1@0.5"] >= 90


def test_two_stage_baseline_learns_a_few_scenes(tmp_path):
    """On small images, without augmentation."""
    render(tmp_path, "--seed", "4", "--train", "4", "--val", "1", "--test", "1")
    small = ("INPUT.SIZE", "(160, 288)", "INPUT.TRAIN_SIZES", "[]")
    plain = ("INPUT.SCALE_RANGE", "(1.0, 1.0)", "INPUT.FLIP_PROB", "0.0", "SOLVER.AMP.ENABLED", "False")
    short = ("SOLVER.MAX_ITER", "300", "SOLVER.WARMUP_ITERS", "30", "SOLVER.IMS_PER_BATCH", "2")
    name = "synthroad_monomulti3d_train"
    data = ("DATASETS.TRAIN", f"('{name}',)", "DATASETS.TEST", f"('{name}',)", "DATALOADER.NUM_WORKERS", "0")
    train_net("two_stage_tiny_synthroad", tmp_path, tmp_path / "output", *small, *plain, *short, *data)
    result = metrics(tmp_path / "output", name)["exact"]
    assert result["F1@0.25"] >= 50 and result["none_acc"] >= 60


@pytest.mark.parametrize("name", ["mono3drefer", "monomulti3d"])
def test_full_size_model_trains_a_step_and_evaluates(name, shared_dir, tmp_path):
    """Random weights stand in for the published ones; the tokenizer is RoBERTa's."""
    text = ("MODEL.TEXT.NAME", str(shared_dir / "data/roberta-base"), "MODEL.TEXT.PRETRAINED", "False")
    short = ("SOLVER.MAX_ITER", "1", "SOLVER.IMS_PER_BATCH", "1", "DATALOADER.NUM_WORKERS", "0")
    options = (*text, *short, "MODEL.TIMM.PRETRAINED", "False", "MODEL.DEVICE", "cpu")
    train_net(f"u2enet_dla34_{name}", shared_dir / "data", tmp_path, *options)
    assert set(metrics(tmp_path, f"{name}_test")) == {"published", "exact"}


@pytest.fixture(scope="module")
def unseen_scenes(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("datasets")
    render(
        root,
        "--seed",
        "77",
        "--train",
        "1",
        "--val",
        "1",
        "--test",
        "120",
        "--cameras",
        "all",
        "--workers",
        "2",
    )
    return root


def evaluate_shipped(datasets: Path, output: Path, *options: str) -> tuple[dict, dict]:
    options = ("--eval-only", "MODEL.WEIGHTS", str(WEIGHTS), *options, "OUTPUT_DIR", str(output))
    train_net("u2enet_tiny_synthroad", datasets, output, *options)
    return metrics(output, "synthroad_mono3drefer_test"), metrics(output, "synthroad_monomulti3d_test")


def test_the_shipped_checkpoint_reads_its_sentences(unseen_scenes, tmp_path):
    """With the sentences of other images it loses half and more; what it reaches is the zoo's to tell."""
    single, multi = evaluate_shipped(unseen_scenes, tmp_path / "plain")
    assert single["published"]["sentences"] + multi["exact"]["sentences"] >= 3000
    shuffled, others = evaluate_shipped(
        unseen_scenes, tmp_path / "shuffled", "TEST.SHUFFLE_SENTENCES", "True"
    )
    assert shuffled["published"]["Acc@0.25"] < single["published"]["Acc@0.25"] / 2
    assert others["exact"]["F1@0.5"] < multi["exact"]["F1@0.5"] / 2
