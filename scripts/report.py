#!/usr/bin/env python3
"""Write report.html about a run into its folder: settings, curves, tables and the worst mistakes.

scripts/report.py output/u2enet_tiny_synthroad

Training and --eval-only write it themselves. Pictures of mistakes need the datasets (DETECTRON2_DATASETS).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import d2ext  # noqa: F401  (first: registers datasets, silences import-time warnings)

# isort: split
from d2ext.engine import one_line_errors, write_report

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="OUTPUT_DIR of the run")
    arguments = parser.parse_args()
    with one_line_errors():
        print(f"wrote {write_report(arguments.folder)}")
