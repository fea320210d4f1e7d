"""Pictures as files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from d2ext.files import write_bytes


def check_picture_path(path: str | Path) -> None:
    """Find out before the work whether a picture can be written there.

    Raises:
        ValueError: a file in the place of its folder, or a name whose ending is no format of pictures.
    """
    path = Path(path)
    for folder in path.parents:
        if folder.exists() and not folder.is_dir():
            raise ValueError(f"{path}: {folder} is a file, expected a folder to write into")
    if not cv2.haveImageWriter(str(path)):
        raise ValueError(f"{path}: expected a picture name such as out.png")


def write_picture(path: str | Path, picture: np.ndarray) -> None:
    """Write (H, W, 3) uint8 BGR in the format of the name.

    Raises:
        ValueError: no picture, no name of a picture, or one of a format that cannot hold it.
    """
    path = Path(path)
    if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8:
        kind = getattr(picture, "dtype", type(picture).__name__)
        raise ValueError(f"{path}: expected a picture (H, W, 3) uint8 in BGR, got {kind}")
    try:
        ok, data = cv2.imencode(path.suffix, picture)
    except cv2.error:
        ok = False
    if not ok:
        raise ValueError(f"{path}: could not encode the picture, expected a name such as out.png")
    write_bytes(path, data.tobytes())
