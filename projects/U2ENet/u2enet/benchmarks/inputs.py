"""Full-size models with random weights, and inputs like those of the benchmarks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.structures import Boxes, Instances

from d2ext.engine import load_config
from d2ext.engine.benchmark import noise_record
from d2ext.projects.u2enet import add_u2enet_config
from d2ext.shipped import SHIPPED
from d2ext.structures import Boxes3D
from d2ext.weights import resolve

#: Configs of the full-size models.
CONFIGS = {
    "mono3drefer": "configs/U2ENet/u2enet_dla34_mono3drefer.yaml",
    "monomulti3d": "configs/U2ENet/u2enet_dla34_monomulti3d.yaml",
}

#: 53 words, the mean length of Mono3DRefer's descriptions.
SENTENCE = (
    "The white car on the left side of the road is about 12.5 meters away from me and 1.5 meters high, it is "
    "4.2 meters long and faces away from me, and it is parked behind a black van that is 20 meters away "
    "right beside the gray entrance of house number {}."
)
ROBERTA_BASE = {
    "model_type": "roberta",
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "vocab_size": 50265,
    "max_position_embeddings": 514,
    "type_vocab_size": 1,
    "pad_token_id": 0,
}


def full_size_config(name: str, text: str, options: Sequence[str] = ()) -> CfgNode:
    """One of ``CONFIGS`` with random weights and the text encoder in the folder ``text``."""
    random = ["MODEL.TIMM.PRETRAINED", "False", "MODEL.TEXT.PRETRAINED", "False", "MODEL.TEXT.NAME", text]
    return load_config(add_u2enet_config, str(SHIPPED / CONFIGS[name]), [*random, *options])


def roberta_folder(folder: Path, layers: int = 12) -> str:
    """A text encoder of RoBERTa-base's width in ``folder``, with the tokenizer that the package ships."""
    shutil.copytree(resolve("d2ext://text/tiny"), folder, dirs_exist_ok=True)
    (folder / "config.json").write_text(json.dumps(ROBERTA_BASE | {"num_hidden_layers": layers}))
    return str(folder)


def sentences(count: int) -> list[str]:
    """Distinct descriptions of 53 words."""
    return [SENTENCE.format(i) for i in range(count)]


def record(size: tuple[int, int], count: int) -> dict[str, Any]:
    """A mapper's output for inference: noise of ``size`` (height, width) and ``count`` sentences."""
    return noise_record(size) | {"sentences": sentences(count)}


def training_record(size: tuple[int, int], count: int) -> dict[str, Any]:
    """As :func:`record`, with eight objects; every sentence refers to one of them."""
    result = record(size, count)
    camera, objects = result["camera"], 8
    location = torch.rand(objects, 3) * torch.tensor([10.0, 0.1, 30.0]) + torch.tensor([-5.0, 1.6, 10.0])
    yaw = torch.rand(objects) * 6 - 3
    boxes = Boxes3D.from_kitti(location, torch.tensor([1.5, 1.7, 4.0]).expand(objects, 3), yaw)
    instances = Instances(size)
    instances.gt_boxes = Boxes(boxes.project(camera)[0])
    instances.gt_classes = torch.zeros(objects, dtype=torch.long)
    instances.gt_boxes3d = boxes
    instances.gt_has_3d = torch.ones(objects, dtype=torch.bool)
    instances.gt_yaw = yaw
    targets = [torch.tensor([i % objects]) for i in range(count)]
    return result | {"instances": instances, "sentence_targets": targets}
