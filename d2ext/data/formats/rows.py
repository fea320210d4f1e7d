"""What every loader shares: fields with clear errors, and broken rows skipped when told to."""

from __future__ import annotations

import ast
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import TracebackType
from typing import Any

from d2ext.reading import found_value, one_line, read_text, require, whole_text

logger = logging.getLogger(__name__)

MAX_SENTENCE = 10_000  # characters
_MAX_LIST = 10_000  # characters; Python's parser takes minutes or falls over where there are many more
#: The usual case, whose fields a split finds many times faster than the Python parser.
_PLAIN_LIST = re.compile(r"\['[^'\\]*'(?:, '[^'\\]*')*\]")


#: Where errors that are skipped go besides, while somebody listens.
_LISTENER: ContextVar[list[str] | None] = ContextVar("listener", default=None)


@contextmanager
def hear_broken() -> Iterator[list[str]]:
    """All errors that :class:`BrokenRows` skips inside of a ``with`` block, in one line each."""
    heard: list[str] = []
    token = _LISTENER.set(heard)
    try:
        yield heard
    finally:
        _LISTENER.reset(token)


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
        line = one_line(str(error) or repr(error))
        self.first = self.first or line
        if (heard := _LISTENER.get()) is not None:
            heard.append(line)
        return True

    def report(self, dataset: str, what: str = "rows or files") -> None:
        """Log one warning with the number of skipped rows (or ``what`` they are) and the first error."""
        if self.count:
            logger.warning("%s: skipped %d broken %s, the first: %s", dataset, self.count, what, self.first)


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
    raise ValueError(f"{where}: expected the text of a Python list, got {found_value(text)}")


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
        found = f"{len(text)} characters" if isinstance(text, str) and text.strip() else found_value(text)
        raise ValueError(f"{where}: expected a sentence, got {found}")
    return whole_text(text, where).strip()


def require_records(records: list[dict[str, Any]], where: str) -> list[dict[str, Any]]:
    """``records`` itself.

    Raises:
        ValueError: it is empty.
    """
    if not records:
        raise ValueError(f"{where}: no usable image")
    return records
