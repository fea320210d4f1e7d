#!/usr/bin/env python3
"""Train or evaluate OpenVocab3D.

    .venv/bin/python projects/OpenVocab3D/train_net.py \\
        --config-file configs/OpenVocab3D/openvocab_tiny_synthroad.yaml

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
    return training_parser(__doc__, "OpenVocab3D")


def main(args: argparse.Namespace) -> Any:
    from d2ext.engine import train_or_evaluate
    from d2ext.projects.open_vocab3d import OpenVocabTrainer, add_open_vocab3d_config

    return train_or_evaluate(OpenVocabTrainer, add_open_vocab3d_config, args)


if __name__ == "__main__":
    run_training(build_parser(), main)
