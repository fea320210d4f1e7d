"""OpenVocab3D's inference: seconds an image by the number of prompts, and what one more costs."""

from __future__ import annotations

import argparse
from typing import Any

import torch
from detectron2.modeling import build_model

from d2ext.engine import inference_autocast, load_config
from d2ext.engine.benchmark import Clock, machine, noise_record, write_table
from d2ext.modeling import optimize_for_inference
from d2ext.projects.open_vocab3d.config import add_open_vocab3d_config


@torch.no_grad()
def run(args: argparse.Namespace, clock: Clock) -> None:
    """What the command times; its arguments are the command's."""
    cfg = load_config(add_open_vocab3d_config, args.config, ["TEST.DTYPE", args.dtype])
    model: Any = optimize_for_inference(build_model(cfg).eval())
    tables = [model.embed([f"thing number {i}" for i in range(count)]) for count in args.prompts]
    images = [noise_record(tuple(cfg.INPUT.SIZE)) | {"prompt_table": table} for table in tables]

    def timed(record: dict) -> Any:
        return lambda: model.detect(model.encode([record]), steps=args.steps)

    with inference_autocast(cfg):
        seconds = clock.alternate(*(timed(record) for record in images))
        whole = clock.alternate(lambda: model.prompt_encoder.forget() or model.embed(["one new prompt"]))[0]
    rows = []
    for count, own in zip(args.prompts, seconds, strict=True):
        more = count - args.prompts[0]
        share = (own - seconds[0]) / more / seconds[0] if more else 0.0
        rows.append([str(count), f"{own:.3f}", f"{share:.2%}" if more else "-"])
    height, width = cfg.INPUT.SIZE
    title = f"{machine(clock)}; {width}x{height}, {args.steps} steps; embedding a new prompt {whole:.4f} s"
    header = ("prompts", "s an image", f"a prompt beyond the first {args.prompts[0]}, of an image")
    write_table(args.output / "open_vocab.md", title, header, rows)
