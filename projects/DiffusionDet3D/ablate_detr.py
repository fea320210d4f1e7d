#!/usr/bin/env python3
"""Trains DETR as published and with what came after it, part by part, and prints what each reaches.

    .venv/bin/python projects/DiffusionDet3D/ablate_detr.py --iterations 2000
    .venv/bin/python projects/DiffusionDet3D/ablate_detr.py --iterations 500 --only published all

All are trained on SynthRoad equally long, as Sparse R-CNN beside them. Every run is one call of train_net.py
with its own folder under --output. Finished runs are not repeated and interrupted ones go on, so the script
can be stopped at any time and started again; the table has what is finished and is written anew after every
run.
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
DETR = "MODEL.DETR."
LEARNED = [DETR + "QUERIES", "learned"]
ALONE = [DETR + "DENOISING", "0"]
#: Trained each on its own: what is changed, the config, and by which options.
VARIANTS: dict[str, tuple[str, str, list[str]]] = {
    "sparse-rcnn": ("Sparse R-CNN", "sparse_rcnn", []),
    "published": ("DETR as published", "detr_published", []),
    "published-denoising": ("and denoising queries", "detr_published", [DETR + "DENOISING", "100"]),
    "deformable": ("deformable attention, four maps", "detr", [*LEARNED, *ALONE]),
    "deformable-denoising": ("and denoising queries", "detr", LEARNED),
    "deformable-selection": ("deformable attention, queries of cells", "detr", ALONE),
    "all": ("deformable attention, queries of cells, denoising", "detr", []),
    "all-encoder-content": ("all, objects begin as cells too", "detr", [DETR + "QUERIES", "encoder"]),
    "all-one-layer": ("all, an encoder of one layer", "detr", [DETR + "ENCODER_LAYERS", "1"]),
    "all-50": ("all, 50 boxes as Sparse R-CNN has", "detr", ["MODEL.DETECTION3D.NUM_BOXES", "50"]),
    "all-one-cell": ("all, one cell an object", "detr", [DETR + "CELL_MATCHER", "hungarian"]),
    "all-less-noise": ("all, less noise", "detr", [DETR + "BOX_NOISE", "0.4"]),
}
#: Columns of the table: title, dataset, section and metric.
COLUMNS = [
    ("car AP_BEV@0.5", TEST, "exact", "car bev@0.5/all"),
    ("car AP_3D@0.5", TEST, "exact", "car 3d@0.5/all"),
    ("big_vehicle AP_3D@0.5", TEST, "exact", "big_vehicle 3d@0.5/all"),
    ("2D AP", TEST, "bbox", "AP"),
    ("2D AP50", TEST, "bbox", "AP50"),
]


def train(name: str, seed: int, options: list[str], folder: Path) -> None:
    """A run of a variant, where it has not been done."""
    from d2ext.projects.diffusion_det3d.runs import SMALL, train_net

    _, model, changed = VARIANTS[name]
    train_net(model, ["--resume", "SEED", seed, *SMALL, *options, *changed], folder)


def write_table(output: Path, names: list[str], seeds: range) -> str:
    """The table of the variants that have been run with a seed at least, also written to a file."""
    from d2ext.engine import Column, markdown_table, metrics_file
    from d2ext.files import write_bytes

    rows = {}
    for name in names:
        folders = [output / name / str(seed) for seed in seeds]
        done = [folder for folder in folders if (folder / metrics_file(TEST)).is_file()]
        if done:
            rows[f"{name}: {VARIANTS[name][0]}"] = done
    table = markdown_table("variant", rows, [Column(*column) for column in COLUMNS])
    write_bytes(output / "table.md", (table + "\n").encode())
    return table


def build_parser() -> CommandParser:
    """What the command takes."""
    parser = CommandParser(__doc__)
    add_runs(parser, iterations=2000, seeds=1, output=ROOT / "output/detr_ablation", variants=VARIANTS)
    return parser


def main(args: argparse.Namespace) -> None:
    """Train what is not trained yet, and print the table."""
    output, seeds = args.output.resolve(), range(args.seeds)
    options = ["SOLVER.MAX_ITER", str(args.iterations), *args.options]
    table = ""
    for seed in seeds:
        for name in args.only:
            print(f"\n=== {name}, seed {seed}")
            train(name, seed, options, output / name / str(seed))
            table = write_table(output, args.only, seeds)
    print("\n" + table)


if __name__ == "__main__":
    run_command(build_parser(), main)
