#!/usr/bin/env python3
"""Trains diffusion, Sparse R-CNN, DETR and DETR as published on SynthRoad, equally long, and prints what each
reaches.

    .venv/bin/python projects/DiffusionDet3D/compare.py --iterations 2000

The trained diffusion model is also evaluated with several numbers of steps and of boxes. Every run is one
call of train_net.py with its own folder under --output. Finished runs are not repeated and interrupted ones
go on, so the script can be stopped at any time and started again.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, run_command
from d2ext_cli.runs import add_runs

ROOT = Path(__file__).resolve().parents[2]
TEST = "synthroad_rope3d_test"
MODELS = {
    "diffusion": "diffusion",
    "sparse_rcnn": "Sparse R-CNN",
    "detr": "DETR",
    "detr_published": "DETR as published",
}
STEPS = (1, 2, 4, 8)
BOXES = (25, 50, 100, 300)
BOXES_TRAINED = 50  # as in the configs
#: Columns of the tables: title, dataset, section and metric.
COLUMNS = [
    ("car AP_BEV@0.5", TEST, "exact", "car bev@0.5/all"),
    ("car AP_3D@0.5", TEST, "exact", "car 3d@0.5/all"),
    ("big_vehicle AP_BEV@0.5", TEST, "exact", "big_vehicle bev@0.5/all"),
    ("big_vehicle AP_3D@0.5", TEST, "exact", "big_vehicle 3d@0.5/all"),
    ("published car AP_3D@0.5", TEST, "published", "car 3d@0.5/moderate"),
    ("2D AP", TEST, "bbox", "AP"),
    ("2D AP50", TEST, "bbox", "AP50"),
]


def tests_of(box_steps: int) -> dict[str, tuple[int, int]]:
    """Steps and boxes of every evaluation of the diffusion model, by the name of its folder."""
    cases = [(steps, BOXES_TRAINED) for steps in STEPS] + [(box_steps, boxes) for boxes in BOXES]
    return {f"diffusion-steps{steps}-boxes{boxes}": (steps, boxes) for steps, boxes in cases}


def tables(output: Path, seeds: range, box_steps: int) -> str:
    """The methods beside diffusion with several numbers of steps, and diffusion with several of boxes."""
    from d2ext.engine import Column, markdown_table

    by_steps, by_boxes = {}, {}
    for name, (steps, boxes) in sorted(tests_of(box_steps).items(), key=lambda test: test[1]):
        folders = [output / name / str(seed) for seed in seeds]
        if boxes == BOXES_TRAINED:
            by_steps[f"diffusion, {steps} step{'s' * (steps > 1)}"] = folders
        if steps == box_steps:
            by_boxes[str(boxes)] = folders
    for model, title in list(MODELS.items())[1:]:
        by_steps[title] = [output / model / str(seed) for seed in seeds]
    columns = [Column(*column) for column in COLUMNS]
    title = f"boxes, diffusion with {box_steps} step{'s' * (box_steps > 1)}"
    return markdown_table("method", by_steps, columns) + "\n\n" + markdown_table(title, by_boxes, columns)


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    add_runs(parser, iterations=2000, seeds=1, output=ROOT / "output/comparison")
    parser.add_argument(
        "--box-steps", type=int, choices=STEPS, default=1, help="steps when the number of boxes varies"
    )
    return parser


def main(args: argparse.Namespace) -> None:
    from d2ext.files import write_bytes
    from d2ext.projects.diffusion_det3d.runs import SMALL, train_net

    output, seeds = args.output.resolve(), range(args.seeds)
    for seed in seeds:
        for model in MODELS:
            print(f"\n=== {model}, seed {seed}")
            options = ["--resume", "SEED", seed, "SOLVER.MAX_ITER", args.iterations, *SMALL, *args.options]
            train_net(model, options, output / model / str(seed))
        weights = output / "diffusion" / str(seed) / "model_final.pth"
        for name, (steps, boxes) in tests_of(args.box_steps).items():
            print(f"\n=== {name}, seed {seed}")
            numbers = ["MODEL.DIFFUSION.STEPS", steps, "MODEL.DETECTION3D.NUM_BOXES", boxes]
            options = ["--eval-only", "MODEL.WEIGHTS", weights, "SEED", seed, *SMALL, *args.options, *numbers]
            train_net("diffusion", options, output / name / str(seed))
    result = tables(output, seeds, args.box_steps)
    write_bytes(output / "table.md", (result + "\n").encode())
    print("\n" + result)


if __name__ == "__main__":
    run_command(build_parser(), main)
