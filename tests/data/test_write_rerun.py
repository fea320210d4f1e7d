"""Rerun's recordings: what was written is there again when Rerun's own reader has opened the file."""

from __future__ import annotations

import builtins
import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from object_files import WORDS, make_records
from scipy.spatial.transform import Rotation

from d2ext.data.conversion import lost, write_objects
from d2ext.data.formats.upright import moved, record_boxes
from d2ext.data.formats.writing.rerun import RerunFile, quaternion


def test_quaternions_are_scipys():
    every = Rotation.random(200, random_state=0).as_matrix()
    turns = Rotation.from_euler("xyz", [[180, 0, 0], [0, 180, 0], [0, 0, 180], [0, 0, 0]], degrees=True)
    for matrix in (*every, *turns.as_matrix()):
        found = np.array(quaternion(matrix))
        expected = Rotation.from_matrix(matrix).as_quat()
        assert min(abs(found - expected).max(), abs(found + expected).max()) < 1e-9


def test_a_missing_sdk_is_an_error_of_one_line(tmp_path, monkeypatch):
    real = builtins.__import__

    def missing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "rerun":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    monkeypatch.delitem(sys.modules, "rerun", raising=False)
    records = make_records(tmp_path, 0, level=True)
    with pytest.raises(ValueError, match=r"a.rrd: rerun-sdk is missing, .*pip install d2ext\[rerun\]"):
        write_objects("rerun", tmp_path / "a.rrd", records, WORDS)
    with pytest.raises(ValueError, match="a.json: expected the name of a file .rrd"):
        RerunFile(tmp_path / "a.json", ())


def columns(path: Path) -> dict[str, dict[str, list[Any]]]:
    """Entity -> component -> values, in the order of their frames, as Rerun's reader gives them."""
    module = "rerun.chunk" if importlib.util.find_spec("rerun.chunk") else "rerun.experimental"
    reader = getattr(pytest.importorskip(module), "RrdReader", None)
    if reader is None:
        pytest.skip("a Rerun of before 0.32")
    found: dict[str, dict[str, list[Any]]] = {}
    for chunk in reader(path).stream():
        batch = chunk.to_record_batch()
        entity = found.setdefault(chunk.entity_path, {})
        for name in batch.schema.names:
            entity.setdefault(name, []).extend(batch.column(name).to_pylist())
    return found


def of(entity: dict[str, list[Any]], part: str) -> list[Any]:
    (name,) = [name for name in entity if name.endswith(part)]
    return entity[name]


def test_cameras_pictures_boxes_and_sentences_are_there_again(tmp_path):
    pytest.importorskip("rerun")
    records = make_records(tmp_path, 4, level=False, count=3)
    objects = records[1]["annotations"]
    records[1]["sentences"] = [{"id": 0, "text": "what is near", "target_ids": [objects[0]["id"]]}]
    write_objects("rerun", tmp_path / "a.rrd", records, WORDS)
    assert [path.name for path in tmp_path.glob("*.rrd")] == ["a.rrd"]
    found = columns(tmp_path / "a.rrd")
    assert sorted(of(found["/world/camera"], "frame")) == [0, 1, 2]
    rows = sorted(zip(of(found["/world/boxes"], "frame"), of(found["/world/boxes"], "centers"), strict=True))
    half = sorted(
        zip(of(found["/world/boxes"], "frame"), of(found["/world/boxes"], "half_sizes"), strict=True)
    )
    matrices = of(found["/world/camera"], "image_from_camera")
    K = sorted(zip(of(found["/world/camera"], "frame"), matrices, strict=True))
    for record, (_, centers), (_, sizes), (_, matrix) in zip(records, rows, half, K, strict=True):
        record = moved(record)
        boxes = record_boxes(record, [a for a in record["annotations"] if a["has_3d"]])
        torch.testing.assert_close(torch.tensor(centers).double(), boxes.center, atol=1e-4, rtol=1e-6)
        expected = boxes.size[:, [2, 0, 1]] / 2
        torch.testing.assert_close(torch.tensor(sizes).double(), expected, atol=1e-5, rtol=1e-6)
        columns_of_K = np.array(matrix[0]).reshape(3, 3)  # Rerun's matrices are column by column
        np.testing.assert_allclose(columns_of_K.T, np.array(record["camera"])[:, :3], rtol=1e-6)
    pictures = found["/world/camera/image"]
    order = np.argsort(of(pictures, "frame"))
    blobs = [of(pictures, "blob")[i][0] for i in order]
    assert [bytes(blob) for blob in blobs] == [Path(r["file_name"]).read_bytes() for r in records]
    (text,) = [t[0] for t in of(found["/sentences"], "text") if t]
    assert text == "- what is near (1 object)"
    assert "truncation" in lost(records, "rerun") and "3D boxes" not in lost(records, "rerun")


def test_tracks_are_entities_that_end(tmp_path):
    pytest.importorskip("rerun")
    records = make_records(tmp_path, 4, level=True, count=3)
    for record in records:
        record["annotations"] = [a | {"track_id": "a/7"} for a in record["annotations"] if a["has_3d"]][:1]
    records[2]["annotations"] = []
    write_objects("rerun", tmp_path / "a.rrd", records, WORDS)
    found = columns(tmp_path / "a.rrd")
    track = found["/world/tracks/a_7"]
    centers = [c for c in of(track, "centers") if c]
    assert len(centers) == 2 and any("lear" in name for name in track)  # and a Clear


def test_nothing_is_left_when_a_picture_is_missing(tmp_path):
    pytest.importorskip("rerun")
    records = make_records(tmp_path, 4, level=True)
    Path(records[1]["file_name"]).unlink()
    with pytest.raises(FileNotFoundError, match="no such file"):
        write_objects("rerun", tmp_path / "a.rrd", records, WORDS)
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".rrd"]


def test_a_demo_writes_what_it_found(tmp_path):
    """Two sentences that name one object: it is there once, with both."""
    pytest.importorskip("rerun")
    from d2ext.data.given_camera import CameraOfEach, GivenCamera, GivenGround
    from d2ext.engine.demo import Look, Sources, run_demo

    (record,) = make_records(tmp_path, 4, level=True, count=1)
    item = {"class": "car", "score": 0.75, "bbox": [1, 2, 30, 40], "location": [1.0, 1.5, 20.0],
            "dimensions": [1.5, 1.8, 4.0], "yaw": 0.0, "alpha": 0.0}  # fmt: skip
    row = {"sentences": [{"text": text, "objects": [item]} for text in ("a car", "what is near")]}
    sources = Sources([Path(record["file_name"])], tmp_path / "a.png", rerun=tmp_path / "a.rrd")
    cameras = CameraOfEach(GivenCamera(fov=60.0), GivenGround())
    run_demo(sources, cameras, lambda image, camera, plane: Look(row, image, [], 1), "test")
    found = columns(tmp_path / "a.rrd")
    (centers,) = of(found["/world/boxes"], "centers")
    np.testing.assert_allclose(centers, [[1.0, 1.5 - 0.75, 20.0]], atol=1e-5)
    assert of(found["/world/boxes"], "labels") == [["car 0.75\na car\nwhat is near"]]
    assert of(found["/sentences"], "text") == [["- a car (1 object)\n- what is near (1 object)"]]
