"""Fixtures for data beside the repository; tests that need them are skipped where they are absent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # The workers share the cores; libraries that are imported from here on start one thread in each.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

_ROOT = Path(__file__).resolve().parents[1]
_SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Folder with real frames in ``data/``."""
    if not (_SHARED / "data").is_dir():
        pytest.skip("no folder ../shared with real frames")
    return _SHARED


@pytest.fixture(scope="session")
def golden_dir() -> Path:
    """Inputs and outputs of the published evaluators: ``$D2EXT_GOLDEN`` or ``../shared/golden``."""
    path = Path(os.environ.get("D2EXT_GOLDEN") or _SHARED / "golden")
    if not path.is_dir():
        pytest.skip(f"no folder {path} with golden files")
    return path


@pytest.fixture(scope="session")
def few_scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for ``DETECTRON2_DATASETS``: SynthRoad, five images in a test set and four to train on."""
    root = tmp_path_factory.mktemp("datasets")
    command = [sys.executable, "-m", "d2ext.data.synthroad", "--root", str(root / "synthroad"), "--seed", "5"]
    subprocess.run([*command, "--train", "4", "--val", "1", "--test", "5"], cwd=_ROOT, check=True)
    return root
