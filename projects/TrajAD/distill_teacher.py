#!/usr/bin/env python3
"""Make the teacher of EfficientAD: a PDN that describes patches as a pretrained network does.

    .venv/bin/python projects/TrajAD/distill_teacher.py --weights wide_resnet101_2.pth --data IMAGES \\
        --output teacher.safetensors
    .venv/bin/python projects/TrajAD/distill_teacher.py --source timm/resnet18 --weights resnet18.pth \\
        --data IMAGES --output teacher.safetensors
    .venv/bin/python projects/TrajAD/distill_teacher.py --source pdn --random --output teacher.safetensors
    .venv/bin/python projects/TrajAD/distill_teacher.py --convert teacher_small.pth \\
        --output teacher.safetensors

The source is any network of torchvision, or of timm as timm/NAME, with its weights in a local file; with
--random its weights are random. "pdn" is a random PDN itself, which needs no images and no training. Stopped,
the command goes on where it was when it is started again. --convert takes a teacher of nelson1425/EfficientAD
or of anomalib, which reads RGB, and makes one that reads BGR as everything here does.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, existing_file, existing_folder, integer, number, output_file, run_command


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    parser.add_argument("--source", default="wide_resnet101_2", help="torchvision name, timm/NAME, or pdn")
    parser.add_argument("--layers", nargs="+", default=["layer2", "layer3"], help="parts of the source")
    weights = parser.add_mutually_exclusive_group(required=True)
    weights.add_argument("--weights", type=Path, help="local file of the source's weights")
    weights.add_argument("--random", action="store_true", help="random weights, on purpose")
    weights.add_argument("--convert", type=existing_file, metavar="FILE", help="another project's teacher")
    parser.add_argument("--data", type=existing_folder, help="folder of images, with its subfolders")
    parser.add_argument("--output", type=output_file, required=True, help=".safetensors file to write")
    parser.add_argument("--pdn", choices=("small", "medium"), default="small")
    parser.add_argument("--width", type=number(above=0), default=1.0, help="share of the published channels")
    parser.add_argument("--size", type=integer(1), default=256, help="pixels of an image's side")
    parser.add_argument("--iterations", type=integer(1), default=60_000)
    parser.add_argument("--batch", type=integer(1), default=16, help="images an iteration")
    parser.add_argument("--lr", type=number(above=0), default=1e-4)
    parser.add_argument("--seed", type=integer(0), default=0)
    parser.add_argument("--device", help="default: cuda where there is a GPU, else cpu")
    parser.add_check(check_arguments)
    return parser


def check_arguments(args: argparse.Namespace) -> None:
    """A random PDN needs nothing; a network needs images."""
    if args.output.suffix != ".safetensors":
        raise ValueError(f"--output {args.output}: expected a name that ends in .safetensors")
    if args.convert is not None:
        return
    if args.source == "pdn" and not args.random:
        raise ValueError("--source pdn: expected --random, there are no weights to take")
    if args.source != "pdn" and args.data is None:
        raise ValueError("--data: expected a folder of images to distil on")


def main(args: argparse.Namespace) -> None:
    import torch

    from d2ext.projects.trajad.distillation import Distillation, convert_teacher, random_pdn, write_teacher

    if args.convert is not None:
        write_teacher(convert_teacher(args), args)
        return
    if args.device is None:
        args.device = "cuda" if torch.cuda.is_available() else "cpu"
    if args.source == "pdn":
        write_teacher(random_pdn(args), args)
        return
    torch.manual_seed(args.seed)
    Distillation(args).run()


if __name__ == "__main__":
    run_command(build_parser(), main)
