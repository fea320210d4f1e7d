"""DiffusionDet3D's inference: seconds per image by steps and boxes, and the shares of encoder and decoder."""

from __future__ import annotations

import argparse
from typing import Any

import torch
from detectron2.modeling import build_model
from tqdm import tqdm

from d2ext.engine import inference_autocast, inference_dtype, load_config
from d2ext.engine.benchmark import Clock, dtype_name, machine, new_plot, noise_record, write_table
from d2ext.modeling import optimize_for_inference
from d2ext.projects.diffusion_det3d import add_diffusion_det3d_config


@torch.no_grad()
def run(args: argparse.Namespace, clock: Clock) -> None:
    """What the command times; its arguments are the command's."""
    cfg = load_config(add_diffusion_det3d_config, args.config, ["TEST.DTYPE", args.dtype])
    model: Any = optimize_for_inference(build_model(cfg).eval())
    model.backbone.register_forward_hook(lambda *_: passes.append(1))
    passes: list[int] = []
    image = noise_record(tuple(cfg.INPUT.SIZE))
    rows, whole = [], {}
    for boxes in args.boxes:
        for steps in tqdm(args.steps, desc=f"{boxes} boxes", disable=None):
            with inference_autocast(cfg):
                encoded = model.encode([image])
                encoder, decoder = clock.alternate(
                    lambda: model.encode([image]),
                    lambda: model.detect(encoded, boxes, steps),  # noqa: B023 (called at once)
                )
                passes.clear()
                model.detect(model.encode([image]), boxes, steps)
            whole[boxes, steps] = encoder + decoder
            shares = [f"{part / (encoder + decoder):.0%}" for part in (encoder, decoder)]
            seconds = [f"{x:.3f}" for x in (encoder + decoder, encoder, decoder)]
            rows.append([str(boxes), str(steps), *seconds, *shares, str(len(passes))])
    header = ("boxes", "steps", "s an image", "encoder s", "decoder s", "encoder", "decoder", "encodings")
    height, width = cfg.INPUT.SIZE
    dtype = dtype_name(inference_dtype(cfg))
    title = f"{machine(clock)}; {width}x{height}, {dtype}, {cfg.MODEL.DETECTION3D.NUM_HEADS} heads"
    write_table(args.output / "diffusion.md", title, header, rows)
    figure, (ax,) = new_plot("DiffusionDet3D, one image", "steps", "s")
    for boxes in args.boxes:
        ax.plot(args.steps, [whole[boxes, s] for s in args.steps], "o-", label=f"{boxes} boxes")
    ax.set_ylim(bottom=0)
    ax.legend()
    figure.savefig(args.output / "diffusion.png", dpi=110)
