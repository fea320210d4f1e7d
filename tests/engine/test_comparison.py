from __future__ import annotations

import json
from pathlib import Path

import pytest

from d2ext.engine import Column, markdown_table, metrics_file, run_once, run_script

SCRIPT = """
import json, pathlib, sys
folder = pathlib.Path(sys.argv[sys.argv.index("OUTPUT_DIR") + 1]) / "inference/road"
folder.mkdir(parents=True)
(folder / "metrics.json").write_text(json.dumps({"exact": {"AP": float(sys.argv[1])}}))
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


def test_a_run_that_is_there_is_not_repeated(script: Path, tmp_path: Path) -> None:
    for value in (1, 2):
        run_once([script, str(value)], tmp_path / "run", metrics_file("road"), tmp_path)
    assert Column("AP", "road", "exact", "AP").read(tmp_path / "run") == 1.0


def test_a_run_that_fails_ends_the_program_with_its_status(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("raise SystemExit(3)")
    with pytest.raises(SystemExit) as error:
        run_once([tmp_path / "bad.py"], tmp_path / "run", metrics_file("road"), tmp_path)
    assert error.value.code == 3


@pytest.mark.parametrize(
    "code, expected",
    [
        ("print('fine')", ""),
        ("import sys; print('error: a: no such\\nfile', file=sys.stderr)", ""),
        ("import sys; sys.exit('error: x.png: damaged')", "x.png: damaged"),
        ("raise ValueError('a\\nb')", "b"),
        ("raise SystemExit(3)", "s.py ended with status 3"),
        ("import os; os.kill(os.getpid(), 9)", "s.py ended with status -9"),
        ("import sys; sys.exit('error: ' + 'x' * 5000)", None),
    ],
)
def test_a_script_that_fails_says_why_in_one_line(tmp_path: Path, code: str, expected: str, capsys) -> None:
    (tmp_path / "s.py").write_text(code)
    found = run_script([tmp_path / "s.py"])
    assert found == expected if expected is not None else 0 < len(found) < 300 and "\n" not in found
    assert found.partition("x.png")[0] in capsys.readouterr().err or "ended" in found or expected is None


def test_a_table_has_means_and_deviations_of_the_seeds(tmp_path: Path) -> None:
    for seed, value in enumerate((10.0, 12.0, 14.0)):
        file = tmp_path / str(seed) / "inference/road/metrics.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps({"exact": {"AP": value}}))
    folders = [tmp_path / str(seed) for seed in range(3)]
    rows = {"three": folders, "one": folders[:1]}
    table = markdown_table("method", rows, [Column("AP here", "road", "exact", "AP")])
    assert table.splitlines() == [
        "| method | AP here |",
        "|---|---|",
        "| three | 12.0 ± 2.0 |",
        "| one | 10.0 |",
    ]
