"""Exemplars of novel classes for evaluation: the largest objects of the training images."""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import Any

import torch
from detectron2.config import CfgNode

from d2ext.data.mapper import DetectionMapper
from d2ext.data.open_vocab.loaders import prompt_records
from d2ext.data.open_vocab.protocol import exemplar_text
from d2ext.modeling.detection.prompts import PromptTable
from d2ext.modeling.meta_arch.open_vocab_det3d import OpenVocabDet3D

logger = logging.getLogger(__name__)


def define_exemplars(cfg: CfgNode, model: OpenVocabDet3D) -> None:
    """Tell a model what is meant by :func:`~d2ext.data.open_vocab.protocol.exemplar_text` of each class of
    INPUT.NOVEL.CLASSES: the mean of TEST.EXEMPLARS objects of DATASETS.TRAIN, of those that nothing hides
    the ones that are largest in their image."""
    mapper, found = DetectionMapper(cfg, False), largest_objects(cfg)
    for name in set(cfg.INPUT.NOVEL.CLASSES) - found.keys():
        logger.warning("no whole %s in %s: its exemplar is none", name, tuple(cfg.DATASETS.TRAIN))
    for name, chosen in found.items():
        tables = []
        for record, annotation in chosen:
            seen = mapper(record)
            if seen is not None:
                tables.append(embed_box(model, seen, annotation["bbox"]))
        model.prompt_encoder.defined[exemplar_text(name)] = PromptTable.cat(tables).mean()
        logger.info("%d exemplar(s) of %s", len(tables), name)


def embed_box(model: OpenVocabDet3D, seen: dict[str, Any], box: list[float]) -> PromptTable:
    """A prompt for what is like the object in a box, in pixels of the file of a mapper dict."""
    height, width = seen["image"].shape[-2:]
    scale = torch.tensor([width / seen["width"], height / seen["height"]]).repeat(2)
    return model.embed_exemplar(seen, (torch.tensor(box) + 0.5) * scale - 0.5)


def largest_objects(cfg: CfgNode) -> dict[str, list[tuple[dict[str, Any], dict[str, Any]]]]:
    """TEST.EXEMPLARS records and annotations of each novel class that there is."""
    found: dict[str, list[tuple[float, int, dict[str, Any], dict[str, Any]]]] = defaultdict(list)
    for dataset in cfg.DATASETS.TRAIN:
        for record in prompt_records(dataset):
            for annotation in record["annotations"]:
                name = record["names"][annotation["category_id"]]
                if name in cfg.INPUT.NOVEL.CLASSES and not annotation["occluded"]:
                    x1, y1, x2, y2 = annotation["bbox"]
                    share = (x2 - x1) * (y2 - y1) / (record["height"] * record["width"])
                    found[name].append((-share, len(found[name]), record, annotation))
    return {name: [(r, a) for *_, r, a in sorted(rows)[: cfg.TEST.EXEMPLARS]] for name, rows in found.items()}
