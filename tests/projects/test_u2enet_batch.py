"""Prediction over lists of images: shards, bad images, and a run that is killed and started again."""

import json
import os
import signal
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml

from d2ext.data.formats.kitti import read_ground
from d2ext.engine import load_config, save_safetensors
from d2ext.engine.batch import read_ahead
from d2ext.engine.shards import check_manifest, cut_list, read_shard, write_folder_list
from d2ext.projects.u2enet import U2ENetPredictor, U2ENetTrainer, add_u2enet_config
from d2ext.projects.u2enet.batch import SentencePredictor
from d2ext.projects.u2enet.evaluator import answer_rows
from d2ext.structures import ROAD, Camera

ROOT = Path(__file__).resolve().parents[2]
P = [[150.0, 0, 80, 4], [0, 150, 48, 0.1], [0, 0, 1, 0.003]]
TEXTS = ["The white car.", "All pedestrians within 30 meters."]


@pytest.fixture
def folder(tmp_path) -> Path:
    """Seven noise images with calibration; the odd ones with a ground plane."""
    rng = np.random.default_rng(0)
    for kind in ("images", "calib", "denorm"):
        (tmp_path / "data" / kind).mkdir(parents=True)
    for i in range(7):
        image = rng.integers(0, 256, (96, 160, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / f"data/images/{i}.png"), image)
        (tmp_path / f"data/calib/{i}.txt").write_text("P2: " + " ".join(str(x) for row in P for x in row))
        if i % 2:
            (tmp_path / f"data/denorm/{i}.txt").write_text("0 -0.98 -0.199 6.5")
    return tmp_path / "data"


@pytest.fixture
def cfg(toy_config, tmp_path):
    options = [
        "MODEL.WEIGHTS",
        str(tmp_path / "weights.safetensors"),
        "MODEL.GROUNDING.SCORE_THRESHOLD",
        "0.0",
    ]
    cfg = load_config(add_u2enet_config, str(toy_config), [*options, "MODEL.GROUNDING.TOPK", "5"])
    torch.manual_seed(0)
    save_safetensors(U2ENetTrainer.build_model(cfg), cfg.MODEL.WEIGHTS)
    return cfg


