#!/usr/bin/env python3
"""Run a training script on many GPUs and machines through SLURM, or on this machine in the same way.

    .venv/bin/python scripts/submit.py --nodes 2 --gpus 8 --partition gpu --time 1440 -- \\
        projects/U2ENet/train_net.py --config-file configs/U2ENet/u2enet_dla34_mono3drefer.yaml

Everything after `--` is the command as it would be run by hand. One process is started for each GPU. A job
that runs out of its time or is preempted is queued again and goes on with `--resume` from its last
checkpoint. `--executor local` needs no SLURM: it runs the job here, shows its log, and ends with status 1 if
it fails.
"""

from __future__ import annotations

import argparse
import os
import runpy
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, integer, run_command

if TYPE_CHECKING:
    import submitit


class Training:
    """One process of a training, called in every task of a job.

    Args:
        command: script and its arguments.
        resume: go on from the last checkpoint.
    """

    def __init__(self, command: list[str], resume: bool = False) -> None:
        self.command = command
        self.resume = resume

    def __call__(self) -> None:
        import submitit

        submitit.helpers.TorchDistributedEnvironment().export(set_cuda_visible_devices=False, overwrite=True)
        script, *arguments = self.command
        # SLURM itself starts a job again after a machine has failed.
        if self.resume or os.environ.get("SLURM_RESTART_COUNT", "0") != "0":
            arguments = ["--resume", *arguments]
        sys.argv = [script, *arguments]
        runpy.run_path(script, run_name="__main__")

    def checkpoint(self) -> submitit.helpers.DelayedSubmission:
        """What submitit queues when the time is over; the training has written its own checkpoints."""
        import submitit

        return submitit.helpers.DelayedSubmission(Training(self.command, resume=True))


def submit(args: argparse.Namespace) -> submitit.Job:
    """Queue the job that ``args`` describe.

    Raises:
        ValueError: no SLURM, or a request that cannot be met.
    """
    import submitit

    if args.executor == "slurm" and not shutil.which("srun"):
        raise ValueError("no SLURM on this machine (no srun); expected --executor local here")
    limit = {f"{args.executor}_max_num_timeout": args.requeues}
    executor = submitit.AutoExecutor(args.folder, cluster=args.executor, **limit)
    executor.update_parameters(
        name=args.name,
        nodes=args.nodes,
        tasks_per_node=args.processes or max(args.gpus, 1),
        gpus_per_node=args.gpus or None,
        cpus_per_task=args.cpus,
        timeout_min=args.time,
        stderr_to_stdout=True,
        slurm_partition=args.partition,
        slurm_additional_parameters=slurm_options(args) or None,
    )
    return executor.submit(Training(args.command))


def follow(job: submitit.Job) -> bool:
    """Show the log of a job's first process until the job ends; True if all of its processes succeeded."""
    shown, done = 0, False
    while not done:
        done = job.done()
        if job.task(0).paths.stdout.is_file():
            with open(job.task(0).paths.stdout, encoding="utf-8", errors="replace") as f:
                f.seek(shown)
                print(f.read(), end="", flush=True)
                shown = f.tell()
        if not done:
            time.sleep(0.5)
    tasks = [job.task(i) for i in range(job.num_tasks)]
    return all(task.paths.result_pickle.is_file() and task.exception() is None for task in tasks)


def slurm_options(args: argparse.Namespace) -> dict[str, str]:
    """The options of --slurm by their names."""
    return dict(item.split("=", 1) for item in args.slurm if "=" in item)


def check_command(args: argparse.Namespace) -> None:
    """Take the `--` away; there must be a script after it."""
    args.command = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not args.command:
        raise ValueError("no command: expected `-- projects/NAME/train_net.py ...`")
    if not Path(args.command[0]).is_file():
        raise ValueError(f"{args.command[0]}: no such training script")
    if len(slurm_options(args)) != len(args.slurm):
        raise ValueError(f"--slurm {' '.join(args.slurm)}: expected different KEY=VALUE")


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    parser.add_argument("--executor", choices=("slurm", "local"), default="slurm")
    parser.add_argument("--nodes", type=integer(1), default=1, help="machines")
    parser.add_argument("--gpus", type=integer(0), default=0, help="GPUs of each machine")
    parser.add_argument(
        "--processes", type=integer(1), help="of each machine; by default one a GPU, without GPUs one"
    )
    parser.add_argument("--cpus", type=integer(1), help="CPU cores of each process")
    parser.add_argument(
        "--time", type=integer(1), default=1440, help="minutes until the job is stopped and queued again"
    )
    parser.add_argument(
        "--requeues", type=integer(0), default=20, help="most times that it is queued again for time"
    )
    parser.add_argument("--partition", help="SLURM partition")
    parser.add_argument("--slurm", nargs="+", default=[], metavar="KEY=VALUE", help="more sbatch options")
    parser.add_argument("--name", default="d2ext", help="of the job")
    parser.add_argument(
        "--folder", default="output/jobs/%j", help="for job files and logs; %%j is the job's id"
    )
    parser.add_argument("command", nargs=argparse.REMAINDER, help="-- script and its arguments")
    parser.add_check(check_command)
    return parser


def main(args: argparse.Namespace) -> None:
    job = submit(args)
    print(f"job {job.job_id}, log {job.task(0).paths.stdout}", flush=True)
    if args.executor == "local" and not follow(job):
        raise ValueError(f"job {job.job_id} failed, see {job.task(0).paths.stdout}")


if __name__ == "__main__":
    run_command(build_parser(), main)
