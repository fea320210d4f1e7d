"""The model zoo as ``d2ext/zoo.yaml`` has it, read without PyTorch."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from d2ext_cli.shipped import PACKAGE

ZOO = PACKAGE / "zoo.yaml"
PREFIX = "d2ext://"
#: Keys of every entry, and of those that a model has besides.
EVERY, OF_MODELS = ("what", "licence"), ("package", "config", "data", "command")

Entry = dict[str, Any]


def read_zoo(path: Path | None = None) -> dict[str, Entry]:
    """Every entry by its name, in the order of the file (default ``ZOO``), which explains the keys.

    Raises:
        ValueError: an entry without one of the keys that it needs.
    """
    import yaml  # not at the top: commands that ask for no model start without it

    path = path or ZOO
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    for name, entry in entries.items():
        needed = EVERY + (OF_MODELS if "package" in entry else ("weights",))
        needed += ("sha256",) if "weights" in entry else ()
        missing = [key for key in needed if not entry.get(key)]
        if missing:
            raise ValueError(f"{path}: {name}: expected the key {missing[0]}")
    return entries


def models() -> dict[str, Entry]:
    """The entries that can be run: those that have a config."""
    return {name: entry for name, entry in read_zoo().items() if "config" in entry}


def find_model(name: str) -> tuple[str, Entry]:
    """A model's name without ``d2ext://``, and its entry.

    Raises:
        ValueError: no such model; the message names those there are.
    """
    known, rest = models(), name.removeprefix(PREFIX)
    if rest not in known:
        near = difflib.get_close_matches(rest, known, n=1)
        hint = f", did you mean {near[0]}?" if near else f", expected one of {', '.join(known)}"
        raise ValueError(f"{name[:80]!r}: no such model{hint}"[:299])
    return rest, known[rest]


def project_of(entry: Entry) -> str:
    """The folder of an entry's project in ``projects`` and ``configs``."""
    return str(entry["config"]).partition("/")[0]


def markdown(base: str = "") -> str:
    """The zoo's models as a Markdown table.

    Args:
        base: put before the links to configs; empty: no links.
    """
    rows = ["| name | takes -> gives | config | figures | measured | licence |", "|---|---|---|---|---|---|"]
    for name, entry in models().items():
        config = f"`{entry['config']}`"
        link = f"[{config}]({base}configs/{entry['config']})" if base else config
        when = " ".join(filter(None, (str(entry.get("date") or ""), _commit(entry)))) or "-"
        cells = (f"`{name}`", entry["what"], link, figures(entry), when, entry["licence"])
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def figures(entry: Entry) -> str:
    """An entry's figures in a line, with what they are true of."""
    if not entry.get("figures"):
        return "none of its own"
    shown = [f for f in entry["figures"] if f.get("table", True) and f.get("value") is not None]
    told = [f"{f['name']} {f['value']:g}" for f in shown]
    if not told:
        return "not yet"
    return "; ".join(told) + (" (synthetic data only)" if entry.get("synthetic") else "")


def _commit(entry: Entry) -> str:
    return f"`{entry['commit']}`" if entry.get("commit") else ""
