"""Warnings that a user can do nothing about are not shown, here or in processes started from here."""

import subprocess
import sys
import warnings

import pytest

from d2ext.quiet import FILTERS, quiet_warnings

CASES = [
    ("`torch.jit.script` is deprecated. Please switch to `torch.compile`.", FutureWarning, False),
    ("torch.meshgrid: in an upcoming release, it will be required to pass the indexing", UserWarning, False),
    ("`torch.jit.script` is deprecated. Please switch to `torch.compile`.", UserWarning, True),
    ("the file `torch.jit.script` is deprecated", FutureWarning, True),
]


@pytest.mark.parametrize("message, category, shown", CASES)
def test_only_the_listed_warnings_are_ignored(message, category, shown):
    with warnings.catch_warnings(record=True) as caught:
        warnings.resetwarnings()
        quiet_warnings()
        warnings.warn(message, category, stacklevel=1)
    assert bool(caught) == shown


def test_a_process_started_from_here_ignores_them_before_it_imports_anything(monkeypatch):
    monkeypatch.setenv("PYTHONWARNINGS", "error::SyntaxWarning")  # a user's own, which stays
    quiet_warnings()
    quiet_warnings()
    lines = [f"warnings.warn({message!r}, {category.__name__})" for message, category, _ in CASES]
    code = "\n".join(["import os, warnings", *lines, "print(os.environ['PYTHONWARNINGS'].count('ignore'))"])
    code += "\nwarnings.warn('x', SyntaxWarning)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == f"{len(FILTERS)}\n"  # once, however often it was asked for
    *shown, error = [line for line in done.stderr.splitlines() if "Warning: " in line]
    assert len(shown) == sum(case[2] for case in CASES) and error == "SyntaxWarning: x"
