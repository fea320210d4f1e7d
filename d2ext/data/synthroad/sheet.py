"""A contact sheet: pictures of many cameras and lights on one page, some with their 3D boxes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path

import cv2
import numpy as np

from d2ext.data.synthroad.cameras import find_cameras
from d2ext.data.synthroad.labels import Frame, make_frame
from d2ext.files import write_bytes

# Pixels of the page, of a row (about), and between pictures.
_WIDTH, _ROW, _GAP = 1920, 240, 4
_EDGES = [(i, (i + 1) % 4) for i in range(4)]
_EDGES += [(i + 4, j + 4) for i, j in _EDGES] + [(i, i + 4) for i in range(4)]


def write_sheet(path: Path, cameras: str, seed: int, count: int = 21, boxed: int = 3) -> bool:
    """Write a page of `count` pictures of the families in turn as an image; every so many has its boxes
    drawn, `boxed` in all. True: it is written.

    Raises:
        ValueError: an unknown family, or a file name of no image format.
    """
    kinds = find_cameras(cameras)
    if not cv2.haveImageWriter(str(path)):
        raise ValueError(f"{path}: no image format by its name; expected .jpg or .png")
    step = max(count // boxed, 1) if boxed else count + 1
    images = []
    for i, kind in enumerate(islice(cycle(kinds), count)):
        frame = make_frame(kind, np.random.default_rng([seed, i]))
        images.append(with_boxes(frame) if i % step == step - 1 else frame.rendering.image)
    options = [cv2.IMWRITE_JPEG_QUALITY, 80] if path.suffix.lower() in (".jpg", ".jpeg") else []
    write_bytes(path, cv2.imencode(path.suffix, page(images), options)[1].tobytes())
    return True


def page(images: Sequence[np.ndarray]) -> np.ndarray:
    """Images (H, W, 3) of any size in rows of equal width, each row as high as its pictures let it be."""
    rows: list[list[np.ndarray]] = [[]]
    for image in images:
        rows[-1].append(image)
        if sum(one.shape[1] / one.shape[0] for one in rows[-1]) * _ROW >= _WIDTH - _ROW / 2:
            rows.append([])
    return np.concatenate([_row(row) for row in rows if row])


def _row(images: Sequence[np.ndarray]) -> np.ndarray:
    aspects = np.array([image.shape[1] / image.shape[0] for image in images])
    # The last row may be too short to fill the page.
    height = min(round((_WIDTH - _GAP * (len(images) - 1)) / aspects.sum()), round(1.3 * _ROW))
    row = np.full((height + _GAP, _WIDTH, 3), 255, np.uint8)
    left = 0
    for image, aspect in zip(images, aspects, strict=True):
        width = min(round(height * aspect), _WIDTH - left)
        if width > 0:
            part = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
            row[:height, left : left + width] = part
        left += width + _GAP
    return row


def with_boxes(frame: Frame) -> np.ndarray:
    """The picture (H, W, 3) with the labelled objects' boxes, their ground faces bold."""
    image, view = frame.rendering.image.copy(), frame.scene.view
    for label in frame.labels:
        corners = view.box_corners(np.array(label.location), np.array(label.size), label.yaw)
        pixels, w = view.project(corners)
        if w.min() < 0.2:
            continue
        points = np.rint(np.clip(pixels, -1e4, 1e4) * 16).astype(int)
        for i, (a, b) in enumerate(_EDGES):
            start, end = ((int(x), int(y)) for x, y in points[[a, b]])
            cv2.line(image, start, end, (60, 230, 60), 2 if i < 4 else 1, cv2.LINE_AA, shift=4)
    return image
