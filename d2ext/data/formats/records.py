"""What every loader shares: text and JSON read with clear errors, and broken rows skipped when told to."""

from __future__ import annotations

import ast
import json
import logging
import re
from pathlib import Path
from types import TracebackType
from typing import Any

logger = logging.getLogger(__name__)

#: The usual case, whose fields a split finds many times faster than the Python parser.
_PLAIN_LIST = re.compile(r"\['[^'\\]*'(?:, '[^'\\]*')*\]")


class BrokenRows:
    """Context manager around the reading of one row, sentence or image: raises its error, or skips and counts
    it.

    Args:
        skip: True swallows ``ValueError`` and ``FileNotFoundError`` raised inside a ``with`` block and counts
            them.
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
        if not self.skip or not isinstance(error, ValueError | FileNotFoundError):
            return False
        self.count += 1
        self.first = self.first or str(error)
        return True

    def report(self, dataset: str) -> None:
        """Log one warning with the number of skipped rows and the first error."""
        if self.count:
            logger.warning(
                "%s: skipped %d broken rows or files, the first: %s", dataset, self.count, self.first
            )


def read_text(path: str | Path) -> str:
    """The text of a UTF-8 file.

    Raises:
        FileNotFoundError, ValueError: no such file; not UTF-8 text.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: no such file") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected UTF-8 text, got bytes that are not (at {error.start})") from error


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        FileNotFoundError, ValueError: no such file; not JSON (names line and column).
    """
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}:{error.lineno}:{error.colno}: expected JSON: {error.msg}") from error


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
                f"{path}:{number}: image {name!r} is named twice (first in line {first_line[name]})"
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
    if isinstance(text, str) and _PLAIN_LIST.fullmatch(text):
        return text[2:-2].split("', '")
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError(f"{where}: expected the text of a Python list, got {str(text)[:60]!r}") from error
    if not isinstance(value, list):
        raise ValueError(f"{where}: expected the text of a Python list, got {str(text)[:60]!r}")
    return [str(item) for item in value]


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
        found = "nothing" if key not in item else repr(value)[:60]
        raise ValueError(f"{where}: field {key!r}: expected {names}, got {found}")
    return value


def sentence_text(text: Any, where: str) -> str:
    """A sentence without surrounding white space.

    Raises:
        ValueError: not a text, or empty.
    """
    if not isinstance(text, str) or not text.strip():
        raise ValueError(
            f"{where}: expected a sentence, got {'an empty one' if text == '' else repr(text)[:60]}"
        )
    return text.strip()


def require_records(records: list[dict[str, Any]], where: str) -> list[dict[str, Any]]:
    """``records`` itself.

    Raises:
        ValueError: it is empty.
    """
    if not records:
        raise ValueError(f"{where}: no usable image")
    return records
