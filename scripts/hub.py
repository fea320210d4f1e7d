#!/usr/bin/env python3
"""Share a trained model: weights as safetensors, the whole config, and a model card; and fetch one.

    .venv/bin/python scripts/hub.py push RUN/model_final.pth --config RUN/config.yaml --to OWNER/NAME
    .venv/bin/python scripts/hub.py pull OWNER/NAME --to FOLDER

OWNER/NAME is a repository on the Hugging Face hub (push needs a login: `hf auth login`). A path that starts
with `.` or `/` is a folder on this machine instead. A pulled model runs with

    .venv/bin/python projects/U2ENet/train_net.py --config-file FOLDER/config.yaml --eval-only \\
        MODEL.WEIGHTS FOLDER/model.safetensors
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, existing_file, output_folder, run_command


def is_local(place: str) -> bool:
    return place.startswith((".", "/"))


def push(args: argparse.Namespace) -> None:
    from d2ext.engine.sharing import FILES, write_model

    if is_local(args.to):
        write_model(args.checkpoint, args.config, args.metrics, Path(args.to))
    else:
        from huggingface_hub import HfApi

        with tempfile.TemporaryDirectory() as folder:
            write_model(args.checkpoint, args.config, args.metrics, Path(folder, "model"))
            print(f"uploading {', '.join(FILES)} to {args.to}")
            api = HfApi()
            api.create_repo(args.to, exist_ok=True)
            api.upload_folder(repo_id=args.to, folder_path=Path(folder, "model"), allow_patterns=list(FILES))
    print(f"pushed {', '.join(FILES)} to {args.to}")


def pull(args: argparse.Namespace) -> None:
    from d2ext.engine.sharing import FILES, copy_model

    if is_local(args.source):
        copy_model(Path(args.source), args.to)
    else:
        from huggingface_hub import snapshot_download

        print(f"fetching {', '.join(FILES)} from {args.source}")
        with tempfile.TemporaryDirectory() as folder:  # files, where the hub's cache has links
            snapshot_download(args.source, allow_patterns=list(FILES), local_dir=folder)
            copy_model(Path(folder), args.to)
    print(f"pulled {', '.join(FILES)} to {args.to}")


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    commands = parser.add_subparsers(required=True, dest="command")
    up = commands.add_parser("push", help="write or upload a model")
    up.add_argument("checkpoint", type=existing_file, help="model_final.pth or .safetensors")
    up.add_argument("--config", type=existing_file, required=True, help="config.yaml of the run")
    up.add_argument(
        "--metrics", type=existing_file, nargs="*", default=[], help="metrics.json files for the card"
    )
    up.add_argument("--to", required=True, help="OWNER/NAME, or a folder that starts with . or /")
    up.set_defaults(run=push)
    down = commands.add_parser("pull", help="fetch a model")
    down.add_argument("source", help="OWNER/NAME, or a folder that starts with . or /")
    down.add_argument("--to", type=output_folder, required=True, help="folder to write to")
    down.set_defaults(run=pull)
    return parser


def main(args: argparse.Namespace) -> None:
    args.run(args)


if __name__ == "__main__":
    run_command(build_parser(), main)
