"""Pictures that a viewer brings, and their calibration by hand."""

from __future__ import annotations

import math
import secrets
import tempfile
import threading
from collections import OrderedDict
from dataclasses import dataclass

import cv2
import numpy as np

from d2ext.data.given_camera import focal_of_fov
from d2ext.data.image_io import read_photograph
from d2ext.structures import Camera
from d2ext.structures.calibration.view import GroundView, PixelGrid
from d2ext.visualization.ground_grid import draw_ground_grid

#: Bytes and pixels of a picture at most, its least side, and pictures that are kept.
MAX_BYTES, MAX_PIXELS, LEAST_SIDE, _KEPT = 8 << 20, 12_000_000, 16, 16
_SHOWN_WIDTH = 1280  # pixels of a picture with its grid, at most
_STEEPEST = math.radians(89)


@dataclass(frozen=True)
class HandCamera:
    """A calibration by hand.

    Attributes:
        horizon: row of the horizon in the middle of the picture, from 0 at the top to 1 at the bottom; it may
            lie outside.
        height: metres of the camera above the road.
        fov: field of view across, degrees; focal: pixels, counts before it where it is given.
        roll: degrees by which the horizon falls to the right.
    """

    horizon: float
    height: float
    fov: float = 60.0
    focal: float | None = None
    roll: float = 0.0

    def view(self, size: tuple[int, int]) -> GroundView:
        """The camera of pictures of ``size`` (height, width).

        Raises:
            ValueError: it looks straight up or down.
        """
        grid, roll = PixelGrid(size), math.radians(self.roll)
        focal = self.focal or focal_of_fov(self.fov, size[1])
        rows = grid.center[1] - (self.horizon * size[0] - 0.5)
        pitch = math.atan(rows / focal * math.cos(roll))
        if abs(pitch) > _STEEPEST:
            raise ValueError("horizon: too far from the picture for this focal length")
        return GroundView(focal, pitch, roll, self.height, grid)


def with_grid(image: np.ndarray, hand: HandCamera) -> np.ndarray:
    """(H, W, 3) uint8 BGR -> the same, not wider than 1280 pixels, with the metric grid on the road."""
    share = min(1.0, _SHOWN_WIDTH / image.shape[1])
    small = cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA) if share < 1 else image
    view = hand.view(image.shape[:2])
    scaled = GroundView(view.focal * share, view.pitch, view.roll, view.height, PixelGrid(small.shape[:2]))
    return draw_ground_grid(small, scaled)


def calibration_text(hand: HandCamera, size: tuple[int, int]) -> tuple[str, str]:
    """Calibration and ground plane as Rope3D's calib and denorm files have them."""
    view = hand.view(size)
    numbers = " ".join(f"{value:.6f}" for row in view.projection for value in row)
    return f"P2: {numbers}\n", " ".join(f"{value:.9f}" for value in view.plane) + "\n"


def camera_of(view: GroundView) -> Camera:
    """As models take it."""
    return Camera(view.projection, view.grid.image_size)


class Pictures:
    """The last pictures that viewers brought, in memory, by names that cannot be guessed."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, data: bytes) -> tuple[str, np.ndarray]:
        """Take the bytes of an image file.

        Returns:
            its name, and (H, W, 3) uint8 BGR.

        Raises:
            ValueError: no whole picture, or one that is too large or too small.
        """
        if len(data) > MAX_BYTES:
            raise ValueError(f"picture: expected at most {MAX_BYTES >> 20} MiB, got {len(data)} bytes")
        with tempfile.NamedTemporaryFile(prefix="picture") as file:
            file.write(data)
            file.flush()
            try:
                image = read_photograph(file.name, MAX_PIXELS)
            except ValueError as error:
                raise ValueError(str(error).replace(file.name, "picture")) from None
        if min(image.shape[:2]) < LEAST_SIDE:
            raise ValueError(f"picture: expected sides of at least {LEAST_SIDE} pixels")
        name = secrets.token_urlsafe(12)
        with self._lock:
            self._kept[name] = image
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return name, image

    def get(self, name: str) -> np.ndarray | None:
        """(H, W, 3) uint8 BGR; None: there is none, or no more."""
        return self._kept.get(name)
