from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from d2ext.engine.launch import user_message

HERE = Path(__file__).parent


def run(command: list, **env: str) -> subprocess.CompletedProcess:
    env = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", **env}
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, env=env, timeout=300)


def launched(*args, **env: str) -> subprocess.CompletedProcess:
    return run([sys.executable, HERE / "launched.py", *args], **env)


def final_weights(folder: Path) -> dict[str, torch.Tensor]:
    checkpoint = torch.load(folder / "model_final.pth", weights_only=True)
    assert checkpoint["iteration"] == 2
    return checkpoint["model"]


@pytest.fixture(scope="module")
def one_process(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("one")
    done = launched(folder)
    assert (done.returncode, done.stderr) == (0, "")  # no warnings
    return folder


def same_weights(a: Path, b: Path) -> None:
    for (name, x), y in zip(final_weights(a).items(), final_weights(b).values(), strict=True):
        torch.testing.assert_close(x, y, rtol=1e-5, atol=1e-6, msg=name)


def test_two_cpu_processes_equal_one_at_the_same_global_batch(one_process: Path, tmp_path: Path) -> None:
    done = launched(tmp_path, "--num-gpus", 2)
    assert (done.returncode, done.stderr) == (0, "")
    same_weights(one_process, tmp_path)


@pytest.mark.slow
def test_torchrun_equals_one_process(one_process: Path, tmp_path: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2]
    done = run([*torchrun, HERE / "launched.py", tmp_path])
    assert done.returncode == 0, done.stderr
    same_weights(one_process, tmp_path)


def test_data_error_of_a_worker_is_one_line(tmp_path: Path) -> None:
    done = launched(tmp_path, "--fail", "data")
    assert (done.returncode, done.stderr) == (1, "error: image_2/000001.png: not an image\n")
    assert "Traceback" not in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(
    ("kind", "message"),
    [("key", "Non-existent key: MODEL.NO_SUCH_KEY"), ("nan", "infinite or NaN at iteration=0")],
)
def test_user_errors_are_one_line(tmp_path: Path, kind: str, message: str, processes: int) -> None:
    done = launched(tmp_path, "--fail", kind, "--num-gpus", processes)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1 and message in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "Traceback" in launched(tmp_path, "--fail", kind, D2EXT_DEBUG="1").stderr


@pytest.mark.slow
def test_bugs_keep_their_traceback(tmp_path: Path) -> None:
    done = launched(tmp_path, "--fail", "bug")
    assert done.returncode == 1 and "Traceback" in done.stderr and "TypeError: a bug" in done.stderr


PASSED_ON = """Caught ValueError in DataLoader worker process 0.
Original Traceback (most recent call last):
  File "a.py", line 1, in f
json.decoder.JSONDecodeError: Expecting value

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "a.py", line 2, in f
    raise ValueError("...")
{}"""


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("f.json:3: field 'x'\nis wrong"), "f.json:3: field 'x' is wrong"),
        (FileNotFoundError("f.json: no such file"), "f.json: no such file"),
        (KeyError("Non-existent config key: MODEL.X"), "Non-existent config key: MODEL.X"),
        (KeyError("Dataset 'x' is not registered!"), "Dataset 'x' is not registered!"),
        (AssertionError("Non-existent key: MODEL.X"), "Non-existent key: MODEL.X"),
        (KeyError("x"), None),
        (TypeError("bug"), None),
        (ValueError(PASSED_ON.format("ValueError: f.json: cut off\n")), "f.json: cut off"),
        (TypeError("Caught TypeError in DataLoader worker process 0.\nOriginal Traceback"), None),
    ],
)  # fmt: skip
def test_user_message(error: Exception, message: str | None) -> None:
    assert user_message(error) == message
