"""Scripts that come with the code, run or loaded from wherever they lie."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import d2ext_cli
from d2ext_cli.shipped import SHIPPED


def script_path(name: str) -> Path:
    """Of a script such as "projects/U2ENet/train_net.py".

    Raises:
        ValueError: there is none.
    """
    path = SHIPPED / name
    if not path.is_file():
        raise ValueError(f"{name}: does not come with this version of d2ext")
    return path


def run_script(name: str, words: list[str]) -> None:
    """Run a script as Python runs it, in this process, with other arguments.

    It is the module ``__main__`` meanwhile, as processes that it starts look for it.
    """
    path = script_path(name)
    sys.argv[1:] = words
    sys.path.insert(0, str(path.parent))
    module = ModuleType("__main__")
    module.__file__ = str(path)
    sys.modules["__main__"] = module
    exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)


def load_script(name: str) -> ModuleType:
    """A script as a module, not run."""
    path = script_path(name)
    spec = importlib.util.spec_from_file_location(f"{path.parent.name}_{path.stem}", path)
    assert spec is not None and spec.loader is not None  # it is a .py file
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_generator(name: str, words: list[str]) -> None:
    """Run ``python -m d2ext.data.NAME``; ends the program with its status."""
    module = f"d2ext.data.{name}"
    d2ext_cli.MODULES[module]().parse_args(words)
    d2ext_cli.require_libraries()
    sys.exit(importlib.import_module(f"{module}.__main__").main(words))
