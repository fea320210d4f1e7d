from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from d2ext.data.formats import load_dair_v2x_i
from d2ext.structures import Boxes3D, height_above_plane

K = [2180.0, 0.0, 960.0, 0.0, 2330.0, 540.0, 0.0, 0.0, 1.0]
ROAD = -1.6  # metres, height of the road in the virtual LiDAR's frame


def lidar_to_camera(pitch: float = 0.2, roll: float = 0.03) -> tuple[np.ndarray, np.ndarray]:
    """A camera that looks along x, down by ``pitch``, with a roll."""
    base = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])
    c, s = math.cos(pitch), math.sin(pitch)
    tilt = np.array([[1, 0, 0], [0, c, s], [0, -s, c]]).T
    c, s = math.cos(roll), math.sin(roll)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ tilt @ base, np.array([0.4, 5.2, 1.1])


def make_object(kind: str, centre: tuple[float, float, float], turn: float, hwl=(1.5, 1.8, 4.4)) -> dict:
    return {
        "type": kind,
        "truncated_state": 0,
        "occluded_state": "1",
        "alpha": 9.0,
        "2d_box": {"xmin": "100.5", "ymin": 200, "xmax": 180, "ymax": 260},
        "3d_dimensions": dict(zip("hwl", map(str, hwl), strict=True)),
        "3d_location": dict(zip("xyz", centre, strict=True)),
        "rotation": str(turn),
    }


@pytest.fixture
def dair(tmp_path: Path) -> Path:
    root = tmp_path / "dair_v2x_i"
    rotation, translation = lidar_to_camera()
    infos = []
    for name in ("000001", "000002", "000003"):
        x = 20.0 + int(name)
        objects = [
            make_object("Car", (x, 3.0, ROAD + 0.75), 0.4),
            make_object("Barrowlist", (x + 20, -5.0, ROAD + 0.5), -2.5, (1.0, 0.8, 1.5)),
            make_object("Pedestrian", (0, 0, 0), 0.0, (0, 0, 0)),
            make_object("CarIgnore", (x, 8.0, ROAD + 0.75), 0.0),
        ]
        calib = {"rotation": rotation.tolist(), "translation": translation[:, None].tolist()}
        write(root / f"label/camera/{name}.json", objects)
        write(root / f"calib/camera_intrinsic/{name}.json", {"cam_K": K, "cam_D": [0.1] * 5})
        write(root / f"calib/virtuallidar_to_camera/{name}.json", calib)
        (root / "image").mkdir(exist_ok=True)
        cv2.imwrite(str(root / f"image/{name}.jpg"), np.zeros((1080, 1920, 3), np.uint8))
        infos.append(
            {
                "image_path": f"image/{name}.jpg",
                "label_camera_std_path": f"label/camera/{name}.json",
                "calib_camera_intrinsic_path": f"calib/camera_intrinsic/{name}.json",
                "calib_virtuallidar_to_camera_path": f"calib/virtuallidar_to_camera/{name}.json",
            }
        )
    write(root / "data_info.json", infos)
    split = {"train": ["000001", "000003"], "val": ["000002"], "test": ["000009"]}
    write(root / "single-infrastructure-split-data.json", split)
    return root


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def corners_in_lidar(item: dict[str, Any]) -> np.ndarray:
    """The 8 corners of a label by its own definition, as a set."""
    h, w, length = (float(item["3d_dimensions"][n]) for n in "hwl")
    turn = float(item["rotation"])
    R = np.array([[math.cos(turn), -math.sin(turn), 0], [math.sin(turn), math.cos(turn), 0], [0, 0, 1]])
    signs = np.array([[i, j, k] for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)])
    return (signs * [length, w, h] / 2) @ R.T + [item["3d_location"][n] for n in "xyz"]


def test_boxes_are_those_of_the_lidar_frame(dair):
    rotation, translation = lidar_to_camera()
    for record in load_dair_v2x_i(dair, "train"):
        items = json.loads((dair / f"label/camera/{record['image_id']}.json").read_text())
        boxed = [a for a in record["annotations"] if a["has_3d"]]
        fields = [torch.tensor([a[key] for a in boxed]) for key in ("location", "dimensions", "yaw")]
        plane = torch.tensor(record["ground_plane"])
        boxes = Boxes3D.from_kitti(*fields, plane)
        for corners, heading, annotation in zip(boxes.corners(), boxes.rotation[:, :, 0], boxed, strict=True):
            item = items[annotation["id"]]
            expected = corners_in_lidar(item) @ rotation.T + translation
            distance = np.linalg.norm(corners.numpy()[:, None] - expected, axis=-1)
            assert distance.min(axis=1).max() < 1e-4 and distance.min(axis=0).max() < 1e-4
            turn = float(item["rotation"])
            forward = rotation @ [math.cos(turn), math.sin(turn), 0]
            assert heading.numpy() == pytest.approx(forward, abs=1e-5)
        assert height_above_plane(boxes.bottom_center(), plane).abs().max() < 1e-4
        assert torch.equal(boxes.alpha(plane).sign(), torch.tensor([a["alpha"] for a in boxed]).sign())


