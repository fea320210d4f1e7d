"""convert.py: recordings of published formats become recordings that datasets read as they are."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import d2ext_cli
from d2ext.data.trajectories import COLUMN_MAPS, Road, read_tracks
from d2ext.engine import one_line_errors

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/convert.py"
HEAD = "track_id,time,lane,position\n"


@dataclass
class Done:
    status: int
    out: str
    err: str


@pytest.fixture
def convert(capsys):
    """Calls the command in this process."""
    spec = importlib.util.spec_from_file_location("convert_script", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)

    def call(*arguments) -> Done:
        status = 0
        try:
            with one_line_errors():
                script.main(script.build_parser().parse_args([*map(str, arguments)]))
        except SystemExit as error:
            status = error.code
        return Done(status, *capsys.readouterr())

    return call


@pytest.fixture
def cases(shared_dir) -> Path:
    folder = shared_dir / "cases/tracks"
    if not folder.is_dir():
        pytest.skip("needs ../shared")
    return folder


def test_converted_recordings_read_as_the_originals(convert, cases, tmp_path):
    lines = {"s": [[-5, 0], [100, 0]], "n": [[100, 3.5], [-5, 3.5]]}
    (tmp_path / "road.json").write_text(json.dumps({"lanes": lines, "half_width": 1.5}))
    road = Road({name: np.array(line, float) for name, line in lines.items()}, half_width=1.5)
    jobs = [
        ("highd", "01_tracks.csv", None),
        ("sumo", "fcd.xml", None),
        ("ngsim", "ngsim_nohdr.csv", None),
        ("citysim", "citysim.csv", None),
        ("ind", "ind.csv", road),
    ]
    for layout, name, road in jobs:
        extra = ("--road", tmp_path / "road.json") if road else ()
        done = convert(cases / name, "--layout", layout, "--output", tmp_path / "out", *extra)
        assert done.status == 0, done.err
        target = tmp_path / "out" / f"{Path(name).stem}.csv"
        assert f"[1/1] {target}: " in done.out and "INPUT.GRAPH.LANES" in done.out
        found, expected = read_tracks(target), read_tracks(cases / name, COLUMN_MAPS[layout], road)
        assert found.ids.tolist() == expected.ids.tolist()
        np.testing.assert_array_equal(found.lane, expected.lane)
        np.testing.assert_allclose(found.time, expected.time, atol=6e-4)
        np.testing.assert_allclose(found.position, expected.position, atol=6e-3)
        np.testing.assert_allclose(found.speed, expected.speed, atol=6e-3)


def test_options_are_the_config_s_and_a_folder_is_all_its_recordings(convert, tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    for name in ("a", "b"):
        (source / f"{name}.csv").write_text("id,ms,lane,position\n1,0,x,100\n1,500,x,90\n")
    options = ("TRACK_ID", "id", "TIME", "ms", "TIME_UNIT", "0.001", "BACKWARD_LANES", "['x']")
    done = convert(source, "--output", tmp_path / "out", "--opts", *options)
    assert done.status == 0, done.err
    assert [line.split(" ")[0] for line in done.out.splitlines()[:2]] == ["[1/2]", "[2/2]"]
    for name in ("a", "b"):
        tracks = read_tracks(tmp_path / "out" / f"{name}.csv")
        assert tracks.speed.tolist() == [20, 20] and tracks.time.tolist() == [0, 0.5]


def test_broken_recordings_can_be_left_out(convert, tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text(HEAD + "1,0,1,0\n1,1,1,9\n")
    (tmp_path / "b.csv").write_text(HEAD + "1,0,1,0\n1,x,1,9\n")
    arguments = (tmp_path, "--output", tmp_path / "out")
    done = convert(*arguments)
    assert done.status == 1 and "b.csv:3: column 'time'" in done.err
    monkeypatch.setenv("D2EXT_SKIP_BROKEN", "1")
    done = convert(*arguments, "--overwrite")
    assert done.status == 0 and "left out 1 of 2 recordings" in done.err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.csv"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("no.csv", "--output", "out"), "no.csv: no such file or folder"),
        (("a.csv", "--output", "."), "a.csv: is there already"),
        (("a.csv", "--output", ".", "--overwrite"), "a.csv: is there already"),
        (("a.csv", "sub/a.csv", "--output", "out"), "would be written to out/a.csv"),
        (("a.csv", "--output", "out", "--layout", "highd"), "a.csv:1: no column 'id' in the header"),
        (("a.csv", "--output", "out", "--layout", "ind"), "no column 'trackId'"),
        (("a.csv", "--output", "out", "--road", "no.json"), "no.json: no such file"),
        (("a.csv", "--output", "out", "--opts", "UNIT", "3"), "UNIT"),
        (("a.csv", "--output", "a.csv"), "a.csv"),
        (("empty", "--output", "out"), "empty: no recording in this folder"),
    ],
)
def test_errors_are_one_line_and_nothing_is_written(convert, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    for folder in ("sub", "empty"):
        (tmp_path / folder).mkdir()
    for name in ("a.csv", "sub/a.csv"):
        (tmp_path / name).write_text(HEAD + "1,0,1,0\n1,1,1,9\n")
    done = convert(*arguments)
    error = done.err.strip()
    assert done.status in (1, 2) and message in error and "\n" not in error and len(error) < 310
    assert not list(tmp_path.glob("out/*")) and (tmp_path / "a.csv").read_text().startswith(HEAD)


def test_all_layouts_are_offered():
    assert set(d2ext_cli.LAYOUTS) == set(COLUMN_MAPS)


def test_help_takes_no_library():
    code = "import sys, runpy; sys.argv = ['convert.py', '--help']\n"
    code += f"try: runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
    code += "finally: assert not {'torch', 'numpy', 'detectron2'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and "recordings, or folders of them" in done.stdout
