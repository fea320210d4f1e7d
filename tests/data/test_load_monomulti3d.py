from __future__ import annotations

import json
import logging
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from d2ext.data.formats import load_monomulti3d

FRAME = "148711_yz2n151d20211124air_420_1637216135_1637217683_60_obstacle"


def write_challenge(released: Path, root: Path, siblings: bool) -> Path:
    """The released frame in the challenge layout: train nested once more, test without targets."""
    for split in ("train", "test"):
        (root / split).mkdir(parents=True)
        os.symlink((released / split / "images" / f"{FRAME}.jpg").resolve(), root / split / f"{FRAME}.jpg")
        for kind in ("calib", "denorm"):
            source = released / split / kind / f"{FRAME}.txt"
            if siblings:
                shutil.copyfile(source, root / split / f"{FRAME}_{kind}.txt")
            else:
                shutil.copytree(source.parent, root / split / kind)
    items = json.loads((released / "train" / "jsons" / f"{FRAME}.json").read_text())
    (root / "train" / f"{FRAME}.json").write_text(json.dumps([items]))
    rows = (released / "test" / "labels" / f"{FRAME}.txt").read_text().splitlines()
    test = {
        "public_description": [item["public_description"] for item in items],
        "test_data": [
            row.split()[:16] if n % 2 else " ".join(row.split()[:16]) for n, row in enumerate(rows)
        ],
    }
    (root / "test" / f"{FRAME}.json").write_text(json.dumps(test))
    return root


def edit(root: Path, **changes: Any) -> None:
    """Change fields of the first description; None removes a field."""
    path = root / "train" / "jsons" / f"{FRAME}.json"
    items = json.loads(path.read_text())
    items[0].update(changes)
    items[0] = {key: value for key, value in items[0].items() if value is not None}
    path.write_text(json.dumps(items))


def test_targets_agree_with_the_flags_of_the_label_file(monomulti3d):
    (record,) = load_monomulti3d(monomulti3d, "train")
    rows = [row.split() for row in (monomulti3d / "train/labels" / f"{FRAME}.txt").read_text().splitlines()]
    assert len(record["annotations"]) == len(rows)
    for annotation, fields in zip(record["annotations"], rows, strict=True):
        assert annotation["location"] == [float(x) for x in fields[11:14]]
        assert annotation["color"] == fields[15]
    for column, sentence in enumerate(record["sentences"]):
        assert set(sentence["target_ids"]) == {i for i, row in enumerate(rows) if row[16 + column] == "1"}
    assert record["sentences"][1]["properties"] == ["objectname : car", "appearance : black", "distance : 60"]


def test_ground_plane_carries_the_bottom_centres(monomulti3d):
    (record,) = load_monomulti3d(monomulti3d, "test")
    plane = np.array(record["ground_plane"])
    complete = [a for a in record["annotations"] if a["truncated"] == a["occluded"] == 0]
    near = [a for a in complete if a["location"][2] < 50]
    locations = np.array([annotation["location"] for annotation in near])
    assert len(near) == 3 and np.linalg.norm(plane[:3]) == pytest.approx(1)
    assert np.abs(locations @ plane[:3] + plane[3]).max() < 0.1


@pytest.mark.parametrize("siblings", [False, True])
def test_challenge_layout_reads_like_the_released_one(monomulti3d, tmp_path, siblings):
    challenge = write_challenge(monomulti3d, tmp_path / "challenge", siblings)
    (released,) = load_monomulti3d(monomulti3d, "train")
    (train,) = load_monomulti3d(challenge, "train")
    for key in ("camera", "ground_plane", "height", "width", "image_id"):
        assert train[key] == released[key]
    # Only referred objects are known, under other ids: compare what the sentences point at.
    for ours, theirs in zip(train["sentences"], released["sentences"], strict=True):
        assert (ours["text"], ours["properties"]) == (theirs["text"], theirs["properties"])
        locations = [
            {tuple(a["location"]) for a in record["annotations"] if a["id"] in sentence["target_ids"]}
            for record, sentence in ((train, ours), (released, theirs))
        ]
        assert locations[0] == locations[1] and len(locations[0]) == len(ours["target_ids"])

    (test,) = load_monomulti3d(challenge, "test")
    assert test["annotations"] == released["annotations"]
    assert [s["target_ids"] for s in test["sentences"]] == [None] * 3
    assert [s["text"] for s in test["sentences"]] == [s["text"] for s in released["sentences"]]


def test_sentence_may_have_no_target(monomulti3d):
    edit(monomulti3d, label_3=[])
    (record,) = load_monomulti3d(monomulti3d, "train")
    assert record["sentences"][0]["target_ids"] == []


