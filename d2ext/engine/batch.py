"""Many inputs, one after the other: what is wrong with one of them stops none of the others."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from d2ext.engine.launch import user_message
from d2ext.reading import one_line

READ_AHEAD = 8  # inputs that are read while the model works

T = TypeVar("T")
S = TypeVar("S")


def why(error: Exception) -> str:
    """One line about what is wrong with an input."""
    return one_line(user_message(error) or repr(error))


def read_ahead(function: Callable[[S], T], items: Iterable[S]) -> Iterator[T]:
    """``map`` in threads that are at most ``READ_AHEAD`` results ahead of their use."""
    with ThreadPoolExecutor(READ_AHEAD) as pool:
        waiting: deque[Future[T]] = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > READ_AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
