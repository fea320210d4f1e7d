#!/usr/bin/env python3
"""Write report.html about a run into its folder: settings, curves, tables and the worst mistakes.

    .venv/bin/python scripts/report.py output/u2enet_tiny_synthroad

Training and --eval-only write it themselves. Pictures of mistakes need the datasets (DETECTRON2_DATASETS).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, existing_folder, run_command


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    parser.add_argument("folder", type=existing_folder, help="OUTPUT_DIR of the run")
    return parser


def main(args: argparse.Namespace) -> None:
    import d2ext.gallery  # noqa: F401  (draws every kind of data)
    from d2ext.engine import write_report

    print(f"reading {args.folder} and drawing its worst mistakes")
    print(f"wrote {write_report(args.folder)}")


if __name__ == "__main__":
    run_command(build_parser(), main)
