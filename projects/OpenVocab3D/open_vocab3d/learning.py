"""A new name from a few pictures, without losing those that are known.

Two ways: the embedding of the name alone, which changes no other answer; or beside it low-rank changes of the
decoder. Both rehearse: half of the batches are pictures of the old training with prompts for what they show.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode
from torch import nn

from d2ext.data.open_vocab.loaders import prompt_records
from d2ext.data.open_vocab.mapper import PromptMapper
from d2ext.data.open_vocab.queries import Query
from d2ext.data.stream import build_train_loader
from d2ext.engine import D2Checkpointer
from d2ext.files import atomic_write
from d2ext.layers.low_rank import add_low_rank, merge_low_rank
from d2ext.modeling.meta_arch.open_vocab_det3d import OpenVocabDet3D
from d2ext.projects.open_vocab3d.trainer import OpenVocabTrainer

logger = logging.getLogger(__name__)

WAYS = ("embedding", "low-rank")
RANK = 4


def few_records(dataset_name: str, name: str, count: int, seed: int) -> list[dict[str, Any]]:
    """Pictures with objects of a class, ``count`` of them, drawn by a seed; ``only`` that class is labelled.

    Raises:
        ValueError: less than so many.
    """
    records = prompt_records(dataset_name)
    own = [
        record | {"only": True}
        for record in records
        if any(record["names"][a["category_id"]] == name for a in record["annotations"])
    ]
    if len(own) < count:
        raise ValueError(f"dataset {dataset_name!r}: {len(own)} pictures have a {name}, expected {count}")
    return [own[i] for i in np.random.default_rng(seed).permutation(len(own))[:count]]


def trained_parameters(model: OpenVocabDet3D, text: str, way: str) -> list[nn.Parameter]:
    """Freeze a model but for a name's embedding and, where the way says so, low-rank changes."""
    model.requires_grad_(False)
    trained = model.prompt_encoder.learn(text)
    if way == "low-rank":
        trained += add_low_rank([model.decoder], RANK)
    for parameter in trained:
        parameter.requires_grad_(True)
    return trained


def learn_name(
    cfg: CfgNode, name: str, records: list[dict[str, Any]], way: str, steps: int, rate: float
) -> OpenVocabDet3D:
    """A model that has learnt a class of a dataset.

    Args:
        cfg: config whose MODEL.WEIGHTS is loaded; pictures of DATASETS.TRAIN are rehearsed.
        name: of the class.
        records: of :func:`few_records`.
        way: one of ``WAYS``.
        steps: of AdamW, at the rate ``rate``, which falls to 0 by a cosine.

    Raises:
        FileNotFoundError, ValueError: weights or datasets that cannot be used.
    """
    torch.manual_seed(max(cfg.SEED, 0))
    model: Any = OpenVocabTrainer.build_model(cfg)
    D2Checkpointer(model).load(cfg.MODEL.WEIGHTS)
    trained = trained_parameters(model, Query(name).text(), way)
    rehearsed = [prompt_records(dataset) for dataset in cfg.DATASETS.TRAIN]
    cfg = cfg.clone()
    cfg.defrost()
    cfg.DATALOADER.DATASET_WEIGHTS = [float(len(rehearsed))] + [1.0] * len(rehearsed)
    loader = build_train_loader(cfg, [records, *rehearsed], PromptMapper(cfg, True, learnt=name))
    optimizer = torch.optim.AdamW(trained, rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    model.train()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()  # what it has counted stays
    batches: Iterable[list[dict]] = loader
    for step, batch in zip(range(steps), batches, strict=False):
        loss = torch.stack(list(model(batch).values())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 20 == 0 or step == steps - 1:
            logger.info("step %d of %d: loss %.3f", step + 1, steps, loss.item())
    merge_low_rank(model)
    return model.eval()


def save_learnt(model: OpenVocabDet3D, cfg: CfgNode, folder: Path) -> None:
    """``model_final.pth``, and ``config.yaml`` that names what was learnt."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model_final.pth"
    with atomic_write(path) as file:
        torch.save({"model": model.state_dict()}, file)
    cfg = cfg.clone()
    cfg.defrost()
    cfg.MODEL.OPEN_VOCAB.LEARNT = list(model.prompt_encoder.learnt)
    cfg.MODEL.WEIGHTS = str(path)
    (folder / "config.yaml").write_text(cfg.dump())
