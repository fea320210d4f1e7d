"""The device under test, and arithmetic on it that can be compared with the CPU's."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

_KERNEL = "mamba_ssm.ops.triton.ssd_combined"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.gpu)


@pytest.fixture(scope="session")
def device() -> str:
    """A GPU, or the device that ``$D2EXT_TEST_DEVICE`` names; without either the test is skipped."""
    name = os.environ.get("D2EXT_TEST_DEVICE") or ("cuda" if torch.cuda.is_available() else "")
    if not name:
        pytest.skip("no GPU, and D2EXT_TEST_DEVICE names no device")
    return name


@pytest.fixture(autouse=True)
def _comparable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Float32 is float32 (no TF32), kernels are chosen without trials, and mamba-ssm's, which are tuned at
    their first use for minutes, are left out."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    monkeypatch.setitem(sys.modules, _KERNEL, None)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    torch.manual_seed(0)
    yield
    torch.set_float32_matmul_precision(before)
