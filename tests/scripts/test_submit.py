"""Jobs: what SLURM is asked for, and a training of two processes on this machine that is interrupted."""

import os
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import yaml
from project_scripts import ROOT, call_script, load_script

from d2ext.engine import read_checkpoint
from tests.toy_backbone import NARROW

TRAIN_NET = "projects/U2ENet/train_net.py"


@pytest.fixture
def submit(monkeypatch, tmp_path):
    """Calls submit.py as a command from the repository's root; returns its exit status."""
    monkeypatch.chdir(ROOT)
    return partial(call_script, load_script("submit", ""), "--folder", tmp_path / "jobs/%j")


@pytest.fixture
def slurm(monkeypatch, tmp_path) -> None:
    """A machine on which sbatch keeps the job file as batch.sh and answers with job 7."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, body in {
        "srun": "",
        "sbatch": f'cp "$1" {tmp_path}/batch.sh; echo Submitted batch job 7',
    }.items():
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_slurm_gets_one_process_a_gpu_and_signals_before_the_time_is_over(submit, slurm, tmp_path, capsys):
    sizes = ("--nodes", 2, "--gpus", 8, "--cpus", 6, "--time", 90, "--partition", "fast", "--name", "u2e")
    assert (
        submit(*sizes, "--slurm", "account=lab", "qos=high", "--", TRAIN_NET, "--config-file", "c.yaml") == 0
    )
    assert capsys.readouterr().out == f"job 7, log {tmp_path}/jobs/7/7_0_log.out\n"
    options = dict(
        re.findall(r"^#SBATCH --([\w-]+)=(.*)$", (tmp_path / "batch.sh").read_text(), re.MULTILINE)
    )
    expected = {
        "nodes": "2",
        "gpus-per-node": "8",
        "ntasks-per-node": "8",
        "cpus-per-task": "6",
        "time": "90",
    }
    expected |= {"partition": "fast", "job-name": "u2e", "account": "lab", "qos": "high", "signal": "USR2@90"}
    assert expected.items() <= options.items()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ([], 2, "no command: expected `-- projects/NAME/train_net.py ...`"),
        (["--", "train.py"], 2, "train.py: no such training script"),
        (["--slurm", "account", "--", TRAIN_NET], 2, "--slurm account: expected different KEY=VALUE"),
        (["--nodes", 0, "--", TRAIN_NET], 2, "argument --nodes: expected a whole number of at least 1"),
        (["--executor", "local", "--nodes", 2, "--", TRAIN_NET], 1, "LocalExecutor can use only one node"),
    ],
)
def test_requests_that_cannot_be_met_are_one_line(submit, slurm, capsys, arguments, status, message):
    assert submit(*arguments) == status
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message}") and error.count("\n") == 1


def wait_for(path: Path, seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.05)


def tasks_of(folder: Path) -> list[int]:
    """Processes that run a job of this folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        words = path.read_bytes().split(b"\0") if path.exists() else []
        if b"submitit.core._submit" in words and any(w.startswith(bytes(folder)) for w in words):
            found.append(int(path.parent.name))
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds the processes of the job in /proc")
def test_an_interrupted_training_of_two_processes_goes_on_where_it_was(few_scenes, tmp_path):
    config = {
        "_BASE_": str(ROOT / "configs/U2ENet/Base-U2ENet-tiny.yaml"),
        "MODEL": {"DEVICE": "cpu", **NARROW},
        "INPUT": {"SIZE": [96, 320]},
        "DATASETS": {"TRAIN": ["synthroad_mono3drefer_train"], "TEST": []},
        "DATALOADER": {"NUM_WORKERS": 0},
        "SOLVER": {"MAX_ITER": 20, "IMS_PER_BATCH": 2, "CHECKPOINT_PERIOD": 2},
        "OUTPUT_DIR": str(tmp_path / "output"),
    }
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "scripts/submit.py", "--executor", "local", "--processes", "2"]
    command += ["--folder", tmp_path / "jobs/%j", "--", TRAIN_NET, "--config-file", tmp_path / "toy.yaml"]
    variables = {"DETECTRON2_DATASETS": str(few_scenes), "OMP_NUM_THREADS": "1"}
    job = subprocess.Popen(
        [str(word) for word in command],
        cwd=ROOT,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        wait_for(tmp_path / "output/model_0000003.pth")
        tasks = tasks_of(tmp_path / "jobs")
        assert len(tasks) == 2
        for task in tasks:
            os.kill(task, signal.SIGUSR2)  # as SLURM does before it stops a job
        log, _ = job.communicate(timeout=600)
    finally:
        if job.poll() is None:
            os.killpg(job.pid, signal.SIGKILL)
    assert job.returncode == 0, log
    starts = [int(i) for i in re.findall(r"Starting training from iteration (\d+)", log)]
    assert starts[0] == 0 and len(starts) == 2 and starts[1] in range(2, 20, 2)
    assert read_checkpoint(tmp_path / "output/model_final.pth")["iteration"] == 19
