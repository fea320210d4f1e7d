"""What the benchmarks measure and their arguments; the modules of the same names run them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from d2ext_cli import config_file, existing_folder, integer

ROOT = Path(__file__).resolve().parents[2]
#: U2ENet's full-size configs.
CONFIGS = {
    "mono3drefer": "configs/U2ENet/u2enet_dla34_mono3drefer.yaml",
    "monomulti3d": "configs/U2ENet/u2enet_dla34_monomulti3d.yaml",
}
DIFFUSION_CONFIG = ROOT / "configs/DiffusionDet3D/diffusion_r50_rope3d.yaml"
TRAJAD_CONFIG = ROOT / "configs/TrajAD/trajad_synthtraffic.yaml"


def parts(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""


def u2enet(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--configs", nargs="+", choices=CONFIGS, default=list(CONFIGS), metavar="CONFIG")
    parser.add_argument("--sentences", nargs="+", type=integer(1), default=[1, 3, 20], metavar="K")
    parser.add_argument(
        "--batch", nargs="+", type=integer(1), default=[1, 8], metavar="B", help="images at a time"
    )
    parser.add_argument(
        "--text",
        type=existing_folder,
        help="folder with RoBERTa-base's tokenizer and config; default: a stand-in",
    )
    parser.add_argument("--dtype", default="auto", help="TEST.DTYPE of the model")
    parser.add_argument("--compile", action="store_true", help="with torch.compile")


def fusion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--pixels", nargs="+", type=integer(1), default=[3840, 7680, 15360, 30720, 61440, 122880]
    )
    parser.add_argument("--words", nargs="+", type=integer(1), default=[16, 32, 64, 128, 256, 512])
    parser.add_argument("--fixed", nargs=2, type=integer(1), default=[30720, 64], metavar=("PIXELS", "WORDS"))


def training(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sentences", nargs="+", type=integer(1), default=[1, 3, 10, 20], metavar="K")
    parser.add_argument("--workers", nargs="+", type=integer(0), default=[0, 1, 2])
    parser.add_argument("--images", type=integer(1), default=24, help="images that the loader reads")


def diffusion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        type=config_file,
        default=str(DIFFUSION_CONFIG),
        help="of a DiffusionDet3D; weights are random",
    )
    parser.add_argument("--steps", nargs="+", type=integer(1), default=[1, 2, 4, 8])
    parser.add_argument("--boxes", nargs="+", type=integer(1), default=[25, 50, 100, 300])
    parser.add_argument("--dtype", default="auto", help="TEST.DTYPE of the model")


def trajad(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config-file", type=config_file, default=str(TRAJAD_CONFIG))
    parser.add_argument("--dtype", default="auto", help="TEST.DTYPE of the model")
    parser.add_argument("--widths", nargs="+", type=integer(1), default=[256, 512, 1024], help="columns")
    parser.add_argument("--tokens", nargs="+", type=integer(1), default=[1024, 4096, 16384, 65536])
    parser.add_argument(
        "--softmax-tokens", type=integer(1), default=65536, help="most tokens of softmax attention"
    )
    parser.add_argument("--steps", nargs="+", type=integer(1), default=[4, 16, 64, 256], help="new columns")


#: By name: what is measured, and the function that adds its arguments.
BENCHMARKS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "parts": ("Exact 3D IoU, the state-space scan and the reading of boxes from maps, each alone.", parts),
    "u2enet": ("U2ENet's inference, stage by stage, against ResNet-50's forward pass.", u2enet),
    "fusion": ("The cross-modal SSM against softmax cross-attention, by pixels and by words.", fusion),
    "training": ("U2ENet's training: a step by sentences an image, its switches, and the loader.", training),
    "diffusion": ("DiffusionDet3D's inference by steps and boxes.", diffusion),
    "trajad": ("TrajAD: latency per graph, attention by tokens, streaming by new columns.", trajad),
}
