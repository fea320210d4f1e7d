"""The one way to read files: bytes, text and JSON, each with a one-line error that names the file.

Files come from anywhere, so nothing in them can hang the reader (pipes, devices), take the machine (size,
nesting) or pass as what it is not (numbers that are none, a key twice, half a character).
"""

from __future__ import annotations

import functools
import json
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, ParamSpec, TypeVar

MAX_BYTES = 1 << 28  # of a file that is read at once
MAX_MESSAGE = 299  # characters of an error
_MAX_DIGITS = 18  # of a whole number in JSON: what every other program can hold

_LONG_PATH = re.compile(r"(?:/[^/\s:]*){2,}((?:/[^/\s:]+){2})")

P = ParamSpec("P")
T = TypeVar("T")
StrPath = str | os.PathLike[str]


def open_file(path: StrPath) -> BinaryIO:
    """A regular file, opened for reading.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a folder, pipe or device; a file that may not be read; an impossible name.
    """
    try:
        # Without O_NONBLOCK opening a pipe waits for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(f"{_shown(path)}: no such file") from error
    except OSError as error:
        raise ValueError(f"{_shown(path)}: cannot be read ({error.strerror})") from error
    except ValueError as error:  # a zero byte, or half a character
        raise ValueError(f"{_shown(path)}: expected the name of a file") from error
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        found = "folder" if stat.S_ISDIR(mode) else "pipe" if stat.S_ISFIFO(mode) else "device"
        raise ValueError(f"{_shown(path)}: expected a file, got a {found}")
    return os.fdopen(descriptor, "rb")


def read_bytes(path: StrPath) -> bytes:
    """The content of a file of at most ``MAX_BYTES``.

    Raises:
        FileNotFoundError, ValueError: as :func:`open_file`; the file is larger, or the disk fails.
    """
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_BYTES:
            raise ValueError(f"{_shown(path)}: expected at most {MAX_BYTES} bytes, got {size}")
        try:
            return file.read(MAX_BYTES)
        except OSError as error:
            raise ValueError(f"{_shown(path)}: cannot be read ({error.strerror})") from error


def read_text(path: StrPath) -> str:
    """The text of a UTF-8 file, without a byte order mark.

    Raises:
        FileNotFoundError, ValueError: as :func:`read_bytes`; not UTF-8 text.
    """
    return decode(read_bytes(path), str(_shown(path)))


def decode(data: bytes, where: str) -> str:
    """UTF-8 text without a byte order mark.

    Raises:
        ValueError: other bytes.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{where}: expected UTF-8 text, got bytes that are not (at {error.start})") from None


def read_json(path: StrPath) -> Any:
    """The content of a JSON file.

    Raises:
        FileNotFoundError, ValueError: as :func:`read_text` and :func:`parse_json`.
    """
    return parse_json(read_bytes(path), str(_shown(path)))


def parse_json(data: bytes, where: str) -> Any:
    """The content of JSON in UTF-8.

    Raises:
        ValueError: not JSON (names line and column), NaN, Infinity, a whole number of more than 18 digits, an
            object with a key twice, too many nested lists.
    """
    text = decode(data, where)
    try:
        return json.loads(text, parse_constant=_no_constant, parse_int=_parse_int, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        place = f"{where}:{error.lineno}:{error.colno}" if "\n" in text.strip() else where
        raise ValueError(f"{place}: expected JSON: {error.msg}") from None
    except RecursionError:
        raise ValueError(f"{where}: expected JSON, got too many lists in each other") from None
    except ValueError as error:
        raise ValueError(f"{where}: expected JSON: {error}") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _parse_int(digits: str) -> int:
    if len(digits) > _MAX_DIGITS + 1:
        raise ValueError(f"a whole number of {len(digits)} digits, expected at most {_MAX_DIGITS}")
    return int(digits)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice[:40]!r} twice in one object")
    return found


def one_line(message: str, length: int = MAX_MESSAGE) -> str:
    """A message in one line of printable characters. Of one that is too long the folders of paths are left
    out, and then its middle."""
    message = " ".join(message.encode("utf-8", "backslashreplace").decode().split())
    if not message.isprintable():
        message = "".join(letter if letter.isprintable() else "?" for letter in message)
    if len(message) > length:
        message = _LONG_PATH.sub(r"...\1", message)
    if len(message) <= length:
        return message
    head = (length - 5) * 2 // 3
    return f"{message[:head]} ... {message[head - length + 5 :]}"


def clear_errors(function: Callable[P, T]) -> Callable[P, T]:
    """Every ``ValueError`` and ``FileNotFoundError`` of a reader leaves it as :func:`one_line`."""

    @functools.wraps(function)
    def read(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except (ValueError, FileNotFoundError) as error:
            message = one_line(str(error))
            if message == str(error):
                raise
            kind = FileNotFoundError if isinstance(error, FileNotFoundError) else ValueError
            raise kind(message) from error

    return read


def _shown(path: StrPath) -> str:
    """A path for a message: the end tells most."""
    text = str(path)
    return text if len(text) <= 200 else f"...{text[-197:]}"


def is_file(path: Path) -> bool:
    """Whether there is such a file; False for impossible names too."""
    return os.path.isfile(path)
