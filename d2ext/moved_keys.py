"""Config keys of earlier versions, read by the names that they have now.

A module that renames a key, or no longer reads one, says so beside its declaration with :func:`moved`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from detectron2.config import CfgNode

_MOVED: dict[str, str] = {}


def moved(keys: Mapping[str, str]) -> None:
    """Say what keys are called now, "" where nobody reads them. A key that a config has is not touched.

    ``KEY=VALUE`` stands for a value of a key.
    """
    _MOVED.update(keys)


def move_keys(content: dict[str, Any], cfg: CfgNode, leave_out: bool = True) -> str:
    """Give the keys of an earlier version their present names, in place.

    Args:
        content: keys and values of a config file, nested.
        cfg: has the present keys.
        leave_out: drop what is no longer read.

    Returns:
        one line about what was moved, "" for nothing.
    """
    groups: dict[tuple[str, str], list[str]] = {}
    for old, new in _MOVED.items():
        if "=" in old:
            key, _, value = old.partition("=")
            place, leaf = _holder(content, key)
            if place is not None and place.get(leaf) == value:
                place[leaf] = new.partition("=")[2]
                groups[old, new] = []
            continue
        place, leaf = _holder(content, old)
        if place is None or leaf not in place or _has(cfg, old) or not (_has(cfg, new) if new else leave_out):
            continue
        value = place.pop(leaf)
        section, name = new.rpartition(".")[::2]
        if new:
            _put(content, new, value)
        groups.setdefault((old.rpartition(".")[0], section), []).append(
            leaf if name in ("", leaf) else f"{leaf} as {name}"
        )
        _prune(content, old.split(".")[:-1])
    return "; ".join(_say(*group, leaves) for group, leaves in groups.items())


def _say(old: str, new: str, leaves: Sequence[str]) -> str:
    keys = f"{old}.{{{', '.join(leaves)}}}" if len(leaves) > 1 else ".".join([old, *leaves])
    return f"{keys} now {new}" if new else f"{keys} not read"


def _holder(content: dict[str, Any], key: str) -> tuple[dict[str, Any] | None, str]:
    """What holds a key, None where nothing can, and the last part of its name."""
    *above, leaf = key.split(".")
    node: Any = content
    for part in above:
        node = node.get(part) if isinstance(node, dict) else None
    return node if isinstance(node, dict) else None, leaf


def _put(content: dict[str, Any], key: str, value: Any) -> None:
    """Set a key where it is not set already."""
    *above, leaf = key.split(".")
    for part in above:
        content = content.setdefault(part, {})
    content.setdefault(leaf, value)


def _has(cfg: CfgNode, key: str) -> bool:
    node: Any = cfg
    for part in key.split("."):
        if not isinstance(node, CfgNode) or part not in node:
            return False
        node = node[part]
    return True


def _prune(content: dict[str, Any], path: Sequence[str]) -> None:
    """Take away groups of keys that have all moved."""
    for depth in range(len(path), 0, -1):
        place, leaf = _holder(content, ".".join(path[:depth]))
        if place is None or place.get(leaf):
            return
        del place[leaf]
