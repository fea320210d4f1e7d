from __future__ import annotations

import ast
import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest

from d2ext.data.formats import load_mono3drefer
from d2ext.structures.vocabulary import ROAD


def edit(root: Path, index: int, **changes: Any) -> None:
    """Change fields of one item of the JSON file; None removes a field."""
    path = root / "Mono3DRefer.json"
    items = json.loads(path.read_text())
    items[index].update(changes)
    items[index] = {key: value for key, value in items[index].items() if value is not None}
    path.write_text(json.dumps(items))


def label(root: Path, index: int, position: int, value: str) -> str:
    """The label_2 text of an item with one field replaced."""
    fields = ast.literal_eval(json.loads((root / "Mono3DRefer.json").read_text())[index]["label_2"])
    fields[position] = value
    return str(fields)


def test_real_frames(mono3drefer):
    items = json.loads((mono3drefer / "Mono3DRefer.json").read_text())
    seen = 0
    for split, images in (("train", 5), ("val", 1), ("test", 1)):
        records = load_mono3drefer(mono3drefer, split)
        assert len(records) == images
        for record in records:
            expected = [item for item in items if item["im_name"] == record["image_id"]]
            assert [s["id"] for s in record["sentences"]] == [item["ann_id"] for item in expected]
            objects = {annotation["id"]: annotation for annotation in record["annotations"]}
            assert len(objects) == len(record["annotations"])
            for sentence, item in zip(record["sentences"], expected, strict=True):
                assert (sentence["text"], sentence["target_ids"]) == (
                    item["description"],
                    [item["instanceID"]],
                )
                annotation = objects[item["instanceID"]]
                numbers = [float(x) for x in ast.literal_eval(item["label_2"])[1:]]
                assert annotation["category_id"] == ROAD.id_of(item["objectName"])
                assert annotation["bbox"] + annotation["dimensions"] + annotation["location"] == numbers[3:13]
                assert (annotation["alpha"], annotation["yaw"]) == (numbers[2], numbers[13])
            seen += len(expected)
    assert seen == len(items)


def test_ground_plane_is_optional(mono3drefer):
    assert load_mono3drefer(mono3drefer, "test")[0]["ground_plane"][1] < -0.9
    shutil.rmtree(mono3drefer / "planes")
    assert load_mono3drefer(mono3drefer, "test")[0]["ground_plane"] is None


def test_other_label_rows_come_once_with_negative_ids(mono3drefer):
    (before,) = load_mono3drefer(mono3drefer, "test")
    extra = "Van 0.0 0 0.1 1.0 2.0 30.0 40.0 2.0 1.9 5.0 3.0 1.7 20.0 0.25"
    labels = mono3drefer / "label_2" / f"{before['image_id']}.txt"
    labels.write_text(labels.read_text().rstrip() + f"\n{extra}\n")
    (after,) = load_mono3drefer(mono3drefer, "test")
    referred = [a for a in after["annotations"] if a["id"] > 0]
    assert referred == [a for a in before["annotations"] if a["id"] > 0]
    assert sum(a["category_id"] == ROAD.id_of("van") and a["yaw"] == 0.25 for a in after["annotations"]) == 1
    boxes = [tuple(a["bbox"]) for a in after["annotations"]]
    assert len(set(boxes)) == len(boxes)


def test_ann_id_may_count_per_object(mono3drefer):
    path = mono3drefer / "Mono3DRefer.json"
    items = json.loads(path.read_text())
    for index, item in enumerate(items):
        item["ann_id"] = index % 2
    path.write_text(json.dumps(items))
    for record in load_mono3drefer(mono3drefer, "train"):
        ids = [sentence["id"] for sentence in record["sentences"]]
        assert len(set(ids)) == len(ids)