OTHER = "['car', '0', '0', '0', '1', '1', '9', '9', '1', '1', '1', '1', '1', '9', '0', 'red']"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"public_description": ""},
            "item 0: field 'public_description': expected a sentence, got an empty one",
        ),
        ({"public_description": None}, "item 0: field 'public_description': expected str, got nothing"),
        ({"label_3": None}, "item 0: field 'label_3': expected list, got nothing"),
        ({"label_3": ["[1, "]}, r"item 0: label_3\[0\]: expected the text of a Python list"),
        ({"label_3": [5]}, r"item 0: label_3\[0\]: expected the text of a Python list"),
        ({"label_3": ["['car', '0']"]}, r"item 0: label_3\[0\]: expected at least 15 fields"),
        (
            {"label_3": [OTHER]},
            r"item 0: label_3\[0\]: expected an object of .*labels.*, got one that is not there",
        ),
        ({"label_3": [OTHER.replace("car", "boat")]}, r"label_3\[0\]: field 'type': unknown class 'boat'"),
        (
            {"label_3": [OTHER.replace("'9', '0', 'red'", "'nan', '0', 'red'")]},
            "field 'z': expected a finite number",
        ),
        (
            {"image_file_name": "other.jpg"},
            "item 0: field 'image_file_name': expected 148711.*, got 'other.jpg'",
        ),
    ],
)
def test_broken_descriptions_raise_or_are_counted(monomulti3d, caplog, changes, message):
    edit(monomulti3d, **changes)
    with pytest.raises(ValueError, match=message) as error:
        load_monomulti3d(monomulti3d, "train")
    assert f"{FRAME}.json" in str(error.value) and "\n" not in str(error.value)
    with caplog.at_level(logging.WARNING):
        (record,) = load_monomulti3d(monomulti3d, "train", skip_broken=True)
    assert [sentence["id"] for sentence in record["sentences"]] == [1, 2]
    assert [r for r in caplog.records if "skipped 1 broken" in r.getMessage()]


def test_same_object_twice(monomulti3d):
    items = json.loads((monomulti3d / "train/jsons" / f"{FRAME}.json").read_text())
    edit(monomulti3d, label_3=items[0]["label_3"][:1] * 2)
    with pytest.raises(ValueError, match="item 0: field 'label_3': expected different objects"):
        load_monomulti3d(monomulti3d, "train")


def test_broken_label_row(monomulti3d):
    path = monomulti3d / "train/labels" / f"{FRAME}.txt"
    lines = path.read_text().splitlines()
    lines[0] = " ".join(lines[0].split()[:9])  # a cyclist that no sentence refers to
    path.write_text("\n".join(lines))
    with pytest.raises(ValueError, match=f"{FRAME}.txt:1: expected at least 15 fields"):
        load_monomulti3d(monomulti3d, "train")
    (record,) = load_monomulti3d(monomulti3d, "train", skip_broken=True)
    assert len(record["annotations"]) == len(lines) - 1 and len(record["sentences"]) == 3


def test_missing_and_cut_off_files(monomulti3d):
    with pytest.raises(FileNotFoundError, match="val: no such folder"):
        load_monomulti3d(monomulti3d, "val")
    (monomulti3d / "test/denorm" / f"{FRAME}.txt").unlink()
    with pytest.raises(FileNotFoundError, match=f"denorm/{FRAME}: no such file"):
        load_monomulti3d(monomulti3d, "test")
    path = monomulti3d / "train/jsons" / f"{FRAME}.json"
    path.write_text(path.read_text()[:300])
    with pytest.raises(ValueError, match=rf"{FRAME}.json:\d+:\d+: expected JSON"):
        load_monomulti3d(monomulti3d, "train")
    path.write_text('"text"')
    with pytest.raises(ValueError, match=f"{FRAME}.json: expected a list of descriptions, got str"):
        load_monomulti3d(monomulti3d, "train")
    path.unlink()
    with pytest.raises(ValueError, match="train: no usable image"):
        load_monomulti3d(monomulti3d, "train")


def test_broken_challenge_test_rows(monomulti3d, tmp_path):
    challenge = write_challenge(monomulti3d, tmp_path / "challenge", siblings=True)
    path = challenge / "test" / f"{FRAME}.json"
    data = json.loads(path.read_text())
    data["test_data"][2] = data["test_data"][2].split()[:3]
    path.write_text(json.dumps(data))
    with pytest.raises(ValueError, match=r"test_data\[2\]: expected at least 15 fields"):
        load_monomulti3d(challenge, "test")
    (record,) = load_monomulti3d(challenge, "test", skip_broken=True)
    assert 2 not in [annotation["id"] for annotation in record["annotations"]]


def test_referred_objects_are_found_though_digits_differ(monomulti3d):
    whole = load_monomulti3d(monomulti3d, "train")
    (path,) = (monomulti3d / "train/labels").glob("*.txt")
    rows = [line.split() for line in path.read_text().splitlines()]
    for row in rows:
        row[3:15] = [f"{float(x):.2f}" for x in row[3:15]]
    path.write_text("\n".join(map(" ".join, rows)))
    found = load_monomulti3d(monomulti3d, "train")
    assert found != whole
    assert [[s["target_ids"] for s in r["sentences"]] for r in found] == [
        [s["target_ids"] for s in r["sentences"]] for r in whole
    ]


def test_suffixes_in_capitals(monomulti3d):
    whole = load_monomulti3d(monomulti3d, "train")
    for path in [p for p in (monomulti3d / "train").rglob("*") if p.is_file()]:
        path.rename(path.with_suffix(path.suffix.upper()))
    found = load_monomulti3d(monomulti3d, "train")
    assert [{**r, "file_name": ""} for r in found] == [{**r, "file_name": ""} for r in whole]
