"""The scale of the graphs belongs to the weights: it is learnt, stored, shared and asked for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import yaml
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.modeling import build_model
from project_scripts import ROOT

from d2ext.data.builtin import register_dataset
from d2ext.data.synthtraffic.generate import generate
from d2ext.data.trajectories import Tracks
from d2ext.engine import load_config, load_weights, read_checkpoint, write_safetensors
from d2ext.projects.trajad import StreamingPredictor, TrajADPredictor, TrajADTrainer, add_trajad_config

CONFIG = str(ROOT / "configs/TrajAD/trajad_synthtraffic.yaml")
WEIGHTS = ROOT / "projects/TrajAD/weights/trajad_synthtraffic.safetensors"


def _config(*options):
    words = ["MODEL.WEIGHTS", str(WEIGHTS), "MODEL.DEVICE", "cpu", *options]
    return load_config(add_trajad_config, CONFIG, words)


def _recording(lanes=("1", "2")) -> Tracks:
    time = np.arange(40) * 0.5
    count = len(time) * len(lanes)
    return Tracks(
        np.array([f"v{lane}" for lane in lanes]),
        np.repeat(np.arange(len(lanes)), len(time)),
        np.tile(time, len(lanes)),
        np.repeat(np.array(lanes), len(time)),
        np.tile(10 * time, len(lanes)),
        np.full(count, 10.0),
    )


@pytest.mark.parametrize(
    "key, value, message",
    [
        ("LANES", "[1, 2, 3]", "lanes 3 (trained: 2)"),
        ("END", "600.0", "pixels of a lane 200 (trained: 127)"),
        ("WIDTH", "128", "WIDTH 128 (trained: 256)"),
        ("SECONDS_PER_PIXEL", "1.0", "SECONDS_PER_PIXEL 1 (trained: 0.5)"),
        ("VEHICLE_LENGTH", "12.0", "VEHICLE_LENGTH 12 (trained: 5)"),
    ],
)
def test_graphs_of_another_scale_are_refused_whoever_scores_them(key, value, message):
    predictor = TrajADPredictor(_config(f"INPUT.GRAPH.{key}", value, "INPUT.GRAPH.OVERLAP", "32"))
    for score in (lambda: predictor.recording(_recording()), lambda: StreamingPredictor(predictor)):
        with pytest.raises(ValueError) as error:
            score()
        assert str(error.value).startswith("INPUT.GRAPH: other graphs than") and message in str(error.value)


def test_names_of_lanes_place_and_speed_limit_are_the_road_s():
    _, expected = TrajADPredictor(_config()).recording(_recording())
    options = (
        *("INPUT.GRAPH.LANES", "['E0_0', 'E0_1']"),
        *("INPUT.GRAPH.START", "300.0", "INPUT.GRAPH.END", "681.0"),
    )
    tracks = _recording(("E0_0", "E0_1"))
    moved = Tracks(tracks.ids, tracks.track, tracks.time, tracks.lane, tracks.position + 300, tracks.speed)
    _, found = TrajADPredictor(_config(*options)).recording(moved)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    TrajADPredictor(_config("INPUT.GRAPH.TOP_SPEED", "30.0")).recording(_recording())


def test_weights_of_before_there_was_a_scale_load_and_score_as_they_did(tmp_path):
    state = read_checkpoint(WEIGHTS)["model"]
    del state["graph_scale"]
    write_safetensors(state, tmp_path / "old.safetensors")
    options = ("MODEL.WEIGHTS", str(tmp_path / "old.safetensors"))
    _, expected = TrajADPredictor(_config()).recording(_recording())
    _, found = TrajADPredictor(_config(*options)).recording(_recording())
    np.testing.assert_array_equal(found, expected)
    TrajADPredictor(_config(*options, "INPUT.GRAPH.END", "600.0")).recording(_recording())


def test_the_shipped_weights_have_no_threshold_and_take_the_default_or_the_config_s():
    assert "measured_threshold" not in read_checkpoint(WEIGHTS)["model"]
    assert TrajADPredictor(_config()).threshold == 0.2
    predictor = TrajADPredictor(_config("TEST.THRESHOLD", "0.5"))
    image = np.zeros((256, 256, 3), np.uint8)
    assert predictor.threshold == 0.5 == predictor(image)["threshold"]


def test_training_on_recordings_stores_the_scale_in_checkpoint_and_export(tmp_path):
    generate(tmp_path / "traffic", 4, 4, 1, 1, progress=False)
    names = {split: f"scale_{split}" for split in ("train", "val", "test")}
    try:
        for split, name in names.items():
            register_dataset(name, "trajectories", tmp_path / "traffic/trajectories", split)
        toy = {
            "_BASE_": str(ROOT / "configs/TrajAD/Base-TrajAD.yaml"),
            "MODEL": {
                "DEVICE": "cpu",
                "EFFICIENT_AD": {
                    "WIDTH": 1 / 48,
                    "PADDING": True,
                    "BRANCH": {"DIM": 8, "ATTENTION_HEADS": 2},
                },
            },
            "DATASETS": {"TRAIN": [names["train"]], "NORMAL": [names["val"]], "TEST": [names["test"]]},
            "DATALOADER": {"NUM_WORKERS": 0},
            "SOLVER": {"MAX_ITER": 1, "IMS_PER_BATCH": 1},
            "OUTPUT_DIR": str(tmp_path / "out"),
        }
        (tmp_path / "toy.yaml").write_text(yaml.safe_dump(toy))
        cfg = load_config(add_trajad_config, str(tmp_path / "toy.yaml"), [])
        teacher = build_model(cfg).teacher
        write_safetensors(teacher.state_dict(), tmp_path / "teacher.safetensors")
        options = ["MODEL.EFFICIENT_AD.TEACHER", str(tmp_path / "teacher.safetensors")]
        cfg = load_config(add_trajad_config, str(tmp_path / "toy.yaml"), options)
        trainer = TrajADTrainer(cfg)
        trainer.resume_or_load(resume=False)
        trainer.train()
        state = read_checkpoint(tmp_path / "out/model_final.pth")["model"]
        write_safetensors(state, tmp_path / "half.safetensors", half=True)
        other = ["MODEL.WEIGHTS", str(tmp_path / "half.safetensors"), "INPUT.GRAPH.METRES_PER_PIXEL", "3.1"]
        cfg = load_config(add_trajad_config, str(tmp_path / "toy.yaml"), other)
        model = build_model(cfg).eval()
        load_weights(model, read_checkpoint(tmp_path / "half.safetensors")["model"], "half.safetensors")
        expected = (2.0, 127.0, 2.0, 256.0, 0.5, 3.0, 5.0)
        assert tuple(model.graph_scale.tolist()) == expected
        record = TrajADTrainer.build_test_loader(cfg, names["test"])
        with torch.no_grad(), pytest.raises(ValueError, match=r"METRES_PER_PIXEL 3.1 \(trained: 3\)"):
            model(next(iter(record)))
    finally:
        for name in names.values():
            DatasetCatalog.remove(name)
            MetadataCatalog.remove(name)