def test_fields(dair):
    first, second = load_dair_v2x_i(dair, "train")
    assert (first["image_id"], second["image_id"]) == ("000001", "000003")
    assert (first["height"], first["width"]) == (1080, 1920)
    assert np.array(first["camera"])[:, :3].ravel().tolist() == K
    car, barrow, pedestrian = first["annotations"]
    assert [a["category_id"] for a in (car, barrow, pedestrian)] == [0, 10, 5]
    assert car["bbox"] == [100.5, 200, 180, 260] and car["occluded"] == 1
    assert not pedestrian["has_3d"]
    assert first["ignored_boxes"] == [[100.5, 200, 180, 260]]
    assert first["ground_plane"][3] == pytest.approx(
        # the camera's height: the lidar's origin is 1.6 m over the road
        1.6 - float(lidar_to_camera()[0][:, 2] @ lidar_to_camera()[1])
    )


def test_every_intersection_has_its_own_ground(dair):
    infos = json.loads((dair / "data_info.json").read_text())
    for info, place in zip(infos, ("a", "a", "b"), strict=True):
        info["intersection_loc"] = place
    write(dair / "data_info.json", infos)
    path = dair / "label/camera/000003.json"
    items = json.loads(path.read_text())
    for item in items:
        item["3d_location"]["z"] += 0.5
    write(path, items)
    first, second = load_dair_v2x_i(dair, "train")
    assert first["ground_plane"][3] - second["ground_plane"][3] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("path", "key", "value", "message"),
    [
        ("calib/camera_intrinsic/000003.json", "cam_K", K[:8], "field 'cam_K': expected 9 numbers, got 8"),
        (
            "calib/camera_intrinsic/000003.json",
            "cam_K",
            [-1.0, *K[1:]],
            "field 'cam_K': expected positive focal lengths",
        ),
        (
            "calib/virtuallidar_to_camera/000003.json",
            "rotation",
            [[1, 0, 0], [0, 2, 0], [0, 0, 1]],
            "field 'rotation': expected a rotation matrix",
        ),
        (
            "calib/virtuallidar_to_camera/000003.json",
            "rotation",
            [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
            "field 'rotation': expected the LiDAR's z axis to point up",
        ),
        (
            "calib/virtuallidar_to_camera/000003.json",
            "translation",
            [0, "x", 1],
            r"field 'translation\[1\]': expected a finite number, got 'x'",
        ),
    ],
)
def test_broken_calibration_names_file_and_field_or_is_skipped(dair, path, key, value, message):
    content = json.loads((dair / path).read_text())
    write(dair / path, content | {key: value})
    with pytest.raises(ValueError, match=f"{path}: {message}"):
        load_dair_v2x_i(dair, "train")
    assert [r["image_id"] for r in load_dair_v2x_i(dair, "train", skip_broken=True)] == ["000001"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "Ufo"}, "field 'type': unknown class 'Ufo'"),
        ({"2d_box": [1, 2, 3, 4]}, "field '2d_box': expected dict, got"),
        ({"2d_box": {"xmin": 1, "ymin": 2, "xmax": 3}}, "field '2d_box.ymax': expected a finite number"),
        ({"3d_dimensions": {"h": 1, "w": -1, "l": 2}}, "field 'w': expected a positive size, got -1"),
        ({"rotation": None}, "field 'rotation': expected a finite number, got 'None'"),
    ],
)
def test_broken_labels_name_file_item_and_field_or_are_skipped(dair, change, message):
    path = dair / "label/camera/000002.json"
    items = json.loads(path.read_text())
    items[1] |= change
    write(path, items)
    with pytest.raises(ValueError, match=f"000002.json: item 1: {message}") as error:
        load_dair_v2x_i(dair, "val")
    assert "\n" not in str(error.value)
    (record,) = load_dair_v2x_i(dair, "val", skip_broken=True)
    assert [a["id"] for a in record["annotations"]] == [0, 2]


def test_absent_frames_and_files(dair):
    with pytest.raises(ValueError, match="split-data.json: field 'test': id '000009' is not in .*data_info"):
        load_dair_v2x_i(dair, "test")
    (dair / "label/camera/000002.json").unlink()
    with pytest.raises(FileNotFoundError, match="000002.json: no such file"):
        load_dair_v2x_i(dair, "val")
    with pytest.raises(ValueError, match="no usable image"):
        load_dair_v2x_i(dair, "val", skip_broken=True)
