"""The commands as modules, run in this process."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch.torch_version import TorchVersion

from d2ext.engine.onnx_graphs import EXPORT_TORCH
from d2ext_cli import run_command

#: For tests that export graphs.
needs_exporter = pytest.mark.skipif(
    TorchVersion(torch.__version__) < EXPORT_TORCH, reason=f"ONNX export needs torch {EXPORT_TORCH} or newer"
)
ROOT = Path(__file__).resolve().parents[1]


def load_script(name: str, project: str = "U2ENet") -> ModuleType:
    """A script of a project, or with an empty ``project`` one of scripts/, as a module."""
    folder = ROOT / f"projects/{project}" if project else ROOT / "scripts"
    spec = importlib.util.spec_from_file_location(f"{project.lower()}_{name}", folder / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def call_script(script: ModuleType, *arguments: object) -> int:
    """Run a script as a command; returns its exit status."""
    try:
        run_command(script.build_parser(), script.main, [str(word) for word in arguments])
    except SystemExit as e:
        return e.code
    return 0
