"""ODVG: instances have names, regions have phrases, and an object may have both."""

from __future__ import annotations

import json
import re

import pytest
from object_files import odvg, write_json

from d2ext.data.formats import load_odvg
from d2ext.structures.vocabulary import Vocabulary


def test_lines_give_names_phrases_and_sentences(tmp_path):
    path = write_json(tmp_path / "a.jsonl", odvg(tmp_path))
    (first, second, both), vocabulary = load_odvg(path, tmp_path)
    assert vocabulary.names == ("car", "zebra", "object")
    assert [(a["name"], a["category_id"]) for a in first["annotations"]] == [("zebra", 1), ("car", 0)]
    assert first["sentences"] == [] and "neg_category_ids" not in first and first["assumed_camera"]
    assert [a["name"] for a in second["annotations"]] == ["two bicycles"] * 2 + ["a yellow tipper truck"]
    assert all(a["category_id"] == 2 and a["phrases"] == [a["name"]] for a in second["annotations"])
    assert second["neg_category_ids"] == []
    assert [(s["text"], s["target_ids"], s["spans"]) for s in second["sentences"]] == [
        ("two bicycles", [0, 1], [[0, 12]]),
        ("a yellow tipper truck", [2], [[20, 41]]),
    ]
    assert second["caption"][20:41] == "a yellow tipper truck"
    assert [(a["name"], a.get("phrases")) for a in both["annotations"]] == [
        ("zebra", None),
        ("car", ["a white car"]),
    ]
    assert [r["image_id"] for r in (first, second, both)] == ["a", "sub_b", "a_2"]


def test_a_label_map_names_the_labels(tmp_path):
    path = write_json(tmp_path / "a.jsonl", odvg(tmp_path)[:1])
    labels = write_json(tmp_path / "labels.json", {"0": "wagon", "1": "striped horse", "2": "boat"})
    (record,), vocabulary = load_odvg(path, tmp_path, label_map=labels)
    assert vocabulary.names == ("wagon", "striped horse", "boat")
    assert [a["name"] for a in record["annotations"]] == ["striped horse", "wagon"]
    for content in ({"0": "a", "2": "b"}, {"0": "a", "1": "a"}, {}, ["a"], {"0": 1}):
        write_json(labels, content)
        with pytest.raises(ValueError, match="labels.json: "):
            load_odvg(path, tmp_path, label_map=labels)


def test_classes_that_are_asked_for_are_kept(tmp_path):
    path = write_json(tmp_path / "a.jsonl", odvg(tmp_path))
    wanted = Vocabulary(("zebra", "bicycle"), aliases={"two bicycles": "bicycle"})
    records, vocabulary = load_odvg(path, tmp_path, vocabulary=wanted)
    assert vocabulary is wanted
    assert [[a["category_id"] for a in r["annotations"]] for r in records] == [[0], [1, 1], [0]]
    assert [len(r["sentences"]) for r in records] == [0, 1, 0]
    with pytest.raises(ValueError, match="a.jsonl: no object is one of boat"):
        load_odvg(path, tmp_path, vocabulary=Vocabulary(("boat",)))


BOX = [5, 5, 15, 15]
INSTANCE = {"bbox": BOX, "label": 0, "category": "a"}
REGION = {"bbox": BOX, "phrase": "x"}
ANY: dict = {"detection": {"instances": []}}


def of_instance(**changed) -> dict:
    entry = {key: value for key, value in (INSTANCE | changed).items() if value is not None}
    return {"detection": {"instances": [entry]}}


def of_region(**changed) -> dict:
    return {"grounding": {"caption": "x", "regions": [REGION | changed]}}


@pytest.mark.parametrize(
    "line, message",
    [
        (of_instance(label="0"), "detection: instances[0]: field 'label': expected int"),
        (of_instance(category=None), "detection: instances[0]: field 'category': expected str"),
        (of_instance(bbox=[9, 9, 1, 1]), "detection: instances[0]: field 'bbox': expected x1 <= x2"),
        ({"detection": {"instances": {}}}, "detection: field 'instances': expected list"),
        ({"detection": []}, "field 'detection': expected dict"),
        ({}, "expected a field 'detection' or 'grounding'"),
        (ANY | {"filename": "no.jpg"}, "image 'no.jpg' is not in"),
        (ANY | {"height": -1}, "expected a height and width"),
        ({"grounding": {"regions": []}}, "grounding: field 'caption': expected a sentence"),
        (of_region(bbox=[1, 2, float("inf"), 4]), "grounding: regions[0]: field 'bbox': expected 4 numbers"),
        (of_region(phrase=" "), "grounding: regions[0]: field 'phrase': expected a sentence"),
        (of_region(tokens_positive=[[0, 9]]), "grounding: regions[0]: field 'tokens_positive': expected [st"),
    ],
)
def test_wrong_lines_are_one_line_of_file_line_and_field(tmp_path, line, message):
    good = odvg(tmp_path)[0]
    base = {key: good[key] for key in ("filename", "height", "width")}
    path = write_json(tmp_path / "a.jsonl", [good, base | line])
    with pytest.raises((ValueError, FileNotFoundError), match=re.escape(f"a.jsonl:2: {message}")) as error:
        load_odvg(path, tmp_path)
    assert len(str(error.value)) < 300
    records, _ = load_odvg(path, tmp_path, skip_broken=True)
    assert records[0]["annotations"] and len(records) <= 2


def test_a_line_that_is_cut_off(tmp_path):
    path = tmp_path / "a.jsonl"
    lines = [json.dumps(line) for line in odvg(tmp_path)]
    path.write_text("\n".join([lines[0], "", lines[1][:50], lines[2]]))
    with pytest.raises(ValueError, match="a.jsonl:3: expected JSON: "):
        load_odvg(path, tmp_path)
    assert len(load_odvg(path, tmp_path, skip_broken=True)[0]) == 2
    path.write_text("\n\n")
    with pytest.raises(ValueError, match="a.jsonl: no usable image"):
        load_odvg(path, tmp_path)
