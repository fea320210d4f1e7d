"""Files are whole or not there."""

import os
from pathlib import Path

import pytest

from d2ext.files import atomic_write, write_bytes


@pytest.mark.parametrize("durable", [True, False])
def test_atomic_write_keeps_the_old_file_when_writing_fails(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(OSError), atomic_write(path, durable) as f:
        f.write(b"new, half")
        raise OSError("no space left")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_write_bytes_makes_folders_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "a/b/file"
    write_bytes(path, b"one")
    write_bytes(path, b"two")
    assert path.read_bytes() == b"two" and os.listdir(path.parent) == ["file"]
