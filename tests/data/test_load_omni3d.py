"""Omni3D: its axes are those of Boxes3D, and what it cannot vouch for teaches nothing."""

from __future__ import annotations

import copy
import json
import re

import numpy as np
import pytest
import torch
from object_files import omni3d, write_json
from scipy.spatial.transform import Rotation

from d2ext.data.formats import load_omni3d
from d2ext.data.formats.omni3d import boxes_of, cuboids_of
from d2ext.data.formats.upright import label_fields, record_boxes, with_y_down
from d2ext.structures import Boxes3D, Camera

# v0 ... v7 of Omni3D's drawing: x to the right along the length, y down, z away from the viewer.
DRAWING = [(-1, -1, -1), (1, -1, -1), (1, 1, -1), (-1, 1, -1), (-1, -1, 1), (1, -1, 1), (1, 1, 1), (-1, 1, 1)]


def naive_corners(cuboid: dict) -> list[list[float]]:
    """The eight corners of ``bbox3D_cam`` in their order, with plain loops."""
    width, height, length = cuboid["dimensions"]
    corners = []
    for sx, sy, sz in DRAWING:
        point = (sx * length / 2, sy * height / 2, sz * width / 2)
        corners.append(
            [
                cuboid["center_cam"][i] + sum(cuboid["R_cam"][i][j] * point[j] for j in range(3))
                for i in range(3)
            ]
        )
    return corners


def some_cuboids(count: int, seed: int) -> list[dict]:
    rng = np.random.default_rng(seed)
    return [
        {
            "center_cam": rng.uniform((-5, -5, 10), (5, 5, 40)).tolist(),
            "dimensions": rng.uniform(0.3, 6, 3).tolist(),
            "R_cam": Rotation.random(random_state=seed + i).as_matrix().tolist(),
        }
        for i in range(count)
    ]


def in_any_order(corners: np.ndarray) -> np.ndarray:
    return np.array([c[np.lexsort(c.round(6).T)] for c in corners])


def test_boxes_of_any_rotation_are_boxes3d_and_back():
    cuboids = some_cuboids(40, 0)
    boxes = boxes_of(cuboids)
    expected = np.array([naive_corners(c) for c in cuboids])
    np.testing.assert_allclose(in_any_order(boxes.corners().numpy()), in_any_order(expected), atol=1e-9)
    # The heading is the length's axis, the down axis the height's, the third the width's.
    for i, axis in ((0, 2), (1, 1), (2, 0)):
        steps = boxes.rotation[:, :, i].numpy() * np.array([c["dimensions"][axis] for c in cuboids])[:, None]
        pairs = {0: (1, 0), 1: (3, 0), 2: (4, 0)}[i]  # corners of the drawing that lie across that axis
        np.testing.assert_allclose(expected[:, pairs[0]] - expected[:, pairs[1]], steps, atol=1e-9)
    camera = Camera(
        torch.tensor([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]], dtype=torch.float64), (480, 640)
    )
    for found, cuboid, corners in zip(cuboids_of(boxes, camera), cuboids, expected, strict=True):
        np.testing.assert_allclose(found["bbox3D_cam"], corners, atol=1e-9)
        for key in ("center_cam", "dimensions", "R_cam"):
            np.testing.assert_allclose(found[key], cuboid[key], atol=1e-12)
        pixels = corners[:, :2] / corners[:, 2:] * 500 + (320, 240)
        np.testing.assert_allclose(found["bbox2D_proj"], [*pixels.min(0), *pixels.max(0)], rtol=1e-9)


def test_axes_are_named_anew_on_the_same_solids():
    boxes = boxes_of(some_cuboids(60, 1))
    upright = with_y_down(boxes)
    corners = (in_any_order(b.corners().numpy()) for b in (boxes, upright))
    np.testing.assert_allclose(*corners, atol=1e-9)
    torch.testing.assert_close(torch.linalg.det(upright.rotation), torch.ones(60, dtype=torch.float64))
    assert (upright.rotation[:, 1, 1] > 0.5).all()
    kept = boxes.rotation[:, 1, 1] >= 0.5
    assert 5 < kept.sum() < 55
    torch.testing.assert_close(upright.rotation[kept], boxes.rotation[kept])


@pytest.mark.parametrize("plane", [None, [0.05, -0.97, -0.238, 6.0]])
def test_fields_of_a_label_give_the_box_again(plane):
    boxes = with_y_down(boxes_of(some_cuboids(20, 2)))
    record = {"ground_plane": plane, "level_boxes": plane is None}
    found = record_boxes(record, label_fields(boxes, plane))
    torch.testing.assert_close(found.corners(), boxes.corners())
    level = Boxes3D.from_kitti([[1.0, 2, 20]], [[1.5, 1.6, 4.0]], [0.3], plane)
    level = Boxes3D(*(x.double() for x in (level.center, level.size, level.rotation)))
    (row,) = label_fields(level, plane)
    assert "rotation" not in row and row["yaw"] == pytest.approx(0.3, abs=1e-6)


