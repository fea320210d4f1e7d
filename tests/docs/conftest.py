"""A picture with its camera, as a reader of the documentation would have them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "commands"))  # readme_commands

WIDTH, HEIGHT = 96, 64


@pytest.fixture(scope="session")
def give() -> Callable[[str, Path], None]:
    """Writes a file that a page asks for, ``name`` or ``name=WIDTHxHEIGHT``, into a folder: a picture,
    its camera and ground plane, a recording."""
    import cv2  # here, because most tests of this folder need none of these
    import numpy as np

    from d2ext.data.synthroad.labels import make_frame
    from d2ext.data.synthroad.layout import POLE
    from d2ext.structures import plane_of_tilt

    picture = make_frame(POLE, np.random.default_rng([5, 1])).rendering.image

    def give(wanted: str, folder: Path) -> None:
        name, _, size = wanted.partition("=")
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in (".jpg", ".png"):
            width, height = map(int, size.split("x")) if size else (WIDTH, HEIGHT)
            cv2.imwrite(str(path), cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA))
        elif name == "calib.txt":
            path.write_text(f"P2: 120 0 {WIDTH / 2} 0 0 120 {HEIGHT / 2} 0 0 0 1 0\n")
        elif name == "denorm.txt":
            path.write_text(" ".join(map(str, plane_of_tilt(7.0, 0.19))) + "\n")
        else:
            assert re.search(r"trajectories.*\.csv$", name), f"{wanted}: nothing here writes that"
            rows = [f"{i},{t / 5},{1 + i % 2},{10 * t / 5}" for i in range(2) for t in range(200)]
            path.write_text("\n".join(["track_id,time,lane,position", *rows]))

    return give
