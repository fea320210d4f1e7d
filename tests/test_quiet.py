"""Warnings that a user can do nothing about are not shown, here or in processes started from here."""

import os
import subprocess
import sys
import textwrap
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


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        env={k: v for k, v in os.environ.items() if k not in ("PYTHONWARNINGS", "TOKENIZERS_PARALLELISM")},
        timeout=120,
    )


def test_importing_the_package_says_and_changes_nothing():
    done = run(
        """
        import logging, os, sys, warnings
        warnings.simplefilter("ignore")  # of the libraries, which may change what they like
        import cv2, matplotlib.pyplot, scipy.optimize, scipy.sparse, scipy.special, scipy.stats, sympy
        import torchvision
        import detectron2.engine, detectron2.modeling, diffusers, timm, transformers
        warnings.resetwarnings()
        warnings.simplefilter("default")
        warnings.simplefilter("ignore", ResourceWarning)  # a folder that a library leaves to the end

        def state():
            loggers = {n: logging.getLogger(n).level for n in list(logging.root.manager.loggerDict)}
            import torch
            threads = cv2.getNumThreads(), torch.get_num_threads()
            return list(warnings.filters), dict(os.environ), threads, loggers

        cv2.setNumThreads(3)
        before = state()
        import d2ext, d2ext.engine, d2ext.evaluation, d2ext.gallery
        import d2ext.projects.u2enet, d2ext.projects.diffusion_det3d, d2ext.projects.trajad
        after = state()
        assert cv2.getNumThreads() == 3
        for one, other in zip(before[:3], after[:3]):
            assert one == other, (one, other)
        assert {n: level for n, level in after[3].items() if n in before[3]} == before[3]
        """
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr


def test_a_command_is_quiet_and_no_worker_waits_for_opencv_s_threads():
    """The parent uses its threads before the fork, of a loader's workers and of a generator's."""
    done = run(
        """
        import cv2, os, warnings
        import numpy as np
        from d2ext.engine import one_line_errors
        from detectron2.config import get_cfg
        from d2ext.data.stream import _loader
        from d2ext.data.synthesis import _run_jobs

        cv2.setNumThreads(4)
        image = np.zeros((2000, 2000, 3), np.uint8)

        def work(i):
            cv2.GaussianBlur(cv2.resize(image, (900, 700), interpolation=cv2.INTER_AREA), (9, 9), 0)
            return cv2.getNumThreads()

        class Images(list):
            __getitem__ = staticmethod(work)

        work(0)
        cfg = get_cfg()
        cfg.DATALOADER.NUM_WORKERS, cfg.MODEL.DEVICE = 2, "cpu"
        print([n for batch in _loader(Images([0, 1, 2, 3]), cfg) for n in batch])
        print(list(_run_jobs(work, range(4), 2)), cv2.getNumThreads())
        with one_line_errors():
            print(cv2.getNumThreads(), os.environ["TOKENIZERS_PARALLELISM"])
            warnings.warn("torch.meshgrid: in an upcoming release", UserWarning)
        """
    )
    assert done.stdout == "[1, 1, 1, 1]\n[1, 1, 1, 1] 4\n1 false\n", done.stderr
    assert done.stderr == ""  # nor does any library say anything at import
