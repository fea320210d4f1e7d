"""Where a training's figures go, as Detectron2's writers: files in its folder, and Weights & Biases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from detectron2.config import CfgNode
from detectron2.utils.events import EventWriter, JSONWriter, TensorboardXWriter, get_event_storage

from d2ext.files import write_json
from d2ext.identity import machine_keys
from d2ext.reading import one_line

#: In OUTPUT_DIR: which run is gone on with.
RUN_FILE = "wandb_run.json"


def add_wandb_config(cfg: CfgNode) -> None:
    """Add the keys of :class:`WandbWriter`, in place."""
    # Project of Weights & Biases that a training is logged to beside TensorBoard, by the library wandb, which
    # has settings of its own (WANDB_MODE=offline writes to OUTPUT_DIR/wandb only). Empty: none.
    cfg.WANDB = CfgNode()
    cfg.WANDB.PROJECT = ""
    # Name of the run there; empty: that of the folder OUTPUT_DIR.
    cfg.WANDB.NAME = ""


machine_keys("WANDB")


def build_writers(cfg: CfgNode) -> list[EventWriter]:
    """``metrics.json``, TensorBoard's files and, where ``WANDB.PROJECT`` says so, Weights & Biases.

    Raises:
        ValueError: as :class:`WandbWriter`.
    """
    folder = Path(cfg.OUTPUT_DIR)
    folder.mkdir(parents=True, exist_ok=True)
    files = [JSONWriter(str(folder / "metrics.json")), TensorboardXWriter(str(folder))]
    return [*files, *([WandbWriter(cfg)] if cfg.WANDB.PROJECT else [])]


class WandbWriter(EventWriter):
    """Logs every scalar of the event storage at its iteration, smoothed as Detectron2's other writers do. A
    training that is resumed goes on with the run whose id lies in its folder.

    Args:
        cfg: with ``WANDB`` and ``OUTPUT_DIR``; all of it becomes the run's config.
        window: iterations over which values are smoothed.

    Raises:
        ValueError: wandb is not installed, or refuses.
    """

    def __init__(self, cfg: CfgNode, window: int = 20) -> None:
        try:
            import wandb
        except ImportError as error:
            missing = error.name or "wandb"  # or what it needs itself
            message = f"WANDB.PROJECT is set and {missing} is missing: pip install d2ext[wandb]"
            raise ValueError(message) from None
        folder = Path(cfg.OUTPUT_DIR)
        known = folder / RUN_FILE
        try:
            self._run = wandb.init(
                project=cfg.WANDB.PROJECT,
                name=cfg.WANDB.NAME or folder.absolute().name,
                dir=str(folder),
                config=yaml.safe_load(cfg.dump()),
                id=json.loads(known.read_text())["id"] if known.is_file() else None,
                resume="allow",
            )
        except (wandb.errors.Error, OSError, KeyError, ValueError) as error:
            message = f"WANDB.PROJECT {cfg.WANDB.PROJECT!r}: wandb: {error}"
            raise ValueError(one_line(message)) from None
        write_json(known, {"id": self._run.id})
        self._window = window
        self._last = -1

    def write(self) -> None:
        """Log what is new since the last call."""
        storage = get_event_storage()
        by_step: dict[int, dict[str, Any]] = {}
        last = self._last
        for name, (value, step) in storage.latest_with_smoothing_hint(self._window).items():
            if step > self._last:
                by_step.setdefault(step, {})[name] = value
                last = max(last, step)
        for step in sorted(by_step):
            self._run.log(by_step[step], step=step)
        self._last = last

    def close(self) -> None:
        """End the run."""
        self._run.finish()
