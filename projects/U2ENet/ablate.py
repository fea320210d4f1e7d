#!/usr/bin/env python3
"""Trains variants of U2ENet on SynthRoad with several seeds and prints what each reaches, as Markdown.

projects/U2ENet/ablate.py --iterations 2000 --seeds 3 [--only no-filter concat] [KEY VALUE ...]

Every run is one call of train_net.py with its own folder under --output. Finished runs are not repeated and
interrupted ones go on, so the script can be stopped at any time and started again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONFIG = "configs/U2ENet/u2enet_tiny_synthroad.yaml"
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
    ("single Acc@0.25", SINGLE, "published", "Acc@0.25"),
    ("single Acc@0.5", SINGLE, "published", "Acc@0.5"),
    ("single exact Acc@0.5", SINGLE, "exact", "Acc@0.5"),
    ("multi F1@0.25", MULTI, "exact", "F1@0.25"),
    ("multi F1@0.5", MULTI, "exact", "F1@0.5"),
    ("none", MULTI, "exact", "none_acc"),
]


def run(folder: Path, options: list[str]) -> None:
    """One run to its end, from where it stands; does nothing when its metrics are there."""
    if (folder / "inference" / MULTI / "metrics.json").is_file():
        return
    command = [sys.executable, "projects/U2ENet/train_net.py", "--config-file", CONFIG, *options]
    status = subprocess.run([*command, "OUTPUT_DIR", str(folder)], cwd=ROOT).returncode
    if status:
        sys.exit(status)


def table(output: Path, names: list[str], seeds: int) -> str:
    """Mean and, from two seeds up, standard deviation of every column, one row a variant."""
    lines = ["| variant | " + " | ".join(c[0] for c in COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name in names:
        cells = []
        for _, dataset, protocol, key in COLUMNS:
            files = [output / name / str(s) / "inference" / dataset / "metrics.json" for s in range(seeds)]
            values = [json.loads(f.read_text())[protocol][key] for f in files]
            spread = f" ± {statistics.stdev(values):.1f}" if seeds > 1 else ""
            cells.append(f"{statistics.mean(values):.1f}{spread}")
        lines.append(f"| {(VARIANTS | EVALUATED)[name][0]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


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
    names = args.only + (list(EVALUATED) if "full" in args.only else [])
    for seed in range(args.seeds):
        for name in names:
            print(f"\n=== {name}, seed {seed}", flush=True)
            folder, fixed = output / name / str(seed), [*args.options, "SEED", str(seed)]
            if name in VARIANTS:
                options = ["SOLVER.MAX_ITER", str(args.iterations), *fixed, *VARIANTS[name][1]]
                run(folder, ["--resume", *options])
            else:
                weights = output / "full" / str(seed) / "model_final.pth"
                run(folder, ["--eval-only", "MODEL.WEIGHTS", str(weights), *fixed, *EVALUATED[name][1]])
    result = table(output, names, args.seeds)
    (output / "table.md").write_text(result + "\n")
    print("\n" + result)


if __name__ == "__main__":
    main()
