"""An image with its camera and its road, out of what a person has of them: what models of ``d2ext.from_zoo``
take, and the commands have as arguments."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from torch import Tensor

from d2ext.data.given_camera import GivenCamera, GivenGround
from d2ext.data.image_record import check_image, check_plane
from d2ext.structures import Camera

StrPath = str | Path


class CameraOptions(TypedDict, total=False):
    """What is known of the camera and of the road below it; nothing is required.

    One of ``calib`` (file with a P2 line), ``intrinsics`` (3x3 matrix, or text or a file of its 9 numbers),
    ``focal`` (pixels) and ``fov`` (degrees across), else the photograph's EXIF data, for which
    ``sensor_width`` is in mm, else 60 degrees with a warning. ``ground`` (file, or the 4 numbers of the
    plane), or ``height`` (m) with ``pitch`` (degrees down) and ``roll`` (the horizon falls to the right).
    """

    calib: StrPath | None
    intrinsics: StrPath | Sequence[Sequence[float]] | np.ndarray | None
    focal: float | None
    fov: float | None
    sensor_width: float | None
    ground: StrPath | Sequence[float] | None
    height: float | None
    pitch: float | None
    roll: float | None


def given_image(
    image: StrPath | np.ndarray, options: CameraOptions
) -> tuple[np.ndarray, Camera, Tensor | None]:
    """Pixels (H, W, 3) uint8 BGR, camera, and ground plane (4,), None where it is not known.

    Args:
        image: path, or pixels as they are returned.
        options: as :class:`CameraOptions` explains them.

    Raises:
        FileNotFoundError, ValueError: a file or number that cannot be used, two that say the same, or an
            unknown option.
    """
    known = {name: value for name, value in options.items() if value is not None}
    check_options(known)
    photograph = None if isinstance(image, np.ndarray) else Path(image)
    given = camera_of(known)
    pixels = check_image(image) if isinstance(image, np.ndarray) else given.read(image)
    camera = given.of(pixels.shape[:2], photograph)
    ground: Any = known.get("ground")
    if ground is None or isinstance(ground, str | os.PathLike):
        plane = ground_of(known).plane(photograph)
    else:
        plane = [float(x) for x in ground]
    return pixels, camera, None if plane is None else check_plane(plane)


def check_options(known: Mapping[str, Any]) -> None:
    """Raises ValueError: an option that is none, or two of which one is expected."""
    for name in known:
        if name not in CameraOptions.__annotations__:
            expected = ", ".join(CameraOptions.__annotations__)
            raise ValueError(f"{name}: no such option of the camera, expected one of {expected}")
    given = [name for name in ("calib", "intrinsics", "focal", "fov") if name in known]
    if len(given) > 1:
        raise ValueError(f"{given[0]} and {given[1]}: expected one of them")
    numbers = [name for name in ("height", "pitch", "roll") if name in known]
    if "ground" in known and numbers:
        raise ValueError(f"ground and {numbers[0]}: expected one of them")
    if numbers and "height" not in known:
        raise ValueError(f"{numbers[0]}: expected height with it")


def camera_of(known: Mapping[str, Any]) -> GivenCamera:
    """The camera of options that :func:`check_options` has seen.

    Raises:
        ValueError: a number that cannot be used.
    """
    calib, intrinsics = known.get("calib"), known.get("intrinsics")
    if intrinsics is not None and not isinstance(intrinsics, str | os.PathLike):
        intrinsics = " ".join(f"{x:.17g}" for x in np.asarray(intrinsics, dtype=float).ravel())
    return GivenCamera(
        None if calib is None else Path(calib),
        None if intrinsics is None else str(intrinsics),
        known.get("focal"),
        known.get("fov"),
        known.get("sensor_width"),
    )


def ground_of(known: Mapping[str, Any]) -> GivenGround:
    """The road of options that :func:`check_options` has seen, in which ``ground`` is a file.

    Raises:
        ValueError: a number that cannot be used.
    """
    ground = known.get("ground")
    path = None if ground is None else Path(ground)
    return GivenGround(path, known.get("height"), known.get("pitch", 0.0), known.get("roll", 0.0))
