"""Shards answered on Ray: all GPUs of a machine, or a cluster."""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from detectron2.config import CfgNode
from tqdm import tqdm

from d2ext.engine.precision import inference_dtype
from d2ext.engine.shards import Shard, ShardPredictor, check_manifest, cut_list, write_folder_list


def on_cpu(cfg: CfgNode) -> CfgNode:
    """The config of a model on the CPU, which is built to see that all of it fits."""
    cfg = cfg.clone()
    cfg.defrost()
    cfg.MODEL.DEVICE = "cpu"
    return cfg


def _settle_devices(cfg: CfgNode, args: argparse.Namespace) -> None:
    """Fill in what the arguments of ``d2ext_cli.shards`` leave open, and where and in which type models
    run."""
    gpus = torch.cuda.device_count()
    args.actors = args.actors or max(gpus, 1)
    args.gpus_per_actor = float(gpus > 0) if args.gpus_per_actor is None else args.gpus_per_actor
    cfg.MODEL.DEVICE = "cuda" if args.gpus_per_actor else "cpu"
    # The same on every machine, and whenever the command is started again.
    cfg.TEST.DTYPE = str(inference_dtype(cfg)).removeprefix("torch.")


def predict_list(
    worker: type[ShardPredictor],
    cfg: CfgNode,
    args: argparse.Namespace,
    asked: Mapping[str, Any],
    title: str,
) -> None:
    """Answer the shards of a list that are missing in ``args.output``.

    Args:
        worker: made in every actor with the config, the list, the folder and the values of ``asked``.
        args: as ``d2ext_cli.shards`` has them, and ``text`` of a folder where the worker has sentences.
        asked: what the answers depend on beside list, config and weights, for the manifest.
        title: of the progress bar.

    Raises:
        FileNotFoundError, ValueError: a list that is wrong, or answers in the folder to something else.
        OSError: answers cannot be written.
    """
    cfg = on_cpu(cfg)
    _settle_devices(cfg, args)
    args.output = args.output.absolute()
    args.output.mkdir(parents=True, exist_ok=True)
    list_file = args.list and args.list.absolute()
    if args.folder:
        list_file = args.output / "list.jsonl"
        write_folder_list(args.folder, args.text if worker.texts else None, list_file)
    print(f"checking {list_file}")
    shards = cut_list(list_file, args.shard_size, worker.texts)
    check_manifest(args.output, cfg, list_file, args.shard_size, asked)
    missing = [s for s in shards if not s.file(args.output).is_file()]
    total, left, failed = (sum(s.images for s in x) for x in (shards, missing, []))
    if missing:
        print(f"starting Ray and {min(args.actors, len(missing))} of the model")
    arguments = (cfg, list_file, args.output, *asked.values())
    with tqdm(total=total, initial=total - left, unit="image", desc=title) as bar:
        for images, failures in answer_shards(worker, arguments, missing, args) if missing else ():
            failed += failures
            bar.update(images)
    print(f"{total} images in {args.output}, {left} of them now; {failed} of these could not be used")


def answer_shards(
    worker: type[ShardPredictor], arguments: Sequence[Any], shards: Sequence[Shard], args: argparse.Namespace
) -> Iterator[tuple[int, int]]:
    """Answer shards on Ray; yields the images and the failures of each that is finished.

    Raises:
        OSError: answers cannot be written.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray
    from ray.util import ActorPool

    local: dict[str, Any] = {"include_dashboard": False} if args.ray == "local" else {}
    ray.init(args.ray, log_to_driver=False, logging_level=logging.ERROR, **local)
    try:
        # A worker that dies with its machine is started again on another, and repeats its shard.
        settings = {"num_gpus": args.gpus_per_actor, "max_restarts": -1, "max_task_retries": -1}
        remote = ray.remote(worker).options(**settings)
        pool: Any = ActorPool([remote.remote(*arguments) for _ in range(min(args.actors, len(shards)))])
        results = pool.map_unordered(lambda actor, shard: actor.work.remote(shard), shards)
        for images, failed, error in results:
            if error:
                raise OSError(error)
            yield images, failed
    finally:
        ray.shutdown()  # here and not when the interpreter ends, when it prints tracebacks of its threads
