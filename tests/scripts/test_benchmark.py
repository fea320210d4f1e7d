"""scripts/benchmark.py synthroad: a row for each camera family, whose stages add up to its time."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

import pytest
from project_scripts import ROOT

from d2ext.data.synthroad.cameras import FAMILIES
from d2ext.engine.benchmark import Clock


def test_stages_of_a_picture_add_up_to_its_time(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    monkeypatch.delitem(sys.modules, "bench", raising=False)
    bench = importlib.import_module("bench.synthroad")
    monkeypatch.setattr(bench, "FAMILIES", {"kitti": FAMILIES["kitti"]})
    monkeypatch.setattr(bench, "_COUNT", 1)
    monkeypatch.setattr(bench, "_WARM", 1)
    bench.run(argparse.Namespace(output=tmp_path), Clock(1, cpu=True, warmup=0))
    header, _, row = (tmp_path / "synthroad.md").read_text().strip().splitlines()[-3:]
    names = [cell.strip() for cell in header.strip("|").split("|")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert names[:2] == ["family", "pictures a second"] and cells[0] == "kitti"
    milliseconds = [float(cell) for cell in cells[2:]]
    assert sum(milliseconds) == pytest.approx(1000 / float(cells[1]), rel=0.05, abs=10)
    assert all(spent >= 0 for spent in milliseconds) and len(names) == len(cells)


def test_tracking_has_a_row_for_each_number_of_objects(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    monkeypatch.delitem(sys.modules, "bench", raising=False)
    bench = importlib.import_module("bench.tracking")
    monkeypatch.setattr(bench, "_COUNTS", (2, 5))
    monkeypatch.setattr(bench, "_FRAMES", 4)
    bench.run(argparse.Namespace(output=tmp_path), Clock(1, cpu=True, warmup=0))
    rows = (tmp_path / "tracking.md").read_text().strip().splitlines()[-2:]
    assert [row.split("|")[1].strip() for row in rows] == ["2", "5"]
    assert all(float(cell) > 0 for row in rows for cell in row.strip("|").split("|")[1:])
