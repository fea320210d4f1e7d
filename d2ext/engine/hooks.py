"""Training hooks."""

from __future__ import annotations

import random

import numpy as np
import torch
from detectron2.engine import HookBase
from detectron2.utils import comm


class StepSeed(HookBase):
    """Seeds every generator before each step from (seed, iteration, rank).

    A step then depends on the checkpoint and the iteration number alone: a resumed run draws the same dropout
    masks and noise as an uninterrupted one, with no generator state to save.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def before_step(self) -> None:
        state = np.random.SeedSequence((self.seed, self.trainer.iter, comm.get_rank())).generate_state(3)
        torch.manual_seed(int(state[0]))
        np.random.seed(int(state[1]))
        random.seed(int(state[2]))
