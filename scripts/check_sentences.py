#!/usr/bin/env python3
"""Find sentences of a dataset that say something which its labels contradict.

    .venv/bin/python scripts/check_sentences.py --dataset mono3drefer_train --json wrong.json

Checked are class, colour, distances in metres, feet and yards, sides and places in the picture, facing,
occlusion, sizes, orders, neighbours and numbers of objects, in English and Chinese. Where no label has a
colour, sentences about the same object are compared, and the picture is looked at. --doubtful also shows what
the labels leave open; --unique also shows sentences that another labelled object fits. The exit status is 1
where something is wrong. The dataset is one that is registered, below DETECTRON2_DATASETS.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, output_file, run_command


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    parser.add_argument("--dataset", required=True, help="registered name, such as mono3drefer_train")
    parser.add_argument("--json", type=output_file, help="file for what is found, a list of objects")
    parser.add_argument("--doubtful", action="store_true", help="show what the labels leave open, too")
    parser.add_argument("--unique", action="store_true", help="show sentences that other objects fit, too")
    parser.add_argument("--no-pictures", action="store_true", help="do not look at the pictures for colours")
    return parser


def main(args: argparse.Namespace) -> None:
    from detectron2.data import DatasetCatalog, MetadataCatalog

    from d2ext.data.facts.datasets import check_records
    from d2ext.engine.preflight import check_dataset
    from d2ext.files import write_json

    check_dataset(args.dataset, "--dataset", ("mono3drefer", "monomulti3d"))
    names = MetadataCatalog.get(args.dataset).thing_classes
    rows, count, facts, wrong = [], 0, 0, 0
    for checked in check_records(DatasetCatalog.get(args.dataset), names, not args.no_pictures):
        count, facts, wrong = count + 1, facts + len(checked.findings), wrong + bool(checked.wrong)
        found = {"wrong": checked.wrong}
        if args.doubtful:
            found["doubtful"] = checked.doubtful
        if args.unique:
            found["also fits"] = [f"object {i}" for i in checked.others]
        if any(found.values()):
            rows.append(
                {"image": checked.image_id, "sentence": checked.sentence_id, "text": checked.text, **found}
            )
            print(f"{checked.image_id}, sentence {checked.sentence_id}: {checked.text}")
            for kind, said in found.items():
                print(*(f"    {kind}: {words}" for words in said), sep="\n", end="\n" * bool(said))
    print(f"{args.dataset}: {count} sentences, {facts} facts, {wrong} sentences with wrong ones")
    if args.json:
        write_json(args.json, rows)
    if wrong:
        sys.exit(1)


if __name__ == "__main__":
    run_command(build_parser(), main)
