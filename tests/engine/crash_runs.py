"""Trains the tiny model in forked processes that are killed (SIGKILL) at chosen points, then resumes.

Run as a script with an output folder; test_resume.py compares what it leaves there.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import torch
from detectron2.engine import HookBase
from tiny import TinyTrainer, validated_config

torch.set_num_threads(1)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DieAt(HookBase):
    def __init__(self, iteration: int) -> None:
        self.iteration = iteration

    def after_backward(self) -> None:
        if self.trainer.iter == self.iteration:
            die()


class ScoredTrainer(TinyTrainer):
    @classmethod
    def test(cls, cfg, model, evaluators=None):
        return {"score": float(model.head.weight.sum())}


def train(output: Path, resume: bool, die_at: int = -1) -> None:
    cfg = validated_config(output)
    cfg.TEST.EVAL_PERIOD = 4
    trainer = ScoredTrainer(cfg)
    trainer._trainer.register_hooks([DieAt(die_at)])
    trainer.resume_or_load(resume)
    trainer.train()


def die_while_writing(output: Path, resume: bool) -> None:
    """Killed in the middle of the second checkpoint (iterations 0 to 5)."""
    save = torch.save

    def half_a_save(content: dict, f) -> None:
        if content["iteration"] == 5:
            f.write(b"PK\x03\x04 half a file")
            f.flush()
            die()
        save(content, f)

    with mock.patch("torch.save", half_a_save):
        train(output, resume)


def die_before_tagging(output: Path, resume: bool) -> None:
    """Killed between the first checkpoint and the first ``last_checkpoint``."""
    with mock.patch("d2ext.engine.D2Checkpointer.tag_last_checkpoint", lambda self, name: die()):
        train(output, resume)


def in_child(function: Callable[..., None], *args) -> int:
    child = os.fork()
    if child == 0:
        function(*args)
        os._exit(0)
    return os.waitpid(child, 0)[1]


def main(root: Path) -> None:
    runs: dict[str, Callable[..., None]] = {
        "in_step": lambda output, resume: train(output, resume, die_at=4),
        "while_writing": die_while_writing,
        "before_tagging": die_before_tagging,
    }
    if in_child(train, root / "uninterrupted", False) != 0:
        raise RuntimeError("the uninterrupted run failed")
    for name, run in runs.items():
        if in_child(run, root / name, False) != signal.SIGKILL:
            raise RuntimeError(f"{name}: the run was not killed")
        left = sorted(p.name for p in (root / name).iterdir() if "event" not in p.name)
        (root / f"{name}.left").write_text("\n".join(left))
        if in_child(train, root / name, True) != 0:
            raise RuntimeError(f"{name}: resuming failed")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
