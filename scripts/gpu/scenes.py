"""SynthRoad scenes that are rendered while a model trains on those that are there already."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from d2ext.data.builtin import register_dataset

from .runner import ROOT

KINDS = ("mono3drefer", "monomulti3d")


def render(root: Path, seed: int, train: int, test: int, workers: int) -> None:
    """Render a dataset of ``train`` and ``test`` images per camera, at low priority.

    Raises:
        subprocess.CalledProcessError: the generator failed; its message is in the log.
    """
    numbers = {"--seed": seed, "--train": train, "--val": 0, "--test": test, "--workers": workers}
    options = [str(word) for pair in numbers.items() for word in pair]
    command = [
        "nice",
        sys.executable,
        "-m",
        "d2ext.data.synthroad",
        "--root",
        str(root),
        "--language",
        "both",
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    nowhere = subprocess.DEVNULL
    subprocess.run(command + options, check=True, cwd=ROOT, env=environment, stdout=nowhere, stderr=nowhere)


class Scenes(threading.Thread):
    """Renders dataset after dataset until it is told to stop; those that are done can be trained on.

    Args:
        root: folder for the datasets.
        sizes: images per camera of the first datasets; all later ones are as large as the last of them.
        seed: of the first; each one has its own.
    """

    def __init__(self, root: Path, sizes: tuple[int, ...], seed: int) -> None:
        super().__init__(daemon=True)
        self.root, self.sizes, self.seed = root, sizes, seed
        self.workers = os.cpu_count() or 1
        self.ended = threading.Event()
        self.done: list[str] = []
        self.images = 0
        self.error: Exception | None = None

    def run(self) -> None:
        number = 0
        while not self.ended.is_set():
            size = self.sizes[min(number, len(self.sizes) - 1)]
            folder = self.root / f"scenes_{number}"
            try:
                render(folder, self.seed + number, size, 0, self.workers)
            except (subprocess.CalledProcessError, OSError) as e:
                self.error = e
                return
            names = [f"gpu_check_{self.seed + number}_{kind}_train" for kind in KINDS]
            for name, kind in zip(names, KINDS, strict=True):
                register_dataset(name, kind, folder / kind, "train")
            self.images += 2 * size
            self.done += names
            number += 1

    def wait_for_first(self, seconds: float) -> None:
        """Until a dataset is done.

        Raises:
            TimeoutError: none within ``seconds``.
            RuntimeError: the generator failed.
        """
        end = time.monotonic() + seconds
        while not self.done:
            if self.error is not None:
                raise RuntimeError(f"SynthRoad could not be rendered: {self.error}") from self.error
            if time.monotonic() > end:
                raise TimeoutError(f"no scenes within {seconds:.0f} s")
            time.sleep(0.2)
