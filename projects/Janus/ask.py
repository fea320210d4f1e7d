#!/usr/bin/env python3
"""Ask questions about a dataset's scenes and compare the answers: Janus, its words alone, a grounder alone.

    .venv/bin/python projects/Janus/ask.py --dataset synthroad_monomulti3d_test \\
        --config-file configs/Janus/stage3_tiny_synthroad.yaml \\
        --weights output/janus_stage3/model_final.pth \\
        --grounder-config configs/U2ENet/u2enet_tiny_synthroad.yaml --grounder-weights d2ext://u2enet/tiny

Printed is the share of right answers by kind (count, exist, nearer, where, color), and of answers whose boxes
are those that the right one rests on; "words alone" is Janus with grey in place of every picture.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this checkout's modules, from any folder
from d2ext_cli import (
    CommandParser,
    add_config_file,
    add_options,
    config_file,
    integer,
    output_file,
    run_command,
)


def build_parser() -> CommandParser:
    """The arguments."""
    parser = CommandParser(__doc__)
    parser.add_argument("--dataset", required=True, help="registered name")
    add_config_file(parser, "Janus")
    parser.add_argument("--weights", required=True, help="of Janus")
    parser.add_argument("--grounder-config", type=config_file, metavar="FILE", help="of the baseline")
    parser.add_argument("--grounder-weights", default="", help="of the baseline")
    parser.add_argument("--limit", type=integer(0), default=0, help="images (default all)")
    parser.add_argument("--json", type=output_file, help="file for the figures")
    add_options(parser)
    return parser


def main(args: argparse.Namespace) -> None:
    """Compare."""
    from d2ext.engine import load_config
    from d2ext.engine.preflight import check_dataset
    from d2ext.files import write_json
    from d2ext.projects.janus import JanusPredictor, add_janus_config
    from d2ext.projects.janus.compared import compare
    from d2ext.projects.janus.grounder import Grounder
    from d2ext.tables import format_table

    check_dataset(args.dataset, "--dataset", ("mono3drefer", "monomulti3d"))
    options = [*args.opts, "MODEL.WEIGHTS", args.weights]
    predictors = {
        name: JanusPredictor(load_config(add_janus_config, args.config_file, [*options, "TEST.BLIND", blind]))
        for name, blind in (("Janus", "False"), ("words alone", "True"))
    }
    weights = ["MODEL.WEIGHTS", args.grounder_weights] if args.grounder_weights else []
    grounder = Grounder(args.grounder_config, weights) if args.grounder_config else None
    tables = compare(args.dataset, predictors, grounder, args.limit)
    for name, table in tables.items():
        print(f"\n{format_table(name, table)}")
    if args.json:
        write_json(args.json, tables)


if __name__ == "__main__":
    run_command(build_parser(), main)
