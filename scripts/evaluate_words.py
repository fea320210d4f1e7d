#!/usr/bin/env python3
"""What a model makes of words that its training sentences do not hold, on rendered scenes it has not seen.

    .venv/bin/python -m d2ext.data.synthroad --root datasets/words/synthroad --seed 91 \\
        --train 0 --val 0 --test 40
    .venv/bin/python scripts/evaluate_words.py --rendered datasets/words/synthroad \\
        --words tests/data/held_out_words.json

Test sentences that hold a known word are asked as they are, and with each word that means the same in its
place: exact F1@0.5 of both, and their ratio. Sentences about nothing that is there should get no answer.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this checkout's modules, from any folder
from d2ext_cli import (
    CommandParser,
    config_file,
    existing_file,
    existing_folder,
    integer,
    output_folder,
    run_command,
)

ROOT = Path(__file__).resolve().parents[1]


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    parser.add_argument("--rendered", type=existing_folder, required=True, help="a SynthRoad in English")
    parser.add_argument("--words", type=existing_file, required=True, help='JSON file with "same", "absent"')
    parser.add_argument("--images", type=integer(1), default=40, help="of each layout, at most")
    parser.add_argument(
        "--config",
        type=config_file,
        default=str(ROOT / "configs/U2ENet/u2enet_tiny_synthroad.yaml"),
        metavar="FILE",
    )
    parser.add_argument("--weights", default="d2ext://u2enet/tiny", metavar="FILE")
    parser.add_argument("--output", type=output_folder, default=ROOT / "output/words", help="for all results")
    return parser


def main(args: argparse.Namespace) -> None:
    from real_frames.measure import Models, Weights
    from real_frames.words import ABSENT, read_words, rows, table

    from d2ext.data.synthesis import check_complete
    from d2ext.evaluation import write_json

    words = read_words(args.words)
    check_complete(args.rendered, ("synthroad",))
    models = Models({"grounding": Weights(args.config, args.weights)}, args.output.resolve())
    results = {}
    for row in rows(words, args.images):
        folder = args.rendered / row.folder
        if not folder.is_dir():
            continue
        found = results[row.key] = models.evaluate(row, folder)
        lines, ratios = table(words, found)
        print(f"\n{row.title}\n")
        for line in [["known", "word", "F1@0.5", "with the word", "ratio"], ["---"] * 5, *lines]:
            print(f"| {' | '.join(line)} |")
        if ratios:
            kept = sum(ratio >= 0.85 for ratio in ratios)
            print(f"\nmean ratio {sum(ratios) / len(ratios):.3f}; {kept} of {len(ratios)} words keep 0.85")
        if ABSENT in found:
            print(f"answered with none, of sentences about nothing that is there: {found[ABSENT]:.1f} %")
    args.output.mkdir(parents=True, exist_ok=True)
    write_json(args.output / "words.json", results)
    print(f"\nwrote {args.output}/words.json")


if __name__ == "__main__":
    run_command(build_parser(), main)
