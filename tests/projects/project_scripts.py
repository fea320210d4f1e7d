"""The scripts of the projects as modules."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]


def load_script(name: str, project: str = "U2ENet") -> ModuleType:
    """A script of a project as a module."""
    path = ROOT / f"projects/{project}/{name}.py"
    spec = importlib.util.spec_from_file_location(f"{project.lower()}_{name}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
