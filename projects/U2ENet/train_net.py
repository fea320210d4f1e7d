#!/usr/bin/env python3
"""Train or evaluate U2ENet.

    .venv/bin/python projects/U2ENet/train_net.py --config-file configs/U2ENet/u2enet_tiny_synthroad.yaml

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
    return training_parser(__doc__, "U2ENet")


def main(args: argparse.Namespace) -> Any:
    from d2ext.engine import train_or_evaluate
    from d2ext.projects.u2enet import U2ENetTrainer, add_u2enet_config

    return train_or_evaluate(U2ENetTrainer, add_u2enet_config, args)


if __name__ == "__main__":
    run_training(build_parser(), main)
