#!/usr/bin/env python3
"""What `make demo` runs: from nothing to sentences turned into 3D boxes, in a few minutes on two cores.

1. renders a small SynthRoad with a seed that the shipped checkpoint never saw,
2. evaluates the checkpoint on its test scenes (single and multi target),
3. draws the answers to a few sentences on one picture and writes them as JSON,
4. trains the tiny model from random weights for a minute.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONFIG = "configs/U2ENet/u2enet_tiny_synthroad.yaml"
WEIGHTS = "projects/U2ENet/weights/u2enet_tiny_synthroad.safetensors"
SEED = 2026


def run(*command: str | Path, datasets: Path) -> None:
    """Run a script of the repository; ends the demo with its status if it fails."""
    environment = os.environ | {"DETECTRON2_DATASETS": str(datasets)}
    status = subprocess.run([sys.executable, *map(str, command)], cwd=ROOT, env=environment).returncode
    if status:
        sys.exit(status)


def headline(text: str) -> None:
    print(f"\n=== {text}", flush=True)


def pick_sentences(jsons: Path) -> tuple[str, list[str]]:
    """The test image whose descriptions differ most in their number of targets, and up to four of them."""
    best: tuple[int, str, list[str]] = (0, "", [])
    for path in sorted(jsons.glob("*.json")):
        by_count = {len(e["label_3"]): e["public_description"] for e in json.loads(path.read_text())}
        if len(by_count) > best[0]:
            best = (len(by_count), path.stem, [by_count[n] for n in sorted(by_count)][:4])
    return best[1], best[2]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=ROOT / "output/demo")
    parser.add_argument("--iterations", type=int, default=80, help="training iterations of step 4")
    args = parser.parse_args()
    output = args.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    synthroad = output / "datasets/synthroad"

    def script(*command: str | Path) -> None:
        run(*command, datasets=synthroad.parent)

    headline("SynthRoad: unseen scenes")
    sizes = ("--train", "100", "--val", "2", "--test", "40")
    script("-m", "d2ext.data.synthroad", "--root", synthroad, "--seed", str(SEED), *sizes, "--workers", "2")

    headline("shipped checkpoint on the test scenes")
    train_net = ("projects/U2ENet/train_net.py", "--config-file", CONFIG)
    script(*train_net, "--eval-only", "MODEL.WEIGHTS", WEIGHTS, "OUTPUT_DIR", output / "evaluation")

    headline("sentences on one picture")
    test = synthroad / "monomulti3d/test"
    name, sentences = pick_sentences(test / "jsons")
    files = ("--input", test / f"images/{name}.jpg", "--calib", test / f"calib/{name}.txt")
    files += (
        "--ground",
        test / f"denorm/{name}.txt",
        "--output",
        output / "demo.png",
        "--json",
        output / "demo.json",
    )
    texts = [word for sentence in sentences for word in ("--text", sentence)]
    script(
        "projects/U2ENet/demo.py", "--config-file", CONFIG, *files, *texts, "--opts", "MODEL.WEIGHTS", WEIGHTS
    )

    headline("training from random weights for a minute")
    training = output / "training"
    (training / "metrics.json").unlink(missing_ok=True)
    short = ("SOLVER.MAX_ITER", str(args.iterations), "SOLVER.WARMUP_ITERS", "20", "DATASETS.TEST", "()")
    script(*train_net, "OUTPUT_DIR", training, *short)
    losses = [json.loads(line)["total_loss"] for line in (training / "metrics.json").read_text().splitlines()]
    print(f"\nloss {losses[0]:.2f} -> {losses[-1]:.2f}")
    print(f"picture {output / 'demo.png'}, boxes {output / 'demo.json'}, tables {output / 'evaluation'}")
    if not losses[-1] < losses[0]:
        sys.exit("error: the loss did not fall")


if __name__ == "__main__":
    main()
