#!/usr/bin/env python3
"""What `make demo` runs: from nothing to sentences turned into 3D boxes, within ten minutes on two cores.

1. renders a small SynthRoad with a seed that the shipped checkpoint never saw,
2. evaluates the checkpoint on its test scenes (single and multi target),
3. draws the answers to a few sentences on one picture and writes them as JSON,
4. trains the tiny model from random weights, for two minutes or the time that is left.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from statistics import fmean

ROOT = Path(__file__).resolve().parents[1]
CONFIG = "configs/U2ENet/u2enet_tiny_synthroad.yaml"
WEIGHTS = "projects/U2ENet/weights/u2enet_tiny_synthroad.safetensors"
SEED = 2026
TESTS = ("synthroad_mono3drefer_test", "synthroad_monomulti3d_test")
TRAIN_NET = ("projects/U2ENet/train_net.py", "--config-file", CONFIG)
#: Seconds on two cores with AVX2, of which the plan is made.
RENDER_SCENE, START, ANSWER_SCENE = 0.4, 15, 1.2
MOST_TRAINING, LEAST_TRAINING = 120, 20
ENOUGH = 8  # iterations from which on the loss must have fallen


class Demo:
    """Runs the steps one after the other and divides the time among them.

    Args:
        output: folder for all results.
        began: when the time began to run, in seconds since the epoch.
        minutes: how long it may take in all.
    """

    def __init__(self, output: Path, began: float, minutes: float) -> None:
        self.output = output
        self.datasets = output / "datasets"
        self.end = began + 60 * minutes
        self.slowness = 1.0  # of this machine, against the one of the plan

    def left(self) -> float:
        """Seconds until the end, less some to be on the safe side."""
        return self.end - time.time() - 20

    def headline(self, number: int, what: str, seconds: float, then: str) -> None:
        left = max(self.left() + 20, 0)
        plan = f"about {seconds:.0f} s of the {left:.0f} s left; then: {then}"
        print(f"\n=== {number} of 4: {what}, {plan}", flush=True)

    def run(self, *command: str | Path) -> float:
        """Run a script of the repository and return its seconds; the demo ends with it if it fails."""
        start = time.time()
        environment = os.environ | {"DETECTRON2_DATASETS": str(self.datasets)}
        # A group of its own: Ctrl-C reaches this program alone, which ends the script and all its processes.
        arguments = [sys.executable, *map(str, command)]
        process = subprocess.Popen(arguments, cwd=ROOT, env=environment, start_new_session=True)
        try:
            status = process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        if status:
            sys.exit(status)
        return time.time() - start

    def render(self) -> Path:
        train, test = (60, 24) if self.left() > 400 else (30, 10)
        planned = START + RENDER_SCENE * (train + test) / 2
        what = f"rendering {train + test} road scenes that the shipped checkpoint never saw"
        self.headline(1, what, planned, "what it finds in them")
        root = self.datasets / "synthroad"
        sizes = ("--train", str(train), "--val", "2", "--test", str(test), "--workers", "2")
        taken = self.run("-m", "d2ext.data.synthroad", "--root", root, "--seed", str(SEED), *sizes)
        if taken > START / 3:  # else the scenes were there
            self.slowness = max(taken / planned, 0.5)
        return root / "monomulti3d/test"

    def evaluate(self, scenes: Path) -> None:
        count = len(list((scenes / "jsons").glob("*.json")))
        each = ANSWER_SCENE * count * self.slowness
        start = START * self.slowness
        tests = TESTS if start + 2 * each < self.left() / 2 else TESTS[:1]
        what = f"the shipped checkpoint answers the sentences of {len(tests) * count} test scenes"
        self.headline(2, what, start + each * len(tests), "sentences on a picture")
        options = ("MODEL.WEIGHTS", WEIGHTS, "DATASETS.TEST", str(tests))
        self.run(*TRAIN_NET, "--eval-only", *options, "OUTPUT_DIR", self.output / "evaluation")

    def draw(self, scenes: Path) -> float:
        """Returns the seconds that a command takes to begin."""
        start = START * self.slowness
        self.headline(3, "sentences on one picture", start, "a training from random weights")
        name, sentences = pick_sentences(scenes / "jsons")
        files: tuple[str | Path, ...] = ("--input", scenes / f"images/{name}.jpg")
        files += ("--calib", scenes / f"calib/{name}.txt", "--ground", scenes / f"denorm/{name}.txt")
        files += ("--output", self.output / "demo.png", "--json", self.output / "demo.json")
        texts = [word for sentence in sentences for word in ("--text", sentence)]
        demo = ("projects/U2ENet/demo.py", "--config-file", CONFIG)
        return self.run(*demo, *files, *texts, "--opts", "MODEL.WEIGHTS", WEIGHTS)

    def train(self, start: float, iterations: int) -> list[float]:
        """Returns the losses."""
        seconds = min(max(self.left() - 2 * start, LEAST_TRAINING), MOST_TRAINING)
        what = f"training from random weights, {iterations} iterations or {seconds:.0f} s"
        self.headline(4, what, start + seconds, "the end")
        folder = self.output / "training"
        metrics = folder / "metrics.json"
        metrics.unlink(missing_ok=True)
        short = ("SOLVER.MAX_ITER", str(iterations), "SOLVER.WARMUP_ITERS", "10", "DATASETS.TEST", "()")
        limit = ("SOLVER.MAX_MINUTES", f"{seconds / 60:.3f}")
        self.run(*TRAIN_NET, "OUTPUT_DIR", folder, *short, *limit)
        rows = [json.loads(line) for line in metrics.read_text().splitlines()]
        return [row["total_loss"] for row in rows if "total_loss" in row]


def pick_sentences(jsons: Path) -> tuple[str, list[str]]:
    """The test image whose descriptions differ most in their number of targets, and up to four of them."""
    best: tuple[int, str, list[str]] = (0, "", [])
    for path in sorted(jsons.glob("*.json")):
        by_count = {len(e["label_3"]): e["public_description"] for e in json.loads(path.read_text())}
        if len(by_count) > best[0]:
            best = (len(by_count), path.stem, [by_count[n] for n in sorted(by_count)][:4])
    return best[1], best[2]


def main(args: argparse.Namespace) -> None:
    output = args.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    demo = Demo(output, args.began or time.time(), args.minutes)
    if not args.began:
        print(f"demo: within {args.minutes:g} minutes: render, evaluate, draw, train", flush=True)
    scenes = demo.render()
    demo.evaluate(scenes)
    start = demo.draw(scenes)
    losses = demo.train(start, args.iterations)
    part = -(-len(losses) // 3)
    first, last = fmean(losses[:part]), fmean(losses[-part:])
    print(f"\nloss {first:.2f} -> {last:.2f}")
    print(f"picture {output / 'demo.png'}, boxes {output / 'demo.json'}, tables {output / 'evaluation'}")
    if len(losses) > 1 and not last < first:
        sys.exit("error: the loss did not fall")


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=ROOT / "output/demo")
    parser.add_argument("--iterations", type=int, default=150, help="most training iterations of step 4")
    parser.add_argument("--minutes", type=float, default=10, help="time for all steps and the set-up")
    parser.add_argument("--began", type=float, help="when that time began, in seconds since 1970")
    return parser.parse_args()


if __name__ == "__main__":
    arguments = parse_args()
    try:
        main(arguments)
    except KeyboardInterrupt:
        print("demo: interrupted", file=sys.stderr)
        sys.exit(130)
