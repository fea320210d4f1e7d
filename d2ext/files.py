"""Files and folders that are never seen half written."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO


@contextmanager
def atomic_write(path: str | os.PathLike[str], durable: bool = True) -> Iterator[BinaryIO]:
    """Open ``path`` for writing so that it holds either its old content or all of the new one.

    The bytes go to a temporary file in the same folder, which takes the name when all is written. Each writer
    has a temporary file of its own.

    Args:
        durable: wait until the bytes are on the disk before the old content goes, so that a crash of the
            machine at any moment loses nothing either.

    Raises:
        OSError: the file cannot be written; names it, also where the disk is full.
    """
    path = Path(path)
    temporary = _beside(path)
    try:
        with open(temporary, "xb") as f:
            yield f
            f.flush()
            if durable:
                os.fsync(f.fileno())
        os.replace(temporary, path)
        if durable:
            _sync_folder(path.parent)
    except OSError as error:
        if error.filename not in (None, str(temporary)):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a small result file at once, not waiting for the disk; makes the folder."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path, durable=False) as f:
        f.write(data)


def write_json(path: str | Path, content: Any) -> None:
    """Write JSON; numbers that are not finite are an error.

    Raises:
        ValueError: the content holds nan or inf.
    """
    write_bytes(path, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())


@contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """An empty folder to fill, which takes the place of ``path``, and of all it holds, when that is done.

    Raises:
        OSError: the folder cannot be written.
        ValueError: ``path`` is a link or a file.
    """
    path = Path(path)
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise ValueError(f"{path}: expected a folder to write to, got a link or file")
    path = Path(os.path.realpath(path))  # FOLDER/../FOLDER leads nowhere while it is moved
    path.parent.mkdir(parents=True, exist_ok=True)
    new, old = _beside(path), _beside(path)
    new.mkdir()
    try:
        yield new
        if path.exists():
            os.rename(path, old)
        try:
            os.rename(new, path)
        except OSError:
            if old.exists():
                os.rename(old, path)
            raise
        _sync_folder(path.parent)
    finally:
        for folder in (new, old):
            shutil.rmtree(folder, ignore_errors=True)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name[:100]}.{uuid.uuid4().hex}.tmp")


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
