"""scripts/gpu_check.py: all parts at tiny size, and what is left when parts crash or run out of time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from gpu import runner  # noqa: E402
from gpu.part import PARTS  # noqa: E402
from gpu.results import Report  # noqa: E402

FAKE_PART = """
import json, os, subprocess, sys, time
from functools import partial
from pathlib import Path
from gpu.results import Part

name, context = sys.argv[1], json.loads(sys.argv[2])
part = Part(name, path=Path(context["scratch"]) / f"{name}.json")
part.table("a table", "x", "seconds")
part.row(1, context["seconds"])
print("some output")
if name == "crash":
    os.abort()
if name == "error":
    raise ValueError("what went wrong")
if name == "hang":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (Path(context["output"]) / "child").write_text(str(child.pid))
    time.sleep(600)
"""


@pytest.fixture
def run_parts(tmp_path, monkeypatch):
    """Runs made-up parts by name; returns the report as it stands on the disk."""
    script = tmp_path / "fake_part.py"
    script.write_text(FAKE_PART)
    monkeypatch.setattr(runner, "COMMAND", (str(script),))
    monkeypatch.setattr(runner, "LOOK", 0.05)
    (tmp_path / "output").mkdir()

    def run(shares: dict[str, float], seconds: float, train: float = 0.0) -> list[dict]:
        context = runner.Context("cpu", False, seconds, str(tmp_path), str(tmp_path / "output"))
        runner.run_all(shares, context, train, Report(tmp_path / "output", {"card": "a card"}))
        return json.loads((tmp_path / "output/gpu_check.json").read_text())["parts"]

    return run


def test_a_part_that_fails_does_not_stop_the_next(run_parts, tmp_path):
    parts = run_parts({"crash": 1, "error": 1, "good": 1}, 90.0)
    assert [p["name"] for p in parts] == ["crash", "error", "good"]
    crash, error, good = (p["status"] for p in parts)
    assert crash.startswith("failed (SIGABRT)") and good == "done"
    assert error == "failed (status 1): ValueError: what went wrong"
    assert all(p["tables"][0]["rows"][0][0] == "1" for p in parts)
    page = (tmp_path / "output/gpu_check.md").read_text()
    assert "- card: a card" in page and page.count("| x | seconds |\n|---|---|\n| 1 | ") == 3
    assert (tmp_path / "output/gpu_check.log").read_text().count("some output") == 3


def test_a_part_that_hangs_is_ended_with_all_its_processes_and_keeps_what_it_found(run_parts, tmp_path):
    parts = run_parts({"hang": 1, "good": 9}, 40.0)
    assert parts[0]["status"] == "stopped after 4 s" and parts[0]["tables"][0]["rows"]
    assert parts[1]["status"] == "done"
    child = Path("/proc") / (tmp_path / "output/child").read_text() / "stat"
    assert not child.exists() or child.read_text().split(")")[1].split()[0] == "Z"


def test_time_that_a_part_leaves_goes_to_the_later_ones_and_training_keeps_its_own(run_parts):
    parts = run_parts({"one": 1, "two": 1, "train": 0}, 100.0, train=60.0)
    one, two, train = (float(p["tables"][0]["rows"][0][1]) for p in parts)
    assert one == pytest.approx(20, abs=0.5) and 21 < two < 40 and train == 60


def test_results_so_far_are_on_the_disk_while_a_part_runs(tmp_path):
    script = tmp_path / "fake_part.py"
    script.write_text(FAKE_PART)
    code = (
        "import sys; from pathlib import Path; from gpu import runner; from gpu.results import Report\n"
        f"runner.COMMAND, runner.LOOK = ({str(script)!r},), 0.05\n"
        f"context = runner.Context('cpu', False, 600.0, {str(tmp_path)!r}, {str(tmp_path)!r})\n"
        f"runner.run_all({{'hang': 1}}, context, 0, Report(Path({str(tmp_path)!r}), {{}}))\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "scripts")}
    # A job in the background of a shell ignores interrupts, and so would what it starts.
    listens = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, env=environment, preexec_fn=listens) as process:
        end = time.monotonic() + 60
        page = tmp_path / "gpu_check.md"
        while time.monotonic() < end and not (page.is_file() and "| 1 | " in page.read_text()):
            time.sleep(0.1)
        found = page.read_text()
        process.send_signal(signal.SIGINT)
        process.wait(60)
    assert "## hang\n\nrunning" in found and "| 1 | 599." in found


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--minutes", "3", "--train", "4"], "--train 4: expected at most --minutes, 3"),
        (["--parts", "train"], "expected --train MINUTES too"),
        (["--parts", "nothing"], "invalid choice"),
    ],
)
def test_wrong_arguments(arguments, message):
    command = [sys.executable, str(ROOT / "scripts/gpu_check.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and message in done.stderr.splitlines()[-1]


def test_help_needs_nothing_but_the_standard_library():
    command = [sys.executable, "-S", str(ROOT / "scripts/gpu_check.py"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and "--train MINUTES" in done.stdout, done.stderr


@pytest.mark.slow
def test_smoke(tmp_path):
    """All parts at tiny size on the CPU."""
    command = [sys.executable, str(ROOT / "scripts/gpu_check.py"), "--smoke", "--device", "cpu"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, "--output", str(tmp_path)], capture_output=True, text=True, env=environment
    )
    content = json.loads((tmp_path / "gpu_check.json").read_text())
    assert {p["name"]: p["status"] for p in content["parts"]} == dict.fromkeys(PARTS, "done"), done.stdout
    assert done.returncode == 0
    assert {"date", "command", "torch", "Python", "processor"} <= content["about"].keys()
    rows = {p["name"]: sum(len(t["rows"]) for t in p["tables"]) for p in content["parts"]}
    assert rows.pop("tests") >= 0 and all(rows.values())
    assert "nan" not in (tmp_path / "gpu_check.md").read_text()
    assert (tmp_path / "u2enet_full_size.safetensors").stat().st_size > 1e6
