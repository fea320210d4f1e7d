"""Config files read as data: no tag runs code, and a base is a file of the config's own tree."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import yaml
from detectron2.config import CfgNode

from d2ext.moved_keys import move_keys
from d2ext.reading import clear_errors, one_line, open_file, read_text, twice
from d2ext.shipped import CONFIGS, SHIPPED


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Of two values of a key YAML's own reader takes the last without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        name = twice(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        if name:
            raise ValueError(f"the key {name} twice, in line {node.start_mark.line + 1} or below")
        return super().construct_mapping(node, deep)


MAX_CHARACTERS = 1 << 18
MAX_VALUES = 100_000
MAX_BASE = 255  # characters of a path

BASE_KEY = "_BASE_"


@clear_errors
def read_yaml(path: str | Path) -> Any:
    """The content of a YAML file; a tag that would make anything but plain values is an error.

    Raises:
        FileNotFoundError, ValueError: no such file; not UTF-8 text; not plain YAML; one of more than
            ``MAX_CHARACTERS`` or, aliases written out, ``MAX_VALUES``.
    """
    text = read_text(path, "config file")
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"{path}: expected at most {MAX_CHARACTERS} characters, got {len(text)}")
    try:
        content = yaml.load(text, _Loader)
        _check_size(content)
        return content
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ValueError(f"{path}: expected plain YAML: {one_line(str(error), 150)}") from error


def _check_size(content: Any) -> None:
    """Aliases can make a few lines as large as they like, or endless."""
    left, seen = [content], 0
    while left:
        value = left.pop()
        seen += 1
        if seen > MAX_VALUES:
            raise ValueError(f"more than {MAX_VALUES} values")
        if isinstance(value, dict | list):
            left += [*value, *value.values()] if isinstance(value, dict) else value


@clear_errors
def read_config(path: str | Path) -> dict[str, Any]:
    """The keys of a config file, over those of the files that its ``_BASE_`` names.

    A base is a path, relative to the file that names it. It must lie, links followed, in the tree of the
    first file, which is its folder, or where one above is called ``configs`` that one; or in the ``configs``
    of this collection. So configs that were fetched or unpacked read nothing else of the machine.

    Raises:
        FileNotFoundError, ValueError: no such file; not a mapping of keys; a base that is an address, lies
            outside of the tree or leads back to itself.
    """
    open_file(path, "config file").close()
    path = Path(path)
    return _read(path, _tree(path), ())


def _tree(path: Path) -> Path:
    folder = _real(path).parent
    return next((above for above in (folder, *folder.parents) if above.name == CONFIGS), folder)


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))  # Path.resolve raises where links lead in a circle


def _read(path: Path, tree: Path, readers: tuple[Path, ...]) -> dict[str, Any]:
    if _real(path) in readers:
        raise ValueError(f"{path}: {BASE_KEY} leads back to this file")
    content = read_yaml(path)
    _check_keys(content, str(path))
    bases = content.pop(BASE_KEY, [])
    merged: dict[str, Any] = {}
    for base in bases if isinstance(bases, list) else [bases]:
        where = f"{path}: {BASE_KEY}"
        if not isinstance(base, str) or "://" in base or len(base) > MAX_BASE or not base.isprintable():
            raise ValueError(f"{where}: expected a file beside this one, got {one_line(repr(base), 80)}")
        file = path.parent / base
        if not any(map(_real(file).is_relative_to, (tree, SHIPPED / CONFIGS))):
            raise ValueError(f"{where}: expected a file below {tree}, got {one_line(base, 80)}")
        _merge(_read(file, tree, (*readers, _real(path))), merged, str(file))
    _merge(content, merged, str(path))
    return merged


def _check_keys(content: Any, where: str) -> None:
    if not isinstance(content, dict):
        raise ValueError(f"{where}: expected keys and values, got {type(content).__name__}")
    for key, value in content.items():
        if not isinstance(key, str):
            raise ValueError(f"{where}: expected a name as key, got {one_line(repr(key), 60)}")
        if isinstance(value, dict):
            _check_keys(value, f"{where}: {one_line(key, 60)}")


def _merge(new: dict[str, Any], into: dict[str, Any], where: str) -> None:
    """Put the values of ``new`` in the place of those of the same key."""
    for key, value in new.items():
        if isinstance(value, dict) and key in into:
            if not isinstance(into[key], dict):
                raise ValueError(f"{where}: key {key}: expected a value as in {BASE_KEY}, got keys")
            _merge(value, into[key], where)
        else:
            into[key] = value


@clear_errors
def merge_config(cfg: CfgNode, path: str | Path) -> None:
    """Put the values of a config file into ``cfg``, in place.

    Raises:
        FileNotFoundError, ValueError: as :func:`read_config`; a key that does not exist, has another type, or
            has no value.
    """
    content = read_config(path)
    changed = move_keys(content, cfg)
    if changed:
        logging.getLogger(__name__).warning("%s: keys of an earlier version: %s", path, changed)
    try:
        _check_values(content, cfg)
        cfg.merge_from_other_cfg(CfgNode(content))
    except (KeyError, ValueError, AssertionError) as error:
        message = error.args[0] if error.args else repr(error)
        raise ValueError(f"{path}: {message}") from error


def _check_values(content: dict[str, Any], cfg: CfgNode, above: str = "") -> None:
    for key, value in content.items():
        default, name = cfg.get(key), f"key {above}{one_line(key, 60)}"
        if isinstance(default, CfgNode) != isinstance(value, dict) and key in cfg:
            wanted = "keys and values" if isinstance(default, CfgNode) else f"a {type(default).__name__}"
            raise ValueError(f"{name}: expected {wanted}, got {type(value).__name__}")
        if value is None and default is not None:
            raise ValueError(f"{name}: expected {type(default).__name__}, got nothing")
        if isinstance(value, dict) and isinstance(default, CfgNode):
            _check_values(value, default, f"{above}{key}.")
