"""A method of one's own, outside of the collection: words point at places in images.

Classes of its own; mapper, evaluator and trainer as they are written for Detectron2; a META_ARCH on this
collection's backbone and text encoder.
"""

from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from detectron2.config import CfgNode, configurable, get_cfg
from detectron2.data import MetadataCatalog, build_detection_test_loader, build_detection_train_loader
from detectron2.data import detection_utils as utils
from detectron2.engine import DefaultTrainer
from detectron2.evaluation import DatasetEvaluator
from detectron2.modeling import META_ARCH_REGISTRY, build_backbone
from detectron2.structures import Boxes, BoxMode, ImageList, Instances
from torch import Tensor, nn

from d2ext.data import register_dataset
from d2ext.modeling.backbone import add_backbone_config
from d2ext.modeling.text.config import add_text_config, build_text_encoder

CLASSES = {"crane": (0, 200, 255), "drone": (255, 80, 0), "robot": (40, 220, 40)}  # BGR
MAP = "p3"


def draw_dataset(folder: Path, count: int, seed: int) -> list[dict[str, Any]]:
    """Dataset dicts of images with one bright rectangle each; the files are written into ``folder``."""
    rng, records = np.random.default_rng(seed), []
    for number in range(count):
        kind = number % len(CLASSES)
        image = rng.integers(0, 60, (64, 96, 3), dtype=np.uint8)
        x, y = rng.integers(4, 60), rng.integers(4, 36)
        cv2.rectangle(image, (int(x), int(y)), (int(x) + 24, int(y) + 20), list(CLASSES.values())[kind], -1)
        cv2.imwrite(str(path := folder / f"{seed}_{number}.png"), image)
        box = {"bbox": [x, y, x + 24, y + 20], "bbox_mode": BoxMode.XYXY_ABS, "category_id": kind}
        record = {"file_name": str(path), "image_id": path.stem, "height": 64, "width": 96}
        records.append(record | {"annotations": [box]})
    return records


def register(folder: Path) -> None:
    for name, count, seed in (("words_train", 18, 0), ("words_test", 9, 1)):
        register_dataset(name, partial(draw_dataset, folder, count, seed), classes=list(CLASSES))


def mapper(dataset_dict: dict[str, Any]) -> dict[str, Any]:
    image = utils.read_image(dataset_dict["file_name"], format="BGR")
    annotations = dataset_dict["annotations"]
    instances = Instances(image.shape[:2])
    instances.gt_boxes = Boxes(torch.tensor([a["bbox"] for a in annotations], dtype=torch.float32))
    instances.gt_classes = torch.tensor([a["category_id"] for a in annotations])
    pixels = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
    return dataset_dict | {"image": pixels, "instances": instances}


@META_ARCH_REGISTRY.register()
class WordPointer(nn.Module):
    """For every class name the cell of a map that is most like the word."""

    @configurable
    def __init__(self, backbone: nn.Module, text: nn.Module, classes: list[str], mean, std) -> None:
        super().__init__()
        self.backbone, self.text, self.classes = backbone, text, classes
        self.stride = backbone.output_shape()[MAP].stride
        self.see = nn.Conv2d(backbone.output_shape()[MAP].channels, 32, 1)
        self.read = nn.Linear(text.dim, 32)
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1), False)
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1), False)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        classes = MetadataCatalog.get(cfg.DATASETS.TRAIN[0]).thing_classes
        parts = {"backbone": build_backbone(cfg), "text": build_text_encoder(cfg), "classes": classes}
        return parts | {"mean": cfg.MODEL.PIXEL_MEAN, "std": cfg.MODEL.PIXEL_STD}

    def forward(self, batched_inputs: list[dict[str, Any]]):
        images = ImageList.from_tensors([(x["image"] - self.mean) / self.std for x in batched_inputs], 32)
        cells = self.see(self.backbone(images.tensor)[MAP])
        features, mask = self.text(self.classes)
        words = (features * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        words = self.read(8 * F.normalize(words - words.mean(0)))  # what sets them apart
        logits = torch.einsum("bchw,kc->bkhw", cells, words) / 32**0.5
        if self.training:
            return {"loss_point": self.loss(logits, [x["instances"] for x in batched_inputs])}
        width, best = logits.shape[-1], logits.flatten(1).argmax(1)
        kind, cell = best // logits[0, 0].numel(), best % logits[0, 0].numel()
        points = (torch.stack([cell % width, cell // width], 1) + 0.5) * self.stride
        return [{"class": int(k), "point": p.tolist()} for k, p in zip(kind, points, strict=True)]

    def loss(self, logits: Tensor, instances: list[Instances]) -> Tensor:
        target = []
        for image in instances:
            column, row = (image.gt_boxes.get_centers()[0] // self.stride).long().tolist()
            map_size = logits[0, 0].numel()
            target.append(int(image.gt_classes[0]) * map_size + row * logits.shape[-1] + column)
        return F.cross_entropy(logits.flatten(1), torch.tensor(target, device=logits.device))


class PointingEvaluator(DatasetEvaluator):
    """Share of images whose best point is of the right class and lies in its box."""

    def reset(self) -> None:
        self.right: list[bool] = []

    def process(self, inputs, outputs) -> None:
        for x, found in zip(inputs, outputs, strict=True):
            (box,), (u, v) = x["instances"].gt_boxes.tensor.tolist(), found["point"]
            inside = box[0] <= u <= box[2] and box[1] <= v <= box[3]
            self.right.append(inside and found["class"] == int(x["instances"].gt_classes[0]))

    def evaluate(self) -> dict[str, dict[str, float]]:
        return {"pointing": {"accuracy": 100 * float(np.mean(self.right))}}


class WordTrainer(DefaultTrainer):
    @classmethod
    def build_train_loader(cls, cfg):
        return build_detection_train_loader(cfg, mapper=mapper)

    @classmethod
    def build_test_loader(cls, cfg, dataset_name):
        return build_detection_test_loader(cfg, dataset_name, mapper=mapper)

    @classmethod
    def build_evaluator(cls, cfg, dataset_name):
        return PointingEvaluator()


def config(output: Path) -> CfgNode:
    cfg = get_cfg()
    add_backbone_config(cfg)
    add_text_config(cfg)
    cfg.MODEL.META_ARCHITECTURE, cfg.MODEL.BACKBONE.NAME = "WordPointer", "build_timm_ida_backbone"
    cfg.MODEL.DEVICE, cfg.MODEL.TIMM.NAME = "cpu", "resnet18"
    cfg.MODEL.TIMM.PRETRAINED, cfg.MODEL.TIMM.WIDTHS = False, [16, 16, 16, 16]
    cfg.MODEL.IDA.CHANNELS, cfg.MODEL.TIMM.NORM = [16, 16, 16, 16], "GN"
    cfg.MODEL.TEXT.NAME, cfg.MODEL.TEXT.PRETRAINED = "d2ext://text/tiny", False
    cfg.DATASETS.TRAIN, cfg.DATASETS.TEST = ("words_train",), ("words_test",)
    cfg.DATALOADER.NUM_WORKERS, cfg.SOLVER.IMS_PER_BATCH, cfg.SOLVER.MAX_ITER = 0, 6, 80
    cfg.SOLVER.BASE_LR, cfg.SOLVER.WARMUP_ITERS, cfg.SOLVER.STEPS = 0.02, 10, ()
    cfg.OUTPUT_DIR, cfg.SEED = str(output), 1
    return cfg
