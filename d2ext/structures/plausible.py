"""Whether cameras and grounds can be what they are taken for: loaders and predictors refuse impossible ones.

All other geometry is silent about them: a calibration of another image size, or a height in millimetres,
gives boxes that are simply elsewhere.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from detectron2.utils.logger import log_first_n

FOCAL_RANGE = (1.0, 1e6)  # pixels
MAX_ENTRY = 1e8  # of a projection matrix: a focal length times a few metres
MAX_HEIGHT = 200.0  # metres of a camera above the ground


def check_projection(P: Sequence[Sequence[float]]) -> None:
    """Check a projection matrix (3, 4), of pixels and metres.

    Raises:
        ValueError: a third row other than 0 0 1 t, focal lengths that no camera has, or an entry beyond
            ``MAX_ENTRY``.
    """
    low, high = FOCAL_RANGE
    focal = (float(P[0][0]), float(P[1][1]))
    if [float(x) for x in P[2][:3]] != [0.0, 0.0, 1.0] or min(focal) <= 0:
        raise ValueError("expected positive focal lengths and a third row 0 0 1 t")
    if not low <= min(focal) <= max(focal) <= high:
        raise ValueError(
            f"expected focal lengths of {low:g} to {high:g} pixels, got {focal[0]:g}, {focal[1]:g}"
        )
    if not all(abs(float(x)) <= MAX_ENTRY for row in P for x in row):
        raise ValueError(f"expected entries of at most {MAX_ENTRY:g}")


def check_view(P: Sequence[Sequence[float]], image_size: tuple[int, int]) -> None:
    """Check that a projection matrix (3, 4) can be that of an image of ``image_size`` (height, width).

    A crop can lack the principal point on one axis, which is warned of once; an image that was made smaller
    while its calibration was not lacks it on both.

    Raises:
        ValueError: the principal point is beyond the image on both axes.
    """
    height, width = image_size
    x, y = float(P[0][2]), float(P[1][2])
    beyond = (not -0.5 <= x <= width - 0.5, not -0.5 <= y <= height - 0.5)
    message = f"principal point ({x:g}, {y:g}) outside of the image of {width} x {height} pixels"
    if all(beyond):
        raise ValueError(f"{message}: expected the calibration of this image size")
    if any(beyond):
        warning = f"{message}: right for a crop, else the calibration is that of another image"
        log_first_n(logging.WARNING, warning, key="message", name=__name__)


def check_ground(plane: Sequence[float]) -> None:
    """Check a ground plane (4,) with a unit normal that points up.

    Raises:
        ValueError: the camera is not above it, or higher than ``MAX_HEIGHT``.
    """
    height = float(plane[3])
    if not height > 0:
        raise ValueError(f"expected the ground below the camera, got a height of {height:g} m")
    if height > MAX_HEIGHT:
        raise ValueError(f"expected a camera at most {MAX_HEIGHT:g} m above the ground, got {height:g} m")
