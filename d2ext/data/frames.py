"""Pictures to look at, one after the other: files, folders, videos."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from d2ext.data.image_io import MAX_PIXELS, list_images, read_image, read_image_size

VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv"})
#: Share of a video's frames that may be missing at its end, and frames: how many it has is an estimate.
_FEW, _FEWEST = 0.02, 5


def is_video(path: Path) -> bool:
    """By the ending of its name."""
    return path.suffix.lower() in VIDEO_SUFFIXES


@dataclass(frozen=True)
class Frame:
    """One picture of many.

    Attributes:
        head: what names it in a list of results: {"image": name}, or {"frame": from 0, "time": seconds}.
        photograph: its file; None in a video.
    """

    head: dict[str, Any]
    photograph: Path | None


class ImageFiles:
    """Image files; their names are those in the folder that holds all.

    Args:
        paths: image files, and folders of them.
        every: take each so many only.
        apart: a folder of results, whose pictures are none to look at.

    Attributes:
        items: what there is.
        fps: of a video out of them, pictures a second.

    Raises:
        FileNotFoundError, ValueError: a folder without images, or one that is ``apart``; a video.
    """

    fps = 10.0

    def __init__(self, paths: Sequence[Path], every: int = 1, apart: Path | None = None) -> None:
        files = [file for path in paths for file in self._files(path, apart)]
        wrong = next((file for file in files if is_video(file)), None)
        if wrong is not None:
            raise ValueError(f"{wrong}: a video, expected it alone, or images only")
        folder = paths[0] if len(paths) == 1 and paths[0].is_dir() else _common_folder(files)
        names = [os.path.relpath(file, folder).replace(os.sep, "/") for file in files]
        frames = [Frame({"image": name}, file) for name, file in zip(names, files, strict=True)]
        self.items = frames[::every]

    @staticmethod
    def _files(path: Path, apart: Path | None) -> list[Path]:
        if not path.is_dir():
            return [path]
        if apart is None:
            return list_images(path)
        apart = apart.resolve()
        if apart == path.resolve():
            raise ValueError(f"{path}: expected another folder for what is found")
        files = [file for file in list_images(path) if apart not in file.resolve().parents]
        if not files:
            raise FileNotFoundError(f"{path}: expected a folder of images")
        return files

    def __len__(self) -> int:
        return len(self.items)

    @staticmethod
    def read(frame: Frame, reader: Callable[[Path], np.ndarray] = read_image) -> np.ndarray:
        """(H, W, 3) uint8 BGR, by a function that reads a file.

        Raises:
            FileNotFoundError, ValueError: as :func:`~d2ext.data.image_io.read_image`.
        """
        assert frame.photograph is not None
        read_image_size(frame.photograph)  # a file that is cut off may still decode
        return reader(frame.photograph)


class VideoFile:
    """A video as OpenCV reads it, turned as its file says.

    Args:
        every: take each so many frames only.

    Attributes:
        fps: pictures a second of those that are taken.

    Raises:
        FileNotFoundError, ValueError: no such file, or none that OpenCV can read.
    """

    def __init__(self, path: Path, every: int = 1) -> None:
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such video")
        # FFmpeg writes about damaged files to stderr by itself.
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
        self.path, self.every = path, every
        self._video = cv2.VideoCapture(str(path))
        width, height = (self._video.get(k) for k in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        rate, count = (self._video.get(k) for k in (cv2.CAP_PROP_FPS, cv2.CAP_PROP_FRAME_COUNT))
        if not self._video.isOpened() or not 0 < width * height <= MAX_PIXELS:
            raise ValueError(f"{path}: expected a video that OpenCV can read")
        self._rate = rate if 0.1 < rate < 1000 else 25.0
        self._count = int(count) if 0 < count < 1e9 else 0
        self.fps = self._rate / every

    def __len__(self) -> int:
        """Frames that there seem to be; 0 where the file does not tell."""
        return -(-self._count // self.every)

    def __iter__(self) -> Iterator[tuple[Frame, np.ndarray | Exception]]:
        """Frames (H, W, 3) uint8 BGR, or what is wrong with them; once only."""
        number, time, first = 0, 0.0, None
        while self._video.grab():
            told = self._video.get(cv2.CAP_PROP_POS_MSEC) / 1000
            first = told if first is None else first
            # the time in the file, where it rises: phones do not take pictures at equal distances
            time = told - first if number and told - first > time else time + (number > 0) / self._rate
            if number % self.every == 0:
                good, image = self._video.retrieve()
                failed = ValueError(f"{self.path}: frame {number} cannot be decoded")
                frame = Frame({"frame": number, "time": round(time, 3)}, None)
                yield frame, image if good and image is not None and image.size else failed
            number += 1
        if number < self._count * (1 - _FEW) - _FEWEST or not number:
            cut = f"{self.path}: ends after {number} of {self._count} frames: it is damaged or cut off"
            yield Frame({"frame": number, "time": round(number / self._rate, 3)}, None), ValueError(cut)


def first_picture(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 BGR of an image, or the first frame of a video.

    Raises:
        FileNotFoundError, ValueError: no such file, or one that cannot be read.
    """
    if not is_video(path):
        return read_image(path)
    _, image = next(iter(VideoFile(path)))
    if isinstance(image, Exception):
        raise image
    return image


def _common_folder(files: Sequence[Path]) -> Path:
    return Path(os.path.commonpath([file.absolute().parent for file in files]))
