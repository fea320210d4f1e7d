"""The readers under all loaders: what is refused, and how it is said."""

from __future__ import annotations

import os
import time

import pytest

from d2ext.reading import (
    clear_errors,
    exists,
    is_folder,
    one_line,
    parse_json,
    path_below,
    read_bytes,
    read_json,
    read_text,
)


def test_special_files_neither_hang_nor_pass(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    start = time.monotonic()
    for path, message in {
        tmp_path / "pipe": "expected a file, got a pipe",
        "/dev/zero": "expected a file, got a device",
        tmp_path: "expected a file, got a folder",
        tmp_path / "loop": "cannot be read",
        "a\0b": "expected the name of a file",
        "a\ud800": "expected the name of a file",
        "x" * 5000: "cannot be read .File name too long",
    }.items():
        for read in (read_bytes, read_text, read_json):
            with pytest.raises(ValueError, match=message) as error:
                read(path)
            assert len(str(error.value)) < 300
    for path in (tmp_path / "none", "/dev/null/file"):
        with pytest.raises(FileNotFoundError, match="no such file"):
            read_bytes(path)
    assert time.monotonic() - start < 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path):
    (tmp_path / "a").write_bytes(b"")
    (tmp_path / "a").chmod(0)
    with pytest.raises(ValueError, match="a: cannot be read .Permission denied"):
        read_bytes(tmp_path / "a")


@pytest.mark.parametrize("text", ['{"a": "ä"}', "[1]"])
def test_a_byte_order_mark_is_no_text(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert read_text(path) == text and read_json(path) == parse_json(text.encode(), "a")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"[" * 100_000, "too many lists"),
        (b"[" * 100_000 + b"]" * 100_000, "too many lists"),
        (b'{"a":' * 100_000, "too many lists"),
        (b"[" + b"9" * 5000 + b"]", "a whole number of 5000 digits"),
        (b"[1" + b"0" * 30 + b"]", "a whole number of 31 digits"),
        (b"[NaN]", "NaN is no number of JSON"),
        (b"[-Infinity]", "-Infinity is no number of JSON"),
        (b'{"a": 1, "a": 2}', "the key 'a' twice in one object"),
        (b'{"a": [1, 1e400]}', "1e400 is beyond every number"),
        (b'{"a": -1E+0999}', "-1E.0999 is beyond every number"),
        (b'{"a": ' + b"9" * 400 + b".5}", "9+ is beyond every number"),
        (b'[{"' + b"k" * 9000 + b'": 1, "' + b"k" * 9000 + b'": 2}]', "the key 'kkk"),
        (b"[1,\n2,\n", ":3:1: expected JSON"),
        (b"\xff\xfe", "expected UTF-8 text"),
        (b"", "expected JSON"),
        (b"\0", "expected JSON"),
    ],
)
def test_what_is_no_json(tmp_path, data, message):
    path = tmp_path / "a.json"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=f"a.json.*{message}") as error:
        read_json(path)
    assert len(str(error.value)) < 300 and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text", ["/etc/passwd", "../a", "a/../../b", "", "x" * 300, "é" * 200, "a\0b", "\ud800"]
)
def test_files_that_other_files_name_are_below_their_folder(tmp_path, text):
    with pytest.raises(ValueError, match="f.json: item 0: expected a path below") as error:
        path_below(tmp_path, text, "f.json: item 0")
    assert len(str(error.value)) < 300 and str(error.value).isprintable()
    assert path_below(tmp_path, "a/b ü.txt", "f.json") == tmp_path / "a/b ü.txt"


def test_what_need_not_be_there_is_missing_only_when_nothing_is_there(tmp_path):
    """A link into a disk that is not mounted would else pass as a data set without that file."""
    (tmp_path / "file").write_text("a")
    (tmp_path / "folder").mkdir()
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("file", "folder", "dangling", "loop", "dangling/a", "loop/a", "file/a"):
        assert exists(tmp_path / name), name
    for name in ("other", "folder/a", "other/a", "a\0b", "x" * 300):
        assert not exists(tmp_path / name), name
    assert is_folder(tmp_path / "folder") and not is_folder(tmp_path / "other")
    for name in ("file", "dangling", "loop"):
        with pytest.raises(ValueError, match=f"{name}: expected a folder"):
            is_folder(tmp_path / name)


@pytest.mark.parametrize("form", ["{{{}}}", "[{{{}}}]"])
def test_a_key_twice_among_many_is_found_in_time(tmp_path, form):
    keys = ", ".join(f'"{i}": 1' for i in [*range(50_000), 49_999])
    start = time.perf_counter()
    with pytest.raises(ValueError, match="a.json: expected JSON: the key '49999' twice"):
        parse_json(form.format(keys).encode(), "a.json")
    assert time.perf_counter() - start < 2


def test_messages_are_one_line_and_keep_the_name_of_the_file():
    path = "/a/very/long" * 30 + "/folder/name.json"
    found = one_line(f"{path}: expected\n\ta thing, \x00 got \ud800 " + "x" * 90)
    assert found.startswith(".../folder/name.json: expected a thing, ? got \\ud800") and len(found) < 300
    long = one_line("start " + "x" * 1000 + " end")
    assert len(long) == 299 and long.startswith("start") and long.endswith("end")

    @clear_errors
    def read() -> None:
        raise FileNotFoundError(2, "no\nsuch" * 100)

    with pytest.raises(FileNotFoundError) as error:
        read()
    assert len(str(error.value)) < 300 and "\n" not in str(error.value)
