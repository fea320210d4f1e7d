"""What the generators of benchmarks share: folders that know their settings, jobs on several processes."""

from __future__ import annotations

import json
import multiprocessing
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from d2ext.data.image_io import one_thread
from d2ext.files import write_bytes
from d2ext.reading import read_json

Job = TypeVar("Job")
Result = TypeVar("Result")


def claim(base: Path, file: str, settings: dict[str, Any]) -> bool:
    """Mark a folder as that of a dataset, with its settings in ``file``.

    Returns:
        False when the same dataset is there already and complete.

    Raises:
        FileExistsError: the folder holds anything but a dataset of the same settings.
    """
    if base.exists() and not base.is_dir():
        raise FileExistsError(f"{base}: not a folder")
    if base.is_dir() and any(base.iterdir()):
        found = _read_settings(base / file)
        complete = found.pop("complete", False)
        if found != settings:
            raise FileExistsError(f"{base}: not empty, and no dataset of the same settings ({file})")
        if complete:
            return False
    write_settings(base, file, settings, complete=False)
    return True


def write_settings(base: Path, file: str, settings: dict[str, Any], complete: bool) -> None:
    """Write the settings, and whether the dataset is complete."""
    text = json.dumps({**settings, "complete": complete}, indent=1) + "\n"
    write_bytes(base / file, text.encode())


def check_complete(root: Path, generators: Sequence[str]) -> None:
    """Check that a dataset is not a part of what one of the generators was to write.

    Args:
        root: of the dataset, which is the generator's folder or at most two below.
        generators: names in ``d2ext.data``, or a name there and a flag (``synthroad_video``); each leaves its
            settings in ``NAME.json``.

    Raises:
        ValueError: generation was interrupted; gives the command that finishes it.
    """
    root = root.absolute()
    for base in (root, root.parent, root.parent.parent):
        for name in generators:
            settings = _read_settings(base / f"{name}.json")
            if settings.get("complete") is False:
                options = {key.removeprefix("num_"): value for key, value in settings.items()}
                given = [
                    f"--{key.replace('_', '-')}" + ("" if value is True else f" {value}")
                    for key, value in options.items()
                    if key not in ("complete", "version") and value != "" and value is not False
                ]
                raise ValueError(
                    f"{base}: not complete, its generation was interrupted; finish it with "
                    f"{command(name)} --root {base} {' '.join(given)}"
                )


def command(generator: str) -> str:
    """What runs a generator, by its name as in :func:`check_complete`."""
    return f"python -m d2ext.data.{generator.replace('_', ' --')}"


def _read_settings(path: Path) -> dict[str, Any]:
    try:
        found = read_json(path)
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def run_jobs(
    make: Callable[[Job], Result], jobs: Sequence[Job], workers: int, chunk: int = 4
) -> Iterator[Result]:
    """Results in the order of the jobs, of which a process takes ``chunk`` at a time.

    Raises:
        ValueError: fewer than one worker.
    """
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    return _run_jobs(make, jobs, workers, chunk)


def _run_jobs(
    make: Callable[[Job], Result], jobs: Sequence[Job], workers: int, chunk: int = 4
) -> Iterator[Result]:
    if workers == 1:
        yield from map(make, jobs)
        return
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else None
    with multiprocessing.get_context(method).Pool(workers, one_thread) as pool:
        yield from pool.imap(make, jobs, chunksize=chunk)


def run_command(root: str | Path, generate: Callable[[], bool]) -> int:
    """Run a generator, which returns False where all is there already; returns the exit code (2: bad settings
    or a folder that is in use)."""
    try:
        written = generate()
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{root}: " + ("written" if written else "already there"))
    return 0