def first_train_item(root: Path) -> int:
    names = (root / "Mono3DRefer_train_image.txt").read_text().split()
    items = json.loads((root / "Mono3DRefer.json").read_text())
    return next(index for index, item in enumerate(items) if item["im_name"] in names)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"description": "  "}, r"Mono3DRefer.json: item \d+: field 'description': expected a sentence"),
        ({"description": None}, r"item \d+: field 'description': expected a sentence, got None"),
        ({"instanceID": None}, r"item \d+: field 'instanceID': expected int, got nothing"),
        ({"ann_id": "5"}, r"item \d+: field 'ann_id': expected int, got '5'"),
        ({"objectName": "unicorn"}, r"item \d+: field 'label_2': field 'type': unknown class 'unicorn'"),
        ({"label_2": "['Car', "}, r"item \d+: field 'label_2': expected the text of a Python list"),
        ({"label_2": "__import__('os').getcwd()"}, r"field 'label_2': expected the text of a Python list"),
        ({"label_2": "['Car', '0']"}, r"item \d+: field 'label_2': expected at least 15 fields"),
        ({"label_2": None}, r"item \d+: field 'label_2': expected the text of a Python list"),
        ({"im_name": None}, r"item \d+: field 'im_name': expected str, got nothing"),
    ],
)
def test_broken_items_raise_or_are_counted(mono3drefer, caplog, changes, message):
    count = sum(len(record["sentences"]) for record in load_mono3drefer(mono3drefer, "train"))
    edit(mono3drefer, first_train_item(mono3drefer), **changes)
    with pytest.raises(ValueError, match=message) as error:
        load_mono3drefer(mono3drefer, "train")
    assert "\n" not in str(error.value)
    with caplog.at_level(logging.WARNING):
        records = load_mono3drefer(mono3drefer, "train", skip_broken=True)
    assert sum(len(record["sentences"]) for record in records) == count - 1
    assert [r.getMessage() for r in caplog.records if "skipped 1 broken" in r.getMessage()]


@pytest.mark.parametrize(("position", "value"), [(8, "0"), (9, "-1"), (13, "nan"), (14, "inf"), (3, "?")])
def test_broken_numbers_name_the_field(mono3drefer, position, value):
    index = first_train_item(mono3drefer)
    edit(mono3drefer, index, label_2=label(mono3drefer, index, position, value))
    name = "type truncated occluded alpha x1 y1 x2 y2 h w l x y z ry".split()[position]
    with pytest.raises(ValueError, match=rf"item {index}: field 'label_2': field '{name}': expected"):
        load_mono3drefer(mono3drefer, "train")


