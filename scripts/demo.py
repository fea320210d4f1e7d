#!/usr/bin/env python3
"""What `make demo` runs: from nothing to sentences turned into 3D boxes, within ten minutes on two cores.

1. renders a small SynthRoad with a seed that the shipped checkpoint never saw,
2. draws the answers to a few sentences on one picture and writes them as JSON,
3. evaluates the checkpoint on its test scenes (single and multi target),
4. trains the tiny model from the beginning, for two minutes or the time that is left,
and says how to open the page on which a road is watched.
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
TRAIN_NET = ("projects/U2ENet/train_net.py", "--config-file", CONFIG)
SEED = 2026
#: Seconds on two idle cores with AVX2: a script's start, rendering a scene, answering about it.
START, RENDER_SCENE, ANSWER_SCENE = 10.0, 0.25, 1.0
MOST_TRAINING, LEAST_TRAINING = 120.0, 20.0
#: Iterations after which the loss must have fallen.
ENOUGH = 12
#: The last line: what there is to see beside it.
NEXT = "page: `make serve` watches a rendered road; open http://127.0.0.1:8000/ and ask it in words"
NO_TIME = "error: no time is left; give more --minutes, or close other programs"
#: Seconds that are never planned with: the end of the training, and what the clock hides.
RESERVE = 25.0


class Demo:
    """Runs the steps one after the other and divides the time among them.

    Args:
        output: folder for all results.
        end: when all must be over, in seconds since 1970.
    """

    def __init__(self, output: Path, end: float) -> None:
        self.output = output
        self.end = end
        self.slowness = 1.0  # of this machine, against the one that the plan was made for
        self.start = START  # of a script
        busy = os.getloadavg()[0] > 2 * (os.cpu_count() or 1)
        self.scenes = (60, 24) if self.left() > 400 and not busy else (40, 8)  # to train on, to test
        self.datasets = output / "datasets" / "{}-{}".format(*self.scenes)
        self.test = self.datasets / "synthroad/monomulti3d/test"

    def left(self) -> float:
        return self.end - time.time() - RESERVE

    def headline(self, number: int, what: str, seconds: float, then: str) -> None:
        left = max(self.end - time.time(), 0)
        print(
            f"\n=== {number} of 4: {what}: about {seconds:.0f} s; {left:.0f} s left; then {then}", flush=True
        )

    def run(self, *command: str | Path, seconds: float) -> float | None:
        """Run a script of the repository; ends the demo with its status if it fails.

        Returns:
            how many seconds it took, None if it was stopped after ``seconds``, or not begun without any.
        """
        if seconds <= 0:
            print("left out: this machine is too busy for it", flush=True)
            return None
        began = time.time()
        # A program that waits for a busy core must not keep another one busy with waiting.
        environment = {"OMP_WAIT_POLICY": "passive"} | os.environ
        environment |= {"DETECTRON2_DATASETS": str(self.datasets)}
        # A group of its own: Ctrl-C reaches this program alone, which ends the script and all its processes.
        process = subprocess.Popen(
            [sys.executable, *map(str, command)], cwd=ROOT, env=environment, start_new_session=True
        )
        try:
            status = process.wait(max(seconds, 5.0))
        except BaseException as e:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if not isinstance(e, subprocess.TimeoutExpired):
                raise
            print(f"stopped after {seconds:.0f} s: this machine is too busy for the whole of it", flush=True)
            return None
        if status:
            sys.exit(status)
        return time.time() - began

    def render(self) -> None:
        count = sum(self.scenes)
        planned = START / 2 + RENDER_SCENE * count
        self.headline(1, f"rendering {count} scenes of roads, new to the model", planned, "a picture")
        sizes = ("--train", str(self.scenes[0]), "--val", "2", "--test", str(self.scenes[1]))
        root = ("--root", self.datasets / "synthroad", "--seed", str(SEED), "--workers", "2")
        taken = self.run("-m", "d2ext.data.synthroad", *root, *sizes, seconds=self.left())
        if taken is None:
            sys.exit(NO_TIME)
        self.slowness = max(taken / planned, 1.0)
        self.start = START * self.slowness

    def evaluate(self) -> bool:
        """Returns whether there was time for it."""
        planned = self.start + ANSWER_SCENE * self.slowness * self.scenes[1]
        what = f"the shipped checkpoint answers the sentences of 2 x {self.scenes[1]} test scenes"
        self.headline(3, what, planned, "a training from the beginning")
        folder = ("OUTPUT_DIR", self.output / "evaluation")
        limit = self.left() - self.start - LEAST_TRAINING
        taken = self.run(*TRAIN_NET, "--eval-only", "MODEL.WEIGHTS", WEIGHTS, *folder, seconds=limit)
        return taken is not None

    def draw(self) -> None:
        self.headline(2, "sentences on a picture", self.start, "a test on some of the scenes")
        name, sentences = pick_sentences(self.test / "jsons")
        files: tuple[str | Path, ...] = ("--input", self.test / f"images/{name}.jpg")
        files += ("--calib", self.test / f"calib/{name}.txt", "--ground", self.test / f"denorm/{name}.txt")
        files += ("--output", self.output / "demo.png", "--json", self.output / "demo.json")
        texts = [word for sentence in sentences for word in ("--text", sentence)]
        demo = ("projects/U2ENet/demo.py", "--config-file", CONFIG, *files, *texts)
        taken = self.run(*demo, "--opts", "MODEL.WEIGHTS", WEIGHTS, seconds=self.left())
        if taken is None:
            sys.exit(NO_TIME)
        self.start = taken

    def train(self, iterations: int) -> dict[int, float]:
        """Returns the loss after some of the iterations, by their number."""
        most = MOST_TRAINING * min(self.slowness, 2.0)
        seconds = min(max(self.left() - self.start, LEAST_TRAINING), most)
        what = f"training at low resolution for {iterations} iterations or {seconds:.0f} s"
        self.headline(4, what, self.start + seconds, "the end")
        folder = self.output / "training"
        metrics = folder / "metrics.json"
        metrics.unlink(missing_ok=True)
        short = ("SOLVER.MAX_ITER", str(iterations), "SOLVER.WARMUP_ITERS", "10", "DATASETS.TEST", "()")
        low = ("INPUT.SIZE", "(192, 640)", "INPUT.TRAIN_SIZES", "()")
        limit = ("SOLVER.MAX_MINUTES", f"{seconds / 60:.3f}", "OUTPUT_DIR", folder)
        self.run(*TRAIN_NET, *short, *low, *limit, seconds=max(self.end - time.time(), 60))
        rows = [json.loads(line) for line in metrics.read_text().splitlines()] if metrics.is_file() else []
        return {row["iteration"] + 1: row["total_loss"] for row in rows if "total_loss" in row}


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
    if args.began is None:  # else who began has said so
        print(f"demo: within {args.minutes:g} minutes: render, draw, evaluate, train", flush=True)
    demo = Demo(output, (args.began or time.time()) + 60 * args.minutes)
    demo.render()
    demo.draw()
    tables = f"tables {output / 'evaluation'}" if demo.evaluate() else "no tables: there was no time for them"
    losses = demo.train(args.iterations)
    print(f"\npicture {output / 'demo.png'}, boxes {output / 'demo.json'}, {tables}")
    done, values = max(losses, default=0), list(losses.values())
    if done < ENOUGH:
        print(f"loss: no word on it after {done} iterations, this machine is too busy for more")
        print(NEXT)
        return
    part = -(-len(values) // 3)
    first, last = fmean(values[:part]), fmean(values[-part:])
    print(f"loss {first:.2f} -> {last:.2f} in {done} iterations")
    if not last < first:
        sys.exit("error: the loss did not fall")
    print(NEXT)


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
