"""The limit of a training's time, and what is said on the way."""

from __future__ import annotations

import json
import logging
import math
import re
from pathlib import Path

import pytest
from detectron2.engine import HookBase
from tiny import TinyTrainer, tiny_config, validated_config

from d2ext.engine import progress, read_checkpoint


class Clock(HookBase):
    """Every iteration takes so many seconds; stands in for ``time`` in the module."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def before_step(self) -> None:
        self.now += self.seconds


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock(1.0)
    monkeypatch.setattr(progress, "time", clock)
    return clock


def train(cfg, clock: Clock, resume: bool = False, trainer_class: type[TinyTrainer] = TinyTrainer):
    trainer = trainer_class(cfg)
    trainer.register_hooks([clock])
    trainer.resume_or_load(resume)
    trainer.train()
    return trainer


def rows(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "metrics.json").read_text().splitlines()]


@pytest.mark.parametrize("seconds", [0.5, 7.0])
def test_a_training_ends_with_its_time_and_in_order(tmp_path: Path, clock: Clock, seconds: float) -> None:
    """After the first iteration that passes the minute; resumed, it has another one."""
    cfg = tiny_config(tmp_path)
    cfg.SOLVER.MAX_ITER, cfg.SOLVER.MAX_MINUTES = 5000, 1.0
    cfg.SOLVER.CHECKPOINT_PERIOD = 4000
    clock.seconds = seconds
    done = -(-60 // seconds)
    train(cfg, clock)
    assert read_checkpoint(tmp_path / "model_final.pth")["iteration"] == done - 1
    assert (tmp_path / "report.html").is_file()
    trainer = train(cfg, clock, resume=True)
    assert (trainer.start_iter, trainer.max_iter) == (done, 2 * done)


def test_the_learning_rate_goes_by_the_time_that_is_over(tmp_path: Path, clock: Clock) -> None:
    """A cosine over a minute of half seconds, although MAX_ITER is far off, against its closed form."""
    cfg = tiny_config(tmp_path)
    cfg.SOLVER.MAX_ITER, cfg.SOLVER.MAX_MINUTES, cfg.SOLVER.SCHEDULE_BY_TIME = 5000, 1.0, True
    cfg.SOLVER.LR_SCHEDULER_NAME, cfg.SOLVER.WARMUP_ITERS = "WarmupCosineLR", 0
    cfg.SOLVER.CHECKPOINT_PERIOD, clock.seconds = 4000, 0.5
    trainer = train(cfg, clock)
    rates = [value for value, _ in trainer.storage.histories()["lr"].values()]
    assert len(rates) == 120
    for done in (20, 40, 60, 80, 100):
        expected = cfg.SOLVER.BASE_LR * (1 + math.cos(math.pi * done / 120)) / 2
        assert rates[done] == pytest.approx(expected, rel=0.01)


def test_what_is_left_of_the_last_iteration_is_validated(tmp_path: Path, clock: Clock) -> None:
    class Scored(TinyTrainer):
        @classmethod
        def test(cls, cfg, model, evaluators=None):
            return {"score": 1.0}

    cfg = validated_config(tmp_path)
    cfg.SOLVER.MAX_ITER, cfg.SOLVER.MAX_MINUTES, cfg.TEST.EVAL_PERIOD = 5000, 0.5, 4000
    train(cfg, clock, trainer_class=Scored)
    for name in ("best", "final"):
        assert read_checkpoint(tmp_path / f"model_{name}.pth")["iteration"] == 29


def test_all_processes_take_the_main_ones_word(monkeypatch, clock: Clock) -> None:
    """The clocks of two processes differ by ten seconds; the second one hears what the first says."""
    ends = {}
    said: list[int] = []

    class Trainer:
        start_iter, max_iter = 0, 1000

    for rank in (0, 1):
        hook, own = progress.TimeLimit(1.0), iter(list(said))
        hook.trainer = Trainer()
        monkeypatch.setattr(
            progress.comm,
            "all_gather",
            lambda x, rank=rank, own=own: said.append(x) or [x] if rank == 0 else [next(own), x],
        )
        clock.now = 0.0
        hook.before_train()
        clock.now += 10 * rank
        for hook.trainer.iter in range(1000):
            clock.before_step()
            hook.after_step()
            if hook.trainer.max_iter == hook.trainer.iter + 1:
                break
        ends[rank] = hook.trainer.max_iter
    assert ends[0] == ends[1] == 60
    assert len(said) < 15  # they speak seldom


def test_progress_from_the_first_iteration_on(tmp_path: Path, clock: Clock, caplog) -> None:
    cfg = tiny_config(tmp_path)
    cfg.SOLVER.MAX_ITER, clock.seconds = 60, 4.0
    with caplog.at_level(logging.INFO, "d2ext.engine.progress"):
        train(cfg, clock)
    lines = [r.getMessage() for r in caplog.records if r.name == "d2ext.engine.progress"]
    written = [int(re.search(r"iter: (\d+)/60 ", line).group(1)) for line in lines]
    assert written[0] == 1 and written[-1] == 60 and {20, 40, 60} <= set(written)
    gaps = [4 * (b - a) for a, b in zip(written, written[1:], strict=False)]
    assert max(gaps) < 14  # as soon as ten seconds are over
    assert all(re.match(r"eta: \d+:\d\d:\d\d  iter: .*  total_loss: \d", line) for line in lines)
    assert [row["iteration"] + 1 for row in rows(tmp_path) if "total_loss" in row] == written


def test_fast_iterations_are_not_all_written(tmp_path: Path, clock: Clock) -> None:
    cfg = tiny_config(tmp_path)
    cfg.SOLVER.MAX_ITER, clock.seconds = 50, 0.01
    train(cfg, clock)
    assert [row["iteration"] + 1 for row in rows(tmp_path) if "total_loss" in row] == [1, 20, 40, 50]


def test_the_time_left_is_that_of_the_limit_where_it_ends_the_training(tmp_path: Path, clock: Clock) -> None:
    cfg = tiny_config(tmp_path)
    cfg.SOLVER.MAX_ITER, cfg.SOLVER.MAX_MINUTES, clock.seconds = 5000, 2.0, 4.0
    train(cfg, clock)
    for row in rows(tmp_path):
        if "eta_seconds" in row:
            assert row["eta_seconds"] <= 120 - 4 * (row["iteration"] + 1)
