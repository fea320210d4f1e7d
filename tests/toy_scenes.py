"""Scenes of a few coloured boxes in front of one camera, with labels, and a tiny SceneSana for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import yaml
from project_scripts import ROOT, load_script

from d2ext.data.synthroad.palette import PAINT
from d2ext.structures import ROAD, Boxes3D, Camera, plane_of_tilt

SIZE = (64, 96)  # height, width
FOCAL = 80.0
PLANE = plane_of_tilt(6.0, 0.2)
PROJECTION = [[FOCAL, 0.0, 47.5, 0.0], [0.0, FOCAL, 31.5, 0.0], [0.0, 0.0, 1.0, 0.0]]


def annotation(
    number: int, name: str, color: str, right: float, forward: float, yaw: float
) -> dict[str, Any]:
    """An object that stands on the plane."""
    a, b, c, d = PLANE
    x, z = right, forward
    location = [x, -(a * x + c * z + d) / b, z]
    size = list(ROAD.sizes[name])
    camera = Camera(torch.tensor(PROJECTION), SIZE)
    box = Boxes3D.from_kitti([location], [size], [yaw], PLANE).project(camera, clipped=True)[0][0].tolist()
    return {
        "id": number, "bbox": box, "bbox_mode": 0, "category_id": ROAD.names.index(name), "truncated": 0.0,
        "occluded": 0, "alpha": float(yaw - np.arctan2(x, z)), "has_3d": True, "location": location,
        "dimensions": size, "yaw": yaw, "color": color,
    }  # fmt: skip


def record(number: int, folder: Path | None = None) -> dict[str, Any]:
    """A dataset dict; with a folder its picture is written there."""
    rng = np.random.default_rng(number)
    objects = []
    for i, right in enumerate((-5.0, 5.0)[: 1 + number % 2]):
        name, color = ("car", "van")[int(rng.integers(2))], list(PAINT)[int(rng.integers(len(PAINT)))]
        place = right + float(rng.uniform(-1, 1)), 22.0 + float(rng.uniform(-4, 8))
        objects.append(annotation(i, name, color, *place, float(rng.uniform(-3, 3))))
    sentences = [
        {"id": 0, "text": f"the {objects[0]['color']} one on the left", "target_ids": [0], "properties": []},
        {"id": 1, "text": "nothing", "target_ids": [], "properties": []},
    ]
    picture = np.full((*SIZE, 3), 110, np.uint8) + rng.integers(0, 20, (*SIZE, 3)).astype(np.uint8)
    for a in objects:
        (x1, y1), (x2, y2) = np.rint(a["bbox"][:2]).astype(int), np.rint(a["bbox"][2:]).astype(int)
        cv2.rectangle(picture, (int(x1), int(y1)), (int(x2), int(y2)), PAINT[a["color"]], -1)
    path = Path("none.png") if folder is None else folder / f"{number:03}.png"
    if folder is not None:
        cv2.imwrite(str(path), picture)
    return {
        "file_name": str(path), "image_id": f"{number:03}", "height": SIZE[0], "width": SIZE[1],
        "camera": PROJECTION, "ground_plane": PLANE, "annotations": objects, "sentences": sentences,
    }  # fmt: skip


def records(folder: Path, numbers: Sequence[int]) -> list[dict[str, Any]]:
    """Dataset dicts with pictures."""
    return [record(number, folder) for number in numbers]


AUTOENCODER = {"WIDTHS": [8, 16, 16, 32], "LAYERS": [0, 1, 1, 1], "ATTENTION_STAGES": 1, "LATENT_CHANNELS": 4}
TOY = {
    "MODEL": {
        "DEVICE": "cpu",
        "AUTOENCODER": AUTOENCODER,
        "CAPTION": {
            "NAME": "d2ext://text/tiny", "PRETRAINED": False, "INSTRUCTION": "Road: ", "MAX_TOKENS": 24,
        },
        "SCENE": {
            "AUTOENCODER_WEIGHTS": "", "WIDTH": 32, "HEADS": 2, "CROSS_HEADS": 2, "DEPTH": 2, "STEPS": 2,
            "UNET_WIDTHS": [16, 32], "LAYOUT_CHANNELS": 4,
        },
    },
    "INPUT": {"SIZE": [64, 64]},
    "DATASETS": {"TRAIN": ["toy_scenes_train"], "TEST": ["toy_scenes_test"]},
    "DATALOADER": {"NUM_WORKERS": 0},
    "SOLVER": {"MAX_ITER": 4, "WARMUP_ITERS": 1, "IMS_PER_BATCH": 2, "AMP": {"ENABLED": False}},
    "TEST": {"DTYPE": "float32", "SCENES": {"IMAGES": 0}},
}  # fmt: skip


def toy_config(path: Path, base: str = "Base-SceneSana", **sections: Any) -> Path:
    """Write the config of a tiny model."""
    content = TOY | {"_BASE_": str(ROOT / f"configs/SceneSana/{base}.yaml")}
    content |= {"OUTPUT_DIR": str(path.parent / "output")} | sections
    path.write_text(yaml.safe_dump(content))
    return path


def call_train_net(config: Path, *arguments: object):
    """What the ``main`` of train_net.py returns."""
    from detectron2.engine import default_argument_parser

    script = load_script("train_net", "SceneSana")
    command = ["--config-file", str(config), *map(str, arguments)]
    return script.main(default_argument_parser().parse_args(command))
