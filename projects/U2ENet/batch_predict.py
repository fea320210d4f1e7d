#!/usr/bin/env python3
"""Answer sentences about millions of images with U2ENet, on all GPUs of a machine or a Ray cluster.

    .venv/bin/python projects/U2ENet/batch_predict.py \\
        --config-file configs/U2ENet/u2enet_tiny_synthroad.yaml --list images.jsonl --output answers \\
        --opts MODEL.WEIGHTS projects/U2ENet/weights/u2enet_tiny_synthroad.safetensors
    .venv/bin/python projects/U2ENet/batch_predict.py \\
        --config-file configs/U2ENet/u2enet_tiny_synthroad.yaml \\
        --folder datasets/synthroad/monomulti3d/test --text "All cars." --output answers \\
        --opts MODEL.WEIGHTS projects/U2ENet/weights/u2enet_tiny_synthroad.safetensors

A line of the list is {"image": PATH, "calib": PATH, "ground": PATH or null, "sentences": [TEXT, ...]}, paths
relative to the list. With --folder, images are those of images/ or image_2/, with calib/NAME.txt and, where
there is one, denorm/NAME.txt or planes/NAME.txt.

DIR gets shard-NNNNNN.jsonl, one line an image in the order of the list: {"image", "sentences": [{"text",
"objects"}]}, or {"image", "error"} for an image that cannot be used. Started again, the command does only the
shards that are missing. On a cluster all machines must see the list, the images and DIR under the same paths.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this checkout's modules, from any folder
from d2ext_cli import (
    CommandParser,
    add_config_file,
    add_options,
    existing_file,
    existing_folder,
    integer,
    number,
    output_folder,
    run_command,
)

if TYPE_CHECKING:
    from detectron2.config import CfgNode

    from d2ext.projects.u2enet.batch import Shard


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    add_config_file(parser, "U2ENet")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--list", type=existing_file, help="JSON lines")
    source.add_argument(
        "--folder", type=existing_folder, help="one split of a dataset; asks --text about every image"
    )
    parser.add_argument("--text", action="append", default=[], help="sentence; may be given several times")
    parser.add_argument("--output", required=True, type=output_folder, help="folder for the answers")
    parser.add_argument("--single", action="store_true", help="exactly one object a sentence")
    parser.add_argument("--shard-size", type=integer(1), default=500, help="images in a file of answers")
    parser.add_argument("--actors", type=integer(1), help="models at work; default: one a GPU, or one")
    parser.add_argument(
        "--gpus-per-actor", type=number(0), help="0 for the CPU; default: 1 where there is a GPU"
    )
    parser.add_argument(
        "--ray", default="local", help="address of a Ray cluster, auto for the one of this machine"
    )
    add_options(parser)
    parser.add_check(check_source)
    return parser


def check_source(args: argparse.Namespace) -> None:
    """The sentences are in the list, or the same for a folder."""
    if bool(args.folder) != bool(args.text):
        raise ValueError("--folder and --text belong together")


def predict(
    shards: Sequence[Shard], cfg: CfgNode, list_file: Path, args: argparse.Namespace
) -> Iterator[tuple[int, int]]:
    """Answer shards on Ray; yields the images and the failures of each that is finished.

    Raises:
        OSError: answers cannot be written.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray
    from ray.util import ActorPool

    from d2ext.projects.u2enet.batch import ShardPredictor

    local: dict[str, Any] = {"include_dashboard": False} if args.ray == "local" else {}
    ray.init(args.ray, log_to_driver=False, logging_level=logging.ERROR, **local)
    try:
        # A worker that dies with its machine is started again on another, and repeats its shard.
        settings = {"num_gpus": args.gpus_per_actor, "max_restarts": -1, "max_task_retries": -1}
        worker = ray.remote(ShardPredictor).options(**settings)
        arguments = (cfg, list_file, args.output, args.single or None)
        pool: Any = ActorPool([worker.remote(*arguments) for _ in range(min(args.actors, len(shards)))])
        results = pool.map_unordered(lambda actor, shard: actor.work.remote(shard), shards)
        for images, failed, error in results:
            if error:
                raise OSError(error)
            yield images, failed
    finally:
        ray.shutdown()  # here and not when the interpreter ends, when it prints tracebacks of its threads


def main(args: argparse.Namespace) -> None:
    import torch
    from tqdm import tqdm

    from d2ext.engine import inference_dtype, load_config
    from d2ext.projects.u2enet import U2ENetPredictor, add_u2enet_config
    from d2ext.projects.u2enet.batch import check_manifest, cut_list, write_folder_list

    gpus = torch.cuda.device_count()
    args.actors = args.actors or max(gpus, 1)
    args.gpus_per_actor = float(gpus > 0) if args.gpus_per_actor is None else args.gpus_per_actor
    cfg = load_config(add_u2enet_config, args.config_file, args.opts)
    cfg.defrost()
    cfg.MODEL.DEVICE = "cpu"
    print(f"loading {cfg.MODEL.WEIGHTS}")
    U2ENetPredictor(cfg)  # weights that do not fit are an error here and not in every actor
    cfg.MODEL.DEVICE = "cuda" if args.gpus_per_actor else "cpu"
    # The same on every machine, and whenever the command is started again.
    cfg.TEST.DTYPE = str(inference_dtype(cfg)).removeprefix("torch.")
    args.output = args.output.absolute()
    args.output.mkdir(parents=True, exist_ok=True)
    list_file = args.list and args.list.absolute()
    if args.folder:
        list_file = args.output / "list.jsonl"
        write_folder_list(args.folder, args.text, list_file)
    print(f"checking {list_file}")
    shards = cut_list(list_file, args.shard_size)
    check_manifest(args.output, cfg, list_file, args.shard_size, args.single or None)
    missing = [s for s in shards if not s.file(args.output).is_file()]
    total, left, failed = (sum(s.images for s in x) for x in (shards, missing, []))
    if missing:
        print(f"starting Ray and {min(args.actors, len(missing))} of the model")
    with tqdm(total=total, initial=total - left, unit="image", desc="U2ENet") as bar:
        for images, failures in predict(missing, cfg, list_file, args) if missing else ():
            failed += failures
            bar.update(images)
    print(f"{total} images in {args.output}, {left} of them now; {failed} of these could not be used")


if __name__ == "__main__":
    run_command(build_parser(), main)
