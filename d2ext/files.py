"""Files that are never seen half written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def atomic_write(path: str | os.PathLike[str], durable: bool = True) -> Iterator[BinaryIO]:
    """Open ``path`` for writing so that it holds either its old content or all of the new one.

    The bytes go to a temporary file in the same folder, which takes the name when all is written.

    Args:
        durable: wait until the bytes are on the disk before the old content goes, so that a crash of the
            machine at any moment loses nothing either.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with open(temporary, "wb") as f:
            yield f
            if durable:
                f.flush()
                os.fsync(f.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    if durable:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a small result file at once, not waiting for the disk; makes the folder."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path, durable=False) as f:
        f.write(data)
