#!/usr/bin/env python3
"""Write the step of the sampler as a torch.export program.

    .venv/bin/python projects/SceneSana/export_step.py --config-file configs/SceneSana/sana_f16_scenes.yaml \\
        --output step.pt2 --pictures 3 --opts MODEL.WEIGHTS output/scene_sana_f16/model_final.pth

It takes noised latents, times, the maps of layouts, whether they are given, and the features of captions with
their mask, for --pictures at a time (with guidance three times as many as are drawn). The program is compared
with the model before it is written.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, add_config_file, add_options, integer, output_file, run_command


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    add_config_file(parser, "SceneSana")
    parser.add_argument("--output", required=True, type=output_file, help=".pt2 to write")
    parser.add_argument("--pictures", type=integer(1), default=3, help="at a time (default 3)")
    add_options(parser)
    return parser


def main(args: argparse.Namespace) -> None:
    import torch

    from d2ext.engine import load_config
    from d2ext.projects.scene_sana import SceneSanaPredictor, add_scene_sana_config
    from d2ext.projects.scene_sana.export import SamplerStep, example_inputs, export_step, load_step
    from d2ext.structures import Camera

    predictor = SceneSanaPredictor(load_config(add_scene_sana_config, args.config_file, args.opts))
    height, width = predictor.cfg.INPUT.SIZE
    P = [[width, 0.0, width / 2, 0.0], [0.0, width, height / 2, 0.0], [0.0, 0.0, 1.0, 0.0]]
    record = predictor.record([], Camera(torch.tensor(P), (height, width)), None, "an empty road", 0)
    records = [record] * args.pictures
    export_step(predictor.model, records, args.output)
    inputs = example_inputs(predictor.model, records)
    with torch.no_grad():
        expected, found = SamplerStep(predictor.model)(*inputs), load_step(args.output)(*inputs)
    error = float((expected - found).abs().max())
    if error > 1e-3:
        args.output.unlink()
        raise ValueError(
            f"{args.output}: the program differs from the model by {error:g}, nothing is written"
        )
    print(f"wrote {args.output}; it differs from the model by at most {error:.1e}")


if __name__ == "__main__":
    run_command(build_parser(), main)
