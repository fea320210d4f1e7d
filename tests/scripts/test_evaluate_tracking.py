"""scripts/evaluate_tracking.py on written tracks."""

from __future__ import annotations

import json

import numpy as np
import pytest
from project_scripts import call_script, load_script


@pytest.fixture
def labels(tmp_path):
    rows = []
    for frame in range(20):
        for car in range(4):
            x, z = 4 * car - 6, 15 + 4 * car + 0.8 * frame
            rows.append(f"{frame} {car} Car 0 0 -10 0 0 9 9 1.5 1.8 4.2 {x} 1.6 {z} {-np.pi / 2}")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/0000.txt").write_text("\n".join(rows))
    return tmp_path / "labels"


def test_the_table(labels, tmp_path, capsys):
    script = load_script("evaluate_tracking", "")
    out = tmp_path / "out.json"
    assert call_script(script, "--labels", labels, "--output", out) == 0
    printed = capsys.readouterr().out
    assert all(word in printed for word in ("HOTA", "nearest neighbour", "AB3DMOT", "d2ext, turn"))
    assert {row["GT"] for row in json.loads(out.read_text()).values()} == {80}
    assert call_script(script, "--labels", labels, "--output", out, "--perfect") == 0
    perfect = json.loads(out.read_text())
    assert perfect["nearest neighbour"]["HOTA"] == pytest.approx(100, abs=0.1)
    assert perfect["d2ext, turn"]["IDSW"] == 0 and perfect["d2ext, turn"]["FN"] == 4


def test_without_labels_there_is_one_line(tmp_path, capsys):
    assert call_script(load_script("evaluate_tracking", ""), "--labels", tmp_path) == 1
    assert "expected label files" in capsys.readouterr().err
