"""scripts/evaluate_real.py on a few written frames, with small models that have learnt nothing."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from detectron2.config import get_cfg
from detectron2.data import DatasetCatalog, MetadataCatalog
from project_scripts import ROOT, call_script, load_script

from d2ext.engine import save_safetensors
from d2ext.projects.u2enet import U2ENetTrainer, add_u2enet_config
from tests.toy_backbone import NARROW

LABEL = ["Car", "0", "0", "0.1", "60", "40", "100", "70", "1.5", "1.7", "4", "0", "1.65", "20", "0.1"]
TEXTS = ["The car.", "The car straight ahead.", "The car 20 m away."]
SMALL = {
    "_BASE_": str(ROOT / "configs/U2ENet/Base-U2ENet-tiny.yaml"),
    "MODEL": {"DEVICE": "cpu", **NARROW},
    "INPUT": {"SIZE": [96, 160], "GROUND_ERROR": []},  # an assumed plane counts as much as a told one
    "TEST": {"DTYPE": "float32"},
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two frames without planes, which every split names."""
    folder = tmp_path / "data/plain/mono3drefer"
    for name in ("images", "calib"):
        (folder / name).mkdir(parents=True)
    rng, items = np.random.default_rng(0), []
    for i, name in enumerate(("000001", "000002")):
        cv2.imwrite(str(folder / f"images/{name}.png"), rng.integers(0, 256, (96, 160, 3), np.uint8))
        (folder / f"calib/{name}.txt").write_text("P2: 150 0 80 0 0 150 48 0 0 0 1 0\n")
        for j, text in enumerate(TEXTS):
            item = {"im_name": name, "instanceID": i, "ann_id": j, "objectName": "car", "description": text}
            items.append(item | {"label_2": str(LABEL)})
    (folder / "Mono3DRefer.json").write_text(json.dumps(items))
    for split in ("train", "val", "test"):
        (folder / f"Mono3DRefer_{split}_image.txt").write_text("000001\n000002\n")
    return tmp_path / "data"


@pytest.fixture
def evaluate(tmp_path: Path, monkeypatch):
    """Calls the command with a small model; returns its exit status."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(SMALL))
    cfg = get_cfg()
    add_u2enet_config(cfg)
    cfg.merge_from_file(str(tmp_path / "small.yaml"))
    torch.manual_seed(0)
    save_safetensors(U2ENetTrainer.build_model(cfg), tmp_path / "small.safetensors")
    model = ("--grounding-config", tmp_path / "small.yaml")
    model += ("--grounding-weights", tmp_path / "small.safetensors")
    yield partial(call_script, load_script("evaluate_real", ""), "--output", tmp_path / "out", *model)
    for name in [n for n in DatasetCatalog.list() if n.startswith("real_plain")]:
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)


def best_boxes(folder: Path) -> list[list[float]]:
    images = json.loads((folder / "predictions.json").read_text())
    return [s["predictions"][0]["location"] for image in images for s in image["sentences"]]


def test_the_table_the_log_and_the_pictures(evaluate, data, tmp_path, capsys):
    log = tmp_path / "log.md"
    rows = ("--rows", "mono3drefer", "plain", "plain_plane", "plain_none")
    for note in ("first", "second | third"):
        more = ("--pictures", tmp_path / "pictures", "--log", log, "--note", note)
        assert evaluate("--data", data, *rows, *more) == 0
    printed = capsys.readouterr().out
    assert "mono3drefer, all splits: left out, no folder" in printed
    figures = json.loads((tmp_path / "out/real.json").read_text())["figures"]
    assert figures.keys() == {"plain", "plain_plane", "plain_none"}
    folder = tmp_path / "out/inference"
    metrics = json.loads((folder / "real_plain/metrics.json").read_text())["published"]
    assert metrics["sentences"] == 2 * len(TEXTS)  # an image counts once
    assert figures["plain"]["Acc@0.25"] == metrics["Acc@0.25"]
    assert (tmp_path / "out/real.md").read_text() in printed
    # Without planes/ the answers are those with KITTI's plane, and others where none is known at all.
    assert best_boxes(folder / "real_plain") == best_boxes(folder / "real_plain_plane")
    assert best_boxes(folder / "real_plain") != best_boxes(folder / "real_plain_none")
    lines = log.read_text().splitlines()
    assert len(lines) == 4 and len({line.count("|") for line in lines}) == 1
    assert "| first |" in lines[2] and "| second / third |" in lines[3] and "| - |" in lines[3]
    pictures = sorted(path.name for path in (tmp_path / "pictures/real_plain").iterdir())
    assert pictures == ["000001-1.jpg", "000002-1.jpg"]


def test_words_without_meaning_are_counted(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    from real_frames.frames import answered

    found = [[], [{"score": 0.4}], [{"score": 0.7}, {"score": 0.1}], []]
    images = [{"sentences": [{"predictions": p} for p in part]} for part in (found[:2], found[2:])]
    (tmp_path / "predictions.json").write_text(json.dumps(images))
    expected = {"boxes": 0.75, "most boxes": 2.0, "greatest score": 0.7, "none %": 50.0}
    assert answered(tmp_path / "predictions.json") == expected


def test_without_frames_there_is_one_line(evaluate, tmp_path, capsys):
    assert evaluate("--data", tmp_path / "nowhere") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "nowhere: no such folder" in line and "--data" in line


def test_the_choices_are_the_rows(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    from real_frames.frames import ROWS

    assert load_script("evaluate_real", "").ROWS == tuple(row.key for row in ROWS)


def test_a_log_wants_a_note_and_is_no_other_file(evaluate, data, tmp_path, capsys):
    assert evaluate("--data", data, "--log", tmp_path / "log.md") == 2
    assert "--note" in capsys.readouterr().err
    (tmp_path / "other.md").write_text("# Something else\n")
    row = ("--data", data, "--rows", "plain")
    assert evaluate(*row, "--log", tmp_path / "other.md", "--note", "a") == 1
    error = capsys.readouterr().err
    assert "expected a log with the columns" in error and error.startswith("error: ")
    assert (tmp_path / "other.md").read_text() == "# Something else\n"
