"""TrajAD on files: an image, a recording, or a folder of either."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from d2ext.data.formats.trajectories import is_recording
from d2ext.data.image_io import IMAGE_SUFFIXES, read_image, read_image_size
from d2ext.data.recordings import read_recording
from d2ext.data.trajectories import Tracks
from d2ext.engine.batch import answer_each, read_ahead, write_each
from d2ext.files import write_bytes
from d2ext.projects.trajad.findings import Finding
from d2ext.projects.trajad.predictor import TrajADPredictor

RESULTS = "results.jsonl"  # of a folder, where no other file is asked for


class FileFinder:
    """Reads files, and finds in them what is abnormal.

    Args:
        predictor: a loaded model.
        road: road.json of recordings with x and y.
    """

    def __init__(self, predictor: TrajADPredictor, road: Path | None = None) -> None:
        self.predictor = predictor
        self.road = road

    def read(self, path: Path) -> np.ndarray | Tracks:
        """An image (H, W, 3) uint8 BGR, or a recording.

        Raises:
            FileNotFoundError, ValueError: as their readers.
        """
        cfg = self.predictor.cfg
        if is_recording(path):
            return read_recording(cfg, path, self.road)
        read_image_size(path)  # a file that is cut off may still decode
        return read_image(path, cfg.INPUT.MAX_PIXELS)

    def find(self, name: str, data: np.ndarray | Tracks) -> Finding:
        """What is found in what :meth:`read` gave.

        Raises:
            ValueError: as the predictor.
        """
        threshold = self.predictor.threshold
        if isinstance(data, Tracks):
            return Finding.of_graph(name, *self.predictor.recording(data), threshold)
        image = self.predictor.aug.get_transform(data).apply_image(data)
        values = self.predictor(image)["anomaly_map"]
        return Finding.of_image(name, data, values.float().cpu().numpy(), threshold)

    def folder(
        self, folder: Path, files: Sequence[Path], output: Path, lines: Path, done: Callable[[], Any]
    ) -> tuple[int, list[str]]:
        """Write what is found in ``files`` of a folder: JSON lines in their order, and the pictures
        ``output/<path in the folder>.png``. A file that cannot be used has a line {"input", "error"}.

        Args:
            done: called after each file.

        Returns:
            how many are abnormal, and the errors.

        Raises:
            OSError: something cannot be written.
        """
        names = [{"input": path.relative_to(folder).as_posix()} for path in files]
        read: Iterator[Any] = read_ahead(self.read, files)
        answers = answer_each(zip(names, read, strict=True), self._answer)
        abnormal, errors = 0, []
        for row in write_each(
            lines, answers, lambda row, png: write_bytes(output / f"{row['input']}.png", png)
        ):
            abnormal += row.get("verdict") == "abnormal"
            errors += [row["error"]] if "error" in row else []
            done()
        return abnormal, errors

    def _answer(self, head: Mapping[str, Any], data: np.ndarray | Tracks) -> tuple[dict[str, Any], bytes]:
        finding = self.find(head["input"], data)
        return finding.content(), encode(finding.picture(), ".png")


def list_inputs(folder: Path, apart: Path) -> list[Path]:
    """The images of a folder and all below it, by name, or where it has none its recordings.

    Args:
        apart: a folder in it whose files are none: what an earlier run has written.

    Raises:
        FileNotFoundError: it has neither.
        ValueError: the two folders are the same.
    """
    apart = apart.resolve()
    if apart == folder.resolve():
        raise ValueError(f"{folder}: expected another folder for what is found")
    files = sorted(p for p in folder.rglob("*") if not p.is_dir() and apart not in p.resolve().parents)
    found = [p for p in files if p.suffix.lower() in IMAGE_SUFFIXES] or list(filter(is_recording, files))
    if not found:
        raise FileNotFoundError(f"{folder}: expected images or recordings (.csv, .txt, .xml), found none")
    return found


def encode(picture: np.ndarray, suffix: str) -> bytes:
    """A picture as a file of that kind.

    Raises:
        ValueError: it cannot be encoded.
    """
    ok, data = cv2.imencode(suffix, picture)
    if not ok:
        size = f"{picture.shape[1]} x {picture.shape[0]}"
        raise ValueError(f"a picture of {size} pixels cannot be written as {suffix}")
    return data.tobytes()
