"""Runs the parts, each in a process of its own with a time limit. Standard library only."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO

from .results import Part, Report

ROOT = Path(__file__).resolve().parents[2]
#: Seconds between looks at a part that is running, and those that it has to end in when it is told to.
LOOK, GRACE = 0.5, 5.0
#: Arguments of Python that run a part; its name and the context follow.
COMMAND = ("-m", "gpu.part")


@dataclass(frozen=True)
class Context:
    """What a part is run with.

    Attributes:
        device: "cuda" or "cpu".
        smoke: everything tiny, to see that it runs.
        seconds: in which the part must end.
        scratch: folder for what is not kept: datasets, caches.
        output: folder for what is.
    """

    device: str
    smoke: bool
    seconds: float
    scratch: str
    output: str


def run_all(names: dict[str, float], context: Context, train: float, report: Report) -> None:
    """Run parts one after the other and keep ``report`` up to date.

    Args:
        names: parts, in order, with the share of the time that each may take. What a part leaves goes to the
            later ones.
        context: whose ``seconds`` are those of all parts together.
        train: seconds of them that are kept for the last part, "train".
    """
    end = time.monotonic() + context.seconds
    left = dict(names)
    for name in names:
        free = max(0.0, end - time.monotonic() - (train if "train" in left else 0))
        limit = (
            train if name == "train" else free * left[name] / sum(n for k, n in left.items() if k != "train")
        )
        del left[name]
        part = Part(name)
        report.parts.append(part)
        if limit < 1:
            part.status = "not run: no time left"
        else:
            report.parts[-1] = part = run_part(part, replace(context, seconds=limit), report)
        report.save()
        print(f"{name}: {part.status}, {part.seconds:.0f} s", flush=True)


def run_part(part: Part, context: Context, report: Report) -> Part:
    """Run one part in a process of its own; whatever happens to that, this returns what it has found."""
    file = Path(context.scratch) / f"{part.name}.json"
    file.unlink(missing_ok=True)
    start = time.monotonic()
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(
            [str(ROOT), str(ROOT / "scripts"), *filter(None, [os.environ.get("PYTHONPATH")])]
        ),
        "PYTHONUNBUFFERED": "1",
        # What was compiled and tuned for one part serves the next.
        "TRITON_CACHE_AUTOTUNING": "1",
        "TRITON_CACHE_DIR": str(Path(context.scratch) / "triton"),
        "TORCHINDUCTOR_CACHE_DIR": str(Path(context.scratch) / "inductor"),
    }
    log = Path(context.output) / "gpu_check.log"
    with log.open("a") as stream:
        stream.write(f"\n=== {part.name}, at most {context.seconds:.0f} s\n")
        stream.flush()
        before = stream.tell()
        command = [sys.executable, *COMMAND, part.name, json.dumps(asdict(context))]
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=stream, stderr=stream, start_new_session=True
        )
        try:
            stopped = _follow(process, file, context.seconds, report)
        finally:
            stop(process)
    part = _found(file, part)
    part.seconds = time.monotonic() - start
    if stopped:
        part.status = f"stopped after {context.seconds:.0f} s"
    elif process.returncode:
        with log.open(errors="replace") as stream:
            part.status = f"failed ({_ending(process.returncode)}): {_last_line(stream, before)}"
    else:
        part.status = "done"
    return part


def _follow(process: subprocess.Popen, file: Path, seconds: float, report: Report) -> bool:
    """Wait for a part and publish what it writes; whether the time ran out."""
    end, seen = time.monotonic() + seconds, 0
    while process.poll() is None:
        if time.monotonic() > end:
            return True
        time.sleep(LOOK)
        if file.is_file() and file.stat().st_mtime_ns != seen:
            seen = file.stat().st_mtime_ns
            report.parts[-1] = _found(file, report.parts[-1])
            report.save()
    return False


def _found(file: Path, part: Part) -> Part:
    return Part.load(file) if file.is_file() else part


def stop(process: subprocess.Popen) -> None:
    """End a process and all that it has started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def _ending(code: int) -> str:
    return f"status {code}" if code > 0 else signal.Signals(-code).name


def _last_line(stream: IO[str], start: int) -> str:
    stream.seek(start)
    lines = [line.strip() for line in stream if line.strip()]
    return lines[-1][:200] if lines else "no output"
