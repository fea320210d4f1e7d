#!/usr/bin/env python3
"""Checks and measures everything on a GPU in one go, for a machine that is at hand for ten minutes only.

Parts, in order of worth: `tests` (results equal those of the CPU), `kernel` (mamba-ssm's Triton scan against
ssd_scan), `training`, `inference`, `hotspots` (where the time goes), `loader` (images a second by workers),
`compile` (what torch.compile gains) and, with --train, `train` (U2ENet on scenes rendered meanwhile). Each
has a process and a time limit of its own; gpu_check.md, gpu_check.json and gpu_check.log in the output folder
hold at every moment what has been measured. The status is 1 if a part failed or was stopped. No network is
needed; the README says which packages to bring.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from importlib import metadata
from pathlib import Path
from typing import NoReturn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this checkout's modules, from any folder
from gpu.part import PARTS
from gpu.part import run as run_here
from gpu.results import Part, Report
from gpu.runner import ROOT, Context, run_all

from d2ext_cli import CommandParser, number, output_folder

PACKAGES = ("torch", "triton", "torchvision", "transformers", "timm", "numpy")


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    parser.add_argument("--minutes", type=number(above=0), default=8.0, help="for everything (default 8)")
    parser.add_argument(
        "--train", type=number(0), default=0.0, metavar="MINUTES", help="train U2ENet for so many of them"
    )
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), help="run only these")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument(
        "--smoke", action="store_true", help="all parts at tiny size in one process, to see that they run"
    )
    parser.add_argument("--output", type=output_folder, default=ROOT / "output/gpu_check")
    parser.add_check(check)
    return parser


def check(args: argparse.Namespace) -> None:
    """Raises ValueError where arguments contradict each other."""
    if args.train > args.minutes:
        raise ValueError(f"--train {args.train:g}: expected at most --minutes, {args.minutes:g}")
    if args.parts and "train" in args.parts and not (args.train or args.smoke):
        raise ValueError("--parts train: expected --train MINUTES too")


def about() -> dict[str, str]:
    """What the figures hold for, as far as it can be told without importing torch."""
    found = {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(" ", "minutes"),
        "command": shlex.join([os.path.basename(sys.executable), *sys.argv]),
        "Python": platform.python_version(),
        "processor": f"{_processor()}, {os.cpu_count()} cores",
    }
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    if shutil.which("nvidia-smi"):
        query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
        try:
            answer = subprocess.run(query, capture_output=True, text=True, timeout=30).stdout.split("\n")
            found["card, driver"] = answer[0].strip()
        except (OSError, subprocess.TimeoutExpired):
            found["card, driver"] = "nvidia-smi does not answer"
    return found


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = (line.split(":")[1].strip() for line in lines if "model name" in line)
    return next(names, platform.processor() or platform.machine())


def smoke(names: list[str], context: Context, report: Report) -> None:
    """Run parts in this process, one after the other."""
    sys.path.insert(0, str(ROOT))
    for name in names:
        part = Part(name)
        report.parts.append(part)
        start = time.monotonic()
        try:
            run_here(name, context, part)
            part.status = "done"
        except Exception as e:
            traceback.print_exc()
            part.status = f"failed: {type(e).__name__}: {' '.join(str(e).split())[:200]}"
        part.seconds = time.monotonic() - start
        report.save()
        print(f"{name}: {part.status}, {part.seconds:.0f} s", flush=True)


def main(args: argparse.Namespace) -> int:
    names = [name for name in PARTS if name in (args.parts or PARTS)]
    if not args.train and not args.smoke:
        names = [name for name in names if name != "train"]
    args.output.mkdir(parents=True, exist_ok=True)
    report = Report(args.output.resolve(), about())
    report.save()
    signal.signal(signal.SIGTERM, _stop)
    with tempfile.TemporaryDirectory(prefix="gpu_check_", ignore_cleanup_errors=True) as scratch:
        context = Context(args.device, args.smoke, 60 * args.minutes, scratch, str(report.output))
        try:
            if args.smoke:
                smoke(names, context, report)
            else:
                run_all({name: PARTS[name][1] for name in names}, context, 60 * args.train, report)
        finally:
            report.save()
    print(f"{report.output / 'gpu_check.md'}")
    return int(any(part.status != "done" for part in report.parts))


def _stop(number: int, frame: object) -> NoReturn:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main(build_parser().parse_args()))
