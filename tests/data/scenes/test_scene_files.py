"""Crops, new layouts and written datasets come back as what they were."""

from collections import Counter

import numpy as np
import pytest
import torch
from detectron2.data import DatasetCatalog, MetadataCatalog
from toy_scenes import PLANE, SIZE, record, records

from d2ext.data.builtin import register_all, register_dataset
from d2ext.data.image_io import read_image
from d2ext.data.scenes.crops import write_crops
from d2ext.data.scenes.statistics import LayoutStatistics
from d2ext.data.scenes.writing import SceneFiles
from d2ext.structures import ROAD, Boxes3D, Camera, bev_iou, height_above_plane


@pytest.fixture
def toy(tmp_path):
    """Registered pictures."""
    register_dataset("toy_scenes", lambda: records(tmp_path, range(4)), classes=list(ROAD.names))
    yield "toy_scenes"
    for name in [n for n in DatasetCatalog if n.startswith(("toy_scenes", "written_"))]:
        DatasetCatalog.remove(name)
        MetadataCatalog.pop(name, None)


def write(root, level=False):
    files = SceneFiles(root, {"seed": 1, "size": (2, 3)}, ROAD.names)
    picture = np.full((*SIZE, 3), 99, np.uint8)
    for number in range(2):
        r = record(number)
        camera = Camera(torch.tensor(r["camera"]), SIZE)
        split, ground = "train" if number else "test", torch.tensor(PLANE)
        files.add(split, picture, r["annotations"], camera, ground, level, r["sentences"])
    files.finish()
    return files


def test_a_written_dataset_is_read_in_both_formats_with_the_same_objects(tmp_path, toy):
    write(tmp_path / "written")
    register_all(tmp_path)
    for kind in ("rope3d", "monomulti3d"):
        (found,) = DatasetCatalog.get(f"written_{kind}_train")
        expected = record(1)
        assert (found["height"], found["width"]) == SIZE and len(found["annotations"]) == 2
        for a, b in zip(found["annotations"], expected["annotations"], strict=True):
            assert a["category_id"] == b["category_id"] and a["occluded"] == b["occluded"]
            for key in ("bbox", "location", "dimensions"):
                assert a[key] == pytest.approx(b[key], abs=1e-4)
            assert np.cos(a["yaw"] - b["yaw"]) == pytest.approx(1, abs=1e-6)
        assert found["camera"][0] == pytest.approx(expected["camera"][0])
        assert found["ground_plane"] == pytest.approx(PLANE, abs=1e-6)
    assert [a["color"] for a in found["annotations"]] == [a["color"] for a in expected["annotations"]]
    told = {s["text"]: s["target_ids"] for s in found["sentences"]}
    assert told == {s["text"]: s["target_ids"] for s in expected["sentences"]}


def test_level_boxes_are_written_as_mono3drefer(tmp_path, toy):
    write(tmp_path / "written", level=True)
    register_all(tmp_path)
    (found,) = DatasetCatalog.get("written_mono3drefer_train")
    expected = record(1)
    assert [s["text"] for s in found["sentences"]] == [expected["sentences"][0]["text"]]
    assert found["annotations"][0]["location"] == pytest.approx(
        expected["annotations"][0]["location"], abs=0.006
    )


def test_a_folder_is_written_once_and_others_are_left_alone(tmp_path, toy):
    assert not write(tmp_path / "a").done
    assert SceneFiles(tmp_path / "a", {"seed": 1, "size": (2, 3)}, ROAD.names).done
    with pytest.raises(FileExistsError, match="not empty, and no dataset of the same settings"):
        SceneFiles(tmp_path / "a", {"seed": 2}, ROAD.names)


def test_crops_show_what_their_labels_say(tmp_path, toy):
    files = SceneFiles(tmp_path / "written", {}, ROAD.names)
    written, empty = write_crops(files, [("train", toy)], (32, 48), (1.0, 1.5), crops=3, seed=2)
    assert written + empty == 12 and written > 8
    register_all(tmp_path)
    found = DatasetCatalog.get("written_monomulti3d_train")
    assert len(found) == written
    for r in found:
        assert read_image(r["file_name"]).shape == (32, 48, 3)
        camera = Camera(torch.tensor(r["camera"]), (32, 48))
        assert 0 <= camera.cx < 48 and 0 <= camera.cy < 32
        for a in r["annotations"]:
            box = Boxes3D.from_kitti([a["location"]], [a["dimensions"]], [a["yaw"]], r["ground_plane"])
            seen = box.project(camera, clipped=True)[0][0]
            assert torch.allclose(seen, torch.tensor(a["bbox"]), atol=1.0)


def test_new_layouts_are_like_the_dataset_and_new():
    source = [record(number) for number in range(12)]
    statistics, rng = LayoutStatistics(source), np.random.default_rng(0)
    drawn = [statistics.draw(rng) for _ in range(30)]
    counts = [len(r["annotations"]) for r in drawn]
    assert 0.75 < np.mean(counts) / np.mean(statistics.counts) < 1.25
    share = [Counter(a["category_id"] for r in part for a in r["annotations"]) for part in (source, drawn)]
    for kind, count in share[0].items():
        assert share[1][kind] / sum(share[1].values()) == pytest.approx(
            count / sum(share[0].values()), abs=0.15
        )
    places = {tuple(a["location"]) for r in source for a in r["annotations"]}
    assert not places & {tuple(a["location"]) for r in drawn for a in r["annotations"]}


def test_objects_of_new_layouts_stand_apart_on_the_ground_and_in_the_picture():
    statistics, rng = LayoutStatistics([record(number) for number in range(12)]), np.random.default_rng(1)
    for _ in range(15):
        r = statistics.draw(rng)
        objects = r["annotations"]
        if not objects:
            continue
        columns = (torch.tensor([a[c] for a in objects]) for c in ("location", "dimensions", "yaw"))
        boxes = Boxes3D.from_kitti(*columns, PLANE)
        assert height_above_plane(boxes.bottom_center(), torch.tensor(PLANE)).abs().max() < 1e-3
        assert (bev_iou(boxes, boxes) - torch.eye(len(boxes))).abs().max() < 1e-5
        seen, _, valid = boxes.project(Camera(torch.tensor(r["camera"]), SIZE), clipped=True)
        assert valid.all()
        assert torch.allclose(seen, torch.tensor([a["bbox"] for a in objects]).float(), atol=1e-2)
        alpha = boxes.alpha(PLANE)
        assert torch.cos(alpha - torch.tensor([a["alpha"] for a in objects])).min() > 1 - 1e-4


def test_a_dataset_without_boxes_has_no_statistics():
    with pytest.raises(ValueError, match="layout statistics: expected records with 3D boxes, got none"):
        LayoutStatistics([record(0) | {"annotations": []}])
