from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from detectron2.utils.events import EventStorage
from tiny import TinyLoader, TinyTrainer, tiny_config

from d2ext.engine import StepSeed, inference_autocast


def test_loader_is_built_once_at_the_iteration_training_starts_from(tmp_path: Path) -> None:
    starts = []

    class Recorded(TinyTrainer):
        @classmethod
        def build_train_loader(cls, cfg):
            class Loader(TinyLoader):
                def __iter__(self):
                    starts.append(self.start)
                    return super().__iter__()

            return Loader(cfg)

    cfg = tiny_config(tmp_path)
    cfg.SOLVER.MAX_ITER = 3
    trainer = Recorded(cfg)
    trainer.resume_or_load(resume=True)
    assert starts == []
    trainer.train()
    cfg.SOLVER.MAX_ITER = 5
    trainer = Recorded(cfg)
    trainer.resume_or_load(resume=True)
    trainer.train()
    assert starts == [0, 3]


def draws() -> tuple[float, float, float]:
    return torch.rand(1).item(), np.random.rand(), random.random()


def test_step_seed_depends_on_seed_and_iteration_alone() -> None:
    class Trainer:
        iter = 0

    def at(seed: int, iteration: int) -> tuple[float, float, float]:
        hook = StepSeed(seed)
        hook.trainer = Trainer()
        hook.trainer.iter = iteration
        hook.before_step()
        return draws()

    first = at(0, 7)
    assert at(0, 7) == first
    for other in (at(0, 8), at(1, 7)):
        assert all(a != b for a, b in zip(first, other, strict=True))


def test_bfloat16_on_the_cpu_follows_float32(tmp_path: Path) -> None:
    losses = {}
    for enabled in (False, True):
        cfg = tiny_config(tmp_path / str(enabled))
        cfg.SOLVER.AMP.ENABLED = enabled
        cfg.SOLVER.MAX_ITER = 40
        trainer = TinyTrainer(cfg)
        trainer.train()
        losses[enabled] = [v for v, _ in trainer.storage.history("total_loss").values()]
        assert all(p.dtype == torch.float32 for p in trainer.model.parameters())
    difference = np.abs(np.subtract(losses[True], losses[False])).max()
    assert 0 < difference < 0.1 * np.mean(losses[False])


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_amp_type_that_cannot_train_on_the_cpu(tmp_path: Path, dtype: str) -> None:
    cfg = tiny_config(tmp_path)
    cfg.SOLVER.AMP.ENABLED, cfg.SOLVER.AMP.DTYPE = True, dtype
    with pytest.raises(ValueError, match=f"SOLVER.AMP.DTYPE is '{dtype}'.*'cpu'"):
        TinyTrainer(cfg)


def test_products_of_inference_are_of_the_type_asked_for(tmp_path: Path) -> None:
    cfg = tiny_config(tmp_path)
    x = torch.ones(2, 2)
    for dtype in ("float32", "bfloat16"):
        cfg.TEST.DTYPE = dtype
        with inference_autocast(cfg):
            assert (x @ x).dtype == getattr(torch, dtype)
    cfg.TEST.DTYPE = "float16"
    with pytest.raises(ValueError, match="TEST.DTYPE is 'float16', expected .*'cpu'"):
        inference_autocast(cfg)


def test_nan_loss_stops_before_the_weights_change(tmp_path: Path) -> None:
    trainer = TinyTrainer(tiny_config(tmp_path))
    before = {k: v.clone() for k, v in trainer.model.state_dict().items()}
    trainer._trainer.data_loader = [[torch.full((6,), float("nan"))] * 2]
    with EventStorage(), pytest.raises(FloatingPointError, match="iteration=0"):
        trainer.run_step()
    assert all(torch.equal(v, before[k]) for k, v in trainer.model.state_dict().items())