def test_a_file_is_read(tmp_path):
    path = write_json(tmp_path / "a.json", omni3d(tmp_path))
    (record,), vocabulary = load_omni3d(path, tmp_path)
    assert vocabulary.names == ("car", "sofa")
    assert record["camera"] == [[80, 0, 48, 0], [0, 80, 32, 0], [0, 0, 1, 0]]
    assert record["level_boxes"] and record["ground_plane"] is None
    assert record["ignored_boxes"] == [[1, 1, 9, 9], [30, 19, 60, 45]]
    car, sofa = record["annotations"]
    assert (car["name"], car["category_id"], car["has_3d"]) == ("car", 0, True)
    assert car["bbox"] == [30, 19, 60, 45] and car["dimensions"] == [1.5, 1.8, 4.0]
    np.testing.assert_allclose(car["location"], [1.0, 0.5 + 0.75, 20.0])
    assert car["yaw"] == pytest.approx(np.arctan2(0.8, 0.6))
    assert car["omni3d"] == {"visibility": 0.7, "lidar_pts": 12.0, "bbox2D_tight": [31, 20, 59, 44]}
    assert (sofa["name"], sofa["has_3d"]) == ("sofa", False)
    assert sofa["bbox"] == [70, 10, 95, 30]  # cut to the image


def test_a_common_tilt_is_the_ground_s_and_a_single_box_s_its_own(tmp_path):
    content = omni3d(tmp_path)
    box = content["annotations"][0]
    tilt = Rotation.from_euler("x", 0.2)
    content["annotations"] = []
    for i, yaw in enumerate((0.1, 1.0, -2.0)):
        turned = (tilt * Rotation.from_euler("y", yaw)).as_matrix()
        place = tilt.apply([i, -0.75 + 5, 15 + 5 * i])  # its lower face is 5 m below the camera
        content["annotations"].append(box | {"id": i, "R_cam": turned.tolist(), "center_cam": place.tolist()})
    (record,), _ = load_omni3d(write_json(tmp_path / "a.json", content), tmp_path)
    np.testing.assert_allclose(record["ground_plane"], [*-tilt.apply([0, 1, 0]), 5.0], atol=1e-9)
    assert not record["level_boxes"] and not any("rotation" in a for a in record["annotations"])
    np.testing.assert_allclose([a["yaw"] for a in record["annotations"]], [0.1, 1.0, -2.0], atol=1e-9)
    leaning = (tilt * Rotation.from_euler("z", 0.1)).as_matrix().tolist()
    content["annotations"].append(box | {"id": 9, "R_cam": leaning})
    content["images"][0]["ground_plane"] = record["ground_plane"]
    (record,), _ = load_omni3d(write_json(tmp_path / "a.json", content), tmp_path)
    assert ["rotation" in a for a in record["annotations"]] == [False, False, False, True]
    np.testing.assert_allclose(record_boxes(record, record["annotations"]).rotation[3], leaning, atol=1e-9)


FIRST, IMAGE = "annotations[0]", "images[0]"
NOT_PAIR = [9, 9, 1, 1]


@pytest.mark.parametrize(
    "entry, field, value, message",
    [
        (FIRST, "R_cam", [[1, 0, 0], [0, 1, 0], [0, 0, 2]], "field 'R_cam': expected a rotation"),
        (FIRST, "R_cam", [[1, 0, 0]], "field 'R_cam': expected 3 rows"),
        (FIRST, "R_cam", [[1, 0, 0], [0, 1, "x"], [0, 0, 1]], "row 1: field 'R_cam': expected 3 numbers"),
        (FIRST, "center_cam", [0, float("nan"), 9], "field 'center_cam': expected 3 numbers"),
        (FIRST, "bbox2D_trunc", NOT_PAIR, "field 'bbox2D_trunc': expected x1 <= x2"),
        (FIRST, "valid3D", "yes", "field 'valid3D': expected true or false, got 'yes'"),
        (FIRST, "lidar_pts", None, "field 'lidar_pts': expected a number, got None"),
        (FIRST, "category_id", 5, "field 'category_id': no category '5'"),
        (IMAGE, "K", [[0, 0, 1], [0, 1, 0], [0, 0, 1]], "field 'K': expected positive focal"),
        (IMAGE, "file_path", "b.png", "image 'b.png' is not in"),
        (IMAGE, "file_path", "../a.png", "expected a path below"),
        (IMAGE, "ground_plane", [0, 1, 0, 5], "field 'ground_plane': expected a unit normal"),
    ],
)
def test_wrong_files_are_one_line_of_file_entry_and_field(tmp_path, entry, field, value, message):
    content = omni3d(tmp_path)
    content[entry.partition("[")[0]][0][field] = value
    path = write_json(tmp_path / "a.json", content)
    expected = re.escape(f"a.json: {entry}: {message}")
    with pytest.raises((ValueError, FileNotFoundError), match=expected) as error:
        load_omni3d(path, tmp_path)
    assert len(str(error.value)) < 300 and "\n" not in str(error.value)


def test_broken_entries_can_be_skipped(tmp_path, caplog):
    content = omni3d(tmp_path)
    content["annotations"].append(copy.deepcopy(content["annotations"][0]) | {"id": 77, "center_cam": "x"})
    path = write_json(tmp_path / "a.json", content)
    (record,), _ = load_omni3d(path, tmp_path, skip_broken=True)
    assert len(record["annotations"]) == 2 and "skipped 1 broken entries" in caplog.text
    path.write_text(json.dumps(content)[:-30])
    with pytest.raises(ValueError, match="a.json: expected JSON: "):
        load_omni3d(path, tmp_path, skip_broken=True)
