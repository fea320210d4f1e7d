#!/usr/bin/env python3
"""Trains variants of U2ENet on SynthRoad with several seeds and prints what each reaches, as Markdown.

    .venv/bin/python projects/U2ENet/ablate.py --iterations 600 --seeds 3
    .venv/bin/python projects/U2ENet/ablate.py --seeds 1 --only no-filter concat

All start from the shipped checkpoint, but for what brings words and image together, which starts from
nothing; image and text encoder stay as they are. Every run trains, chooses its thresholds on the validation
scenes, and is evaluated with them on the test scenes, each by a script of this folder that writes into the
run's own folder under --output. What is done is not repeated and what was interrupted goes on, so the script
can be stopped at any time and started again. Beside tables.md it writes runs.log: the commands, the progress
of the trainings and what was chosen.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, run_command
from d2ext_cli.runs import add_runs

ROOT = Path(__file__).resolve().parents[2]
PROJECT = "projects/U2ENet"
CONFIG = "configs/U2ENet/ablation_tiny_synthroad.yaml"
WEIGHTS = ROOT / PROJECT / "weights/u2enet_tiny_synthroad.safetensors"
#: What starts from nothing in every variant.
COMPARED = ("semantic_filter.", "fusion.", "matcher.")
SINGLE, MULTI = "synthroad_mono3drefer_test", "synthroad_monomulti3d_test"
VALIDATION = ["DATASETS.VAL", "('synthroad_monomulti3d_val',)"]
START, TRAINED, CHOSEN = "start.safetensors", "model_final.pth", "thresholds.json"
GROUNDING = "MODEL.GROUNDING."
#: Trained each on its own: what is changed, and by which options.
VARIANTS: dict[str, tuple[str, list[str]]] = {
    "full": ("U2ENet", []),
    "no-filter": ("without the semantic filter", [GROUNDING + "SEMANTIC_FILTER", "False"]),
    "concat": ("concatenation in place of the cross-modal SSM", ["MODEL.U2ENET.FUSION", "concat"]),
    "attention": ("softmax cross-attention in place of it", ["MODEL.U2ENET.FUSION", "attention"]),
    "two-levels": (
        "two levels (p4, p3)",
        [GROUNDING + "IN_FEATURES", "['p4','p3']", GROUNDING + "FUSION_DIMS", "[96,64]"],
    ),
    "one-level": ("one level (p3)", [GROUNDING + "IN_FEATURES", "['p3']", GROUNDING + "FUSION_DIMS", "[64]"]),
    "one-sentence": ("one sentence an image and step", ["INPUT.MAX_SENTENCES", "1"]),
    "two-stage": (
        "two stages: a detector, then box-text matching",
        ["MODEL.META_ARCHITECTURE", "TwoStageGrounder", GROUNDING + "TOPK", "30"],
    ),
}
#: The network of "full", evaluated with other options.
EVALUATED: dict[str, tuple[str, list[str]]] = {
    "depth-direct": ("depth by regression only", [GROUNDING + "DEPTH_ESTIMATES", "['direct']"]),
    "depth-height": ("depth from pixel height only", [GROUNDING + "DEPTH_ESTIMATES", "['height']"]),
    "depth-ground": ("depth from the ground plane only", [GROUNDING + "DEPTH_ESTIMATES", "['ground']"]),
    "depth-image": (
        "all depths but the told one",
        [GROUNDING + "DEPTH_ESTIMATES", "['direct','height','ground']"],
    ),
}
#: Columns of the first table: title, dataset, section and metric.
COLUMNS = [
    ("single Acc@0.25", SINGLE, "published", "Acc@0.25"),
    ("single Acc@0.5", SINGLE, "published", "Acc@0.5"),
    ("single exact Acc@0.5", SINGLE, "exact", "Acc@0.5"),
    ("multi F1@0.25", MULTI, "exact", "F1@0.25"),
    ("multi F1@0.5", MULTI, "exact", "F1@0.5"),
    ("none", MULTI, "exact", "none_acc"),
]
#: At exact IoU 0.5: Acc of single targets by distance, F1 by number of targets and what the sentence tells.
PARTS = [
    ("near", SINGLE, "exact", "Near/Acc@0.5"),
    ("medium", SINGLE, "exact", "Medium/Acc@0.5"),
    ("far", SINGLE, "exact", "Far/Acc@0.5"),
    ("1 target", MULTI, "exact", "targets=1/F1@0.5"),
    ("2-3", MULTI, "exact", "targets=2-3/F1@0.5"),
    ("4+", MULTI, "exact", "targets=4+/F1@0.5"),
    ("colour", MULTI, "exact", "kind=appearance/F1@0.5"),
    ("distance", MULTI, "exact", "kind=distance/F1@0.5"),
    ("place", MULTI, "exact", "kind=place/F1@0.5"),
]


def write_start(options: list[str], seed: int, path: Path) -> None:
    """Write the model that training starts from: the shipped one, with random weights for what is compared.

    A layer that reads less than the shipped one, as the box head does without a sentence, keeps what is left.
    """
    import torch

    from d2ext.engine import load_config, read_checkpoint, write_safetensors
    from d2ext.projects.u2enet import U2ENetTrainer, add_u2enet_config

    torch.manual_seed(seed)
    state = U2ENetTrainer.build_model(
        load_config(add_u2enet_config, str(ROOT / CONFIG), options)
    ).state_dict()
    shipped = read_checkpoint(WEIGHTS)["model"]
    for name, value in state.items():
        if not name.startswith(COMPARED):
            state[name] = shipped[name][tuple(map(slice, value.shape))].to(value.dtype)
    write_safetensors(state, path)


class Run:
    """One variant with one seed.

    Args:
        output: folder of all runs.
        name: of ``VARIANTS`` or ``EVALUATED``.
        seed: SEED of its training.
        options: keys and values of every run.
    """

    def __init__(self, output: Path, name: str, seed: int, options: list[str]) -> None:
        self.name, self.seed = name, seed
        self.folder = output / name / str(seed)
        self.trained = output / (name if name in VARIANTS else "full") / str(seed) / TRAINED
        self.options = ["SEED", str(seed), *options, *(VARIANTS | EVALUATED)[name][1]]

    def commands(self) -> dict[str, list[str]]:
        """What has to be run, script and arguments, by the file that it makes."""
        from d2ext.engine import metrics_file

        weights = ["MODEL.WEIGHTS", str(self.trained), *self.options]
        commands = {}
        if self.name in VARIANTS:
            training = ["MODEL.WEIGHTS", str(self.folder / START), *self.options, "DATASETS.TEST", "()"]
            commands[TRAINED] = ["train_net.py", "--resume", "--config-file", CONFIG, *training]
        commands[CHOSEN] = ["choose_thresholds.py", "--config-file", CONFIG, *weights, *VALIDATION]
        evaluation = ["train_net.py", "--eval-only", "--config-file", CONFIG, *weights, *self.thresholds()]
        commands[metrics_file(MULTI)] = evaluation
        return commands

    def thresholds(self) -> list[str]:
        """The chosen thresholds as options; empty before they are chosen."""
        if not (self.folder / CHOSEN).is_file():
            return []
        chosen = json.loads((self.folder / CHOSEN).read_text())
        pair = {"SCORE_THRESHOLD": chosen["score"], "EXISTENCE_THRESHOLD": chosen["existence"]}
        return [text for key, value in pair.items() for text in (GROUNDING + key, f"{value:g}")]

    def complete(self) -> None:
        """Do what is not done yet."""
        from d2ext.engine import run_once

        print(f"\n=== {self.name}, seed {self.seed}")
        if self.name in VARIANTS and not (self.folder / START).is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            write_start(self.options, self.seed, self.folder / START)
        for result in self.commands():
            script, *arguments = self.commands()[result]  # anew: the thresholds may be known by now
            run_once([f"{PROJECT}/{script}", *arguments], self.folder, result, ROOT)

    def log(self) -> list[str]:
        """Its commands, and every fifth line of the training's progress."""
        lines = [f"=== {self.name}, seed {self.seed}"]
        for script, *arguments in self.commands().values():
            command = shlex.join([f"{PROJECT}/{script}", *arguments, "OUTPUT_DIR", str(self.folder)])
            lines.append("$ " + command.replace(f"{ROOT}/", ""))
        log = (self.folder / "log.txt").read_text().splitlines()
        progress = [line.rstrip() for line in log if " iter: " in line]
        return [*lines, *progress[4::5], (self.folder / CHOSEN).read_text().replace("\n", "")]


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    add_runs(parser, iterations=600, seeds=3, output=ROOT / "output/ablation", variants=VARIANTS)
    return parser


def main(args: argparse.Namespace) -> None:
    from d2ext.engine import Column, markdown_table
    from d2ext.files import write_bytes

    output = args.output.resolve()
    # A type of evaluation that every machine has.
    options = ["TEST.DTYPE", "float32", "SOLVER.MAX_ITER", str(args.iterations), *args.options]
    names = args.only + (list(EVALUATED) if "full" in args.only else [])
    runs = {name: [Run(output, name, seed, options) for seed in range(args.seeds)] for name in names}
    for seed in range(args.seeds):
        for name in names:
            runs[name][seed].complete()
    titles = {name: title for name, (title, _) in (VARIANTS | EVALUATED).items()}
    rows = {titles[name]: [run.folder for run in runs[name]] for name in names}
    tables = [[Column(*column) for column in columns] for columns in (COLUMNS, PARTS)]
    result = "\n\n".join(markdown_table("variant", rows, columns) for columns in tables)
    write_bytes(output / "tables.md", (result + "\n").encode())
    log = [line for name in names for run in runs[name] for line in run.log()]
    write_bytes(output / "runs.log", ("\n".join(log) + "\n").encode())
    print("\n" + result)


if __name__ == "__main__":
    run_command(build_parser(), main)
