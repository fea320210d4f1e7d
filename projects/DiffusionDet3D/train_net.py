#!/usr/bin/env python3
"""Train or evaluate DiffusionDet3D, Sparse R-CNN or DETR, as the config says.

projects/DiffusionDet3D/train_net.py --config-file configs/DiffusionDet3D/diffusion_tiny_synthroad.yaml
[--eval-only] [--resume] [KEY VALUE ...]
"""

from __future__ import annotations

import argparse

import d2ext  # noqa: F401  (first: registers datasets and models, silences import-time warnings)

# isort: split
from detectron2.engine import default_argument_parser

from d2ext.engine import default_main, train_or_evaluate
from d2ext.projects.diffusion_det3d import Detection3DTrainer, add_diffusion_det3d_config


def main(args: argparse.Namespace):
    return train_or_evaluate(Detection3DTrainer, add_diffusion_det3d_config, args)


if __name__ == "__main__":
    default_main(main, default_argument_parser().parse_args())
