#!/usr/bin/env python3
"""Train or evaluate TrajAD.

projects/TrajAD/train_net.py --config-file configs/TrajAD/trajad_synthtraffic.yaml [--eval-only]
[--resume] [KEY VALUE ...]
"""

from __future__ import annotations

import argparse

import d2ext  # noqa: F401  (first: registers datasets and models, silences import-time warnings)

# isort: split
from detectron2.engine import default_argument_parser

from d2ext.engine import default_main, train_or_evaluate
from d2ext.projects.trajad import TrajADTrainer, add_trajad_config


def main(args: argparse.Namespace):
    return train_or_evaluate(TrajADTrainer, add_trajad_config, args)


if __name__ == "__main__":
    default_main(main, default_argument_parser().parse_args())
