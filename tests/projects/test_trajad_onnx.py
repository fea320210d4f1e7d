"""The exported graph under onnxruntime against the torch model: the same maps and scores."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from project_scripts import call_script, load_script, needs_exporter

from d2ext.engine import load_config, save_safetensors
from d2ext.projects.trajad import (
    OnnxTrajAD,
    TrajADPredictor,
    TrajADTrainer,
    add_trajad_config,
    export_onnx,
)

pytest.importorskip("onnxruntime")
pytestmark = needs_exporter
ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "configs/TrajAD/trajad_synthtraffic.yaml"
HIGH = ("--opts", "TEST.THRESHOLD", "1e6")
WEIGHTS = ROOT / "projects/TrajAD/weights/trajad_synthtraffic.safetensors"


def pair(cfg, folder: Path) -> tuple[TrajADPredictor, TrajADPredictor]:
    export_onnx(cfg, folder, report=lambda line: None)
    model = OnnxTrajAD(folder)
    return TrajADPredictor(cfg), TrajADPredictor(model.cfg, model)


def agree(predictors, image: np.ndarray) -> None:
    expected, got = (predictor(image) for predictor in predictors)
    assert got.keys() == expected.keys() and isinstance(got["score"], float)
    assert got["score"] == pytest.approx(expected["score"], abs=1e-3, rel=1e-4)
    for name in ("anomaly_map", "local_map", "global_map"):
        scale = expected[name].abs().max()
        assert torch.allclose(got[name], expected[name], rtol=0, atol=float(1e-4 * scale)), name


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("onnx")


@pytest.fixture(scope="module")
def shipped(folder):
    options = ["MODEL.DEVICE", "cpu", "TEST.DTYPE", "float32", "MODEL.WEIGHTS", str(WEIGHTS)]
    return pair(load_config(add_trajad_config, str(CONFIG), options), folder)


def test_the_shipped_model_answers_the_same(shipped):
    rng = np.random.default_rng(0)
    for image in (rng.integers(0, 256, (256, 256, 3), np.uint8), np.full((256, 256, 3), 200, np.uint8)):
        agree(shipped, image)


def test_other_sizes_are_one_clear_line(shipped):
    with pytest.raises(ValueError, match="expected 256x256 pixels, as exported, got 300x256"):
        shipped[1](np.zeros((256, 300, 3), np.uint8))


def test_the_demo_runs_the_export_on_a_folder_with_the_same_answers(shipped, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(3)
    Path("in").mkdir()
    for number, size in enumerate(((256, 256), (300, 280))):
        cv2.imwrite(f"in/{number}.png", rng.integers(0, 256, (*size, 3), np.uint8))
    demo = load_script("demo", "TrajAD")
    plain = ("MODEL.DEVICE", "cpu", "TEST.DTYPE", "float32")
    torch_words = ("--config-file", CONFIG, "--opts", "MODEL.WEIGHTS", WEIGHTS, *plain)
    onnx_words = ("--runtime", "onnx", "--onnx", folder)
    assert call_script(demo, "--input", "in", "--output", "torch", *torch_words) == 0
    assert call_script(demo, "--input", "in", "--output", "onnx", *onnx_words) == 0
    assert call_script(demo, "--input", "in", "--output", "high", *onnx_words, *HIGH) == 0
    found = {
        name: [json.loads(line) for line in Path(name, "results.jsonl").read_text().splitlines()]
        for name in ("torch", "onnx", "high")
    }
    for expected, got, high in zip(found["torch"], found["onnx"], found["high"], strict=True):
        assert got["score"] == pytest.approx(expected["score"], rel=1e-4)
        assert got["threshold"] == expected["threshold"] == 0.2 and high["threshold"] == 1e6
        assert got["verdict"] == expected["verdict"] == "abnormal" and high["verdict"] == "normal"
        assert [r["box"] for r in got["regions"]] == [r["box"] for r in expected["regions"]]


def test_the_threshold_of_the_checkpoint_goes_with_the_export(folder, shipped, tmp_path):
    """As a number of meta.json; folders of before there was one have the default, odd ones are refused."""
    for name in ("meta.json", "config.yaml", "maps.onnx"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    meta = json.loads((folder / "meta.json").read_text())
    assert meta.pop("threshold") == 0.2 == shipped[0].threshold
    for value, expected in ((0.37, 0.37), (None, 0.2)):
        content = meta | ({"threshold": value} if value else {})
        (tmp_path / "meta.json").write_text(json.dumps(content))
        model = OnnxTrajAD(tmp_path)
        assert TrajADPredictor(model.cfg, model).threshold == expected
        assert OnnxTrajAD(tmp_path, ["TEST.THRESHOLD", "0.9"]).threshold() == 0.9
    for value in (-1, "high", True):
        (tmp_path / "meta.json").write_text(json.dumps(meta | {"threshold": value}))
        with pytest.raises(ValueError, match="meta.json: field 'threshold': expected a number greater"):
            OnnxTrajAD(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("branch", ["softmax", "gated_linear", "autoencoder"])
def test_every_branch_can_be_exported(branch, tmp_path):
    options = ["MODEL.DEVICE", "cpu", "TEST.DTYPE", "float32", "MODEL.EFFICIENT_AD.BRANCH.NAME", branch]
    options += ["MODEL.EFFICIENT_AD.BRANCH.DIM", 16, "MODEL.EFFICIENT_AD.WIDTH", 0.0625]
    weights = tmp_path / "weights.safetensors"
    torch.manual_seed(0)
    save_safetensors(TrajADTrainer.build_model(load_config(add_trajad_config, str(CONFIG), options)), weights)
    cfg = load_config(add_trajad_config, str(CONFIG), [*options, "MODEL.WEIGHTS", str(weights)])
    predictors = pair(cfg, tmp_path / "onnx")
    agree(predictors, np.random.default_rng(1).integers(0, 256, (256, 256, 3), np.uint8))


def test_a_damaged_folder_is_one_clear_line(shipped, folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="has no meta.json"):
        OnnxTrajAD(tmp_path)
    for name in ("meta.json", "config.yaml", "maps.onnx"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    OnnxTrajAD(tmp_path)
    for text in ("[]", "{", json.dumps({"format": 99, "size": [1, 1]})):
        (tmp_path / "meta.json").write_text(text)
        with pytest.raises(ValueError, match="meta.json: "):
            OnnxTrajAD(tmp_path)
    (tmp_path / "meta.json").write_bytes((folder / "meta.json").read_bytes())
    (tmp_path / "maps.onnx").write_bytes(b"no graph")
    with pytest.raises(ValueError, match="maps.onnx: not a whole graph"):
        OnnxTrajAD(tmp_path)
