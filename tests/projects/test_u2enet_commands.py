"""train_net.py and demo.py on real frames: results, resuming, and one clear line for bad input."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from detectron2.config import get_cfg
from project_scripts import call_script, load_script

from d2ext.data.build import build_grounding_test_loader
from d2ext.data.formats.kitti import read_calib
from d2ext.engine import load_config, read_checkpoint, save_safetensors
from d2ext.projects.u2enet import U2ENetPredictor, U2ENetTrainer, add_u2enet_config
from d2ext.structures import Camera

ROOT = Path(__file__).resolve().parents[2]
TEXT = "The white car straight ahead is about 14 meters away from me."


@pytest.fixture
def cfg(toy_config, tmp_path):
    cfg = get_cfg()
    add_u2enet_config(cfg)
    cfg.merge_from_file(str(toy_config))
    torch.manual_seed(0)
    cfg.MODEL.WEIGHTS = str(tmp_path / "weights.safetensors")
    save_safetensors(U2ENetTrainer.build_model(cfg), cfg.MODEL.WEIGHTS)
    return cfg


@pytest.fixture
def demo_arguments(toy_config, real_data, tmp_path, cfg):
    frame = real_data / "mono3drefer"
    return {
        "--config-file": toy_config,
        "--input": frame / "images/000008.png",
        "--calib": frame / "calib/000008.txt",
        "--text": TEXT,
        "--output": tmp_path / "out.png",
        "--json": tmp_path / "out.json",
        "--opts": "MODEL.WEIGHTS",
    }


def flat(arguments: dict, weights) -> list[str]:
    return [str(x) for pair in arguments.items() for x in pair] + [str(weights)]


@pytest.mark.parametrize("model", ["U2ENet", "TwoStageGrounder"])
def test_evaluation_after_training_and_eval_only_agree(train_net, real_data, tmp_path, model):
    train_net("MODEL.META_ARCHITECTURE", model)
    folder = tmp_path / "output/inference/real_mono3drefer_train"
    assert {"predictions.json", "metrics.json", "kitti"} <= {p.name for p in folder.iterdir()}
    trained = json.loads((folder / "metrics.json").read_text())
    options = ("MODEL.META_ARCHITECTURE", model, "OUTPUT_DIR", tmp_path / "again")
    again = train_net("--eval-only", "MODEL.WEIGHTS", tmp_path / "output/model_final.pth", *options)
    assert trained == again
    assert set(again) == {"published", "exact"} and "Acc@0.5" in again["published"]


def test_resumed_training_ends_with_the_same_weights(train_net, real_data, tmp_path):
    quiet = ("DATASETS.TEST", "()", "SOLVER.EMA.ENABLED", "True")
    train_net("OUTPUT_DIR", tmp_path / "whole", *quiet)
    train_net("OUTPUT_DIR", tmp_path / "parts", "SOLVER.CHECKPOINT_PERIOD", "2", *quiet)
    parts = tmp_path / "parts"
    (parts / "model_final.pth").unlink()
    (parts / "model_0000003.pth").unlink()
    (parts / "last_checkpoint").write_text("model_0000001.pth")
    train_net("--resume", "OUTPUT_DIR", parts, *quiet)
    whole, resumed = (read_checkpoint(tmp_path / d / "model_final.pth") for d in ("whole", "parts"))
    trained = [checkpoint["trainer"]["hooks"]["WeightAverage"]["trained"] for checkpoint in (whole, resumed)]
    for a, b in ((whole["model"], resumed["model"]), trained):
        assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
    assert any(not torch.equal(whole["model"][name], value) for name, value in trained[0].items())


def test_predictor_encodes_the_image_once_and_answers_like_the_test_loader(cfg, real_data, monkeypatch):
    predictor = U2ENetPredictor(cfg)
    passes = []
    forward = predictor.model.backbone.forward
    monkeypatch.setattr(predictor.model.backbone, "forward", lambda x: passes.append(len(x)) or forward(x))
    record = next(iter(build_grounding_test_loader(cfg, "real_mono3drefer_train")))[0]
    image = cv2.imread(record["file_name"])
    camera = record["original_camera"]
    plane = record["ground_plane"]
    answers = predictor(image, record["sentences"] * 3, camera, plane, single_target=True)
    assert passes == [1] and len(answers) == 3 * len(record["sentences"])
    with torch.no_grad():
        expected = predictor.model([record])[0]["grounding"]
    for a, b in zip(answers, expected, strict=False):
        assert torch.allclose(a.pred_boxes3d.center, b.pred_boxes3d.center, atol=1e-3)
        assert torch.allclose(a.pred_boxes.tensor, b.pred_boxes.tensor, atol=1e-2)


def test_predictor_encodes_sentences_again_only_if_they_change(cfg, real_data, monkeypatch):
    predictor = U2ENetPredictor(cfg)
    read = []
    encode = predictor.model.encode_sentences
    monkeypatch.setattr(predictor.model, "encode_sentences", lambda x: read.append(list(x)) or encode(x))
    record = next(iter(build_grounding_test_loader(cfg, "real_mono3drefer_train")))[0]
    image, texts = cv2.imread(record["file_name"]), record["sentences"]
    questions = [texts[:2], texts[:2], texts[1:2], texts[:2]]
    first, second, _, fourth = (
        predictor(shown, x, record["original_camera"], single_target=True)
        for shown, x in zip((image, image[::-1].copy(), image, image), questions, strict=True)
    )
    assert read == [texts[:2], texts[1:2], texts[:2]]
    for a, b, other in zip(first, fourth, second, strict=True):
        assert torch.equal(a.pred_boxes3d.center, b.pred_boxes3d.center)
        assert not torch.allclose(a.pred_boxes3d.center, other.pred_boxes3d.center)


def test_predictor_refuses_what_it_cannot_mean(cfg):
    predictor = U2ENetPredictor(cfg)
    camera = Camera([[100.0, 0, 40, 0], [0, 100, 30, 0], [0, 0, 1, 0]], (60, 80))
    image = np.zeros((60, 80, 3), np.uint8)
    with pytest.raises(ValueError, match=r"image: expected \(H, W, 3\) uint8.* got \(60, 80\) uint8"):
        predictor(image[..., 0], [TEXT], camera)
    with pytest.raises(ValueError, match=r"camera: made for \(60, 80\).* the image has \(50, 80\)"):
        predictor(image[:50], [TEXT], camera)
    with pytest.raises(ValueError, match="sentence 2 of 2 is empty"):
        predictor(image, [TEXT, " "], camera)
    assert predictor(image, [], camera) == []


def test_the_shipped_checkpoint_fits_its_config():
    shipped = ["MODEL.WEIGHTS", str(ROOT / "projects/U2ENet/weights/u2enet_tiny_synthroad.safetensors")]
    config = str(ROOT / "configs/U2ENet/u2enet_tiny_synthroad.yaml")
    U2ENetPredictor(load_config(add_u2enet_config, config, shipped))


def test_only_the_backbone_starts_from_another_checkpoint():
    shipped = str(ROOT / "projects/U2ENet/weights/u2enet_tiny_synthroad.safetensors")
    config = str(ROOT / "configs/U2ENet/u2enet_tiny_synthroad.yaml")
    model = U2ENetTrainer.build_model(
        load_config(add_u2enet_config, config, ["MODEL.BACKBONE.WEIGHTS", shipped])
    )
    given, state = read_checkpoint(shipped)["model"], model.state_dict()
    learnt = {name for name, value in model.named_parameters() if value.ndim > 1}
    learnt.remove("text_encoder.encoder.embeddings.word_embeddings.weight")  # FROZEN_WORDS: of every model
    same = {name for name in learnt if torch.equal(state[name], given[name].float())}
    assert same == {name for name in learnt if name.startswith("backbone.")}


def test_demo_writes_a_picture_and_boxes(demo, demo_arguments, cfg, tmp_path, capsys):
    command = flat(demo_arguments, cfg.MODEL.WEIGHTS)
    command[2:2] = ["--single", "--text", "All pedestrians."]
    assert demo(*command) == 0
    picture = cv2.imread(str(tmp_path / "out.png"))
    assert picture.shape[1] > 1242 * 0.9
    written = json.loads((tmp_path / "out.json").read_text())
    assert [len(s["objects"]) for s in written["sentences"]] == [1, 1]
    assert set(written["sentences"][0]["objects"][0]) == {
        "class", "score", "bbox", "location", "dimensions", "yaw", "alpha",
    }  # fmt: skip
    assert "1 object: " + TEXT in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({"--input": "nowhere.png"}, 2, "argument --input: nowhere.png: no such file"),
        ({"--input": "bad_calib.txt"}, 1, "bad_calib.txt: expected an image file"),
        ({"--calib": "bad_calib.txt"}, 1, "bad_calib.txt: "),
        ({"--text": ""}, 1, "sentence 1 of 1 is empty: expected words"),
        ({"--text": "car " * 300}, 1, "tokens, expected at most 160"),
        (
            {"--output": "bad_calib.txt/out.png"},
            2,
            "bad_calib.txt is a file, expected a folder",
        ),
        ({"--output": "out.docx"}, 1, "out.docx: expected a picture name"),
        ({"--config-file": "nowhere.yaml"}, 2, "argument --config-file: nowhere.yaml: no such file"),
    ],
)
def test_demo_says_what_is_wrong_in_one_line(
    demo, demo_arguments, cfg, tmp_path, capsys, monkeypatch, change, status, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad_calib.txt").write_text("P0: 1 2 3\n")
    assert demo(*flat(demo_arguments | change, cfg.MODEL.WEIGHTS)) == status
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ") and message in error and "\n" not in error
    assert not (tmp_path / "out.png").exists()


def test_demo_refuses_a_checkpoint_of_another_shape(demo, demo_arguments, cfg, tmp_path, capsys):
    other = cfg.clone()
    other.MODEL.IDA.CHANNELS = [16, 16, 16, 24]
    save_safetensors(U2ENetTrainer.build_model(other), tmp_path / "other.safetensors")
    assert demo(*flat(demo_arguments, tmp_path / "other.safetensors")) == 1
    error = capsys.readouterr().err.strip()
    assert "other.safetensors: backbone." in error and "has shape" in error and "\n" not in error


def test_too_long_a_sentence_is_found_before_training(train_net, real_data, tmp_path):
    from detectron2.data import DatasetCatalog

    from d2ext.data.builtin import register_dataset

    root = tmp_path / "mono3drefer"
    shutil.copytree(real_data / "mono3drefer", root, copy_function=shutil.copyfile)
    path = root / "Mono3DRefer.json"
    items = json.loads(path.read_text())
    index = next(i for i, e in enumerate(items) if e["im_name"] == "000003")
    items[index]["description"] = "very " * 400 + "long"
    path.write_text(json.dumps(items))
    register_dataset("real_long", "mono3drefer", root, "train")
    try:
        with pytest.raises(ValueError, match=r"real_long, image 000003, sentence \d+: .* tokens, expected"):
            train_net("DATASETS.TRAIN", "('real_long',)")
    finally:
        DatasetCatalog.remove("real_long")
    assert not list((tmp_path / "output").glob("*.pth"))


def test_calibration_reaches_the_camera_unchanged(real_data):
    P = torch.tensor(read_calib(real_data / "mono3drefer/calib/000008.txt"))
    assert P[0, 3] == pytest.approx(44.85728) and P[2, 3] == pytest.approx(2.745884e-3)


def test_chosen_thresholds_reach_on_evaluation_what_they_promise(train_net, real_data, tmp_path):
    script = load_script("choose_thresholds")
    config = ROOT / "configs/U2ENet/u2enet_tiny_monomulti3d.yaml"
    weights = ["MODEL.WEIGHTS", str(ROOT / "projects/U2ENet/weights/u2enet_tiny_synthroad.safetensors")]
    common = [*weights, "DATALOADER.NUM_WORKERS", "0", "OUTPUT_DIR", str(tmp_path / "output")]
    val = ["DATASETS.VAL", "('real_monomulti3d_train',)"]
    assert call_script(script, "--config-file", config, *common, *val) == 0
    chosen = json.loads((tmp_path / "output/thresholds.json").read_text())
    thresholds = ["SCORE_THRESHOLD", chosen["score"], "EXISTENCE_THRESHOLD", chosen["existence"]]
    thresholds[::2] = [f"MODEL.GROUNDING.{key}" for key in thresholds[::2]]
    options = [*common, *map(str, thresholds), "DATASETS.TEST", "('real_monomulti3d_train',)"]
    exact = train_net("--eval-only", *options, config=config)["exact"]
    assert exact["F1@0.5"] == pytest.approx(chosen["f1"])
    assert chosen["f1"] > 0


def test_thresholds_are_not_chosen_on_single_targets(toy_config, real_data, cfg, capsys):
    script = load_script("choose_thresholds")
    val = ["DATASETS.VAL", "('real_mono3drefer_train',)", "MODEL.WEIGHTS", cfg.MODEL.WEIGHTS]
    assert call_script(script, "--config-file", toy_config, *val) == 1
    assert "('real_mono3drefer_train',), expected multi-target datasets" in capsys.readouterr().err
