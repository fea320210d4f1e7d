"""A U2ENet of toy width and made-up inputs."""

from pathlib import Path

import pytest
import torch
from detectron2.config import CfgNode, get_cfg
from detectron2.modeling import build_model
from detectron2.structures import Boxes, Instances

from d2ext.projects.u2enet import add_u2enet_config
from d2ext.structures import Boxes3D, Camera
from tests.toy_backbone import NARROW_OPTIONS

ROOT = Path(__file__).resolve().parents[2]
SENTENCES = [
    "The white car on the left is about 12 meters away from me.",
    "All pedestrians within 30 meters.",
    "The red bus that is 3.2 meters high and 11 meters long, facing me, on the right of the road.",
]


def toy_config() -> CfgNode:
    cfg = get_cfg()
    add_u2enet_config(cfg)
    cfg.merge_from_file(str(ROOT / "configs/U2ENet/Base-U2ENet-tiny.yaml"))
    cfg.merge_from_list([*NARROW_OPTIONS, "MODEL.GROUNDING.FUSION_DIMS", [32, 32, 32]])
    cfg.MODEL.TEXT.WORD_NOISE, cfg.MODEL.PLANE_HEAD.ENABLED = 0.0, False
    return cfg


@pytest.fixture
def toy_cfg() -> CfgNode:
    return toy_config()


@pytest.fixture
def toy_model():
    torch.manual_seed(0)
    return build_model(toy_config())


@pytest.fixture
def make_record():
    return toy_record


@pytest.fixture
def toy_records():
    return [toy_record(0, 96, 160, None), toy_record(1, 96, 128, [0.0, -0.98, -0.199, 6.5])]


def toy_record(seed: int, height: int, width: int, plane: list[float] | None) -> dict:
    """A mapper dict with noise for an image, five objects and three sentences (one, two and no targets)."""
    g = torch.Generator().manual_seed(seed)
    plane_tensor = None if plane is None else torch.tensor(plane)
    location = torch.rand(5, 3, generator=g) * torch.tensor([8.0, 0.1, 20]) + torch.tensor([-4, 1.6, 10])
    yaw = torch.rand(5, generator=g) * 6 - 3
    boxes = Boxes3D.from_kitti(location, torch.rand(5, 3, generator=g) + 1, yaw, plane_tensor)
    camera = Camera(
        torch.tensor([[150.0, 0, width / 2, 4], [0, 150, height / 2, 0.1], [0, 0, 1, 0.003]]), (height, width)
    )
    instances = Instances((height, width))
    instances.gt_boxes = Boxes(boxes.project(camera)[0])
    instances.gt_classes = torch.randint(0, 5, (5,), generator=g)
    instances.gt_boxes3d = boxes
    instances.gt_has_3d = torch.tensor([True, True, True, True, False])
    instances.gt_yaw = yaw
    return {
        "image": torch.randint(0, 255, (3, height, width), generator=g, dtype=torch.uint8),
        "camera": camera,
        "ground_plane": plane_tensor,
        "box_plane": plane_tensor,
        "height": 2 * height,
        "width": 2 * width,
        "image_id": str(seed),
        "sentences": list(SENTENCES),
        "sentence_targets": [torch.tensor([0]), torch.tensor([1, 4]), torch.tensor([], dtype=torch.long)],
        "instances": instances,
    }