def rows_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def expected_answers(cfg, folder: Path) -> list[dict]:
    """What the predictor says about every image, by itself."""
    predictor, rows = U2ENetPredictor(cfg), []
    for i in range(7):
        image = cv2.imread(str(folder / f"images/{i}.png"))
        plane = torch.tensor(read_ground(folder / f"denorm/{i}.txt")) if i % 2 else None
        answers = predictor(image, TEXTS, Camera(P, (96, 160)), plane)
        rows.append(
            {
                "image": str(folder / f"images/{i}.png"),
                "sentences": answer_rows(TEXTS, answers, plane, ROAD.names),
            }
        )
    assert sum(len(s["objects"]) for row in rows for s in row["sentences"]) > 7
    return rows


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_shards_are_the_list_in_order(tmp_path, size):
    rows = [
        {"image": f"{i}é.png", "calib": "c", "sentences": ["Ein Auto über dem Fluß."] * i} for i in range(7)
    ]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    lines[3:3] = ["", "  "]
    (tmp_path / "list.jsonl").write_text("\n".join(lines), encoding="utf-8")  # without a last line break
    shards = cut_list(tmp_path / "list.jsonl", size)
    parts = [read_shard(tmp_path / "list.jsonl", shard) for shard in shards]
    assert [len(part) for part in parts] == [shard.images for shard in shards]
    assert all(len(part) == size for part in parts[:-1])
    assert sum(parts, []) == rows


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "list.jsonl:2: expected JSON"),
        ("[]", "list.jsonl:2: expected an object, got list"),
        ('{"image": 3}', "list.jsonl:2: field 'image': expected str, got 3"),
        ('{"image": "a", "calib": "b", "sentences": "c"}', "list.jsonl:2: field 'sentences': expected list"),
        ('{"image": "a", "calib": "b", "sentences": [" "]}', "list.jsonl:2: expected a sentence"),
        (
            '{"image": "a", "calib": "b", "sentences": [], "grund": "c"}',
            "list.jsonl:2: field 'grund': expected",
        ),
    ],
)
def test_a_wrong_line_of_the_list_is_named_before_work_starts(tmp_path, line, message):
    good = '{"image": "a.png", "calib": "a.txt", "ground": null, "sentences": ["A car."]}'
    (tmp_path / "list.jsonl").write_text(f"{good}\n{line}\n{good}\n")
    with pytest.raises(ValueError) as error:
        cut_list(tmp_path / "list.jsonl", 2)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_answers_are_the_predictors_and_bad_images_say_what_is_wrong(cfg, folder, tmp_path):
    expected = expected_answers(cfg, folder)
    write_folder_list(folder, TEXTS, tmp_path / "list.jsonl")
    (folder / "images/0.png").unlink()
    cut_off = (folder / "images/1.png").read_bytes()[:-40]
    (folder / "images/1.png").write_bytes(cut_off)
    (folder / "calib/2.txt").write_text("P2: 1 2 three")
    rows = rows_of(tmp_path / "list.jsonl")
    rows[3]["sentences"] = ["car " * 300]
    rows += [rows[5] | change for change in hostile_changes(folder)]
    (tmp_path / "list.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (shard,) = cut_list(tmp_path / "list.jsonl", 100)
    assert SentencePredictor(cfg, tmp_path / "list.jsonl", tmp_path, None).answer(shard) == len(rows) - 3
    answers = rows_of(shard.file(tmp_path))
    reasons = [["0.png", "no such"], ["1.png", "cut off"], ["2.txt", "P2"], ["at most 160"]]
    for row, parts in zip(answers[:4], reasons, strict=True):
        assert all(part in row["error"] for part in parts) and "\n" not in row["error"]
    assert answers[4:7] == expected[4:]
    assert all("\n" not in row["error"] and len(row["error"]) < 300 for row in answers[7:])


def hostile_changes(folder: Path) -> list[dict]:
    """What makes an image of the list unusable, each in another way."""
    header = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    (folder / "huge.png").write_bytes(header + struct.pack(">I", zlib.crc32(header[12:])) + bytes(29))
    (folder / "tiny.txt").write_text("P2: 1e-30 0 0 0 0 1e-30 0 0 0 0 1 0")
    (folder / "other.txt").write_text("P2: 150 0 480 0 0 150 290 0 0 0 1 0")
    (folder / "mm.txt").write_text("0 -1 0 1650")
    os.mkfifo(folder / "pipe")
    return [
        {"image": str(folder / "huge.png")},
        {"image": str(folder / "pipe")},
        {"image": "a\0b.png"},
        {"image": "/dev/zero"},
        {"image": str(folder)},
        {"image": "x" * 5000},
        {"sentences": ["A car \ud800."]},
        {"calib": str(folder / "tiny.txt")},
        {"calib": str(folder / "other.txt")},
        {"ground": str(folder / "mm.txt")},
    ]


def test_an_image_that_fails_in_an_unexpected_way_stops_no_other(cfg, folder, tmp_path, monkeypatch):
    write_folder_list(folder, TEXTS, tmp_path / "list.jsonl")
    (shard,) = cut_list(tmp_path / "list.jsonl", 7)
    predictor = SentencePredictor(cfg, tmp_path / "list.jsonl", tmp_path, None)
    calls = iter(range(7))
    answer = predictor.predictor

    def fail_once(*args):
        if next(calls) == 2:
            raise RuntimeError("out of\nmemory")
        return answer(*args)

    monkeypatch.setattr(predictor, "predictor", fail_once)
    assert predictor.answer(shard) == 1
    answers = rows_of(shard.file(tmp_path))
    assert answers[2]["error"] == "RuntimeError('out of\\nmemory')" and "error" not in answers[3]


def test_a_carriage_return_ends_no_line(tmp_path):
    line = b'{"image": "a.png",\r "calib": "a.txt", "sentences": []}\r\n'
    (tmp_path / "list.jsonl").write_bytes(line * 3)
    (shard,) = cut_list(tmp_path / "list.jsonl", 5)
    assert shard.images == len(read_shard(tmp_path / "list.jsonl", shard)) == 3


def test_a_run_with_anything_changed_is_refused(cfg, folder, tmp_path):
    path = tmp_path / "list.jsonl"
    write_folder_list(folder, TEXTS, path)
    check_manifest(tmp_path, cfg, path, 5, {"single_target": None})
    moved = cfg.clone()
    moved.merge_from_list(["MODEL.DEVICE", "cuda", "OUTPUT_DIR", "elsewhere"])
    moved.merge_from_list(["MODEL.GROUNDING.SENTENCE_CHUNK", 7, "DATALOADER.NUM_WORKERS", 3])
    check_manifest(tmp_path, moved, path, 5, {"single_target": None})
    other = cfg.clone()
    other.merge_from_list(["MODEL.GROUNDING.SCORE_THRESHOLD", 0.7])
    asked = {"single_target": None}
    for arguments, name in [((cfg, path, 4, asked), "shard size"), ((other, path, 5, asked), "config")]:
        with pytest.raises(ValueError, match=f"manifest.json: made by a run with another {name}; expected"):
            check_manifest(tmp_path, *arguments)
    write_folder_list(folder, TEXTS[:1], path)
    with pytest.raises(ValueError, match="another list"):
        check_manifest(tmp_path, cfg, path, 5, {"single_target": None})


def test_reading_ahead_keeps_the_order_and_a_bound():
    started = []

    def work(i: int) -> int:
        started.append(i)
        time.sleep(0.002 * (i % 3))
        return i * i

    for i, result in enumerate(read_ahead(work, range(40))):
        assert result == i * i and len(started) <= i + 10


@pytest.mark.slow
def test_a_killed_run_goes_on_with_the_shards_that_are_missing(cfg, folder, tmp_path):
    config = yaml.safe_load(cfg.dump())
    (tmp_path / "whole.yaml").write_text(yaml.safe_dump(config))
    output = tmp_path / "out"
    texts = [word for text in TEXTS for word in ("--text", text)]
    command = [sys.executable, "projects/U2ENet/batch_predict.py"]
    command += ["--config-file", str(tmp_path / "whole.yaml")]
    command += ["--folder", str(folder), *texts, "--output", str(output), "--shard-size", "1"]
    command += ["--gpus-per-actor", "0"]
    run = subprocess.Popen(
        command, cwd=ROOT, start_new_session=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    end = time.monotonic() + 300
    while not list(output.glob("shard-*")) and run.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    count = -1
    while count != len(list(output.glob("shard-*"))):  # Ray's own processes may finish what they are at
        count = len(list(output.glob("shard-*")))
        time.sleep(5)
    before = {path.name: path.stat().st_mtime_ns for path in output.glob("shard-*")}
    assert before
    if len(before) == 7:  # it was too quick for the kill
        (output / "shard-000006.jsonl").unlink()
        del before["shard-000006.jsonl"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    shown = done.stderr.replace("\r", "\n").splitlines()
    assert all(not line or line.startswith("U2ENet:") for line in shown), done.stderr
    assert f"7 images in {output}, {7 - len(before)} of them now; 0 of these could not be used" in done.stdout
    files = sorted(output.glob("shard-*"))
    assert {path.name: path.stat().st_mtime_ns for path in files if path.name in before} == before
    got = [row for path in files for row in rows_of(path)]
    for row, expected in zip(got, expected_answers(cfg, folder), strict=True):
        assert row["image"] == expected["image"]
        for a, b in zip(row["sentences"], expected["sentences"], strict=True):
            assert a["text"] == b["text"] and len(a["objects"]) == len(b["objects"])
            for x, y in zip(a["objects"], b["objects"], strict=True):
                assert x["class"] == y["class"]
                assert x["score"] == pytest.approx(y["score"], abs=1e-5)
                assert x["location"] == pytest.approx(y["location"], abs=1e-3)
