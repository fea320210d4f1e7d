"""Types of arguments: from the text that was given to a value, or an error of one line."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path


def existing_file(text: str) -> Path:
    """A file to read."""
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(
            f"{text}: " + ("a folder, no file" if path.is_dir() else "no such file")
        )
    return path


def existing_folder(text: str) -> Path:
    """A folder to read."""
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(
            f"{text}: " + ("a file, no folder" if path.exists() else "no such folder")
        )
    return path


def existing_path(text: str) -> Path:
    """A file or a folder to read."""
    path = Path(text)
    if not path.exists():
        raise argparse.ArgumentTypeError(f"{text}: no such file or folder")
    return path


def output_file(text: str) -> Path:
    """A file to write, in a folder that is there."""
    path = Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{text}: a folder, expected the name of a file to write")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text}: no folder {path.parent} to write to")
    return path


def output_folder(text: str) -> Path:
    """A folder to write into, which is there or can be made."""
    path = Path(text)
    for part in (path, *path.parents):
        if part.exists() and not part.is_dir():
            raise argparse.ArgumentTypeError(f"{text}: {part} is a file, expected a folder to write into")
    return path


def integer(least: int) -> Callable[[str], int]:
    """The type of whole numbers from ``least`` on."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(f"expected a whole number of at least {least}, got {text!r}")
        return value

    return parse


def number(
    least: float = -math.inf, most: float = math.inf, above: float = -math.inf
) -> Callable[[str], float]:
    """The type of finite numbers from ``least`` to ``most`` that are greater than ``above``."""
    bounds = [f"greater than {above:g}"] if above > -math.inf else []
    bounds += [f"at least {least:g}"] if least > -math.inf else []
    bounds += [f"at most {most:g}"] if most < math.inf else []
    expected = f"expected a number {' and '.join(bounds)}".rstrip()

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and least <= value <= most and value > above):
            raise argparse.ArgumentTypeError(f"{expected}, got {text!r}")
        return value

    return parse
