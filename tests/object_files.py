"""Small datasets of objects, made from a number, and files of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from d2ext.data.formats.listing import flat_annotation
from d2ext.data.formats.upright import label_fields, record_boxes
from d2ext.structures import Boxes3D, Camera, plane_of_tilt
from d2ext.structures.vocabulary import Vocabulary

WIDTH, HEIGHT = 96, 64
WORDS = Vocabulary.of_names(["car", "traffic light", "pedestrian", "tipper truck"])


def picture(path: Path, width: int = WIDTH, height: int = HEIGHT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        cv2.imwrite(str(path), np.full((height, width, 3), 90, np.uint8))
    return path


def make_records(folder: Path, seed: int, level: bool, count: int = 2) -> list[dict[str, Any]]:
    """Records of pictures in a folder, with boxes in front of the camera, objects without a 3D box among
    them."""
    rng = np.random.default_rng(seed)
    records = []
    for i in range(count):
        tilted = plane_of_tilt(rng.uniform(4, 9), *rng.uniform(-0.2, 0.3, 2))
        a, b, c, d = plane = [0.0, -1.0, 0.0, 1.5] if level else tilted
        number = int(rng.integers(1, 6))
        x, z = rng.uniform(-4, 4, number), rng.uniform(12, 60, number)
        location = np.stack((x, -(a * x + c * z + d) / b + rng.uniform(-0.1, 0.1, number), z), 1)
        sizes, yaw = rng.uniform(0.5, 4, (number, 3)), rng.uniform(-3.1, 3.1, number)
        boxes = Boxes3D.from_kitti(location, sizes, yaw, None if level else plane)
        tx, ty = rng.uniform(-5, 5, 2)
        P = [[80.0, 0, 47.3, tx], [0, 81.0, 30.1, ty], [0, 0, 1.0, 0.003]]
        record = {
            "file_name": str(picture(folder / f"sub{i % 2}" / f"{i}.png")),
            "image_id": i + 4,
            "height": HEIGHT,
            "width": WIDTH,
            "camera": P,
            "ground_plane": None if level else plane,
            "level_boxes": level,
            "annotations": [],
            "sentences": [],
        }
        fields = label_fields(boxes, None if level else plane)
        for j in range(number):
            x, y = rng.uniform(0, 50, 2)
            category = int(rng.integers(len(WORDS)))
            box = [x, y, x + rng.uniform(0, 40), y + rng.uniform(0, 13)]
            annotation = flat_annotation(10 * i + j, box, category, WORDS.names[category])
            solid = {**fields[j], "has_3d": True, "truncated": float(rng.uniform(0, 0.9))}
            record["annotations"].append(annotation | (solid if rng.random() < 0.8 or j == 0 else {}))
        records.append(record)
    return records


def projected(record: dict[str, Any]) -> torch.Tensor:
    """(N, 8, 2) pixels of the corners of the 3D boxes of a record."""
    solid = [a for a in record["annotations"] if a["has_3d"]]
    camera = Camera(torch.tensor(record["camera"], dtype=torch.float64), (record["height"], record["width"]))
    return camera.project(record_boxes(record, solid).corners())[0]


def coco(folder: Path) -> dict[str, Any]:
    """Content of a COCO file of two pictures, categories with gaps between their ids."""
    for name in ("a.jpg", "sub/b.jpg"):
        picture(folder / name)
    size = {"height": HEIGHT, "width": WIDTH}
    return {
        "images": [{"id": 7, "file_name": "a.jpg", **size}, {"id": 3, "file_name": "sub/b.jpg", **size}],
        "categories": [
            {"id": 90, "name": "zebra"},
            {"id": 2, "name": "car"},
            {"id": 11, "name": "tipper truck"},
        ],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 90, "bbox": [1, 2, 30, 20.5], "iscrowd": 0},
            {"id": 2, "image_id": 7, "category_id": 2, "bbox": [5, 5, 10, 10]},
            {"id": 3, "image_id": 7, "category_id": 2, "bbox": [50, 5, 40, 30], "iscrowd": 1},
            {"id": 4, "image_id": 3, "category_id": 11, "bbox": [0, 0, 96, 64]},
        ],
    }


def omni3d(folder: Path) -> dict[str, Any]:
    """Content of an Omni3D file of one picture with a level box, an unlabelled region, one without evidence
    and one of which only the 2D box is known."""
    picture(folder / "a.png")
    none = {"bbox2D_proj": [-1] * 4, "bbox2D_trunc": [-1] * 4, "bbox2D_tight": [-1] * 4}
    box = {
        "image_id": 0, "category_id": 4, "category_name": "car", "valid3D": True, "behind_camera": False,
        "bbox2D_tight": [31, 20, 59, 44], "bbox2D_proj": [30, 19, 140, 45], "bbox2D_trunc": [30, 19, 60, 45],
        "center_cam": [1.0, 0.5, 20.0], "dimensions": [1.8, 1.5, 4.0],
        "R_cam": [[0.6, 0, 0.8], [0, 1, 0], [-0.8, 0, 0.6]], "visibility": 0.7, "truncation": 0.1,
        "segmentation_pts": -1, "lidar_pts": 12, "depth_error": -1,
    }  # fmt: skip
    flat = {"valid3D": False, "center_cam": [-1] * 3, "dimensions": [-1] * 3, "R_cam": [[-1] * 3] * 3}
    return {
        "info": {"id": 0, "source": 0, "name": "x", "split": "Train", "version": "0.1", "url": ""},
        "images": [
            {
                "id": 0, "dataset_id": 0, "width": WIDTH, "height": HEIGHT, "file_path": "a.png",
                "K": [[80.0, 0, 48], [0, 80.0, 32], [0, 0, 1]], "src_90_rotate": 0, "src_flagged": False,
            }
        ],
        "categories": [{"id": 4, "name": "car"}, {"id": 9, "name": "dontcare"}, {"id": 6, "name": "sofa"}],
        "annotations": [
            box | {"id": 1},
            box | flat | none | {"id": 2, "category_id": 9, "category_name": "dontcare",
                                 "bbox2D_tight": [1, 1, 9, 9]},
            box | {"id": 3, "lidar_pts": 0, "category_id": 6, "category_name": "sofa"},
            box | flat | none | {"id": 4, "category_id": 6, "bbox2D_proj": [70, 10, 140, 30]},
        ],
    }  # fmt: skip


def odvg(folder: Path) -> list[dict[str, Any]]:
    """Lines of an ODVG file: one of instances, one of a caption, one of both."""
    for name in ("a.jpg", "sub/b.jpg"):
        picture(folder / name)
    size = {"height": HEIGHT, "width": WIDTH}
    instances = [
        {"bbox": [1, 2, 30, 20], "label": 1, "category": "zebra"},
        {"bbox": [5, 5, 15, 15], "label": 0, "category": "car"},
    ]
    caption = "two bicycles beside a yellow tipper truck"
    regions = [
        {"bbox": [[1, 1, 9, 9], [11, 1, 19, 9]], "phrase": "two bicycles", "tokens_positive": [[0, 12]]},
        {"bbox": [30, 5, 90, 60], "phrase": "a yellow tipper truck"},
    ]
    both = {"caption": "a white car", "regions": [{"bbox": [5, 5, 15, 15], "phrase": "a white car"}]}
    return [
        {"filename": "a.jpg", **size, "detection": {"instances": instances}},
        {"filename": "sub/b.jpg", **size, "grounding": {"caption": caption, "regions": regions}},
        {"filename": "a.jpg", **size, "detection": {"instances": instances}, "grounding": both},
    ]


def write_json(path: Path, content: Any) -> Path:
    """JSON, or JSON lines of a list of objects for a file that ends so."""
    lines = path.suffix == ".jsonl"
    path.write_text("".join(json.dumps(x) + "\n" for x in content) if lines else json.dumps(content))
    return path
