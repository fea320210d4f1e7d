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
import json
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, existing_file, output_folder, run_command

FILES = ("model.safetensors", "config.yaml", "README.md")
# Keys of a config that belong to the machine it was trained on; a shared one leaves them at their defaults.
_LOCAL = ("OUTPUT_DIR", "MODEL.WEIGHTS", "MODEL.DEVICE")


def is_local(place: str) -> bool:
    return place.startswith((".", "/"))


def write_model(checkpoint: Path, config: Path, metrics: list[Path], folder: Path) -> None:
    """The three files of a shared model, into ``folder``.

    Raises:
        FileNotFoundError, ValueError: an input is missing or not what it should be.
    """
    import yaml

    from d2ext.engine import read_checkpoint, write_safetensors
    from d2ext.files import write_bytes

    content = yaml.safe_load(config.read_text())
    if not isinstance(content, dict) or "META_ARCHITECTURE" not in content.get("MODEL", {}):
        raise ValueError(
            f"{config}: expected the config.yaml of a training run, with MODEL.META_ARCHITECTURE"
        )
    for key in _LOCAL:
        *parents, last = key.split(".")
        node = content
        for parent in parents:
            node = node[parent]
        node.pop(last, None)
    print(f"reading {checkpoint}")
    card = model_card(content["MODEL"]["META_ARCHITECTURE"], content.get("DATASETS", {}), metrics)
    state = read_checkpoint(checkpoint)["model"]
    folder.mkdir(parents=True, exist_ok=True)
    write_safetensors(state, folder / "model.safetensors", half=True)
    write_bytes(folder / "config.yaml", yaml.safe_dump(content).encode())
    write_bytes(folder / "README.md", card.encode())


def model_card(architecture: str, datasets: dict, metrics: list[Path]) -> str:
    """Markdown with the hub's header; one table of the overall figures for each metrics.json."""
    lines = ["---", "library_name: d2ext", "license: apache-2.0", "tags:", "- visual-grounding"]
    lines += ["- monocular-3d", "---", "", f"# {architecture}", ""]
    lines += [f"Trained on {', '.join(datasets.get('TRAIN', ())) or 'unnamed data'} with d2ext.", ""]
    for path in metrics:
        try:
            figures = json.loads(path.read_text())
        except (OSError, json.JSONDecodeError) as e:
            raise ValueError(f"{path}: expected the metrics.json of an evaluation ({e})") from None
        lines += [f"## {path.parent.name}", "", "| protocol | metric | value |", "|---|---|---|"]
        for protocol, values in figures.items():
            overall = {k: v for k, v in values.items() if "/" not in k}
            lines += [f"| {protocol} | {k} | {v:.2f} |" for k, v in overall.items()]
        lines.append("")
    return "\n".join(lines)


def push(args: argparse.Namespace) -> None:
    if is_local(args.to):
        write_model(args.checkpoint, args.config, args.metrics, Path(args.to))
    else:
        from huggingface_hub import HfApi

        with tempfile.TemporaryDirectory() as folder:
            write_model(args.checkpoint, args.config, args.metrics, Path(folder))
            print(f"uploading {', '.join(FILES)} to {args.to}")
            api = HfApi()
            api.create_repo(args.to, exist_ok=True)
            api.upload_folder(repo_id=args.to, folder_path=folder, allow_patterns=list(FILES))
    print(f"pushed {', '.join(FILES)} to {args.to}")


def pull(args: argparse.Namespace) -> None:
    if is_local(args.source):
        source = Path(args.source)
    else:
        from huggingface_hub import snapshot_download

        print(f"fetching {', '.join(FILES)} from {args.source}")
        source = Path(snapshot_download(args.source, allow_patterns=list(FILES)))
    for name in FILES:
        if not (source / name).is_file():
            raise FileNotFoundError(f"{args.source}: has no {name}, expected {', '.join(FILES)}")
    args.to.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(source / name, args.to / name)
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
