#!/usr/bin/env python3
"""Share a trained model: weights as safetensors, the whole config, and a model card; and fetch one.

scripts/hub.py push RUN/model_final.pth --config RUN/config.yaml --to OWNER/NAME [--metrics FILE ...]
scripts/hub.py pull OWNER/NAME --to FOLDER

OWNER/NAME is a repository on the Hugging Face hub (push needs a login: `hf auth login`). A path that starts
with `.` or `/` is a folder on this machine instead. A pulled model runs with

train_net.py --config-file FOLDER/config.yaml --eval-only MODEL.WEIGHTS FOLDER/model.safetensors
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import d2ext  # noqa: F401  (first: silences import-time warnings)

# isort: split
from d2ext.engine import one_line_errors
from d2ext.engine.sharing import FILES, copy_model, write_model


def is_local(place: str) -> bool:
    return place.startswith((".", "/"))


def push(args: argparse.Namespace) -> None:
    if is_local(args.to):
        write_model(args.checkpoint, args.config, args.metrics, Path(args.to))
    else:
        from huggingface_hub import HfApi

        with tempfile.TemporaryDirectory() as folder:
            write_model(args.checkpoint, args.config, args.metrics, Path(folder, "model"))
            api = HfApi()
            api.create_repo(args.to, exist_ok=True)
            api.upload_folder(repo_id=args.to, folder_path=Path(folder, "model"), allow_patterns=list(FILES))
    print(f"pushed {', '.join(FILES)} to {args.to}")


def pull(args: argparse.Namespace) -> None:
    if is_local(args.source):
        copy_model(Path(args.source), args.to)
    else:
        from huggingface_hub import snapshot_download

        with tempfile.TemporaryDirectory() as folder:  # files, where the hub's cache has links
            snapshot_download(args.source, allow_patterns=list(FILES), local_dir=folder)
            copy_model(Path(folder), args.to)
    print(f"pulled {', '.join(FILES)} to {args.to}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    up = commands.add_parser("push", help="write or upload a model")
    up.add_argument("checkpoint", type=Path, help="model_final.pth or .safetensors")
    up.add_argument("--config", type=Path, required=True, help="config.yaml of the run")
    up.add_argument("--metrics", type=Path, nargs="*", default=[], help="metrics.json files for the card")
    up.add_argument("--to", required=True, help="OWNER/NAME, or a folder that starts with . or /")
    up.set_defaults(run=push)
    down = commands.add_parser("pull", help="fetch a model")
    down.add_argument("source", help="OWNER/NAME, or a folder that starts with . or /")
    down.add_argument("--to", type=Path, required=True, help="folder to write to")
    down.set_defaults(run=pull)
    args = parser.parse_args()
    with one_line_errors():
        args.run(args)


if __name__ == "__main__":
    main()
