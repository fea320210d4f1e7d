from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from d2ext.data.formats import load_kitti
from d2ext.structures import Boxes3D, Camera

NAMES = ("000000", "000008")


@pytest.fixture
def kitti(mono3drefer: Path, tmp_path: Path) -> Path:
    """Real frames in the layout of KITTI's object benchmark."""
    root = tmp_path / "kitti"
    (root / "ImageSets").mkdir(parents=True)
    (root / "ImageSets" / "train.txt").write_text("\n".join(NAMES))
    (root / "training").mkdir()
    for theirs, ours in (("images", "image_2"), ("label_2", "label_2"), ("calib", "calib")):
        os.symlink(mono3drefer / theirs, root / "training" / ours)
    return root


def test_real_frames_have_their_rows_and_boxes_where_the_image_shows_them(kitti):
    records = load_kitti(kitti, "train")
    assert [record["image_id"] for record in records] == list(NAMES)
    overlaps = []
    for record in records:
        text = (kitti / "training/label_2" / f"{record['image_id']}.txt").read_text()
        rows = [line.split() for line in text.splitlines()]
        objects = [row for row in rows if row[0] not in ("DontCare", "Misc")]
        assert [a["bbox"] for a in record["annotations"]] == [list(map(float, r[4:8])) for r in objects]
        regions = [list(map(float, r[4:8])) for r in rows if r[0] == "DontCare"]
        assert record["ignored_boxes"] == regions
        assert record["level_boxes"] and record["ground_plane"] is None and record["sentences"] == []
        camera = Camera(torch.tensor(record["camera"]), (record["height"], record["width"]))
        whole = [a for a in record["annotations"] if a["truncated"] == 0]
        fields = [torch.tensor([a[key] for a in whole]) for key in ("location", "dimensions", "yaw")]
        projected, _, _ = Boxes3D.from_kitti(*fields).project(camera, clipped=True)
        for box, annotation in zip(projected.tolist(), whole, strict=True):
            overlaps.append(iou2d(np.array(box), np.array(annotation["bbox"])))
    assert any(r["ignored_boxes"] for r in records) and np.mean(overlaps) > 0.85


def iou2d(a: np.ndarray, b: np.ndarray) -> float:
    size = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return float(size.prod() / (sum(areas) - size.prod()))


def test_a_ground_plane_is_read_where_there_is_one(kitti):
    (kitti / "training/planes").mkdir()
    (kitti / "training/planes/000008.txt").write_text("# Matrix\nWIDTH 4\nHEIGHT 1\n0 -2 0 3.3\n")
    first, second = load_kitti(kitti, "train")
    assert first["ground_plane"] is None and second["ground_plane"] == [0, -1, 0, 1.65]


def test_broken_rows_name_file_line_and_field_or_are_skipped(kitti):
    path = kitti / "training/label_2/000008.txt"
    lines = path.read_text().splitlines()
    lines[1] = lines[1].replace(lines[1].split()[8], "-1", 1)
    path.write_text("\n".join(lines))
    with pytest.raises(ValueError, match="000008.txt:2: field 'h': expected a positive size, got -1"):
        load_kitti(kitti, "train")
    assert 1 not in [a["id"] for a in load_kitti(kitti, "train", skip_broken=True)[1]["annotations"]]
    path.write_text("DontCare -1 -1 -10 1 2 x 4 -1 -1 -1 -1000 -1000 -1000 -10\n")
    with pytest.raises(ValueError, match="000008.txt:1: field 'x2': expected a finite number, got 'x'"):
        load_kitti(kitti, "train")
    assert load_kitti(kitti, "train", skip_broken=True)[1]["ignored_boxes"] == []
    path.write_text("DontCare -1 -1 -10 9 2 1 4 -1 -1 -1 -1000 -1000 -1000 -10\n")
    with pytest.raises(ValueError, match="000008.txt:1: fields 'x1 y1 x2 y2': expected x1 <= x2"):
        load_kitti(kitti, "train")


def test_absent_files(kitti):
    with pytest.raises(FileNotFoundError, match="ImageSets/val.txt: no such file"):
        load_kitti(kitti, "val")
    (kitti / "ImageSets/val.txt").write_text("000001\n")
    with pytest.raises(FileNotFoundError, match="val.txt: image '000001' is not in .*image_2"):
        load_kitti(kitti, "val")
