#!/usr/bin/env python3
"""Train or evaluate TrajAD.

    .venv/bin/python projects/TrajAD/train_net.py --config-file configs/TrajAD/trajad_synthtraffic.yaml

--eval-only evaluates MODEL.WEIGHTS, --resume goes on where a training stopped, and config keys and their
values at the end of the line override the config.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, run_training, training_parser


def build_parser() -> CommandParser:
    return training_parser(__doc__, "TrajAD")


def main(args: argparse.Namespace) -> Any:
    from d2ext.engine import train_or_evaluate
    from d2ext.projects.trajad import TrajADTrainer, add_trajad_config

    return train_or_evaluate(TrajADTrainer, add_trajad_config, args)


if __name__ == "__main__":
    run_training(build_parser(), main)
