#!/usr/bin/env python3
"""Fills MODEL.TEXT.CACHE_DIR: runs the frozen text encoder of a config over every sentence of its datasets.

    .venv/bin/python projects/U2ENet/encode_text.py \\
        --config-file configs/U2ENet/u2enet_dla34_mono3drefer.yaml MODEL.TEXT.CACHE_DIR output/text

Mirrored sentences and the detection prompt are among them. It can be stopped and started again.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, add_config_file, add_options, run_command

if TYPE_CHECKING:
    from detectron2.config import CfgNode

BATCH = 64  # sentences at a time, and in a file


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    add_config_file(parser, "U2ENet")
    add_options(parser, "opts")
    return parser


def all_sentences(cfg: CfgNode) -> list[str]:
    """Every text that training and evaluation with ``cfg`` can give to the encoder, by length."""
    from detectron2.data import DatasetCatalog

    from d2ext.data.sentences import flip_sentence

    texts = {cfg.MODEL.U2ENET.DETECTION_PROMPT} - {""}
    for name in {*cfg.DATASETS.TRAIN, *cfg.DATASETS.TEST}:
        of_dataset = {s["text"] for record in DatasetCatalog.get(name) for s in record["sentences"]}
        texts |= of_dataset
        if name in cfg.DATASETS.TRAIN and cfg.INPUT.FLIP_PROB > 0:
            texts |= {flipped for text in of_dataset if (flipped := flip_sentence(text)) is not None}
    return sorted(texts, key=lambda text: (len(text), text))


def main(args: argparse.Namespace) -> None:
    from tqdm import tqdm

    from d2ext.engine import load_config
    from d2ext.modeling.grounding.grounder import build_text_encoder
    from d2ext.projects.u2enet import add_u2enet_config

    cfg = load_config(add_u2enet_config, args.config_file, args.opts)
    if not cfg.MODEL.TEXT.FROZEN or not cfg.MODEL.TEXT.CACHE_DIR:
        raise ValueError("expected MODEL.TEXT.FROZEN True and a folder as MODEL.TEXT.CACHE_DIR")
    print(f"reading the sentences of {', '.join(sorted({*cfg.DATASETS.TRAIN, *cfg.DATASETS.TEST}))}")
    texts = all_sentences(cfg)
    print(f"{len(texts)} sentences for {cfg.MODEL.TEXT.NAME}")
    encoder = build_text_encoder(cfg).to(cfg.MODEL.DEVICE).eval()
    encoder.tokenize(texts)  # a sentence that is too long is an error before the work starts
    for start in tqdm(range(0, len(texts), BATCH), unit=f"x{BATCH} sentences"):
        encoder(texts[start : start + BATCH])
    print(f"{len(texts)} sentences in {cfg.MODEL.TEXT.CACHE_DIR}/{encoder.identity()}")


if __name__ == "__main__":
    run_command(build_parser(), main)
