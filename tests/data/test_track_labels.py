"""Tracking labels: KITTI's read and written, V2X-Seq's and TUM Traffic's read."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog

from d2ext.data.builtin import register_dataset
from d2ext.data.formats import (
    load_kitti_tracking,
    read_kitti_tracks,
    read_tumtraf,
    read_v2x_seq,
    write_kitti_tracks,
)
from d2ext.data.formats.rows import BrokenRows
from d2ext.structures.vocabulary import ROAD

SHARED = Path(__file__).resolve().parents[3] / "shared"
ROWS = """0 -1 DontCare -1 -1 -10 700 160 730 185 -1000 -1000 -1000 -10 -1 -1 -1
0 3 Car 0 1 1.66 360.5 181 463 270 1.60 1.73 3.62 -4.07 1.80 15.16 1.40
0 5 Person 0 0 0.5 10 20 30 90 1.3 0.6 0.8 2 1.7 9 0.3 0.75
2 3 Car 0.00 2 1.66 361 181 463 270 1.60 1.73 3.62 -4.07 1.80 14.16 1.40
3 9 Misc 0 0 1 1 2 3 4 1 1 1 1 1 9 0
"""


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "0007.txt"
    path.write_text(ROWS)
    return path


def test_kitti_rows(labels):
    found = read_kitti_tracks(labels)
    assert (found.name, len(found), found.times.tolist()) == ("0007", 3, [0, 0.1, 0.2, 0.3])
    assert found.frame.tolist() == [0, 0, 2] and found.ids.tolist() == ["3", "5", "3"]
    assert [ROAD.names[c] for c in found.classes] == ["car", "person_sitting", "car"]
    assert found.scores.tolist() == [1, 0.75, 1] and found.occluded.tolist() == [1, 0, 2]
    np.testing.assert_allclose(found.location[2], [-4.07, 1.8, 14.16])
    np.testing.assert_allclose(found.size[0], [1.6, 1.73, 3.62])
    assert found.ignored_frame.tolist() == [0, 3] and found.ignored_boxes[0].tolist() == [700, 160, 730, 185]
    ground = found.detections()
    np.testing.assert_allclose(ground[2].position, [[-4.07, 14.16]])
    np.testing.assert_allclose(ground[2].heading, [-1.4])
    assert [len(d) for d in ground] == [2, 0, 1, 0]


def test_what_is_written_is_read(labels, tmp_path):
    found = read_kitti_tracks(labels)
    write_kitti_tracks(found, tmp_path / "copy.txt")
    again = read_kitti_tracks(tmp_path / "copy.txt")
    for name in ("frame", "ids", "classes", "boxes", "location", "size", "yaw", "scores", "occluded"):
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name), name)
    np.testing.assert_array_equal(again.ignored_boxes, found.ignored_boxes)


@pytest.mark.skipif(not SHARED.is_dir(), reason="no shared data")
def test_real_kitti_tracks_are_read_and_written(tmp_path):
    rows = (SHARED / "data/tracks/kitti_tracking/label_02/0001.txt").read_text().splitlines()[:600]
    (tmp_path / "0001.txt").write_text("\n".join(rows))
    found = read_kitti_tracks(tmp_path / "0001.txt")
    types = [row.split()[2] for row in rows]
    assert len(found) == len([t for t in types if t not in ("DontCare", "Misc")])
    assert len(found.ignored_frame) == len(types) - len(found)
    assert len(found.times) == 1 + max(int(row.split()[0]) for row in rows)
    write_kitti_tracks(found, tmp_path / "copy.txt")
    np.testing.assert_array_equal(read_kitti_tracks(tmp_path / "copy.txt").location, found.location)


CAR_ROW = "0 1 Car 0 0 0 1 2 3 4 1 1 4 0 1 9 0"


@pytest.mark.parametrize(
    "text, message",
    [
        ("0 1 Car 0 0", ":1: expected frame, track_id"),
        (CAR_ROW + "\n" + CAR_ROW, ":2: field 'track_id': 1 twice in frame 0"),
        (CAR_ROW.replace("0 1", "x 1", 1), ":1: field 'frame': expected a whole number, got 'x'"),
        (CAR_ROW.replace("0 1", "0 -1", 1), ":1: field 'track_id': expected at least 0, got -1"),
        (CAR_ROW.replace("0 1", "99999999 1", 1), ":1: field 'frame': expected 0 to"),
        (CAR_ROW.replace("Car", "Horse"), ":1: field 'type': unknown class 'Horse'"),
        (CAR_ROW.replace(" 9 0", " nan 0"), ":1: field 'z': expected a finite number"),
    ],
)
def test_wrong_rows_are_one_line(labels, text, message):
    labels.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        read_kitti_tracks(labels)
    assert str(labels.name) in str(error.value) and "\n" not in str(error.value)
    broken = BrokenRows(True)
    read_kitti_tracks(labels, broken)
    assert broken.count == 1


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Two sequences, one with a plane."""
    folder = tmp_path / "kitti_tracking/training"
    for name in ("0000", "0001"):
        (folder / "image_02" / name).mkdir(parents=True)
        for frame in range(4):
            image = np.full((40, 90, 3), 9 * frame, np.uint8)
            cv2.imwrite(str(folder / f"image_02/{name}/{frame:06d}.png"), image)
    for part in ("label_02", "calib", "denorm"):
        (folder / part).mkdir()
    for name in ("0000", "0001"):
        (folder / f"label_02/{name}.txt").write_text(ROWS)
        (folder / f"calib/{name}.txt").write_text("P2: 80 0 45 0 0 80 20 0 0 0 1 0\n")
    (folder / "denorm/0001.txt").write_text("0 -0.98 -0.199 6\n")
    return tmp_path / "kitti_tracking"


