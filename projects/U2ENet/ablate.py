#!/usr/bin/env python3
"""Trains variants of U2ENet on SynthRoad with several seeds and prints what each reaches, as Markdown.

projects/U2ENet/ablate.py --iterations 2000 --seeds 3 [--only no-filter concat] [KEY VALUE ...]

All start from the image and the text encoder of the shipped checkpoint. Every run is one call of
train_net.py with its own folder under --output. Finished runs are not repeated and interrupted ones go on, so
the script can be stopped at any time and started again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import d2ext  # noqa: F401  (first: silences import-time warnings)

# isort: split
from d2ext.engine import Column, markdown_table, run_once

ROOT = Path(__file__).resolve().parents[2]
CONFIG = "configs/U2ENet/ablation_tiny_synthroad.yaml"
SHIPPED = "configs/U2ENet/u2enet_tiny_synthroad.yaml"
WEIGHTS = "projects/U2ENet/weights/u2enet_tiny_synthroad.safetensors"
SINGLE, MULTI = "synthroad_mono3drefer_test", "synthroad_monomulti3d_test"
U2E = "MODEL.U2ENET."
#: Trained each on its own: what is changed, and by which options.
VARIANTS: dict[str, tuple[str, list[str]]] = {
    "full": ("U2ENet", []),
    "no-filter": ("without the semantic filter", [U2E + "SEMANTIC_FILTER", "False"]),
    "concat": ("concatenation in place of the cross-modal SSM", [U2E + "FUSION", "concat"]),
    "attention": ("softmax cross-attention in place of it", [U2E + "FUSION", "attention"]),
    "two-levels": (
        "two levels (p4, p3)",
        [U2E + "IN_FEATURES", "['p4','p3']", U2E + "FUSION_DIMS", "[96,64]"],
    ),
    "one-level": ("one level (p3)", [U2E + "IN_FEATURES", "['p3']", U2E + "FUSION_DIMS", "[64]"]),
    "one-sentence": ("one sentence an image and step", ["INPUT.MAX_SENTENCES", "1"]),
    "two-stage": (
        "two stages: a detector, then box-text matching",
        ["MODEL.META_ARCHITECTURE", "TwoStageGrounder", U2E + "TOPK", "30"],
    ),
    "no-refinement": ("boxes without a second look", [U2E + "REFINE_POINTS", "0"]),
    "no-detail": ("box head without the image's own map", [U2E + "DETAIL_FEATURE", ""]),
    "no-select": ("without the selection loss", [U2E + "LOSS_WEIGHTS.loss_select", "0.0"]),
}
#: The network of "full", evaluated with other options.
EVALUATED: dict[str, tuple[str, list[str]]] = {
    "depth-direct": ("depth by regression only", [U2E + "DEPTH_ESTIMATES", "['direct']"]),
    "depth-height": ("depth from pixel height only", [U2E + "DEPTH_ESTIMATES", "['height']"]),
    "depth-ground": ("depth from the ground plane only", [U2E + "DEPTH_ESTIMATES", "['ground']"]),
    "depth-image": ("all depths but the told one", [U2E + "DEPTH_ESTIMATES", "['direct','height','ground']"]),
}
COLUMNS = [
    Column("single Acc@0.25", SINGLE, "published", "Acc@0.25"),
    Column("single Acc@0.5", SINGLE, "published", "Acc@0.5"),
    Column("single exact Acc@0.5", SINGLE, "exact", "Acc@0.5"),
    Column("multi F1@0.25", MULTI, "exact", "F1@0.25"),
    Column("multi F1@0.5", MULTI, "exact", "F1@0.5"),
    Column("none", MULTI, "exact", "none_acc"),
]


def text_encoder(folder: Path) -> str:
    """The text encoder of the shipped checkpoint as MODEL.TEXT.NAME, written where it is not there."""
    if not (folder / "model.safetensors").is_file():
        command = [
            "projects/U2ENet/export_text_encoder.py",
            "--config-file",
            SHIPPED,
            "--output",
            str(folder),
        ]
        subprocess.run([sys.executable, *command, "--opts", "MODEL.WEIGHTS", WEIGHTS], cwd=ROOT, check=True)
    return str(folder)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--iterations", type=int, default=2000, help="training iterations of a run")
    parser.add_argument("--seeds", type=int, default=3, help="runs of every variant")
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="VARIANT")
    parser.add_argument("--output", type=Path, default=ROOT / "output/ablation")
    parser.add_argument("options", nargs="*", metavar="KEY VALUE", help="more options for every run")
    args = parser.parse_args()
    output = args.output.resolve()
    text = text_encoder(output / "text_encoder")
    names = args.only + (list(EVALUATED) if "full" in args.only else [])
    for seed in range(args.seeds):
        for name in names:
            print(f"\n=== {name}, seed {seed}", flush=True)
            folder, fixed = (
                output / name / str(seed),
                ["MODEL.TEXT.NAME", text, "SEED", str(seed), *args.options],
            )
            if name in VARIANTS:
                train = ["SOLVER.MAX_ITER", str(args.iterations), *fixed, *VARIANTS[name][1]]
                command = ["--resume", "--config-file", CONFIG, *train]
            else:
                weights = ["MODEL.WEIGHTS", str(output / "full" / str(seed) / "model_final.pth")]
                command = ["--eval-only", "--config-file", CONFIG, *weights, *fixed, *EVALUATED[name][1]]
            run_once(["projects/U2ENet/train_net.py", *command], folder, MULTI, ROOT)
    titles = {name: title for name, (title, _) in (VARIANTS | EVALUATED).items()}
    rows = {titles[name]: [output / name / str(s) for s in range(args.seeds)] for name in names}
    result = markdown_table("variant", rows, COLUMNS)
    (output / "table.md").write_text(result + "\n")
    print("\n" + result)


if __name__ == "__main__":
    main()
