"""What config keys can be: said beside their declaration, asked by ``load_config`` before any work.

A module that declares keys calls :func:`declare` with what it expects of each, and
:func:`declare_together` with what several must be to each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from detectron2.config import CfgNode
from fvcore.common.registry import Registry

from d2ext.unread_keys import check_unread


@dataclass(frozen=True)
class Expected:
    """``text`` says what a value must be, or gives what says it; ``holds`` whether it is; what it cannot look
    at it may raise at."""

    text: str | Callable[[], str]
    holds: Callable[[Any], bool]


_EXPECTED: dict[str, Expected] = {}
_TOGETHER: dict[str, Callable[[CfgNode], object]] = {}


def declare(keys: Mapping[str, Expected]) -> None:
    """Say what the values of keys must be."""
    _EXPECTED.update(keys)


def declare_together(checks: Mapping[str, Callable[[CfgNode], object]]) -> None:
    """Say what checks the values of several keys together, when each is right on its own.

    Args:
        checks: for a config that has the key; raises the ValueError, see :func:`refuse`.
    """
    _TOGETHER.update(checks)


def check_values(cfg: CfgNode) -> None:
    """Check every declared key that the config has, and those of Detectron2 that nothing reads here
    (:mod:`d2ext.unread_keys`).

    Raises:
        ValueError: in one line the first key whose value it cannot have, and what was expected.
    """
    check_unread(cfg)
    for key, expected in _EXPECTED.items():
        value = _value(cfg, key)
        if value is None:
            continue
        try:
            good = expected.holds(value)
        except (TypeError, ValueError, KeyError, RuntimeError):
            good = False
        if not good:
            refuse(key, expected.text, value)
    for key, check in _TOGETHER.items():
        if _value(cfg, key) is not None:
            check(cfg)


def refuse(key: str, expected: str | Callable[[], str], value: Any) -> NoReturn:
    """Raise the ValueError about a key whose value is not what was expected."""
    text = expected if isinstance(expected, str) else expected()
    raise ValueError(f"{key}: expected {text}, got {repr(value)[:80]}")


def _value(cfg: CfgNode, key: str) -> Any:
    node: Any = cfg
    for part in key.split("."):
        node = node.get(part) if isinstance(node, CfgNode) else None
    return node


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


def some_of(*names: str) -> Expected:
    """A list of names, at least one of them."""
    text = f"some of {', '.join(names)}"
    return Expected(text, lambda x: not isinstance(x, str) and len(x) > 0 and set(x) <= set(names))


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