def test_frames_of_sequences_in_the_catalog(dataset):
    register_dataset("kitti_tracking_for_test", "kitti_tracking", dataset, "train")
    try:
        records = DatasetCatalog.get("kitti_tracking_for_test")
        metadata = MetadataCatalog.get("kitti_tracking_for_test")
    finally:
        DatasetCatalog.remove("kitti_tracking_for_test")
        MetadataCatalog.remove("kitti_tracking_for_test")
    assert metadata.evaluator_type == "kitti" and {"kitti_tracking_train", "kitti_tracking_test"} <= set(
        DatasetCatalog.list()
    )
    assert [(r["sequence"], r["frame"], r["time"]) for r in records[3:5]] == [
        ("0000", 3, 0.3),
        ("0001", 0, 0),
    ]
    assert [a["track_id"] for a in records[0]["annotations"]] == ["3", "5"]
    assert records[0]["level_boxes"] and records[0]["ignored_boxes"] == [[700, 160, 730, 185]]
    assert "level_boxes" not in records[4] and records[4]["ground_plane"][3] == pytest.approx(6, rel=1e-3)
    assert records[2]["annotations"][0]["location"] == [-4.07, 1.8, 14.16]
    (dataset / "ImageSets").mkdir()
    (dataset / "ImageSets/val.txt").write_text("0001\n")
    assert {r["sequence"] for r in load_kitti_tracking(dataset, "val")} == {"0001"}


def test_sequences_that_are_not_whole(dataset):
    with pytest.raises(FileNotFoundError, match="val.txt"):
        load_kitti_tracking(dataset, "val")
    (dataset / "training/label_02/0001.txt").unlink()
    with pytest.raises(FileNotFoundError, match="0001.txt: no such file"):
        load_kitti_tracking(dataset, "train")
    assert {r["sequence"] for r in load_kitti_tracking(dataset, "train", skip_broken=True)} == {"0000"}


