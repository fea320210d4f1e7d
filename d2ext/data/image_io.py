"""Reading images: the size from the header, and the pixels."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

#: What the last bytes of a complete file contain.
_END_MARKERS = {"PNG": b"IEND", "JPEG": b"\xff\xd9"}
_TAIL = 1024  # bytes; some writers pad their files
_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp"}


def list_images(folder: str | Path) -> list[Path]:
    """The image files of a folder and all below it, by name.

    Raises:
        FileNotFoundError: no such folder, or no image in it.
    """
    folder = Path(folder)
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in _SUFFIXES) if folder.is_dir() else []
    if not files:
        raise FileNotFoundError(f"{folder}: expected a folder of images ({', '.join(sorted(_SUFFIXES))})")
    return files


def read_image_size(path: str | Path) -> tuple[int, int]:
    """(height, width) of an image file from its header, without decoding it.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: not an image, or cut off (a PNG or JPEG file without its end marker).
    """
    try:
        with Image.open(path) as image:
            width, height = image.size
            marker = _END_MARKERS.get(image.format or "")
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: no such image file") from error
    except (UnidentifiedImageError, SyntaxError, OSError) as error:
        raise ValueError(f"{path}: expected an image file, got one that cannot be identified") from error
    if marker is not None:
        with open(path, "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
            if marker not in file.read():
                raise ValueError(f"{path}: image file is cut off (its end marker is missing)")
    return height, width


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """An image or mask (H, W, ...) at ``size`` (height, width), its aspect ratio not kept."""
    shrinks = size[0] < image.shape[0]
    return cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def read_image(path: str | Path) -> np.ndarray:
    """Decode an image file, ignoring EXIF orientation so that the pixels agree with the calibration.

    Returns:
        (H, W, 3) uint8, BGR.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file cannot be decoded.
    """
    try:
        data = np.fromfile(path, dtype=np.uint8)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: no such image file") from error
    image = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION) if data.size else None
    if image is None:
        raise ValueError(f"{path}: image file cannot be decoded (corrupt or not an image)")
    return image
