#!/usr/bin/env python3
"""Write the text encoder of a trained U2ENet as a Hugging Face folder, for MODEL.TEXT.NAME of another model.

projects/U2ENet/export_text_encoder.py --config-file C --output DIR --opts MODEL.WEIGHTS file
"""

from __future__ import annotations

import argparse
from pathlib import Path

import d2ext  # noqa: F401  (first: registers datasets and models, silences import-time warnings)

# isort: split
from d2ext.engine import load_config, one_line_errors
from d2ext.projects.u2enet import U2ENetPredictor, add_u2enet_config


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config-file", required=True, help="a file of configs/U2ENet")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    parser.add_argument("--opts", nargs=argparse.REMAINDER, default=[], help="config keys and values")
    args = parser.parse_args()
    with one_line_errors():
        cfg = load_config(add_u2enet_config, args.config_file, args.opts)
        if not cfg.MODEL.WEIGHTS:
            raise ValueError("MODEL.WEIGHTS is empty: expected a checkpoint (--opts MODEL.WEIGHTS FILE)")
        text = U2ENetPredictor(cfg).model.text_encoder
        text.encoder.save_pretrained(args.output)
        text.tokenizer.backend.save_pretrained(args.output)
    print(f"{args.output}: MODEL.TEXT.NAME {args.output} MODEL.TEXT.PRETRAINED True")


if __name__ == "__main__":
    main()
