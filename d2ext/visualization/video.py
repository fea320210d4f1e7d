"""Pictures as a video."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from .bev import BACKGROUND

VIDEO_SUFFIX = ".mp4"


class VideoWriter:
    """An MP4 file that grows picture by picture; it can be played when the context ends, however it does.

    Its size is that of the first picture: others are cut, or have a margin at the right and below.

    Args:
        path: file to write.
        fps: pictures a second.
    """

    def __init__(self, path: Path, fps: float) -> None:
        self.path, self.fps = path, fps
        self._size = (0, 0)
        self._file: cv2.VideoWriter | None = None

    def write(self, picture: np.ndarray) -> None:
        """Add (H, W, 3) uint8 BGR.

        Raises:
            OSError: the file cannot be written.
        """
        if self._file is None:
            height, width = (side + side % 2 for side in picture.shape[:2])  # the codec halves colours
            self._size = height, width
            self.path.parent.mkdir(parents=True, exist_ok=True)
            code = cv2.VideoWriter.fourcc(*"mp4v")
            self._file = cv2.VideoWriter(str(self.path), code, self.fps, (width, height))
            if not self._file.isOpened():
                raise OSError(f"{self.path}: a video of {width} x {height} pixels cannot be written")
        page = np.full((*self._size, 3), BACKGROUND, np.uint8)
        part = picture[: self._size[0], : self._size[1]]
        page[: part.shape[0], : part.shape[1]] = part
        self._file.write(page)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.release()
