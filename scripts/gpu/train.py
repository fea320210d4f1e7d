"""Trains U2ENet in bfloat16 at full input size from the shipped weights, on scenes rendered meanwhile."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path

import torch
from detectron2.config import CfgNode
from detectron2.utils.events import EventStorage
from torch import nn

from d2ext.data.build import build_grounding_train_loader
from d2ext.data.builtin import register_dataset
from d2ext.engine import load_config, read_checkpoint, save_safetensors
from d2ext.projects.u2enet import U2ENetTrainer, add_u2enet_config

from .models import TINY
from .part import Task
from .runner import ROOT
from .scenes import KINDS, Scenes, render

CONFIG = "configs/U2ENet/u2enet_tiny_synthroad.yaml"
WEIGHTS = "projects/U2ENet/weights/u2enet_tiny_synthroad.safetensors"
FILE = "u2enet_full_size.safetensors"
SIZE, SHIPPED_SIZE = (384, 1280), (384, 960)
BATCH, WORKERS, RATE = 16, 8, 0.0007
HELD_OUT_SEED, SEED = 77_000, 78_000  # of SynthRoad; the shipped weights were trained on seeds below 100
HELD_OUT = 40  # images per camera
CHUNKS = (60, 200)  # images per camera of the datasets, which are rendered one after the other
#: Shares of the time: scenes only, before training begins; rise of the learning rate.
FIRST_SCENES, WARMUP = 0.12, 0.03
ROUND = 40.0  # seconds of training on the scenes that there were at its beginning
SAVE = 60.0  # seconds between checkpoints
HEADER = ("weights", "input", "car Acc@0.25", "car Acc@0.5", "roadside precision", "recall", "F1")


def run(task: Task) -> None:
    smoke, begin = task.context.smoke, time.monotonic()
    scratch = Path(task.context.scratch) / "train"
    cores = os.cpu_count() or 1
    render(scratch / "held_out", HELD_OUT_SEED, 0, 1 if smoke else HELD_OUT, 1 if smoke else cores)
    tests = []
    for kind in KINDS:
        tests.append(f"gpu_check_{kind}_test")
        register_dataset(tests[-1], kind, scratch / "held_out" / kind, "test")
    scenes = Scenes(scratch, (2,) if smoke else CHUNKS, SEED)
    scenes.start()
    try:
        _run(task, scenes, tuple(tests), begin)
    finally:
        scenes.ended.set()


def _run(task: Task, scenes: Scenes, tests: tuple[str, ...], begin: float) -> None:
    smoke, part = task.context.smoke, task.part
    cfg = _config(task, SIZE, tests)
    torch.manual_seed(0)
    trainer = U2ENetTrainer(cfg)
    model = trainer.evaluated  # the average, from which the training begins
    part.note(load_fitting(model, str(ROOT / WEIGHTS)))
    part.table(f"Held-out scenes, {1 if smoke else HELD_OUT} images per camera, bfloat16", *HEADER)
    seconds = 0.0
    if not smoke:
        seconds = _evaluate(task, "before", cfg, model)
        _evaluate(task, "before, as shipped", _config(task, SHIPPED_SIZE, tests), model)
    scenes.wait_for_first(max(1.0, task.left()))
    while not smoke and time.monotonic() - begin < FIRST_SCENES * task.context.seconds:
        time.sleep(0.2)
    scenes.workers = max(1, (os.cpu_count() or 1) - WORKERS - 2)

    end = task.end - 20 - 1.5 * seconds
    part.table("Training", "s", "iteration", "images/s", "loss", "waited for data", "scenes rendered")
    train(task, trainer, scenes, end)
    scenes.ended.set()
    save(task, model)
    part.table("Held-out scenes, after training", *HEADER)
    _evaluate(task, "after", cfg, model)
    part.note(f"{FILE}: choose its thresholds with projects/U2ENet/choose_thresholds.py before it is shipped")


def train(task: Task, trainer: U2ENetTrainer, scenes: Scenes, end: float) -> None:
    """Until ``end`` (``time.monotonic``): in each round on all scenes that there are when it begins."""
    smoke, cfg = task.context.smoke, trainer.cfg.clone()
    cfg.defrost()
    groups = trainer.optimizer.param_groups
    rates = [group["lr"] for group in groups]
    average = trainer.average
    assert average is not None, "SOLVER.EMA is on"
    average.before_train()
    trainer.model.train()
    trainer.iter = 0
    begin = saved = time.monotonic()
    with EventStorage(0) as trainer.storage:
        while trainer.iter < 2 if smoke else time.monotonic() < end:
            cfg.DATASETS.TRAIN = tuple(scenes.done)
            loader = build_grounding_train_loader(cfg, trainer.iter)
            trainer._trainer.reset_data_loader(lambda loader=loader: loader)
            start, first, rendered = time.monotonic(), trainer.iter, scenes.images
            while trainer.iter < 2 if smoke else time.monotonic() < min(end, start + ROUND):
                share = (time.monotonic() - begin) / max(1e-9, end - begin)
                for group, rate in zip(groups, rates, strict=True):
                    group["lr"] = rate * schedule(share)
                trainer.run_step()
                average.after_step()
                trainer.storage.step()
                trainer.iter += 1
            trainer._trainer.look()
            seconds = time.monotonic() - start
            _progress(task, trainer, start - begin, trainer.iter - first, seconds, rendered)
            if time.monotonic() - saved > SAVE:
                save(task, trainer.evaluated)
                saved = time.monotonic()


def schedule(share: float) -> float:
    """Factor of the learning rate after a share of the time: a linear rise, then half a cosine down to 0."""
    share = min(max(share, 0.0), 1.0)
    return min(1.0, share / WARMUP) * (1 + math.cos(math.pi * share)) / 2


def _progress(
    task: Task, trainer: U2ENetTrainer, start: float, done: int, seconds: float, rendered: int
) -> None:
    """A row on ``done`` iterations that began after ``start`` seconds and took ``seconds``."""
    if not done:
        return
    histories = trainer.storage.histories()
    loss = histories["total_loss"].avg(done)
    waited = histories["data_time"].avg(done) * done / seconds
    rate = done * trainer.cfg.SOLVER.IMS_PER_BATCH / seconds
    cells = f"{start + seconds:.0f}", trainer.iter, f"{rate:.1f}", f"{loss:.2f}", f"{waited:.0%}"
    task.part.row(*cells, rendered)


def save(task: Task, model: nn.Module) -> None:
    """Write the weights in half precision into the output folder."""
    save_safetensors(model, Path(task.context.output) / FILE, {"source": "scripts/gpu_check.py"}, half=True)


def load_fitting(model: nn.Module, path: str) -> str:
    """Load those tensors of a checkpoint that the model has in the same shape; a line says which."""
    state, own = read_checkpoint(path)["model"], model.state_dict()
    fitting = {name: t for name, t in state.items() if name in own and own[name].shape == t.shape}
    model.load_state_dict(fitting, strict=False)
    rest = sorted(own.keys() - fitting.keys())
    more = f", not {len(rest)} such as {rest[0]}" if rest else ""
    return f"{len(fitting)} of {len(own)} tensors start from {os.path.basename(path)}{more}"


def _config(task: Task, size: tuple[int, int], tests: tuple[str, ...]) -> CfgNode:
    smoke = task.context.smoke
    options = {
        "MODEL.DEVICE": task.context.device, "MODEL.WEIGHTS": "", "INPUT.SIZE": str(size),
        "DATASETS.TEST": str(tests),
        "INPUT.MAX_SENTENCES": "2" if smoke else "10", "MODEL.GROUNDING.FREEZE_NORM_STATS": "True",
        "SOLVER.AMP.ENABLED": str(not smoke), "TEST.DTYPE": "float32" if smoke else "bfloat16",
        "SOLVER.EMA.ENABLED": "True", "DATASETS.TRAIN": "()",
        "SOLVER.BASE_LR": str(RATE), "SOLVER.IMS_PER_BATCH": "2" if smoke else str(BATCH),
        "DATALOADER.NUM_WORKERS": "0" if smoke else str(WORKERS),
        "OUTPUT_DIR": str(Path(task.context.scratch) / "evaluation"),
    }  # fmt: skip
    if smoke:
        options |= dict(zip(TINY["U2ENet"][::2], TINY["U2ENet"][1::2], strict=True))
    return load_config(
        add_u2enet_config, str(ROOT / CONFIG), [word for pair in options.items() for word in pair]
    )


def _evaluate(task: Task, name: str, cfg: CfgNode, model: nn.Module) -> float:
    """Add a row on the held-out scenes; returns the seconds that it took."""
    start = time.monotonic()
    results = U2ENetTrainer.test(cfg, model)
    car, roadside = (results[test]["published"] for test in cfg.DATASETS.TEST)
    figures = [car[key.removeprefix("car ")] for key in HEADER[2:4]]
    figures += [roadside[key] for key in ("Precision", "Recall", "F1")]
    task.part.row(name, "x".join(map(str, cfg.INPUT.SIZE)), *(f"{figure:.1f}" for figure in figures))
    return time.monotonic() - start
