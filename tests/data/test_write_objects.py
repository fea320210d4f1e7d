"""What is written reads as it was, as far as the format holds it; and the other way round."""

from __future__ import annotations

import json
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from object_files import WORDS, make_records, projected

from d2ext.data.conversion import common_folder, contents, lost, read_objects, write_objects
from d2ext.data.formats.upright import standing
from d2ext.structures.vocabulary import Vocabulary

few = settings(
    max_examples=12, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
seeds = st.integers(0, 2**40)
#: Names as the formats of folders have them, which have no blanks.
JOINED = Vocabulary.of_names([name.replace(" ", "_") for name in WORDS.names])
FILES = {
    "coco": "a.json", "lvis": "a.json", "omni3d": "a.json", "odvg": "a.jsonl", "cvat": "a.xml",
    "label_studio": "a.json",
}  # fmt: skip
LABEL_MAPS = {"odvg": "a_label_map.json", "label_studio": "a_interface.xml"}


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("images")


def there_and_back(layout: str, records: list[dict], images: Path) -> tuple[list[dict], list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FILES.get(layout, "dataset")
        write_objects(layout, path, records, WORDS, images)
        label_map = Path(folder) / LABEL_MAPS[layout] if layout in LABEL_MAPS else None
        vocabulary = None if layout in FILES else JOINED
        found, names = read_objects(layout, path, images, label_map=label_map, vocabulary=vocabulary)
        return found, list(names.names)


def same_2d(records: list[dict], found: list[dict]) -> None:
    assert len(records) == len(found)
    for a, b in zip(records, found, strict=True):
        assert Path(a["file_name"]).name == Path(b["file_name"]).name
        assert (a["height"], a["width"]) == (b["height"], b["width"])
        assert len(a["annotations"]) == len(b["annotations"])
        for x, y in zip(a["annotations"], b["annotations"], strict=True):
            assert x["category_id"] == y["category_id"]
            np.testing.assert_allclose(x["bbox"], y["bbox"], atol=1e-9)


@few
@given(seeds, st.booleans(), st.sampled_from(list(FILES)))
def test_files_keep_names_and_2d_boxes_and_omni3d_pixels_of_3d_boxes(images, seed, level, layout):
    records = make_records(images, seed, level)
    found, names = there_and_back(layout, records, images)
    assert names == list(WORDS.names)
    same_2d(records, found)
    for a, b in zip(records, found, strict=True):
        assert [x["name"] for x in a["annotations"]] == [y["name"] for y in b["annotations"]]
        if layout != "odvg":
            assert a["image_id"] == b["image_id"]
        if layout in ("coco", "lvis", "omni3d"):
            assert [x["id"] for x in a["annotations"]] == [y["id"] for y in b["annotations"]]
        if layout in ("omni3d", "cvat", "label_studio"):
            shares = [[x["truncated"] for x in record["annotations"]] for record in (a, b)]
            np.testing.assert_allclose(*shares, rtol=1e-11)
        if layout == "omni3d":
            assert b["level_boxes"] is level and not any("rotation" in y for y in b["annotations"])
            torch.testing.assert_close(projected(a), projected(b), atol=1e-6, rtol=0)


@few
@given(seeds, st.booleans(), st.sampled_from(["kitti", "rope3d", "dair_v2x_i"]))
def test_folders_keep_pixels_of_3d_boxes(images, seed, level, layout):
    level = level or layout == "kitti"
    records = make_records(images, seed, level)
    found, _ = there_and_back(layout, records, images)
    same_2d(records, found)
    for a, b in zip(records, found, strict=True):
        assert [x["has_3d"] for x in a["annotations"]] == [y["has_3d"] for y in b["annotations"]]
        torch.testing.assert_close(projected(a), projected(b), atol=1e-4, rtol=0)
        if not level and layout == "rope3d":
            np.testing.assert_allclose(a["ground_plane"], b["ground_plane"], atol=1e-9)
        for x, y in zip(a["annotations"], b["annotations"], strict=True):
            assert x["truncated"] == pytest.approx(y["truncated"], abs=1e-9)
            if x["has_3d"]:
                np.testing.assert_allclose(x["dimensions"], y["dimensions"], rtol=1e-9)


@few
@given(seeds, st.booleans())
def test_a_cuboid_of_cvat_has_the_pixels_of_the_corners_of_its_box(images, seed, level):
    records = make_records(images, seed, level)
    found, _ = there_and_back("cvat", records, images)
    for a, b in zip(records, found, strict=True):
        assert [x["has_3d"] for x in a["annotations"]] == ["cuboid" in y for y in b["annotations"]]
        cuboids = np.array([y["cuboid"] for y in b["annotations"] if "cuboid" in y])
        for corners, pixels in zip(projected(a).numpy(), cuboids, strict=True):
            np.testing.assert_allclose(by_place(pixels), by_place(corners), atol=1e-6)
            left, right = pixels[:2].mean(0), pixels[2:4].mean(0)
            assert left[0] <= right[0] and (pixels[::2, 1] < pixels[1::2, 1]).all()  # top, then bottom


def by_place(points: np.ndarray) -> np.ndarray:
    return points[np.lexsort(points.round(6).T)]


def test_kitti_boxes_are_level_about_the_centres_of_tilted_ones(images):
    records = make_records(images, 3, level=False)
    (found, _), places = there_and_back("kitti", records, images), []
    for a, b in zip(records, found, strict=True):
        places.append(standing(a)[0].center - standing(b)[0].center)
    assert torch.cat(places).abs().max() < 1e-9
    assert "tilt of the boxes" in lost(records, "kitti") and "tilt" not in lost(records, "rope3d")


def test_crowds_negatives_phrases_and_sentences_go_where_there_is_a_place_for_them(images):
    records = make_records(images, 1, level=True)
    first, second = records
    first |= {"ignored_boxes": [[1.0, 2.0, 8.0, 9.0]], "ignored_category_ids": [2]}
    first |= {"neg_category_ids": [1, 3], "not_exhaustive_category_ids": [0]}
    second |= {"neg_category_ids": [], "not_exhaustive_category_ids": []}
    text = {"id": 0, "text": "what is near", "target_ids": [second["annotations"][0]["id"]], "properties": []}
    second["sentences"] = [text]
    back = partial(there_and_back, records=records, images=images)
    found = {layout: back(layout)[0] for layout in FILES}
    for layout in ("coco", "omni3d"):
        assert found[layout][0]["ignored_boxes"] == first["ignored_boxes"]
    assert found["coco"][0]["ignored_category_ids"] == [2]
    assert "ignored_boxes" not in found["lvis"][0]
    for a, b in zip(records, found["lvis"], strict=True):
        for key in ("neg_category_ids", "not_exhaustive_category_ids"):
            assert a[key] == b[key]
    (sentence,) = found["odvg"][1]["sentences"]
    assert sentence["text"] == "what is near" and found["odvg"][1]["caption"] == "what is near"
    assert [found["odvg"][1]["annotations"][i]["bbox"] for i in sentence["target_ids"]] == [
        second["annotations"][0]["bbox"]
    ]
    assert all(part in lost(records, "odvg") for part in ("crowds", "3D boxes", "cameras", "truncation"))
    assert "sentences" not in lost(records, "odvg") and "sentences" in lost(records, "coco")
    for layout in ("cvat", "label_studio"):
        (sentence,) = found[layout][1]["sentences"]
        assert (sentence["text"], sentence["target_ids"]) == ("what is near", [0])
        assert found[layout][1]["annotations"][0]["phrases"] == ["what is near"]


def test_nothing_is_said_to_be_lost_where_all_has_a_place(images):
    records = make_records(images, 5, level=False)
    boxes = {"3D boxes", "tilt of the boxes", "truncation"}
    assert set(contents(records)) == boxes | {"cameras", "ground planes"}
    assert lost(records, "rope3d") == "rope3d holds all of it"
    for record in records:
        record |= {"annotations": [a | {"has_3d": False, "truncated": 0.0} for a in record["annotations"]]}
        record |= {"assumed_camera": True, "ground_plane": None}
    assert lost(records, "coco") == "coco holds all of it"


def test_links_names_and_a_second_split(images, tmp_path):
    records = make_records(images, 2, level=False, count=3)
    root = tmp_path / "dair"
    write_objects("dair_v2x_i", root, records[:2], WORDS, split="train", link=True)
    write_objects("dair_v2x_i", root, records[2:], WORDS, split="val", link=True)
    for split, part in (("train", records[:2]), ("val", records[2:])):
        found, _ = read_objects("dair_v2x_i", root, split=split, vocabulary=JOINED)
        same_2d(part, found)
        assert all(Path(record["file_name"]).is_symlink() for record in found)
    assert common_folder(records) == images.absolute()
    twice = [records[0], records[0]]
    with pytest.raises(ValueError, match="two images of one name, or one twice"):
        write_objects("kitti", tmp_path / "x", twice, WORDS)


@pytest.mark.parametrize("layout", list(FILES))
def test_images_elsewhere_are_refused(images, tmp_path, layout):
    (tmp_path / "own").mkdir()
    with pytest.raises(ValueError, match=f"expected an image below {tmp_path / 'own'}"):
        write_objects(layout, tmp_path / "a.json", make_records(images, 0, True), WORDS, tmp_path / "own")


def test_detectron2_reads_what_is_written(images, tmp_path):
    """Its own readers of COCO files, and of LVIS files where their library is there."""
    from detectron2.data.datasets.coco import load_coco_json

    records = make_records(images, 8, level=True)
    write_objects("coco", tmp_path / "coco.json", records, WORDS, images)
    found = load_coco_json(str(tmp_path / "coco.json"), str(images))
    assert [len(r["annotations"]) for r in records] == [len(r["annotations"]) for r in found]
    for a, b in zip(records, found, strict=True):
        assert Path(a["file_name"]) == Path(b["file_name"])
        for x, y in zip(a["annotations"], b["annotations"], strict=True):
            x1, y1, x2, y2 = x["bbox"]
            np.testing.assert_allclose(y["bbox"], [x1, y1, x2 - x1, y2 - y1])
            assert y["category_id"] == x["category_id"] + 1  # without a name it keeps the file's ids
    write_objects("lvis", tmp_path / "lvis.json", records, WORDS, images)
    categories = json.loads((tmp_path / "lvis.json").read_text())["categories"]
    assert {"id", "name", "frequency", "image_count", "synonyms"} <= categories[0].keys()
