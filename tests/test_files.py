"""Files are whole or not there."""

import os
import resource
from pathlib import Path

import pytest

from d2ext.files import atomic_folder, atomic_write, write_bytes


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


def test_writers_of_the_same_file_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with atomic_write(path) as first:
        first.write(b"first")
        with atomic_write(path) as second:
            second.write(b"second, longer")
        assert path.read_bytes() == b"second, longer"
    assert path.read_bytes() == b"first" and os.listdir(tmp_path) == ["file"]


def test_a_full_disk_names_the_file_and_keeps_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(OSError) as error:
            write_bytes(path, bytes(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert str(path) in str(error.value) and "tmp" not in Path(error.value.filename).name
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["file"]


def test_a_folder_that_cannot_be_written_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "no_folder").write_bytes(b"")
    with pytest.raises(OSError, match="no_folder"), atomic_write(tmp_path / "no_folder" / "file"):
        pass


def test_a_new_folder_takes_the_place_of_the_old_one_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "model"
    with atomic_folder(path) as new:
        (new / "a").write_bytes(b"1")
        assert not path.exists()
    with pytest.raises(OSError), atomic_folder(path) as new:
        (new / "b").write_bytes(b"2")
        raise OSError("no space left")
    assert os.listdir(tmp_path) == ["model"] and os.listdir(path) == ["a"]
    with atomic_folder(path) as new:
        (new / "b").write_bytes(b"2")
    assert os.listdir(tmp_path) == ["model"] and os.listdir(path) == ["b"]
    for odd in (path / ".." / "model", path / "." / ".." / ".." / tmp_path.name / "model"):
        with atomic_folder(odd) as new:
            (new / "c").write_bytes(b"3")
        assert os.listdir(tmp_path) == ["model"] and os.listdir(path) == ["c"]
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(ValueError, match="link"), atomic_folder(tmp_path / "link"):
        pass
