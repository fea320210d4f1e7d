"""What every loader shares: fields with clear errors, and broken rows skipped when told to."""

from __future__ import annotations

import ast
import logging
import re
from pathlib import Path
from types import TracebackType
from typing import Any

from d2ext.reading import one_line, read_text
from d2ext.reading import read_json as read_json

logger = logging.getLogger(__name__)

MAX_SENTENCE = 10_000  # characters
_MAX_LIST = 10_000  # characters; Python's parser takes minutes or falls over where there are many more
#: The usual case, whose fields a split finds many times faster than the Python parser.
_PLAIN_LIST = re.compile(r"\['[^'\\]*'(?:, '[^'\\]*')*\]")


class BrokenRows:
    """Context manager around the reading of one row, sentence or image: raises its error, or skips and counts
    it.

    Args:
        skip: True swallows whatever is raised inside a ``with`` block and counts it.
    """

    def __init__(self, skip: bool) -> None:
        self.skip = skip
        self.count = 0
        self.first = ""

    def __enter__(self) -> BrokenRows:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not self.skip or not isinstance(error, Exception):
            return False
        self.count += 1
        self.first = self.first or one_line(str(error) or repr(error))
        return True

    def report(self, dataset: str) -> None:
        """Log one warning with the number of skipped rows and the first error."""
        if self.count:
            logger.warning(
                "%s: skipped %d broken rows or files, the first: %s", dataset, self.count, self.first
            )


def read_names(path: Path) -> list[str]:
    """Image names of a split file, one a line, without their suffix.

    Raises:
        FileNotFoundError, ValueError: no such file; no name; a name twice.
    """
    first_line: dict[str, int] = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        name = line.strip()
        if not name:
            continue
        if name.lower().endswith((".png", ".jpg", ".jpeg")):
            name = name.rpartition(".")[0]
        if name in first_line:
            raise ValueError(
                f"{path}:{number}: image {name[:60]!r} is named twice (first in line {first_line[name]})"
            )
        first_line[name] = number
    if not first_line:
        raise ValueError(f"{path}: expected image names, one a line")
    return list(first_line)


def list_fields(text: Any, where: str) -> list[str]:
    """The strings of a label that is stored as the text of a Python list (``"['car', '0', ...]"``).

    Raises:
        ValueError: the text is no list literal.
    """
    if isinstance(text, str) and len(text) <= _MAX_LIST:
        if _PLAIN_LIST.fullmatch(text):
            return text[2:-2].split("', '")
        whole_text(text, where)
        try:
            value = ast.literal_eval(text)
            if isinstance(value, list):
                return [str(item) for item in value]
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            pass
    raise ValueError(f"{where}: expected the text of a Python list, got {_found(text)}")


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
        found = "nothing" if key not in item else _found(value)
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
        raise ValueError(f"{where}: expected a text, got {_found(text)}")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"{where}: expected text, got half a character at {error.start}") from None
    return text


def optional_texts(item: dict[str, Any], key: str, where: str) -> list[str]:
    """The texts of a key that may be missing or null.

    Raises:
        ValueError: anything but a list of texts.
    """
    values = require(item, key, list, where) if item.get(key) is not None else []
    return [whole_text(v, f"{where}: field {key!r}: item {i}") for i, v in enumerate(values)]


def sentence_text(text: Any, where: str) -> str:
    """A sentence without surrounding white space.

    Raises:
        ValueError: not a text, empty, or longer than any sentence.
    """
    if not isinstance(text, str) or not 0 < len(text.strip()) <= MAX_SENTENCE:
        found = f"{len(text)} characters" if isinstance(text, str) and text.strip() else _found(text)
        raise ValueError(f"{where}: expected a sentence, got {found}")
    return whole_text(text, where).strip()


def _found(value: Any) -> str:
    """A value for a message."""
    if value == "":
        return "an empty one"
    try:
        return ascii(value[:60] if isinstance(value, str) else value)[:60]
    except (RecursionError, ValueError):
        return type(value).__name__


def require_records(records: list[dict[str, Any]], where: str) -> list[dict[str, Any]]:
    """``records`` itself.

    Raises:
        ValueError: it is empty.
    """
    if not records:
        raise ValueError(f"{where}: no usable image")
    return records
