"""A model of a few hundred weights with dropout, on data that are a pure function of the iteration."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from detectron2.config import CfgNode, get_cfg
from torch import Tensor, nn

from d2ext.engine import BaseTrainer, add_engine_config

FEATURES = 6


class TinyModel(nn.Module):
    def __init__(self, hidden: int = 8, dropout: float = 0.3) -> None:
        super().__init__()
        self.backbone = nn.Linear(FEATURES, hidden)
        self.text_encoder = nn.Linear(FEATURES, hidden)
        self.norm = nn.LayerNorm(hidden)
        self.dropout = nn.Dropout(dropout)
        self.A_log = nn.Parameter(torch.zeros(hidden, 2))
        self.head = nn.Linear(hidden, 1)

    def forward(self, batch: list[Tensor]) -> dict[str, Tensor]:
        x = torch.stack(batch).to(self.head.weight.device)
        features = self.norm(self.backbone(x) + self.text_encoder(x.flip(1))) * self.A_log.exp().mean(1)
        prediction = self.head(self.dropout(features.relu())).squeeze(1)
        return {"loss": (prediction - x.sum(1)).square().mean()}


class TinyLoader:
    """Batches that are a pure function of the iteration; of each the share of a process."""

    def __init__(self, cfg: CfgNode, rank: int = 0, world_size: int = 1) -> None:
        self.size, self.end = cfg.SOLVER.IMS_PER_BATCH, cfg.SOLVER.MAX_ITER
        share = self.size // world_size
        self.samples = slice(rank * share, (rank + 1) * share)
        self.start = 0

    def start_at(self, iteration: int) -> None:
        self.start = iteration

    def __iter__(self) -> Iterator[list[Tensor]]:
        for batch in range(self.start, self.end):
            generator = torch.Generator().manual_seed(1000 + batch)
            yield list(torch.randn(self.size, FEATURES, generator=generator)[self.samples])


class TinyTrainer(BaseTrainer):
    dropout = 0.3

    @classmethod
    def build_model(cls, cfg: CfgNode) -> nn.Module:
        torch.manual_seed(cfg.SEED)
        return TinyModel(dropout=cls.dropout).to(cfg.MODEL.DEVICE)

    @classmethod
    def build_train_loader(cls, cfg: CfgNode) -> Any:
        return TinyLoader(cfg)

    @classmethod
    def test(cls, cfg: CfgNode, model: nn.Module, evaluators: Any = None) -> dict[str, Any]:
        return {}


def tiny_config(output: Path | str) -> CfgNode:
    cfg = get_cfg()
    add_engine_config(cfg)
    cfg.OUTPUT_DIR = str(output)
    cfg.MODEL.DEVICE = "cpu"
    cfg.MODEL.WEIGHTS = ""
    cfg.SOLVER.AMP.ENABLED, cfg.TEST.DTYPE = False, "float32"
    cfg.SOLVER.IMS_PER_BATCH = 4
    cfg.SOLVER.MAX_ITER = 9
    cfg.SOLVER.CHECKPOINT_PERIOD = 3
    cfg.SOLVER.BASE_LR = 0.01
    cfg.SOLVER.LR_SCHEDULER_NAME = "WarmupCosineLR"
    cfg.SOLVER.WARMUP_ITERS = 4
    cfg.SOLVER.CLIP_GRADIENTS.ENABLED = True
    return cfg


def validated_config(output: Path | str) -> CfgNode:
    """:func:`tiny_config` with an average of the weights and a validation set called "val"."""
    cfg = tiny_config(output)
    cfg.SOLVER.EMA.ENABLED = True
    cfg.DATASETS.VAL = ("val",)
    cfg.SOLVER.BEST_METRIC = "val/score"
    return cfg
