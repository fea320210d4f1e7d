#!/usr/bin/env python3
"""Train and evaluate a model for each category of MVTec AD, or of another folder of categories.

    .venv/bin/python projects/TrajAD/train_all.py --config-file configs/TrajAD/efficientad_mvtec.yaml
    .venv/bin/python projects/TrajAD/train_all.py --config-file configs/TrajAD/efficientad_mvtec.yaml \\
        --data visa --categories candle pcb1 --resume SOLVER.MAX_ITER 10000

Categories are the folders of --data, which lies in the datasets folder: MVTec AD's, MVTec LOCO AD's, VisA's
or your own. Each is trained by train_net.py in the folder OUTPUT_DIR/CATEGORY; images of its validation
folder, where it has one, are the held-out normal ones. A category that fails is recorded, and the others go
on. summary.md and summary.json in OUTPUT_DIR have a row a category, and the mean.

--resume skips what is finished with the same config, and goes on with what is not; --eval-only evaluates what
was trained. Config keys and their values at the end of the line are for all categories.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, add_config_file, add_options, check_options, integer, run_command

if TYPE_CHECKING:
    from detectron2.config import CfgNode

    from d2ext.projects.trajad.categories import CategoryRun, Summary

SCRIPT = Path(__file__).with_name("train_net.py")


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    add_config_file(parser, "TrajAD")
    parser.add_argument(
        "--data", default="mvtec_ad", metavar="NAME", help="folder of categories (default mvtec_ad)"
    )
    parser.add_argument("--categories", nargs="+", default=[], metavar="NAME", help="default: all")
    parser.add_argument("--resume", action="store_true", help="do only what is not finished")
    parser.add_argument("--eval-only", action="store_true", help="evaluate what was trained")
    parser.add_argument("--num-gpus", type=integer(0), default=1, help="processes, one a GPU")
    add_options(parser, "opts")
    return parser


def main(args: argparse.Namespace) -> None:
    from d2ext.projects.trajad.categories import CategoryRun, Summary, find_categories

    take_options(args)
    categories = find_categories(args.data, args.categories)
    runs = {
        name: CategoryRun(args.config_file, args.opts, args.data, name, args.eval_only) for name in categories
    }
    first = runs[categories[0]]
    check(first.cfg, args)
    summary = Summary()
    for number, (name, run) in enumerate(runs.items(), start=1):
        print(f"[{number}/{len(runs)}] {name}: ", end="")
        do(run, name, args, summary)
        summary.write(first.folder.parent)
    print(summary.markdown())
    print(f"wrote {first.folder.parent}/summary.md and summary.json")
    if summary.errors:
        names = ", ".join(summary.errors)
        raise ValueError(f"{len(summary.errors)} of {len(runs)} categories failed: {names}")


def take_options(args: argparse.Namespace) -> None:
    """Move config keys that follow the names of ``--categories`` to the options.

    Raises:
        ValueError: as ``check_options``.
    """
    from d2ext.engine import load_config
    from d2ext.projects.trajad import add_trajad_config

    keys = load_config(add_trajad_config, args.config_file)
    count = len(list(itertools.takewhile(lambda word: word.split(".")[0] not in keys, args.categories)))
    args.categories, options = args.categories[:count], args.categories[count:]
    check_options(options)
    args.opts = [*options, *args.opts]


def check(cfg: CfgNode, args: argparse.Namespace) -> None:
    """What every category would fail at.

    Raises:
        FileNotFoundError, ValueError: a key whose value cannot be used.
    """
    from d2ext.engine.preflight import check_run
    from d2ext.projects.trajad.trainer import TrajADTrainer, check_penalty_folder, check_teacher

    check_run(cfg, TrajADTrainer, args.eval_only)
    if not args.eval_only:
        check_penalty_folder(cfg.INPUT.PENALTY_FOLDER)
        if not cfg.MODEL.WEIGHTS and not args.resume:
            check_teacher(cfg.MODEL.EFFICIENT_AD.TEACHER)


def do(run: CategoryRun, name: str, args: argparse.Namespace, summary: Summary) -> None:
    """One category; its figures or its error go to ``summary``."""
    from d2ext.engine import run_script
    from d2ext.engine.batch import why

    try:
        if args.resume and run.is_finished():
            print("finished before")
            summary.figures[name] = run.figures()
            return
        print(f"{'evaluating' if args.eval_only else 'training'} in {run.folder}")
        resume = ["--resume"] if args.resume and not args.eval_only else []
        flags = [*resume, "--num-gpus", str(args.num_gpus)]
        summary.figures[name] = run.complete(lambda words: run_script([SCRIPT, *words]), flags)
    except (ValueError, OSError) as error:
        summary.errors[name] = why(error)
        print(f"{name}: {summary.errors[name]}", file=sys.stderr)


if __name__ == "__main__":
    run_command(build_parser(), main)
