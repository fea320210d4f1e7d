from __future__ import annotations

import pytest

from d2ext.data.formats import load_rope3d

FRAME = "148711_yz2n151d20211124air_420_1637216135_1637217683_60_obstacle"


def test_real_frame(rope3d):
    (record,) = load_rope3d(rope3d, "train")
    rows = (rope3d / "training/label_2" / f"{FRAME}.txt").read_text().splitlines()
    assert (record["height"], record["width"]) == (1080, 1920)
    assert len(record["annotations"]) == len(rows)
    assert all(annotation["color"] is None for annotation in record["annotations"])
    assert record["sentences"] == []
    assert record["camera"][0] == [2763.176803, 0.0, 970.573255, 0.0]


def test_broken_row_raises_or_is_skipped(rope3d):
    path = rope3d / "training/label_2" / f"{FRAME}.txt"
    lines = path.read_text().splitlines()
    zeros = ["car 0 0 0 1 1 9 9", "0 0 0", "0 0 0", "0"]
    lines[1] = " ".join(zeros)
    path.write_text("\n".join(lines))
    (record,) = load_rope3d(rope3d, "train")
    assert [annotation["has_3d"] for annotation in record["annotations"]][:3] == [True, False, True]
    lines[1] = " ".join([zeros[0], "1.5 0 4.0", *zeros[2:]])
    path.write_text("\n".join(lines))
    with pytest.raises(ValueError, match=rf"{FRAME}.txt:2: field 'w': expected a positive size, got 0"):
        load_rope3d(rope3d, "train")
    (record,) = load_rope3d(rope3d, "train", skip_broken=True)
    assert [annotation["id"] for annotation in record["annotations"]][:2] == [0, 2]


def test_absent_image(rope3d):
    (rope3d / "training/val.txt").write_text(f"{FRAME}.jpg\nabsent\n")
    with pytest.raises(FileNotFoundError, match="val.txt: image 'absent' is not in .*image_2"):
        load_rope3d(rope3d, "val")
    assert len(load_rope3d(rope3d, "val", skip_broken=True)) == 1