def v2x_object(track, x, y, z=-1.0, turn=0.0, **more):
    return {
        "token": "t", "type": "Car", "track_id": track, "truncated_state": 0, "occluded_state": "1",
        "2d_box": {"xmin": 1, "ymin": 2, "xmax": "30", "ymax": 40}, "rotation": turn,
        "3d_dimensions": {"h": "1.5", "w": 1.8, "l": 4.2}, "3d_location": {"x": x, "y": y, "z": z},
    } | more  # fmt: skip


@pytest.fixture
def v2x(tmp_path: Path) -> Path:
    root = tmp_path / "V2X-Seq-SPD"
    infos = {"infrastructure-side": [], "vehicle-side": [], "cooperative": []}
    for side, folder in (("infrastructure-side", "virtuallidar"), ("vehicle-side", "lidar")):
        (root / side / "label" / folder).mkdir(parents=True)
        for number in (1, 0, 2):
            label = f"label/{folder}/{number:06d}.json"
            infos[side].append(
                {
                    "label_lidar_std_path": label, "pointcloud_path": f"velodyne/{number:06d}.pcd",
                    "pointcloud_timestamp": str(10**15 + 100_000 * number),
                    "sequence_id": f"000{number // 2}",
                }
            )  # fmt: skip
            cone = v2x_object("-1", 5, 5, type="TrafficCone")
            (root / side / label).write_text(json.dumps([v2x_object("0012", 20 + number, 3.0), cone]))
    (root / "cooperative/label").mkdir(parents=True)
    for number in (0, 1):
        infos["cooperative"].append({"vehicle_frame": f"{number:06d}", "vehicle_sequence": "0000"})
        content = [v2x_object("7", 10, -4, turn=np.pi / 2)]
        (root / f"cooperative/label/{number:06d}.json").write_text(json.dumps(content))
    for side, info in infos.items():
        (root / side / "data_info.json").write_text(json.dumps(info))
    return root


def test_v2x_seq(v2x):
    found = read_v2x_seq(v2x)
    assert list(found) == ["0000", "0001"]
    first = found["0000"]
    np.testing.assert_allclose(first.times, [0, 0.1], atol=1e-6)
    assert first.ids.tolist() == ["0012", "0012"] and first.occluded.tolist() == [1, 1]
    np.testing.assert_allclose(first.location, [[-3, 1.75, 20], [-3, 1.75, 21]])  # right, down, ahead
    ground = first.detections()[1]
    np.testing.assert_allclose(ground.position, [[-3, 21]])
    np.testing.assert_allclose(ground.heading, np.pi / 2)  # ahead, as x of the LiDAR
    together = read_v2x_seq(v2x, "cooperative")["0000"]
    assert together.ids.tolist() == ["7", "7"]
    np.testing.assert_allclose(np.abs(together.detections()[0].heading), np.pi)  # to the left


@pytest.mark.parametrize(
    "change, message",
    [
        ({"rotation": None}, "item 0: field 'rotation': expected a number, got None"),
        ({"3d_location": {"x": 1}}, "item 0: field '3d_location.y'"),
        ({"type": "Horse"}, "item 0: field 'type': unknown class"),
        ({"track_id": [1]}, "item 0: field 'track_id': expected str or int"),
    ],
)
def test_wrong_objects_of_v2x_seq_are_one_line(v2x, change, message):
    path = v2x / "infrastructure-side/label/virtuallidar/000001.json"
    path.write_text(json.dumps([v2x_object("1", 1, 2) | change]))
    with pytest.raises(ValueError, match=message) as error:
        read_v2x_seq(v2x)
    assert path.name in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 300


def test_other_faults_of_v2x_seq(v2x):
    with pytest.raises(ValueError, match="expected one of infrastructure-side"):
        read_v2x_seq(v2x, "left-side")
    (v2x / "cooperative/data_info.json").write_text('[{"vehicle_frame": "9", "vehicle_sequence": "0"}]')
    with pytest.raises(ValueError, match="field 'vehicle_frame': '9' is not in"):
        read_v2x_seq(v2x, "cooperative")
    (v2x / "infrastructure-side/data_info.json").unlink()
    with pytest.raises(FileNotFoundError, match="data_info.json"):
        read_v2x_seq(v2x)


