"""Folders of shared models: weights, the whole config and a card, checked before they replace anything."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from d2ext.engine.config import WEIGHTS_KEYS
from d2ext.engine.state_dicts import check_state, read_checkpoint, write_safetensors
from d2ext.files import atomic_folder, atomic_write, write_bytes
from d2ext.reading import one_line, open_file, read_json
from d2ext.yaml_config import read_yaml

WEIGHTS, CONFIG, CARD = FILES = ("model.safetensors", "config.yaml", "README.md")
_KEPT = ("MODEL.TEXT.NAME", "MODEL.JANUS.")  # what a model is made of
#: Keys of a config that belong to the machine it was trained on; a shared one leaves them at their defaults.
LOCAL_KEYS = ("OUTPUT_DIR", "MODEL.DEVICE", *(key for key in WEIGHTS_KEYS if not key.startswith(_KEPT)))


def write_model(checkpoint: Path, config: Path, metrics: Sequence[Path], folder: Path) -> None:
    """Write a model that can be shared; an earlier one in ``folder`` stays whole until all is there.

    Args:
        checkpoint: of a training run, or ``.safetensors``.
        config: ``config.yaml`` of the run.
        metrics: ``metrics.json`` of evaluations, for the card.

    Raises:
        FileNotFoundError, ValueError: an input is missing or not what it should be, or ``folder`` holds
            anything but a model.
        OSError: the folder cannot be written.
    """
    check_target(folder)
    content = read_run_config(config)
    for key in LOCAL_KEYS:
        *parents, last = key.split(".")
        node: Any = content
        for parent in parents:
            node = node.get(parent) if isinstance(node, dict) else None
        if isinstance(node, dict):
            node.pop(last, None)
    card = model_card(content["MODEL"]["META_ARCHITECTURE"], content.get("DATASETS"), metrics)
    state = read_checkpoint(checkpoint)["model"]
    check_state(state, checkpoint)
    with atomic_folder(folder) as new:
        write_safetensors(state, new / WEIGHTS, half=True)
        write_bytes(new / CONFIG, yaml.safe_dump(content).encode())
        write_bytes(new / CARD, card.encode())


def copy_model(source: Path, folder: Path) -> None:
    """Copy a shared model; an earlier one in ``folder`` stays whole until the new one has been checked.

    Raises:
        FileNotFoundError, ValueError: the source lacks a file, has a link in its place, or its weights or
            config are not what they should be; ``folder`` holds anything but a model.
        OSError: the folder cannot be written.
    """
    check_target(folder)
    for name in FILES:
        if (source / name).is_symlink():
            raise ValueError(f"{source / name}: expected a file, got a link")
        if not (source / name).is_file():
            raise FileNotFoundError(f"{source}: has no {name}, expected {', '.join(FILES)}")
    with atomic_folder(folder) as new:
        for name in FILES:
            with open_file(source / name) as original, atomic_write(new / name) as copy:
                shutil.copyfileobj(original, copy)
        read_run_config(new / CONFIG)
        check_state(read_checkpoint(new / WEIGHTS)["model"], source / WEIGHTS)


def check_target(folder: Path) -> None:
    """Raise ValueError where a folder holds more than a model: it would be lost."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise ValueError(f"{folder}: expected a folder to write to, got a link or file")
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in FILES or path.is_symlink() or not path.is_file():
            raise ValueError(f"{folder}: expected nothing but {', '.join(FILES)}, found {path.name[:60]!r}")


def read_run_config(path: Path) -> dict[str, Any]:
    """The config of a training run, which names its architecture.

    Raises:
        FileNotFoundError, ValueError: no such file; not such a config.
    """
    content = read_yaml(path)
    model = content.get("MODEL") if isinstance(content, dict) else None
    if not isinstance(model, dict) or not isinstance(model.get("META_ARCHITECTURE"), str):
        raise ValueError(f"{path}: expected the config.yaml of a training run, with MODEL.META_ARCHITECTURE")
    return content


def model_card(architecture: str, datasets: Any, metrics: Sequence[Path]) -> str:
    """Markdown with the hub's header; one table of the overall figures for each metrics.json.

    Raises:
        FileNotFoundError, ValueError: a file of metrics is missing or holds anything else.
    """
    trained = datasets.get("TRAIN") if isinstance(datasets, dict) else None
    names = [trained] if isinstance(trained, str) else list(trained) if isinstance(trained, list) else []
    lines = ["---", "library_name: d2ext", "license: apache-2.0", "tags:", "- visual-grounding"]
    lines += ["- monocular-3d", "---", "", f"# {escape(architecture)}", ""]
    lines += [f"Trained on {', '.join(map(escape, names)) or 'unnamed data'} with d2ext.", ""]
    for path in metrics:
        lines += [
            f"## {escape(path.absolute().parent.name)}",
            "",
            "| protocol | metric | value |",
            "|---|---|---|",
        ]
        for protocol, metric, value in _figures(path):
            lines.append(f"| {escape(protocol)} | {escape(metric)} | {value:.2f} |")
        lines.append("")
    return "\n".join(lines)


def _figures(path: Path) -> list[tuple[str, str, float]]:
    content = read_json(path)
    rows: list[tuple[str, str, float]] = []
    for protocol, values in content.items() if isinstance(content, dict) else [("", None)]:
        if not isinstance(values, dict) or not all(type(v) in (int, float) for v in values.values()):
            raise ValueError(
                f"{path}: expected the metrics.json of an evaluation: numbers by protocol and name"
            )
        rows += [(protocol, metric, value) for metric, value in values.items() if "/" not in metric]
    return rows


def escape(text: object) -> str:
    """A name as plain text of Markdown and HTML: what would be markup, a link or a new line is not."""
    markup = r"[^\w\s@.,:/+=-]|:(?=//)|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])"
    return re.sub(markup, _entity, one_line(str(text), 100))


def _entity(match: re.Match[str]) -> str:
    return f"&#{ord(match[0])};"
