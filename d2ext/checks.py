"""What config keys can be: said beside their declaration, asked by ``load_config`` before any work.

A module that declares keys calls :func:`declare` with what it expects of each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from detectron2.config import CfgNode
from fvcore.common.registry import Registry


@dataclass(frozen=True)
class Expected:
    """``text`` says what a value must be, or gives what says it; ``holds`` whether it is; what it cannot look
    at it may raise at."""

    text: str | Callable[[], str]
    holds: Callable[[Any], bool]


_EXPECTED: dict[str, Expected] = {}


def declare(keys: Mapping[str, Expected]) -> None:
    """Say what the values of keys must be."""
    _EXPECTED.update(keys)


def check_values(cfg: CfgNode) -> None:
    """Check every declared key that the config has.

    Raises:
        ValueError: in one line the first key whose value it cannot have, and what was expected.
    """
    for key, expected in _EXPECTED.items():
        node: Any = cfg
        for part in key.split("."):
            node = node.get(part) if isinstance(node, CfgNode) else None
        if node is None:
            continue
        try:
            good = expected.holds(node)
        except (TypeError, ValueError, KeyError, RuntimeError):
            good = False
        if not good:
            text = expected.text if isinstance(expected.text, str) else expected.text()
            raise ValueError(f"{key}: expected {text}, got {repr(node)[:80]}")


def registered(registry: Registry) -> Expected:
    """The name of something in a registry, which may grow."""

    def text() -> str:
        names = ", ".join(sorted(name for name, _ in registry))
        return f"one of {names}" if len(names) < 180 else f"one of {names[:170]}, ..."

    return Expected(text, lambda x: x in registry)


def whole(least: int) -> Expected:
    """A whole number of at least ``least``."""
    return Expected(
        f"a whole number of at least {least}",
        lambda x: isinstance(x, int) and not isinstance(x, bool) and x >= least,
    )


def number(least: float = -math.inf, most: float = math.inf, above: float = -math.inf) -> Expected:
    """A finite number from ``least`` to ``most``, greater than ``above``."""
    bounds = [f"greater than {above:g}"] if above > -math.inf else []
    bounds += [f"at least {least:g}"] if least > -math.inf else []
    bounds += [f"at most {most:g}"] if most < math.inf else []

    def holds(x: Any) -> bool:
        return not isinstance(x, bool) and math.isfinite(x) and least <= x <= most and x > above

    return Expected(f"a number {' and '.join(bounds)}".rstrip(), holds)


def one_of(*names: str) -> Expected:
    """One of some names."""
    return Expected(f"one of {', '.join(names)}", lambda x: x in names)


def every(one: Expected, count: int | None = None, note: str = "") -> Expected:
    """A list of ``count`` (None: any number of) values that are all as ``one``."""

    def holds(x: Any) -> bool:
        return (
            isinstance(x, Sequence)
            and not isinstance(x, str)
            and count in (None, len(x))
            and all(map(one.holds, x))
        )

    length = "a list, each" if count is None else f"a list of {count}, each"
    return Expected(f"{length} {one.text}{f' ({note})' if note else ''}", holds)


def rising(least: Expected) -> Expected:
    """Two values, each as ``least``, the second not less than the first."""
    pair = every(least, 2)
    return Expected(f"{pair.text}, the least first", lambda x: pair.holds(x) and x[0] <= x[1])
