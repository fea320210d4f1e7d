#!/usr/bin/env python3
"""What models that have seen rendered scenes only make of real photographs: one table, and pictures.

    .venv/bin/python scripts/evaluate_real.py --pictures output/real/pictures
    .venv/bin/python scripts/evaluate_real.py --rows mono3drefer plain --note "wider cameras" \\
        --grounding-weights output/new/model_final.pth --log output/real_frames.md

The folder of frames is a Detectron2 dataset root with mono3drefer/, plain/mono3drefer/ (other frames, without
planes/), monomulti3d/ and rope3d/; what it lacks is left out. Figures are per cent, but for boxes and scores.
The frames are for evaluation only: nothing is trained on them, and no threshold is chosen.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, config_file, existing_folder, output_file, output_folder, run_command

ROOT = Path(__file__).resolve().parents[1]
#: Keys of the table's rows, as in real_frames.frames.
ROWS = ("mono3drefer", "plain", "plain_plane", "plain_none", "monomulti3d", "rope3d", "nonsense")
#: Config and weights of each kind of model.
SHIPPED = {
    "grounding": ("configs/U2ENet/u2enet_tiny_synthroad.yaml", "d2ext://u2enet/tiny"),
    "detection": ("configs/DiffusionDet3D/diffusion_tiny_synthroad.yaml", "d2ext://diffusion_det3d/tiny"),
}


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    parser.add_argument(
        "--data", type=Path, default=ROOT.parent / "shared/data", help="folder of frames (../shared/data)"
    )
    for kind, (config, weights) in SHIPPED.items():
        parser.add_argument(f"--{kind}-config", type=config_file, default=str(ROOT / config), metavar="FILE")
        parser.add_argument(f"--{kind}-weights", default=weights, metavar="FILE", help=f"default {weights}")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW", help="of them")
    parser.add_argument(
        "--rendered", type=existing_folder, help="a SynthRoad, some of whose scenes get words without meaning"
    )
    parser.add_argument("--output", type=output_folder, default=ROOT / "output/real", help="for all results")
    parser.add_argument("--pictures", type=output_folder, help="folder for drawings of all answers")
    parser.add_argument("--log", type=output_file, help="Markdown table to add a line to")
    parser.add_argument("--note", help="what was changed, for the log")
    parser.add_check(check)
    return parser


def check(args: argparse.Namespace) -> None:
    """Raises ValueError where a line of the log would say nothing."""
    if (args.log is None) != (not (args.note or "").strip()):
        raise ValueError("expected both --log FILE and --note TEXT, or neither")


def main(args: argparse.Namespace) -> None:
    if not args.data.is_dir():
        raise FileNotFoundError(f"{args.data}: no such folder, nothing to evaluate: give --data")
    from real_frames.frames import RENDERED
    from real_frames.frames import ROWS as rows
    from real_frames.measure import Models, Weights
    from real_frames.pictures import draw_frames
    from real_frames.tables import append_log, markdown, write_tables

    from d2ext.data.synthesis import check_complete

    chosen = {
        kind: Weights(getattr(args, f"{kind}_config"), getattr(args, f"{kind}_weights")) for kind in SHIPPED
    }
    models = Models(chosen, args.output.resolve())
    tasks = [(row, args.data / row.folder) for row in rows if row.key in args.rows]
    if args.rendered is not None:
        check_complete(args.rendered, ("synthroad",))
        tasks.append((RENDERED, args.rendered / RENDERED.folder))
    found = {}
    for row, folder in tasks:
        if not folder.is_dir():
            print(f"{row.title}: left out, no folder {folder}")
            continue
        print(f"{row.title}: evaluating")
        found[row.key] = models.evaluate(row, folder)
        if args.pictures is not None:
            count = draw_frames(models.config(row), row.dataset, args.pictures)
            print(f"drew {count} pictures in {args.pictures / row.dataset}")
    about = {f"{kind} weights": f"{w.weights} ({Path(w.config).name})" for kind, w in chosen.items()}
    shown = [row for row, _ in tasks]
    write_tables(args.output, shown, found, about)
    print("\n" + markdown(shown, found, about))
    print(f"wrote {args.output}/real.md and real.json")
    if args.log is not None:
        append_log(args.log, args.note, found)
        print(f"added a line to {args.log}")


if __name__ == "__main__":
    run_command(build_parser(), main)
