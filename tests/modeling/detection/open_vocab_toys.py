"""An OpenVocabDet3D of toy width, and made-up inputs."""

from __future__ import annotations

import torch
from detectron2.config import CfgNode, get_cfg
from detectron2.modeling import build_model
from detectron2.structures import Boxes, Instances

from d2ext.engine.config import add_engine_config
from d2ext.modeling.detection.open_vocab_config import add_open_vocab_config
from d2ext.modeling.meta_arch.open_vocab_det3d import OpenVocabDet3D
from d2ext.structures import Boxes3D, Camera

P = torch.tensor([[60.0, 0, 48, 0], [0, 60, 32, 0], [0, 0, 1, 0]])


def toy_config(**options: object) -> CfgNode:
    cfg = get_cfg()
    add_engine_config(cfg)
    add_open_vocab_config(cfg)
    cfg.MODEL.DEVICE = "cpu"
    cfg.MODEL.BACKBONE.NAME = "build_timm_ida_backbone"
    cfg.MODEL.TIMM.NAME, cfg.MODEL.TIMM.PRETRAINED, cfg.MODEL.TIMM.WIDTHS = "resnet18", False, [16] * 4
    cfg.MODEL.IDA.CHANNELS = [16] * 4
    sizes = {"NUM_BOXES": 12, "NUM_HEADS": 2, "HIDDEN_DIM": 16, "FFN_DIM": 32, "DYNAMIC_DIM": 8}
    cfg.MODEL.DETECTION3D.update(sizes | {"HEAD_DIM": 32, "SCORE_THRESHOLD": 0.0, "ATTENTION_HEADS": 2})
    cfg.MODEL.OPEN_VOCAB.update({"TEXT_DIM": 16, "PROMPT_DIM": 16, "FUSION_DIM": 16} | options)
    return cfg


def toy_model(**options: object) -> OpenVocabDet3D:
    torch.manual_seed(0)
    return build_model(toy_config(**options))


def toy_record(seed: int, prompts: list[str], objects: int | None = None) -> dict:
    """A mapper dict with noise for an image; with ``objects`` one of training."""
    g = torch.Generator().manual_seed(seed)
    record = {
        "image": torch.randint(255, (3, 64, 96), generator=g, dtype=torch.uint8),
        "camera": Camera(P, (64, 96)),
        "ground_plane": torch.tensor([0.0, -1.0, 0.0, 1.6]),
        "box_plane": None,
        "level_boxes": True,
        "height": 64,
        "width": 96,
        "image_id": str(seed),
        "prompts": prompts,
    }
    if objects is None:
        return record
    labels = Instances((64, 96))
    low = torch.rand(objects, 2, generator=g) * torch.tensor([60.0, 30.0])
    labels.gt_boxes = Boxes(torch.cat([low, low + 25], 1))
    labels.gt_classes = torch.randint(3, (objects,), generator=g)
    place = torch.rand(objects, 3, generator=g) * torch.tensor([4.0, 0, 20]) + torch.tensor([-2, 1.6, 8])
    size = torch.tensor([[1.5, 1.6, 4.0]]).repeat(objects, 1)
    labels.gt_yaw = torch.zeros(objects)
    labels.gt_boxes3d = Boxes3D.from_kitti(place, size, labels.gt_yaw, None)
    labels.gt_has_3d = torch.ones(objects, dtype=torch.bool)
    labels.gt_prompts = torch.randint(-1, len(prompts), (objects,), generator=g)
    truth = torch.randint(-1, 2, (objects, len(prompts)), generator=g).float()
    truth[truth < 0] = torch.nan
    return record | {
        "instances": labels,
        "prompt_truth": truth,
        "exemplar": objects - 1,
        "names": ["car", "bus", "van"],
        "categories": [["car", "bus", "van"][i] for i in labels.gt_classes.tolist()],
        "ignored_boxes": torch.tensor([[0.0, 0.0, 40.0, 40.0]])[: seed % 2],
    }
