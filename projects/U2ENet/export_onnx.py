#!/usr/bin/env python3
"""Write a trained U2ENet as ONNX graphs, with all else that inference without the checkpoint needs.

projects/U2ENet/export_onnx.py --config-file C --output DIR [--opts MODEL.WEIGHTS file ...]
"""

from __future__ import annotations

import argparse

import d2ext  # noqa: F401  (first: registers datasets and models, silences import-time warnings)

# isort: split
from d2ext.engine import load_config, one_line_errors
from d2ext.projects.u2enet import add_u2enet_config, export_onnx


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config-file", required=True, help="a file of configs/U2ENet")
    parser.add_argument("--output", required=True, help="folder to write; made where it does not exist")
    parser.add_argument("--opts", nargs=argparse.REMAINDER, default=[], help="config keys and values")
    args = parser.parse_args()
    with one_line_errors():
        cfg = load_config(add_u2enet_config, args.config_file, args.opts)
        if not cfg.MODEL.WEIGHTS:
            raise ValueError("MODEL.WEIGHTS is empty: expected a checkpoint (--opts MODEL.WEIGHTS FILE)")
        export_onnx(cfg, args.output)


if __name__ == "__main__":
    main()
