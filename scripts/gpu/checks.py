"""The tests that matter on a GPU: ``pytest -m gpu tests/gpu`` on the device."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import pytest

from .part import Task
from .runner import ROOT


class Recorder:
    """Writes a row for each test that does not pass, and ends the run when its time is up."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.counts: Counter[str] = Counter()
        self.session: pytest.Session | None = None

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        self.session = session

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.passed:
            return
        outcome = report.outcome if report.when == "call" or report.skipped else "error"
        self.counts[outcome] += 1
        if outcome != "passed":
            told: Any = report.longrepr
            crash = getattr(told, "reprcrash", None)
            why = crash.message if crash else told[2] if report.skipped else told
            self.task.part.row(report.nodeid, outcome, " ".join(str(why).split())[:300].replace("|", "/"))
        if self.task.left() <= 0 and self.session is not None:
            self.session.shouldstop = "no time left"


def run(task: Task) -> None:
    """Raises RuntimeError if a test failed, none was run, or the time ran out."""
    os.environ["D2EXT_TEST_DEVICE"] = task.context.device
    task.part.table("Tests that did not pass", "test", "outcome", "why")
    recorder = Recorder(task)
    options = ["-q", "-m", "gpu", "-p", "no:cacheprovider", "--durations=8", "--rootdir", str(ROOT)]
    code = pytest.main([*options, "-c", str(ROOT / "pyproject.toml"), str(ROOT / "tests/gpu")], [recorder])
    counts = recorder.counts
    task.part.note(f"tests: {', '.join(f'{n} {outcome}' for outcome, n in counts.items()) or 'none'}")
    if code != pytest.ExitCode.OK:
        raise RuntimeError(f"pytest ended with {pytest.ExitCode(code).name}")
    if not counts["passed"]:
        raise RuntimeError("no test was run")
