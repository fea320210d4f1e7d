"""What users ask for: names with their prompts, from a command line or a file; negations are refused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from d2ext.reading import clear_errors, one_line, require, twice, whole_text
from d2ext.structures.vocabulary import Size
from d2ext.yaml_config import read_yaml

MOST_CHARACTERS = 200
#: Words that turn what follows into its opposite: how alike words and a box are knows no opposite.
_NEGATION = re.compile(
    r"\b(?:no|not|non|never|neither|nor|none|without|except|excluding|but not|other than|anything but"
    r"|isn['’]?t|aren['’]?t|doesn['’]?t|don['’]?t|cannot|can['’]t|lacking)\b|没有|不是|除了|非|无",
    re.IGNORECASE,
)
_KEYS = {"name", "prompts", "size", "color", "exemplars", "threshold"}


@dataclass(frozen=True)
class ExemplarBox:
    """An object to look for the like of: an image file and a box x1, y1, x2, y2 in its pixels."""

    image: str
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Name:
    """Something to look for.

    Attributes:
        name: what answers are called.
        prompts: texts, of which the mean is taken.
        exemplars: objects; beside texts the mean of both is taken, one half each.
        size: height, width and length in metres, in the place of what the words say; None: what they say.
        color: red, green and blue from 0 to 255, in pictures; None for one of the palette's.
        threshold: least score of an answer; None: the one for all.
    """

    name: str
    prompts: tuple[str, ...] = ()
    exemplars: tuple[ExemplarBox, ...] = ()
    size: Size | None = None
    color: tuple[int, int, int] | None = None
    threshold: float | None = None


def check_prompt(text: Any, where: str) -> str:
    """A prompt, without spaces around it.

    Raises:
        ValueError: no text, an empty or very long one, or a negation.
    """
    text = " ".join(whole_text(text, where).split())
    if not text or len(text) > MOST_CHARACTERS:
        raise ValueError(f"{where}: expected 1 to {MOST_CHARACTERS} characters, got {len(text)}")
    found = _NEGATION.search(text)
    if found:
        raise ValueError(
            f"{where}: {text[:60]!r} has the negation {found.group()!r}, expected what is to be found (ask "
            "for the others too, and leave them out)"
        )
    return text


def parse_prompts(text: str) -> list[Name]:
    """Names from a line: "a, b; c" are two, the first of two prompts of which the mean is taken, each called
    by its first prompt.

    Raises:
        ValueError: no prompt, one that is none (see :func:`check_prompt`), or a name twice.
    """
    names = []
    for group in text.split(";"):
        prompts = tuple(check_prompt(p, "names") for p in group.split(",") if p.strip())
        if prompts:
            names.append(Name(prompts[0], prompts))
    return check_names(names, "names")


def check_names(names: Iterable[Name], where: str) -> list[Name]:
    """The names, of which there is one at least and none twice.

    Raises:
        ValueError: they are not so.
    """
    names = list(names)
    if not names:
        raise ValueError(f"{where}: expected at least one name to look for")
    again = twice(name.name for name in names)
    if again:
        raise ValueError(f"{where}: the name {one_line(again, 60)} twice")
    return names


@clear_errors
def read_names(path: str | Path) -> list[Name]:
    """Names from a YAML file: a list of items with ``name``, and ``prompts`` (default the name), ``size`` [h,
    w, l] in metres, ``color`` [r, g, b], ``threshold`` and ``exemplars``, a list of ``image`` (relative to
    the file) and ``box`` [x1, y1, x2, y2].

    Raises:
        FileNotFoundError, ValueError: one line that names the file, the item and the field.
    """
    content = read_yaml(path)
    if not isinstance(content, list):
        raise ValueError(f"{path}: expected a list of names, got {type(content).__name__}")
    names = [_name(item, f"{path}: item {i}", Path(path).parent) for i, item in enumerate(content)]
    return check_names(names, str(path))


def _name(item: Any, where: str, folder: Path) -> Name:
    name = check_prompt(require(item, "name", str, where), f"{where}: field 'name'")
    unknown = item.keys() - _KEYS
    if unknown:
        known = ", ".join(sorted(_KEYS))
        raise ValueError(
            f"{where}: field {one_line(str(min(map(str, unknown))), 40)!r}: expected one of {known}"
        )
    exemplars = tuple(
        _exemplar(one, f"{where}: exemplars[{i}]", folder)
        for i, one in enumerate(_list(item, "exemplars", where))
    )
    prompts = _list(item, "prompts", where) or ([] if exemplars else [name])
    texts = tuple(check_prompt(p, f"{where}: prompts[{i}]") for i, p in enumerate(prompts))
    size, color = _numbers(item, "size", 3, where), _numbers(item, "color", 3, where)
    if size is not None and min(size) <= 0:
        raise ValueError(f"{where}: field 'size': expected 3 metres above 0, got {list(size)}")
    if color is not None and not all(0 <= x <= 255 for x in color):
        raise ValueError(f"{where}: field 'color': expected 3 numbers from 0 to 255, got {list(color)}")
    threshold = item.get("threshold")
    if threshold is not None and not (_is_number(threshold) and 0 <= threshold <= 1):
        raise ValueError(
            f"{where}: field 'threshold': expected a number from 0 to 1, got {str(threshold)[:40]}"
        )
    return Name(
        name,
        texts,
        exemplars,
        None if size is None else (size[0], size[1], size[2]),
        None if color is None else (int(color[0]), int(color[1]), int(color[2])),
        None if threshold is None else float(threshold),
    )


def _exemplar(item: Any, where: str, folder: Path) -> ExemplarBox:
    image, box = require(item, "image", str, where), _numbers(item, "box", 4, where)
    if box is None or box[2] <= box[0] or box[3] <= box[1]:
        raise ValueError(f"{where}: field 'box': expected x1 y1 x2 y2 with x1 < x2 and y1 < y2")
    return ExemplarBox(str(folder / image), (box[0], box[1], box[2], box[3]))


def _list(item: dict[str, Any], key: str, where: str) -> Sequence[Any]:
    value = item.get(key, [])
    if not isinstance(value, list):
        raise ValueError(f"{where}: field {key!r}: expected a list, got {type(value).__name__}")
    return value


def _numbers(item: dict[str, Any], key: str, count: int, where: str) -> tuple[float, ...] | None:
    value = item.get(key)
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != count or not all(map(_is_number, value)):
        raise ValueError(f"{where}: field {key!r}: expected a list of {count} numbers, got {str(value)[:60]}")
    return tuple(float(x) for x in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
