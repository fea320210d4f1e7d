"""The one way to read files: bytes, text and JSON, each with a one-line error that names the file.

Files come from anywhere, so nothing in them can hang the reader (pipes, devices), take the machine (size,
nesting) or pass as what it is not (numbers that are none, a key twice, half a character).
"""

from __future__ import annotations

import functools
import json
import math
import os
import re
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, ParamSpec, TypeVar

MAX_BYTES = 1 << 28  # of a file that is read at once
MAX_MESSAGE = 299  # characters of an error
_MAX_NAME = 255  # bytes, of a file on every usual disk
_MAX_DIGITS = 18  # of a whole number in JSON: what every other program can hold

#: Python reads 1e400 as infinity. Its own reader of numbers is faster, where it cannot happen.
_PERHAPS_INFINITE = re.compile(r"\d[eE]\+?\d{3}|\d{300}")

_LONG_PATH = re.compile(r"(?:/[^/\s:]*){2,}((?:/[^/\s:]+){2})")

P = ParamSpec("P")
T = TypeVar("T")
StrPath = str | os.PathLike[str]


def open_file(path: StrPath, kind: str = "file") -> BinaryIO:
    """A regular file, opened for reading.

    Args:
        kind: what the message calls it where there is none.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a folder, pipe or device; a file that may not be read; an impossible name.
    """
    try:
        # Without O_NONBLOCK opening a pipe waits for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(f"{_shown(path)}: no such {kind}") from error
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


def read_bytes(path: StrPath, kind: str = "file", limit: int = MAX_BYTES) -> bytes:
    """The content of a file of at most ``limit`` bytes.

    Raises:
        FileNotFoundError, ValueError: as :func:`open_file`; the file is larger, or the disk fails.
    """
    with open_file(path, kind) as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            raise ValueError(f"{_shown(path)}: expected at most {limit} bytes, got {size}")
        try:
            return file.read(limit)
        except OSError as error:
            raise ValueError(f"{_shown(path)}: cannot be read ({error.strerror})") from error


def read_text(path: StrPath, kind: str = "file") -> str:
    """The text of a UTF-8 file, without a byte order mark.

    Raises:
        FileNotFoundError, ValueError: as :func:`read_bytes`; not UTF-8 text.
    """
    return decode(read_bytes(path, kind), _shown(path))


def decode(data: bytes, where: str) -> str:
    """UTF-8 text without a byte order mark.

    Raises:
        ValueError: other bytes.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{where}: expected UTF-8 text, got bytes that are not (at {error.start})") from None


def read_json(path: StrPath, limit: int = MAX_BYTES, non_finite: bool = False) -> Any:
    """The content of a JSON file of at most ``limit`` bytes.

    Raises:
        FileNotFoundError, ValueError: as :func:`read_bytes` and :func:`parse_json`.
    """
    return parse_json(read_bytes(path, limit=limit), _shown(path), non_finite)


def parse_json(data: bytes, where: str, non_finite: bool = False) -> Any:
    """The content of JSON in UTF-8.

    Args:
        non_finite: let NaN and Infinity pass, for a reader that checks every number it uses and can say of
            which record it is.

    Raises:
        ValueError: not JSON (names line and column), NaN, Infinity or 1e400, a whole number of more than 18
            digits, an object with a key twice, too many nested lists.
    """
    text = decode(data, where)
    try:
        parse_float = _parse_float if _PERHAPS_INFINITE.search(text) else None
        return json.loads(
            text,
            parse_float=parse_float,
            parse_int=_parse_int,
            parse_constant=float if non_finite else _no_constant,
            object_pairs_hook=_object,
        )
    except json.JSONDecodeError as error:
        place = f"{where}:{error.lineno}:{error.colno}" if "\n" in text.strip() else where
        raise ValueError(f"{place}: expected JSON: {error.msg}") from None
    except RecursionError:
        raise ValueError(f"{where}: expected JSON, got too many lists in each other") from None
    except ValueError as error:
        raise ValueError(f"{where}: expected JSON: {error}") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _parse_float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text[:40]} is beyond every number")
    return value


def _parse_int(digits: str) -> int:
    if len(digits) > _MAX_DIGITS + 1:
        raise ValueError(f"a whole number of {len(digits)} digits, expected at most {_MAX_DIGITS}")
    return int(digits)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"the key {twice(key for key, _ in pairs)!r} twice in one object")
    return found


def twice(names: Iterable[str]) -> str:
    """The first 40 characters of the first name that was there before; "" if all differ."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name[:40]
        seen.add(name)
    return ""


def require(item: Any, key: str, kind: type | tuple[type, ...], where: str) -> Any:
    """The value of a JSON object's key.

    Raises:
        ValueError: ``item`` is no object, the key is missing or its value has another type.
    """
    if not isinstance(item, dict):
        raise ValueError(f"{where}: expected an object, got {type(item).__name__}")
    value = item.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        names = " or ".join(k.__name__ for k in (kind if isinstance(kind, tuple) else (kind,)))
        found = "nothing" if key not in item else found_value(value)
        raise ValueError(f"{where}: field {key!r}: expected {names}, got {found}")
    if isinstance(value, str):
        whole_text(value, f"{where}: field {key!r}")
    return value


def whole_text(text: Any, where: str) -> str:
    """``text`` itself.

    Raises:
        ValueError: it is no text, or has half a character (a lone surrogate), which no file can hold.
    """
    if not isinstance(text, str):
        raise ValueError(f"{where}: expected a text, got {found_value(text)}")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"{where}: expected text, got half a character at {error.start}") from None
    return text


def found_value(value: Any) -> str:
    """A value as a message shows it, at most 60 characters."""
    if value == "":
        return "an empty one"
    try:
        return ascii(value[:60] if isinstance(value, str) else value)[:60]
    except (RecursionError, ValueError):
        return type(value).__name__


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


def path_below(folder: Path, text: str, where: str) -> Path:
    """The path of a file that another file names relative to a folder.

    Args:
        where: the place that names it, for the message.

    Raises:
        ValueError: an address, an absolute path, one that leads out of the folder, or an impossible name.
    """
    parts = Path(text).parts
    impossible = not text.isprintable() or any(len(os.fsencode(part)) > _MAX_NAME for part in parts)
    if impossible or not parts or Path(text).is_absolute() or ".." in parts:
        raise ValueError(f"{where}: expected a path below {_shown(folder)}, got {one_line(text, 60)}")
    return folder / text


def exists(path: Path) -> bool:
    """Whether there is anything of this name, or its folder is a link that leads nowhere: a file that need
    not be there is missing only then, and whoever reads another thing says what is wrong with it."""
    return os.path.lexists(path) or (os.path.lexists(path.parent) and not path.parent.is_dir())


def is_folder(path: Path) -> bool:
    """Whether there is such a folder.

    Raises:
        ValueError: a file, or a link that leads nowhere.
    """
    if os.path.lexists(path) and not path.is_dir():
        raise ValueError(f"{_shown(path)}: expected a folder")
    return path.is_dir()
