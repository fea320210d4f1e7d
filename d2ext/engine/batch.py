"""Many inputs, one after the other: what is wrong with one of them stops none of the others."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from d2ext.engine.launch import user_message
from d2ext.reading import one_line

READ_AHEAD = 8  # inputs that are read while the model works

T = TypeVar("T")
S = TypeVar("S")


class Answer(NamedTuple, Generic[T]):
    """What is written of an input.

    Attributes:
        row: a JSON object.
        line: the same as a line of text.
        product: what else there is of it, such as a picture; None where the input cannot be used.
    """

    row: dict[str, Any]
    line: bytes
    product: T | None


def why(error: Exception) -> str:
    """One line about what is wrong with an input."""
    return one_line(user_message(error) or repr(error))


def read_ahead(function: Callable[[S], T], items: Iterable[S]) -> Iterator[T | Exception]:
    """``map`` in threads that are at most ``READ_AHEAD`` results ahead of their use; an error is a result."""

    def attempt(item: S) -> T | Exception:
        try:
            return function(item)
        except Exception as error:
            return error

    with ThreadPoolExecutor(READ_AHEAD) as pool:
        waiting: deque[Future[T | Exception]] = deque()
        for item in items:
            waiting.append(pool.submit(attempt, item))
            if len(waiting) > READ_AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def answer_each(
    inputs: Iterable[tuple[Mapping[str, Any], S | Exception]],
    answer: Callable[[Mapping[str, Any], S], tuple[Mapping[str, Any], T]],
) -> Iterator[Answer[T]]:
    """The answers to inputs in their order, {"error"} of one that cannot be used.

    Args:
        inputs: for each what its row begins with, which names it, and what was read, or why that failed.
        answer: from these two to the rest of the row and the product.
    """
    for head, data in inputs:
        product = None
        try:
            if isinstance(data, Exception):
                raise data
            found, product = answer(head, data)
            row = {**head, **found}
            text = json.dumps(row, allow_nan=False)
        except Exception as error:  # whatever is wrong with one, the others are answered
            row = {**head, "error": why(error)}
            text, product = json.dumps(row), None
        yield Answer(row, text.encode() + b"\n", product)


def write_each(
    path: Path, answers: Iterable[Answer[T]], keep: Callable[[Mapping[str, Any], T], Any]
) -> Iterator[dict[str, Any]]:
    """Write a file of JSON lines, each as soon as it is there, so that work that is interrupted leaves them.

    Args:
        keep: writes the product of a row.

    Yields:
        the rows.

    Raises:
        OSError: something cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        for row, line, product in answers:
            if product is not None:
                keep(row, product)
            file.write(line)
            file.flush()
            yield row
