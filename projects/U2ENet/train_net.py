#!/usr/bin/env python3
"""Train or evaluate U2ENet.

projects/U2ENet/train_net.py --config-file configs/U2ENet/u2enet_tiny_synthroad.yaml [--eval-only]
[--resume] [KEY VALUE ...]
"""

from __future__ import annotations

import argparse

import d2ext  # noqa: F401  (first: registers datasets and models, silences import-time warnings)

# isort: split
from detectron2.config import CfgNode
from detectron2.engine import default_argument_parser
from detectron2.evaluation import verify_results
from detectron2.utils import comm

from d2ext.engine import D2Checkpointer, default_main, default_setup, load_config
from d2ext.modeling import optimize_for_inference
from d2ext.projects.u2enet import U2ENetTrainer, add_u2enet_config


def setup(args: argparse.Namespace) -> CfgNode:
    cfg = load_config(add_u2enet_config, args.config_file, args.opts)
    default_setup(cfg, args)
    return cfg


def main(args: argparse.Namespace):
    cfg = setup(args)
    if args.eval_only:
        model = U2ENetTrainer.build_model(cfg)
        D2Checkpointer(model, save_dir=cfg.OUTPUT_DIR).resume_or_load(cfg.MODEL.WEIGHTS, resume=args.resume)
        results = U2ENetTrainer.test(cfg, optimize_for_inference(model.eval()))
        if comm.is_main_process():
            verify_results(cfg, results)
        return results
    trainer = U2ENetTrainer(cfg)
    trainer.resume_or_load(resume=args.resume)
    return trainer.train()


if __name__ == "__main__":
    default_main(main, default_argument_parser().parse_args())