def tumtraf_frame(time, objects):
    return {"frame_properties": {"timestamp": time}, "objects": objects} if time else {"objects": objects}


def tumtraf_object(kind, middle, turn, size=(4.2, 1.8, 1.5), listed=False):
    rotation = [0.0, 0.0, float(np.sin(turn / 2)), float(np.cos(turn / 2))]
    texts = [{"name": "occlusion_level", "val": "PARTIALLY_OCCLUDED"}]
    cuboid = {"name": "shape3D", "val": [*middle, *rotation, *size], "attributes": {"text": texts}}
    return {"object_data": {"name": kind, "type": kind, "cuboid": [cuboid] if listed else cuboid}}


def test_tumtraf(tmp_path):
    stamps = ("1651673050_454284855", "1651673050_554284855")
    for number, stamp in enumerate(stamps):
        objects = {
            "0f1e": tumtraf_object("CAR", (20.0, 3.0 + number, -6.0), 0.0, listed=bool(number)),
            "77aa": tumtraf_object("BICYCLE", (9.0, -2.0, -6.0), np.pi / 2),
        }
        content = {"openlabel": {"frames": {str(number): tumtraf_frame(None, objects)}}}
        (tmp_path / f"{stamp}_s110_lidar_ouster_south.json").write_text(json.dumps(content))
    found = read_tumtraf(tmp_path)
    np.testing.assert_allclose(found.times, [0, 0.1], atol=1e-6)
    assert found.ids.tolist() == ["0f1e", "77aa"] * 2 and found.occluded.tolist() == [1] * 4
    assert [ROAD.names[c] for c in found.classes[:2]] == ["car", "cyclist"]
    np.testing.assert_allclose(found.location[0], [-3, 6.75, 20])
    np.testing.assert_allclose(found.size[0], [1.5, 1.8, 4.2])
    np.testing.assert_allclose(np.abs(found.detections()[0].heading), [np.pi / 2, np.pi])


@pytest.mark.parametrize(
    "content, message",
    [
        ("[]", "expected an object"),
        ('{"openlabel": {}}', "field 'frames'"),
        ({"1": tumtraf_frame(None, {})}, "frame 1: field 'frame_properties.timestamp'"),
        ({"1": tumtraf_frame(5.0, {"a": {}})}, "frame 1: object a: field 'object_data'"),
        (
            {"1": tumtraf_frame(5.0, {"a": tumtraf_object("CAR", (1,), 0)})},
            "field 'cuboid.val': expected 10 numbers, got 8",
        ),
        ({"1": tumtraf_frame(5.0, {"a": tumtraf_object("HORSE", (1, 2, 3), 0)})}, "unknown class 'HORSE'"),
        ({"1": tumtraf_frame(5.0, {}), "2": tumtraf_frame(5.0, {})}, "two frames at 5 s"),
    ],
)
def test_wrong_tumtraf_files_are_one_line(tmp_path, content, message):
    text = content if isinstance(content, str) else json.dumps({"openlabel": {"frames": content}})
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        read_tumtraf(tmp_path / "a.json")
    assert "a.json" in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 300
    with pytest.raises(FileNotFoundError, match="label files"):
        (tmp_path / "empty").mkdir()
        read_tumtraf(tmp_path / "empty")


@pytest.mark.skipif(not SHARED.is_dir(), reason="no shared data")
def test_the_real_video_and_its_calibration_are_read():
    from d2ext.data.formats.kitti import read_calib
    from d2ext.data.frames import ImageFiles

    folder = SHARED / "data/video/kitti_drive0052"
    frames = ImageFiles([folder / "frames"])
    assert len(frames) == 78
    height, width = frames.read(frames.items[0]).shape[:2]
    assert np.array(read_calib(folder / "calib.txt", (height, width))).shape == (3, 4)