def test_json_cut_off(mono3drefer):
    path = mono3drefer / "Mono3DRefer.json"
    text = path.read_text()
    path.write_text(text[: len(text) // 2])
    with pytest.raises(ValueError, match=r"Mono3DRefer.json:\d+:\d+: expected JSON: "):
        load_mono3drefer(mono3drefer, "train")


def test_duplicate_ids(mono3drefer):
    items = json.loads((mono3drefer / "Mono3DRefer.json").read_text())
    index = first_train_item(mono3drefer)
    twin = next(
        i for i, item in enumerate(items) if i != index and item["instanceID"] == items[index]["instanceID"]
    )
    edit(mono3drefer, twin, ann_id=items[index]["ann_id"])
    with pytest.raises(ValueError, match=rf"item {twin}: field 'ann_id': .* is in item {index} too"):
        load_mono3drefer(mono3drefer, "train")


def test_instance_with_two_labels_or_images(mono3drefer):
    index = first_train_item(mono3drefer)
    edit(mono3drefer, index, label_2=label(mono3drefer, index, 8, "9.9"))
    with pytest.raises(ValueError, match="field 'label_2': instance .* has another label"):
        load_mono3drefer(mono3drefer, "train")
    names = (mono3drefer / "Mono3DRefer_train_image.txt").read_text().split()
    items = json.loads((mono3drefer / "Mono3DRefer.json").read_text())
    other = next(name for name in names if name != items[index]["im_name"])
    edit(mono3drefer, index, im_name=other)
    with pytest.raises(ValueError, match="field 'instanceID': .* is in image"):
        load_mono3drefer(mono3drefer, "train")


def test_split_file(mono3drefer):
    path = mono3drefer / "Mono3DRefer_train_image.txt"
    names = path.read_text().split()
    path.write_text("\n".join([*names, "999999"]))
    with pytest.raises(
        FileNotFoundError, match=r"Mono3DRefer_train_image.txt: image '999999' is not in .*images"
    ):
        load_mono3drefer(mono3drefer, "train")
    assert len(load_mono3drefer(mono3drefer, "train", skip_broken=True)) == len(names)
    path.write_text("\n".join([names[0], names[0]]))
    with pytest.raises(ValueError, match="train_image.txt:2: image .* is named twice"):
        load_mono3drefer(mono3drefer, "train")
    path.write_text("\n")
    with pytest.raises(ValueError, match="expected image names, one a line"):
        load_mono3drefer(mono3drefer, "train")
    path.unlink()
    with pytest.raises(FileNotFoundError, match="Mono3DRefer_train_image.txt: no such file"):
        load_mono3drefer(mono3drefer, "train")


def test_broken_files_of_one_image(mono3drefer):
    name = (mono3drefer / "Mono3DRefer_train_image.txt").read_text().split()[0]
    image, calib = mono3drefer / "images" / f"{name}.png", mono3drefer / "calib" / f"{name}.txt"
    good = calib.read_text()
    calib.write_text("P0: 1 2 3\n")
    with pytest.raises(ValueError, match=f"{name}.txt: field 'P2'"):
        load_mono3drefer(mono3drefer, "train")
    assert len(load_mono3drefer(mono3drefer, "train", skip_broken=True)) == 4
    calib.write_text(good)
    data = image.read_bytes()
    image.unlink()
    image.write_bytes(data[:5000])
    with pytest.raises(ValueError, match=f"{name}.png: image file is cut off"):
        load_mono3drefer(mono3drefer, "train")
    image.write_text("no pixels")
    with pytest.raises(ValueError, match=f"{name}.png: expected an image file"):
        load_mono3drefer(mono3drefer, "train")


def test_nothing_usable(mono3drefer):
    for path in (mono3drefer / "calib").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match="Mono3DRefer_train_image.txt: no usable image"):
        load_mono3drefer(mono3drefer, "train", skip_broken=True)


@pytest.mark.parametrize(
    "name",
    ["{0}.png", "{0}.JPG", "images/{0}.png", "images\\{0}.png", "{1}", 1, "./training/image_2/{1}.png"],
)
def test_an_item_may_call_its_image_otherwise(mono3drefer, name):
    index = first_train_item(mono3drefer)
    whole = load_mono3drefer(mono3drefer, "train")
    image = json.loads((mono3drefer / "Mono3DRefer.json").read_text())[index]["im_name"]
    short = image.lstrip("0") or "0"
    edit(mono3drefer, index, im_name=int(short) if name == 1 else name.format(image, short))
    assert load_mono3drefer(mono3drefer, "train") == whole


def test_items_that_no_image_takes_are_counted(mono3drefer, caplog):
    for index in (0, 1, 2):
        edit(mono3drefer, index, im_name=f"none{index}.png")
    total = len(json.loads((mono3drefer / "Mono3DRefer.json").read_text()))
    expected = f"3 of {total} items name no image of any split: item 0 names 'none0.png'"
    with pytest.raises(ValueError, match=f"Mono3DRefer.json: {expected}"):
        load_mono3drefer(mono3drefer, "train")
    with caplog.at_level(logging.WARNING):
        assert load_mono3drefer(mono3drefer, "train", skip_broken=True)
    assert expected in caplog.text


def test_labels_of_one_object_may_differ_in_their_digits(mono3drefer):
    index = first_train_item(mono3drefer)
    whole = load_mono3drefer(mono3drefer, "train")
    path = mono3drefer / "Mono3DRefer.json"
    fields = ast.literal_eval(json.loads(path.read_text())[index]["label_2"])
    fields[11] = f"{float(fields[11]) + 0.004:.3f}"
    edit(mono3drefer, index, label_2=str(fields))
    found = load_mono3drefer(mono3drefer, "train")
    for a, b in zip(whole, found, strict=True):
        assert [x["target_ids"] for x in a["sentences"]] == [x["target_ids"] for x in b["sentences"]]
        assert len(a["annotations"]) == len(b["annotations"])  # none is taken for another one of label_2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"description": "The car \ud800."}, "field 'description': expected text, got half a character at 8"),
        ({"instanceID": -1}, "field 'instanceID': expected at least 0, got -1"),
        ({"properties": "side"}, "field 'properties': expected list, got 'side'"),
        ({"properties": [{}]}, "field 'properties': item 0: expected a text, got"),
        ({"label_2": "[" * 100_000}, "field 'label_2': expected the text of a Python list"),
        ({"description": "x" * 200_000}, "field 'description': expected a sentence, got 200000 characters"),
    ],
)
def test_one_bad_item_is_named_and_can_be_skipped(mono3drefer, changes, message):
    whole = load_mono3drefer(mono3drefer, "train")
    index = first_train_item(mono3drefer)
    edit(mono3drefer, index, **changes)
    with pytest.raises(ValueError, match=f"Mono3DRefer.json: item {index}: {message}") as error:
        load_mono3drefer(mono3drefer, "train")
    assert len(str(error.value)) < 300
    rest = load_mono3drefer(mono3drefer, "train", skip_broken=True)
    assert sum(len(r["sentences"]) for r in whole) == 1 + sum(len(r["sentences"]) for r in rest)
