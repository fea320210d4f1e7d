"""What the commands that draw datasets do with their arguments."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from detectron2.data import DatasetCatalog

from d2ext.data.scenes.build import scene_records
from d2ext.data.scenes.writing import SceneFiles
from d2ext.engine import load_config
from d2ext.projects.scene_sana.config import add_scene_sana_config
from d2ext.projects.scene_sana.predictor import SceneSanaPredictor
from d2ext.projects.scene_sana.repeats import RepeatFilter
from d2ext.projects.scene_sana.sheet import draw_sheet
from d2ext.projects.scene_sana.trainer import spread
from d2ext.projects.scene_sana.uses import Scene, draw_scenes
from d2ext.visualization import check_picture_path, write_picture

#: From predictor, records and a source of randomness.
Scenes = Callable[[SceneSanaPredictor, Sequence[Mapping[str, Any]], np.random.Generator], Iterator[Scene]]


def run_drawing(args: argparse.Namespace, command: str, scenes: Scenes) -> None:
    """Draw the scenes that a command makes of a dataset, write those that are new, and say how many."""
    cfg = load_config(add_scene_sana_config, args.config_file, args.opts)
    if args.dataset not in DatasetCatalog:
        raise ValueError(f"--dataset {args.dataset}: no registered dataset")
    if args.sheet is not None:
        check_picture_path(args.sheet)
    records = spread(scene_records(args.dataset), args.limit or 0)
    predictor = SceneSanaPredictor(cfg)
    left_out = ("root", "sheet", "opts", "config_file")
    settings = {k: v for k, v in vars(args).items() if k not in left_out} | {"command": command}
    files = SceneFiles(args.root, settings, predictor.mapper.names)
    if files.done:
        print(f"{args.root}: already there")
        return
    made = draw_scenes(
        predictor,
        scenes(predictor, records, np.random.default_rng(args.seed)),
        files,
        args.split,
        strength=getattr(args, "strength", 1.0),
        repeats=None if args.keep_repeats else RepeatFilter.from_config(cfg),
        batch=cfg.TEST.SCENES.BATCH,
    )
    files.finish()
    if args.sheet is not None:
        write_picture(args.sheet, draw_sheet(made.tiles))
    print(f"{args.root}: {made.kept} pictures; {made.dropped} near-repeats of training pictures dropped")
