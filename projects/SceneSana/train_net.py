#!/usr/bin/env python3
"""Train or evaluate an autoencoder of pictures, or SceneSana in its latents, as the config says.

    .venv/bin/python projects/SceneSana/train_net.py \\
        --config-file configs/SceneSana/autoencoder_f16_scenes.yaml
    .venv/bin/python projects/SceneSana/train_net.py --config-file configs/SceneSana/sana_f16_scenes.yaml

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
    return training_parser(__doc__, "SceneSana")


def main(args: argparse.Namespace) -> Any:
    from d2ext.engine import train_or_evaluate
    from d2ext.projects.scene_sana import SceneSanaTrainer, add_scene_sana_config

    return train_or_evaluate(SceneSanaTrainer, add_scene_sana_config, args)


if __name__ == "__main__":
    run_training(build_parser(), main)
