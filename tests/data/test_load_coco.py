"""COCO and LVIS files: names are the file's, and what is wrong in them is one line."""

from __future__ import annotations

import copy
import json
import re
import time
from pathlib import Path

import pytest
from object_files import HEIGHT, WIDTH, coco, picture, write_json

from d2ext.data.formats import load_coco, load_lvis
from d2ext.data.formats.listing import AssumedCamera
from d2ext.structures.vocabulary import ROAD, Vocabulary


def lvis(folder: Path) -> dict:
    content = coco(folder)
    for image, negatives in zip(content["images"], ([11], [90, 2]), strict=True):
        image["neg_category_ids"] = negatives
        image["not_exhaustive_category_ids"] = [90]
        image["coco_url"] = f"http://images.example.org/sub/{Path(image.pop('file_name')).name}"
    return content


def test_a_file_gives_its_own_classes_in_the_order_of_their_ids(tmp_path):
    records, vocabulary = load_coco(write_json(tmp_path / "a.json", coco(tmp_path)), tmp_path)
    assert vocabulary.names == ("car", "tipper truck", "zebra")
    assert vocabulary.sizes == {"car": ROAD.sizes["car"]}
    first, second = records
    assert [first["image_id"], second["image_id"]] == [7, 3]
    assert second["file_name"] == str(tmp_path / "sub/b.jpg")
    zebra, car = first["annotations"]
    assert (zebra["id"], zebra["name"], zebra["category_id"]) == (1, "zebra", 2)
    assert zebra["bbox"] == [1, 2, 31, 22.5] and car["bbox"] == [5, 5, 15, 15]
    assert not zebra["has_3d"] and zebra["dimensions"] == zebra["location"] == [0, 0, 0]
    assert first["ignored_boxes"] == [[50, 5, 90, 35]] and first["ignored_category_ids"] == [0]
    assert "ignored_boxes" not in second and "neg_category_ids" not in second


def test_a_camera_is_assumed_where_there_is_none(tmp_path):
    content = coco(tmp_path)
    content["images"][1]["K"] = [[70, 0, 48], [0, 70, 32], [0, 0, 1]]
    path = write_json(tmp_path / "a.json", content)
    (first, second), _ = load_coco(path, tmp_path, camera=AssumedCamera(fov=90))
    assert first["assumed_camera"] and first["camera"][0] == pytest.approx([48, 0, 47.5, 0])
    assert "assumed_camera" not in second and second["camera"][0] == [70, 0, 48, 0]
    assert first["ground_plane"] is None and not first.get("level_boxes")


def test_classes_that_are_asked_for_are_kept(tmp_path):
    path = write_json(tmp_path / "a.json", coco(tmp_path))
    wanted = Vocabulary(("truck", "car"), aliases={"tipper truck": "truck"})
    records, vocabulary = load_coco(path, tmp_path, vocabulary=wanted)
    assert vocabulary is wanted
    found = [[(a["name"], a["category_id"]) for a in r["annotations"]] for r in records]
    assert found == [[("car", 1)], [("tipper truck", 0)]]
    with pytest.raises(ValueError, match="a.json: field 'categories': none is one of boat"):
        load_coco(path, tmp_path, vocabulary=Vocabulary(("boat",)))


def test_categories_of_one_name_are_one_class(tmp_path):
    content = coco(tmp_path)
    content["categories"][0]["name"] = "car"
    records, vocabulary = load_coco(write_json(tmp_path / "a.json", content), tmp_path)
    assert vocabulary.names == ("car", "tipper truck")
    assert [a["category_id"] for a in records[0]["annotations"]] == [0, 0]


def test_lvis_keeps_what_is_known_to_be_absent(tmp_path):
    path = write_json(tmp_path / "a.json", lvis(tmp_path))
    (first, second), vocabulary = load_lvis(path, tmp_path)
    assert vocabulary.names == ("car", "tipper truck", "zebra")
    assert first["file_name"] == str(tmp_path / "a.jpg")  # not in sub, as coco_url says, but above it
    assert second["file_name"] == str(tmp_path / "sub/b.jpg")
    assert first["neg_category_ids"] == [1] and second["neg_category_ids"] == [2, 0]
    assert first["not_exhaustive_category_ids"] == [2]
    (first, _), _ = load_lvis(path, tmp_path, vocabulary=Vocabulary(("zebra", "tipper truck")))
    assert first["neg_category_ids"] == [1] and first["not_exhaustive_category_ids"] == [0]


FIRST, IMAGE, NAN = "annotations[0]", "images[1]", float("nan")
LONG = "x" * 5000


