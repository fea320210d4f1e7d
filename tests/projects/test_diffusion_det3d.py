"""The 3D detectors' commands on a few rendered and on real roadside images."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.engine import default_argument_parser
from project_scripts import ROOT, call_script, load_script

from d2ext.data import build_detection_test_loader
from d2ext.data.builtin import register_dataset
from d2ext.engine import load_config, save_safetensors
from d2ext.projects.diffusion_det3d import (
    Detection3DPredictor,
    Detection3DTrainer,
    add_diffusion_det3d_config,
)
from tests.toy_backbone import NARROW

MODELS = {
    "DiffusionDet3D": "diffusion",
    "SparseRCNN3D": "sparse_rcnn",
    "DETR3D": "detr_published",
    "DETR3D+": "detr",
}
TOY = {
    "MODEL": {
        "DEVICE": "cpu",
        "BACKBONE": {"WEIGHTS": ""},
        **NARROW,
        "DETECTION3D": {
            "NUM_BOXES": 20,
            "NUM_HEADS": 2,
            "HIDDEN_DIM": 32,
            "FFN_DIM": 64,
            "DYNAMIC_DIM": 8,
            "HEAD_DIM": 32,
            "SCORE_THRESHOLD": 0.0,
        },
        "DETR": {"FFN_DIM": 64},
    },
    "INPUT": {"SIZE": [96, 160]},
    "DATASETS": {"TRAIN": ["few_rope3d_train"], "TEST": ["few_rope3d_test"]},
    "DATALOADER": {"NUM_WORKERS": 0},
    "SOLVER": {"MAX_ITER": 3, "WARMUP_ITERS": 1, "IMS_PER_BATCH": 2, "AMP": {"ENABLED": False}},
    "TEST": {"DTYPE": "float32"},
}


@pytest.fixture
def few_images(few_scenes):
    """Rendered roadside images under names of their own, whatever DETECTRON2_DATASETS says."""
    for split in ("train", "test"):
        register_dataset(f"few_rope3d_{split}", "rope3d", few_scenes / "synthroad/rope3d", split)
    yield few_scenes / "synthroad/rope3d/training"
    for split in ("train", "test"):
        DatasetCatalog.remove(f"few_rope3d_{split}")
        MetadataCatalog.remove(f"few_rope3d_{split}")


def toy_file(folder: Path, model: str) -> Path:
    base = ROOT / f"configs/DiffusionDet3D/{MODELS[model]}_tiny_synthroad.yaml"
    path = folder / f"{model}.yaml"
    settings = TOY | {"_BASE_": str(base), "OUTPUT_DIR": str(folder / "output")}
    if model == "DETR3D":
        settings["MODEL"] = TOY["MODEL"] | {"IDA": {"CHANNELS": [16, 16]}}
    path.write_text(yaml.safe_dump(settings))
    return path


def read_config(path: Path, *options: object) -> CfgNode:
    return load_config(add_diffusion_det3d_config, str(path), list(map(str, options)))


@pytest.fixture
def cfg(tmp_path) -> CfgNode:
    """The toy diffusion model with random weights in a file."""
    weights = tmp_path / "weights.safetensors"
    config = read_config(toy_file(tmp_path, "DiffusionDet3D"), "MODEL.WEIGHTS", weights)
    torch.manual_seed(0)
    save_safetensors(Detection3DTrainer.build_model(config), weights)
    return config


@pytest.fixture
def train_net():
    """Calls train_net.py; returns what its main returns."""
    main = load_script("train_net", "DiffusionDet3D").main

    def call(config: Path, *arguments: object):
        command = ["--config-file", str(config), *map(str, arguments)]
        return main(default_argument_parser().parse_args(command))

    return call


@pytest.mark.parametrize("model", MODELS)
def test_evaluation_after_training_and_eval_only_agree(train_net, few_images, tmp_path, model):
    config = toy_file(tmp_path, model)
    train_net(config)
    folder = tmp_path / "output/inference/few_rope3d_test"
    assert {p.name for p in folder.iterdir()} == {"predictions.json", "metrics.json", "kitti"}
    assert len(list((folder / "kitti").iterdir())) == 5
    weights = tmp_path / "output/model_final.pth"
    again = train_net(config, "--eval-only", "MODEL.WEIGHTS", weights, "OUTPUT_DIR", tmp_path / "again")
    assert again == json.loads((folder / "metrics.json").read_text())
    assert {"bbox", "published", "ground", "exact"} <= set(again)


def test_steps_and_boxes_of_a_trained_model_can_be_changed(train_net, few_images, cfg, tmp_path):
    options = ("MODEL.DIFFUSION.STEPS", 3, "MODEL.DETECTION3D.NUM_BOXES", 7)
    config = toy_file(tmp_path, "DiffusionDet3D")
    train_net(config, "--eval-only", "MODEL.WEIGHTS", cfg.MODEL.WEIGHTS, *options)
    rows = json.loads((tmp_path / "output/inference/few_rope3d_test/predictions.json").read_text())
    assert all(0 < len(row["predictions"]) <= 3 * 7 for row in rows)


def test_predictor_answers_like_the_test_loader(few_images, cfg):
    predictor = Detection3DPredictor(cfg)
    (record,) = next(iter(build_detection_test_loader(cfg, "few_rope3d_test")))
    image = cv2.imread(record["file_name"])
    found = predictor(image, record["original_camera"], record["ground_plane"])
    with torch.no_grad():
        expected = predictor.model([record])[0]["instances"]
    assert len(found) == len(expected) > 0
    assert torch.allclose(found.scores, expected.scores, atol=1e-5)
    assert torch.allclose(found.pred_boxes3d.center, expected.pred_boxes3d.center, rtol=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("TEST.REGION_MASKS", "nowhere"), "nowhere: no such folder of region masks"),
        (("DATASETS.TEST", "('mono3drefer_val',)"), "mono3drefer_val.*expected one of kitti, rope3d"),
        (("MODEL.DIFFUSION.SAMPLER", "euler"), "SAMPLER: expected one of ddim, dpm_solver"),
        (("MODEL.RESNETS.WEIGHTS", "nowhere.pth"), "nowhere.pth: no such checkpoint file"),
    ],
)
def test_training_says_what_is_wrong_before_it_starts(
    train_net, few_images, tmp_path, monkeypatch, options, message
):
    monkeypatch.chdir(tmp_path)
    if options[1] == "('rope3d_train',)":
        monkeypatch.setattr(
            DatasetCatalog, "get", lambda name: (_ for _ in ()).throw(FileNotFoundError(name))
        )
        message = "rope3d_train"
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        train_net(toy_file(tmp_path, "DiffusionDet3D"), *options)
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "output").glob("*.pth"))


def test_black_region_masks_leave_nothing_to_evaluate(train_net, few_images, cfg, tmp_path):
    for record in DatasetCatalog.get("few_rope3d_test"):
        mask = np.zeros((record["height"], record["width"]), np.uint8)
        cv2.imwrite(str(tmp_path / f"{record['image_id']}.png"), mask)
    config = toy_file(tmp_path, "DiffusionDet3D")
    options = ("--eval-only", "MODEL.WEIGHTS", cfg.MODEL.WEIGHTS)
    assert train_net(config, *options)["exact"]
    assert not train_net(config, *options, "TEST.REGION_MASKS", tmp_path)["exact"]


@pytest.fixture
def demo_arguments(few_images, cfg, tmp_path):
    name = (few_images / "test.txt").read_text().split()[0]
    return {
        "--config-file": tmp_path / "DiffusionDet3D.yaml",
        "--input": few_images / f"image_2/{name}.jpg",
        "--calib": few_images / f"calib/{name}.txt",
        "--ground": few_images / f"denorm/{name}.txt",
        "--output": tmp_path / "out.png",
        "--json": tmp_path / "out.json",
        "--strip": tmp_path / "strip.png",
        "--min-score": 0.0,
        "--opts": "MODEL.WEIGHTS",
    }


@pytest.fixture
def demo():
    """Calls demo.py as a command; returns its exit status."""
    script = load_script("demo", "DiffusionDet3D")

    def call(arguments: dict, *options: object) -> int:
        flat = [x for pair in arguments.items() for x in pair] + list(options)
        return call_script(script, *flat)

    return call


def test_demo_writes_pictures_and_boxes(demo, demo_arguments, cfg, tmp_path, capsys):
    assert demo(demo_arguments, cfg.MODEL.WEIGHTS, "MODEL.DIFFUSION.STEPS", 3) == 0
    picture = cv2.imread(str(tmp_path / "out.png"))
    assert picture.shape[1] > 1100  # the image and the view from above beside it
    strip = cv2.imread(str(tmp_path / "strip.png"))
    assert strip.shape[1] > 3 * 600 and strip.shape[0] > 2 * 300
    objects = json.loads((tmp_path / "out.json").read_text())["objects"]
    assert set(objects[0]) == {"class", "score", "bbox", "location", "dimensions", "yaw", "alpha"}
    assert f"{len(objects)} objects" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "options", "status", "message"),
    [
        ({"--input": "nowhere.png"}, (), 2, "argument --input: nowhere.png: no such file"),
        ({"--calib": "nowhere.txt"}, (), 2, "argument --calib: nowhere.txt: no such file"),
        ({"--calib": "bad_calib.txt"}, (), 1, "bad_calib.txt: "),
        ({"--strip": "bad_calib.txt/strip.png"}, (), 2, "bad_calib.txt is a file, expected a folder"),
        ({"--output": "out.docx"}, (), 1, "out.docx: expected a picture name"),
        ({"--min-score": 30}, (), 2, "--min-score: expected a number at least 0 and at most 1, got '30'"),
        ({}, ("MODEL.DIFFUSION.STEPS",), 2, "in turn, MODEL.DIFFUSION.STEPS has no value"),
        ({}, ("MODEL.DIFFUSION.SAMPLER", "euler"), 1, "SAMPLER: expected one of ddim, dpm_solver++"),
        ({}, ("MODEL.DETECTION3D.HIDDEN_DIM", 40), 1, "has shape"),
        ({}, ("MODEL.WEIGHTS", ""), 1, "MODEL.WEIGHTS is empty: expected a checkpoint"),
    ],
)
def test_demo_says_what_is_wrong_in_one_line(
    demo, demo_arguments, cfg, tmp_path, capsys, monkeypatch, change, options, status, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad_calib.txt").write_text("P0: 1 2 3\n")
    assert demo(demo_arguments | change, cfg.MODEL.WEIGHTS, *options) == status
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ") and message in error and "\n" not in error
    assert not (tmp_path / "out.png").exists()


def run(command: list[object], datasets: Path) -> None:
    variables = {"DETECTRON2_DATASETS": str(datasets), "CUDA_VISIBLE_DEVICES": ""}
    arguments = [sys.executable, *map(str, command)]
    subprocess.run(arguments, cwd=ROOT, env=os.environ | variables, check=True)


def metrics(output: Path, dataset: str) -> dict:
    return json.loads((output / "inference" / dataset / "metrics.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_two_processes_train_and_evaluate_to_the_same_table_as_one(few_scenes, tmp_path, model):
    command = ["projects/DiffusionDet3D/train_net.py", "--config-file", toy_file(tmp_path, model)]
    data = ["DATASETS.TRAIN", "('synthroad_rope3d_train',)", "DATASETS.TEST", "('synthroad_rope3d_test',)"]
    run([*command, "--num-gpus", 2, *data, "OUTPUT_DIR", tmp_path / "two"], few_scenes)
    data += ["MODEL.WEIGHTS", tmp_path / "two/model_final.pth", "OUTPUT_DIR", tmp_path / "one"]
    run([*command, "--eval-only", *data], few_scenes)
    one, two = (metrics(tmp_path / name, "synthroad_rope3d_test") for name in ("one", "two"))
    assert one == two


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["diffusion_r50_rope3d", "sparse_rcnn_r50_rope3d", "detr_r50_rope3d"] + ["detr_published_r50_rope3d"],
)
def test_full_size_model_trains_and_evaluates_on_the_real_frame(shared_dir, tmp_path, name):
    small = ["SOLVER.MAX_ITER", 1, "SOLVER.IMS_PER_BATCH", 1, "DATALOADER.NUM_WORKERS", 0]
    random = ["MODEL.RESNETS.WEIGHTS", "", "OUTPUT_DIR", tmp_path]
    config = f"configs/DiffusionDet3D/{name}.yaml"
    command = ["projects/DiffusionDet3D/train_net.py", "--config-file", config, *small, *random]
    run(command, shared_dir / "data")
    assert "car 3d@0.5/all" in metrics(tmp_path, "rope3d_val")["exact"]


@pytest.mark.slow
def test_tiny_model_learns_the_real_roadside_frame(shared_dir, tmp_path):
    config = "configs/DiffusionDet3D/diffusion_tiny_rope3d.yaml"
    command = ["projects/DiffusionDet3D/train_net.py", "--config-file", config, "OUTPUT_DIR", tmp_path]
    run(command, shared_dir / "data")
    assert metrics(tmp_path, "rope3d_val")["exact"]["car 3d@0.5/all"] >= 90
