#!/usr/bin/env python3
"""Build and train a tiny causal language model on the captions of datasets.

    .venv/bin/python projects/SceneSana/train_text.py --datasets scenes_monomulti3d_train \\
        --output output/captions_lm

The folder is one of transformers: MODEL.CAPTION.NAME output/captions_lm. An interrupted training goes on from
output/captions_lm.state.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, integer, output_folder, run_command


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    parser.add_argument("--datasets", required=True, nargs="+", help="registered datasets")
    parser.add_argument("--output", required=True, type=output_folder, help="folder to write")
    parser.add_argument("--vocabulary", type=integer(300), default=1024, help="tokens (default 1024)")
    parser.add_argument("--width", type=integer(16), default=128)
    parser.add_argument("--layers", type=integer(1), default=4)
    parser.add_argument("--steps", type=integer(1), default=1500)
    parser.add_argument("--batch", type=integer(1), default=32)
    parser.add_argument("--longest", type=integer(16), default=512, help="tokens with the instruction")
    parser.add_argument("--seed", type=integer(0), default=0)
    return parser


def main(args: argparse.Namespace) -> None:
    import numpy as np
    import torch
    from detectron2.data import MetadataCatalog

    from d2ext.data.scenes.build import scene_records
    from d2ext.data.scenes.captions import captions_of
    from d2ext.projects.scene_sana import language_model as lm
    from d2ext.projects.scene_sana.config import scene_instruction
    from d2ext.structures import ROAD, Vocabulary

    texts: list[str] = []
    for name in args.datasets:
        vocabulary = Vocabulary.of_metadata(MetadataCatalog.get(name)) or ROAD
        for record in scene_records(name):
            texts += captions_of(record, record["annotations"], vocabulary.names)
    texts = sorted(set(texts))
    tokenizer = lm.build_tokenizer([scene_instruction(), *texts], args.vocabulary)
    before = tokenizer(scene_instruction(), add_special_tokens=False)["input_ids"]
    rows = [tokenizer(text, add_special_tokens=False)["input_ids"][:128] for text in texts]
    torch.manual_seed(args.seed)
    model = lm.build_model(len(tokenizer), args.width, args.layers, args.longest)
    # Half of the texts after the instruction, as they will be read.
    rows += [[*before, *row] for row in rows]
    keep = args.output.with_name(f"{args.output.name}.state")
    losses = lm.train(model, rows, args.steps, batch=args.batch, seed=args.seed, folder=keep)
    lm.save(args.output, model, tokenizer)
    parameters = sum(p.numel() for p in model.parameters()) / 1e6
    print(f"{args.output}: {parameters:.2f} M parameters, {len(tokenizer)} tokens, {len(texts)} captions")
    print(f"nats a token: {np.mean(losses[:20]):.2f} at first, {np.mean(losses[-20:]):.2f} at the end")


if __name__ == "__main__":
    run_command(build_parser(), main)
