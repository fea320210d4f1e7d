"""Loaders of whole datasets: with any of their files exchanged they give records that hold, or one line."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hostile import change_json, check_record, fuzz, mutate, result_or_message, seeds
from hypothesis import given

from d2ext.data.formats import (
    load_cvat,
    load_dair_v2x_i,
    load_kitti,
    load_label_studio,
    load_lvis,
    load_mono3drefer,
    load_monomulti3d,
    load_mvtec_ad,
    load_odvg,
    load_omni3d,
    load_rope3d,
    load_visa,
)

MEGABYTES = 500
Files = dict[str, Any]  # path -> bytes, or what is written as JSON

CALIB = b"P2: 70 0 32 4.4 0 70 18 0.2 0 0 1 0.003\n"
ROW = ["Car", "0.00", "0", "-1.5", "20.0", "10", "30", "20", "1.4", "1.8", "4.2", "-1.3", "5", "30", "-1.5"]
OTHER = ["Van", "0", "1", "-10", "2", "3", "9", "8", "2", "2", "5", "3", "5", "40", "3.1"]
FLAT = ["Car", "0", "0", "0", "40", "3", "44", "8", *["0"] * 7]
LABELS = b"".join(" ".join(row).encode() + b"\n" for row in (ROW, OTHER, FLAT))
REGION = b"DontCare -1 -1 -10 1 2 3 4 -1 -1 -1 -1000 -1000 -1000 -10\n"
GROUND = b"0 -0.97 -0.2 7\n"


def picture(suffix: str, value: int = 90) -> bytes:
    return cv2.imencode(suffix, np.full((36, 64, 3), value, np.uint8))[1].tobytes()


def frames(split_file: str, names: bytes) -> Files:
    files: Files = {split_file: names}
    for name in ("a", "b"):
        files[f"training/image_2/{name}.jpg"] = picture(".jpg")
        files[f"training/label_2/{name}.txt"] = LABELS + REGION
        files[f"training/calib/{name}.txt"] = CALIB
        files[f"training/denorm/{name}.txt"] = files[f"training/planes/{name}.txt"] = GROUND
    return files


def mono3drefer() -> Files:
    items = [
        {
            "im_name": "000003.png",
            "instanceID": i // 2,
            "ann_id": i,
            "objectName": "car",
            "description": "The car ahead.",
            "label_2": str(ROW),
            "properties": ["side : left"],
        }
        for i in range(2)
    ]
    return {
        "Mono3DRefer.json": items,
        "Mono3DRefer_train_image.txt": b"000003\n000004\n",
        **{f"images/00000{i}.png": picture(".png") for i in (3, 4)},
        **{f"calib/00000{i}.txt": CALIB for i in (3, 4)},
        "label_2/000003.txt": LABELS,
        "planes/000003.txt": GROUND,
    }


def monomulti3d() -> Files:
    described = [
        {
            "image_file_name": "image/a.jpg",
            "public_description": "All cars.",
            "public_properties": ["objectname : car"],
            "label_3": [str([*ROW, "white"]), str([*OTHER, "red"])],
        }
    ]
    challenge = {"public_description": ["a", "b", "c"], "test_data": [ROW, str(OTHER), " ".join(FLAT)]}
    files: Files = {"train/jsons/a.json": described, "train/jsons/b.json": challenge}
    for name in ("a", "b"):
        files[f"train/images/{name}.jpg"] = picture(".jpg")
        files[f"train/labels/{name}.txt"] = LABELS
        files[f"train/calib/{name}.txt"] = CALIB
        files[f"train/denorm/{name}.txt"] = GROUND
    return files


def dair() -> Files:
    box = {
        "type": "Car",
        "truncated_state": 0,
        "occluded_state": "0",
        "2d_box": {"xmin": 20, "ymin": "10", "xmax": 30, "ymax": 20},
        "3d_dimensions": {"h": 1.5, "w": 1.8, "l": 4.5},
        "3d_location": {"x": 40, "y": 2, "z": -0.9},
        "rotation": 0.1,
    }
    matrix = [[-0.06, -0.99, -0.04], [-0.21, 0.04, -0.97], [0.97, -0.06, -0.2]]
    files: Files = {
        "single-infrastructure-split-data.json": {"train": ["0", "1"], "val": []},
        "data_info.json": [],
    }
    for name in ("0", "1"):
        info = {
            "image_path": f"image/{name}.jpg",
            "label_camera_std_path": f"label/{name}.json",
            "calib_camera_intrinsic_path": f"intrinsic/{name}.json",
            "calib_virtuallidar_to_camera_path": f"lidar/{name}.json",
            "intersection_loc": "x",
        }
        files["data_info.json"].append(info)
        files[info["image_path"]] = picture(".jpg")
        files[info["label_camera_std_path"]] = [
            box,
            box | {"type": "Trafficcone"},
            box | {"type": "VanIgnore"},
        ]
        files[info["calib_camera_intrinsic_path"]] = {"cam_K": [70, 0, 32, 0, 70, 18, 0, 0, 1]}
        files[info["calib_virtuallidar_to_camera_path"]] = {
            "rotation": matrix,
            "translation": [[1.5], [1.0], [0.8]],
        }
    return files


def listing(key: str, image: dict, annotation: dict) -> Files:
    """A file in the manner of COCO and its pictures."""
    size = {"height": 36, "width": 64}
    return {
        "a.json": {
            "images": [{"id": i, **image, key: f"images/{name}.png", **size} for i, name in enumerate("ab")],
            "annotations": [{"id": i, "image_id": i % 2, "category_id": 5, **annotation} for i in range(3)],
            "categories": [{"id": 5, "name": "car"}, {"id": 9, "name": "zebra"}],
        },
        **{f"images/{name}.png": picture(".png") for name in "ab"},
    }


def omni3d() -> Files:
    annotation = {
        "category_name": "car", "valid3D": True, "behind_camera": False, "bbox2D_tight": [-1] * 4,
        "bbox2D_proj": [10.5, 3, 80, 30], "bbox2D_trunc": [10.5, 3, 63, 30], "center_cam": [0.5, 1, 15],
        "dimensions": [1.8, 1.5, 4], "R_cam": [[0.6, 0, 0.8], [0, 1, 0], [-0.8, 0, 0.6]], "visibility": 0.5,
        "truncation": 0.2, "segmentation_pts": -1, "lidar_pts": 7, "depth_error": -1,
    }  # fmt: skip
    image = {"K": [[70, 0, 32], [0, 70, 18], [0, 0, 1]], "ground_plane": [0, -1, 0, 4.5]}
    return listing("file_path", image, annotation)


def odvg() -> Files:
    size = {"height": 36, "width": 64}
    instances = [{"bbox": [1, 2, 30, 20.5], "label": 0, "category": "car"}]
    regions = [{"bbox": [[1, 2, 30, 20.5], [3, 4, 9, 9]], "phrase": "red", "tokens_positive": [[0, 3]]}]
    lines = [
        {"filename": "images/a.png", **size, "detection": {"instances": instances}},
        {"filename": "images/b.png", **size, "grounding": {"caption": "red cars", "regions": regions}},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    return {
        "a.jsonl": text.encode(),
        "labels.json": {"0": "car"},
        "images/a.png": picture(".png"),
        "images/b.png": picture(".png"),
    }


def cvat(video: bool) -> Files:
    """Of two pictures: two boxes, one of them turned, and a cuboid in a group with one."""
    corners = "".join(
        f'{axis}{end}{edge}="{place}" '
        for edge, u in (("l1", 10), ("r1", 20), ("l2", 12), ("r2", 19))
        for end, v in (("t", 5), ("b", 15))
        for axis, place in (("x", u), ("y", v))
    )
    box = 'occluded="1" outside="0" xtl="1.5" ytl="2" xbr="30" ybr="20" rotation="10"'
    said = '<attribute name="phrases">red\na car</attribute><attribute name="make">x</attribute>'
    labels = "<label><name>car</name></label><label><name>bus</name></label>"
    meta = f"<meta><task><name>t</name><size>2</size><labels>{labels}</labels></task></meta>"
    parts = []
    for i in range(2):
        if video:
            head = f'<track id="{i}" label="car" group_id="1">'
            shapes = f'<box frame="0" {box}>{said}</box>', f'<cuboid frame="0" {corners}/>'
            parts.append(f'{head}{shapes[i]}<box frame="1" {box}/></track>')
        else:
            head = f'<image id="{i}" name="images/{"ab"[i]}.png" width="64" height="36">'
            shapes = f'<box label="car" {box} group_id="1">{said}</box>', f'<box label="bus" {box}/>'
            cuboid = f'<cuboid label="car" {corners} group_id="1"/>'
            parts.append(head + "".join(shapes) + cuboid + "</image>")
    text = f"<annotations><version>1.1</version>{meta}{''.join(parts)}</annotations>"
    pictures = {f"{'' if video else 'images/'}{name}.png": picture(".png") for name in "ab"}
    return {"a.xml": text.encode(), **pictures}


def label_studio() -> Files:
    shared = {"id": "r", "to_name": "image", "original_width": 64, "original_height": 36}
    value = {"x": 10.5, "y": 20, "width": 30, "height": 40.5, "rotation": 15}
    rectangle = value | {"rectanglelabels": ["car"]}
    result = [
        {**shared, "from_name": "label", "type": "rectanglelabels", "value": rectangle},
        {**shared, "from_name": "phrases", "type": "textarea", "value": value | {"text": ["red", "a car"]}},
        {**shared, "from_name": "occlusion", "type": "choices", "value": value | {"choices": ["1"]}},
    ]  # fmt: skip
    tasks = [
        {"id": i, "data": {"image": f"/data/local-files/?d=images/{name}.png"},
         "annotations": [{"result": result, "was_cancelled": False, "ground_truth": False}]}
        for i, name in enumerate("ab")
    ]  # fmt: skip
    interface = b'<View><RectangleLabels name="label"><Label value="car"/></RectangleLabels></View>'
    pictures = {f"images/{name}.png": picture(".png") for name in "ab"}
    return {"a.json": tasks, "labels.xml": interface, **pictures}


def of_file(load: Callable, name: str, **options: str) -> Callable:
    """A loader of a file as one of a folder; gives the records."""

    def call(root: Path, _: str, skip: bool = False) -> list[dict[str, Any]]:
        paths = {key: root / value for key, value in options.items()}
        return load(root / name, root, skip, **paths)[0]

    call.__name__ = load.__name__
    return call


LVIS = {"neg_category_ids": [9], "not_exhaustive_category_ids": [5]}
BOX = {"bbox": [1, 2, 30, 20.5], "iscrowd": 0}


def mvtec() -> Files:
    return {
        "train/good/0.png": picture(".png"),
        "test/good/0.png": picture(".png"),
        "test/crack/0.png": picture(".png"),
        "test/crack/1.jpg": picture(".jpg"),
        "ground_truth/crack/0_mask.png": picture(".png", 255),
        "ground_truth/crack/1_mask.png": picture(".png", 1),
    }


def visa() -> Files:
    row = b"a,test,normal,a/0.jpg,\na,test,anomaly,a/1.jpg,a/1.png\n"
    return {
        "split_csv/1cls.csv": b"object,split,label,image,mask\n" + row,
        "a/0.jpg": picture(".jpg"),
        "a/1.jpg": picture(".jpg"),
        "a/1.png": picture(".png", 1),
    }


LOADERS: dict[Callable, tuple[str, Files]] = {
    load_rope3d: ("train", frames("training/train.txt", b"a\nb\n")),
    load_kitti: ("train", frames("ImageSets/train.txt", b"a\nb\n")),
    load_mono3drefer: ("train", mono3drefer()),
    load_monomulti3d: ("train", monomulti3d()),
    load_dair_v2x_i: ("train", dair()),
    load_mvtec_ad: ("test", mvtec()),
    load_visa: ("test", visa()),
    of_file(load_lvis, "a.json"): ("train", listing("file_name", LVIS, BOX)),
    of_file(load_omni3d, "a.json"): ("train", omni3d()),
    of_file(load_odvg, "a.jsonl", label_map="labels.json"): ("train", odvg()),
    of_file(load_cvat, "a.xml"): ("train", cvat(video=False)),
    of_file(load_cvat, "a.xml"): ("train", cvat(video=True)),
    of_file(load_label_studio, "a.json", label_map="labels.xml"): ("train", label_studio()),
}


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())


@pytest.mark.parametrize("load", LOADERS, ids=lambda load: load.__name__)
def test_any_file_exchanged(load, tmp_path):
    split, files = LOADERS[load]
    root = tmp_path / "dataset"
    for name, content in files.items():
        write(root / name, content)
    load = partial(load, root / "a" if load is load_visa else root)
    whole = load(split)
    assert len(whole) >= 2
    for record in whole:
        check_record(record)

    @fuzz
    @given(seeds)
    def holds(seed: int) -> None:
        rng = random.Random(seed)
        name = rng.choice(list(files))
        content = files[name]
        write(root / name, mutate(content, rng) if isinstance(content, bytes) else change_json(content, rng))
        try:
            for skip in (False, True):
                records = result_or_message(partial(load, split, skip), root / name)
                for record in records or ():
                    check_record(record)
        finally:
            write(root / name, content)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    holds()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEGABYTES * 1024
    assert load(split) == whole


@pytest.mark.parametrize("load", LOADERS, ids=lambda load: load.__name__)
@pytest.mark.parametrize("kind", ["pipe", "folder", "missing", "device", "loop", "unreadable name"])
def test_any_file_that_is_none(load, kind, tmp_path):
    split, files = LOADERS[load]
    for name, content in files.items():
        write(tmp_path / name, content)
    load = partial(load, tmp_path / "a" if load is load_visa else tmp_path)
    for name in files:
        path = tmp_path / name
        path.unlink()
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "folder":
            path.mkdir()
        elif kind == "device":
            path.symlink_to("/dev/zero")
        elif kind == "loop":
            path.symlink_to(path)
        elif kind == "unreadable name":
            path.symlink_to("x" * 250)
        for skip in (False, True):
            result_or_message(partial(load, split, skip), path)
        shutil.rmtree(path) if kind == "folder" else path.unlink(missing_ok=True)
        write(path, files[name])
