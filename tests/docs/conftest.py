"""A picture with its camera, as a reader of the documentation would have them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from d2ext.structures import Camera, plane_of_tilt

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "commands"))  # readme_commands

WIDTH, HEIGHT = 96, 64


@pytest.fixture(scope="session")
def picture() -> np.ndarray:
    """(64, 96, 3) uint8 BGR, rendered."""
    from d2ext.data.synthroad.labels import make_frame
    from d2ext.data.synthroad.layout import POLE

    image = make_frame(POLE, np.random.default_rng([5, 1])).rendering.image
    return cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="session")
def camera() -> Camera:
    return Camera([[120.0, 0, 48, 0], [0, 120, 32, 0], [0, 0, 1, 0]], (HEIGHT, WIDTH))


@pytest.fixture(scope="session")
def plane() -> list[float]:
    return plane_of_tilt(7.0, 0.19)


@pytest.fixture(scope="session")
def give(picture, camera, plane) -> Callable[[str, Path], None]:
    """Writes a file that a page asks for, ``name`` or ``name=WIDTHxHEIGHT``, into a folder."""

    def give(wanted: str, folder: Path) -> None:
        name, _, size = wanted.partition("=")
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in (".jpg", ".png"):
            width, height = map(int, size.split("x")) if size else (WIDTH, HEIGHT)
            cv2.imwrite(str(path), cv2.resize(picture, (width, height)))
        elif name == "calib.txt":
            path.write_text("P2: " + " ".join(map(str, camera.P.flatten().tolist())) + "\n")
        elif name == "denorm.txt":
            path.write_text(" ".join(map(str, plane)) + "\n")
        else:
            assert re.search(r"trajectories.*\.csv$", name), f"{wanted}: nothing here writes that"
            rows = [f"{i},{t / 5},{1 + i % 2},{10 * t / 5}" for i in range(2) for t in range(200)]
            path.write_text("\n".join(["track_id,time,lane,position", *rows]))

    return give