@pytest.mark.parametrize(
    "entry, field, value, message",
    [
        (FIRST, "bbox", [1, 2, -3, 4], "field 'bbox': expected no negative width or height, got [1.0, 2.0"),
        (
            FIRST,
            "bbox",
            [1, 2, NAN, 4],
            "field 'bbox': expected 4 numbers of at most 1e+06, got [1, 2, nan",
        ),
        (FIRST, "bbox", [1, 2, 3], "field 'bbox': expected 4 numbers"),
        (FIRST, "bbox", [1, 2, "3", 4], "field 'bbox': expected 4 numbers"),
        (FIRST, "bbox", {"x": 1}, "field 'bbox': expected 4 numbers"),
        (FIRST, "bbox", [1, 2, 3, 1e30], "field 'bbox': expected 4 numbers of at most 1e+06"),
        (FIRST, "bbox", None, "field 'bbox': expected 4 numbers"),
        (FIRST, "iscrowd", "0", "field 'iscrowd': expected 0 or 1, got '0'"),
        (FIRST, "category_id", 3, "field 'category_id': no category '3'"),
        (FIRST, "category_id", True, "field 'category_id': expected int or str, got True"),
        (FIRST, "category_id", LONG, "field 'category_id': no category 'xxx"),
        (FIRST, "image_id", 99, "field 'image_id': no image '99'"),
        (FIRST, "image_id", [7], "field 'image_id': expected int or str, got [7]"),
        ("annotations[1]", "id", 1, "field 'id': '1' is there twice"),
        (IMAGE, "id", 7, "field 'id': image 7 is there twice"),
        (IMAGE, "file_name", "sub/c.jpg", "image 'sub/c.jpg' is not in"),
        (IMAGE, "file_name", "/etc/passwd", "expected a path below"),
        (IMAGE, "file_name", LONG, "expected a path below"),
        (IMAGE, "file_name", 3, "field 'file_name': expected str, got 3"),
        (IMAGE, "height", 0, "expected a height and width of 1 to"),
        (IMAGE, "width", 96.0, "field 'width': expected int, got 96.0"),
        (IMAGE, "K", [[1, 0, 0]], "field 'K': expected 3 rows"),
        ("categories[1]", "name", " ", "field 'name': expected 1 to 200 characters"),
        ("categories[1]", "id", 90, "field 'id': 90 is there twice"),
        ("categories[1]", "id", None, "field 'id': expected int or str, got None"),
    ],
)
def test_wrong_entries_are_one_line_of_file_entry_and_field(tmp_path, entry, field, value, message):
    content = coco(tmp_path)
    part, _, index = entry.removesuffix("]").partition("[")
    content[part][int(index)][field] = value
    path = write_json(tmp_path / "a.json", content)
    expected = re.escape(f"a.json: {entry}: {message}")
    with pytest.raises((ValueError, FileNotFoundError), match=expected) as error:
        load_coco(path, tmp_path)
    assert len(str(error.value)) < 300 and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda c: c.pop("annotations"), "a.json: field 'annotations': expected list, got nothing"),
        (lambda c: c.update(images={}), "a.json: field 'images': expected list, got {}"),
        (lambda c: c.update(categories=[]), "a.json: field 'categories': expected at least one"),
        (lambda c: c["images"].append(3), "a.json: images[2]: expected an object, got int"),
        (lambda c: (c["images"].clear(), c["annotations"].clear()), "a.json: no usable image"),
    ],
)
def test_wrong_files_are_one_line(tmp_path, change, message):
    content = coco(tmp_path)
    change(content)
    with pytest.raises(ValueError, match=re.escape(message)):
        load_coco(write_json(tmp_path / "a.json", content), tmp_path)


def test_truncated_missing_and_other_files(tmp_path):
    path = write_json(tmp_path / "a.json", coco(tmp_path))
    text = path.read_text()
    path.write_text(text[: len(text) // 2])
    with pytest.raises(ValueError, match="a.json: expected JSON: "):
        load_coco(path, tmp_path)
    path.write_text(text.replace("20.5", "1e999"))
    with pytest.raises(ValueError, match="a.json: expected JSON: 1e999 is beyond every number"):
        load_coco(path, tmp_path)
    path.write_text("[]")
    with pytest.raises(ValueError, match="a.json: expected an object, got list"):
        load_coco(path, tmp_path)
    with pytest.raises(FileNotFoundError, match="b.json: no such file"):
        load_coco(tmp_path / "b.json", tmp_path)


def test_broken_entries_can_be_skipped(tmp_path, caplog):
    content = coco(tmp_path)
    content["annotations"][0]["bbox"][0] = NAN
    content["annotations"][1]["category_id"] = 1234
    content["images"][1]["file_name"] = "none.jpg"
    (record,), _ = load_coco(write_json(tmp_path / "a.json", content), tmp_path, skip_broken=True)
    assert record["annotations"] == [] and len(record["ignored_boxes"]) == 1
    assert "skipped 3 broken entries" in caplog.text


def test_lvis_ids_that_are_none(tmp_path):
    for value in ([5], ["x"], [None], [[2]], 2):
        content = lvis(tmp_path)
        content["images"][0]["neg_category_ids"] = value
        with pytest.raises(ValueError, match=r"a.json: images\[0\]: field 'neg_category_ids'"):
            load_lvis(write_json(tmp_path / "a.json", content), tmp_path)


def test_a_thousand_images_take_under_a_second_of_processor_time(tmp_path):
    content = coco(tmp_path)
    one = content["annotations"][0]
    content["images"], content["annotations"] = [], []
    picture(tmp_path / "0.png")
    for i in range(1000):
        name = f"{i}.png"
        if i:
            (tmp_path / name).symlink_to(tmp_path / "0.png")
        content["images"].append({"id": i, "file_name": name, "height": HEIGHT, "width": WIDTH})
        content["annotations"] += [copy.copy(one) | {"id": 9 * i + j, "image_id": i} for j in range(9)]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    start = time.process_time()
    records, _ = load_coco(path, tmp_path)
    assert len(records) == 1000 and time.process_time() - start < 1
