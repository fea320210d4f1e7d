"""Prediction over millions of images: a list on disk, cut into shards that are answered one by one.

A line of the list is a JSON object: ``image`` and ``calib`` (paths), ``ground`` (path or null, may be left
out) and, where a method asks them, ``sentences`` (texts). Paths are relative to the list's folder. A shard is
a fixed slice of the list; its answers are one file that is written at once, so a shard is either finished or
not begun.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode

from d2ext.data.formats.kitti import read_calib, read_ground
from d2ext.data.formats.rows import sentence_text
from d2ext.data.image_io import IMAGE_SUFFIXES, read_image, read_image_size
from d2ext.engine.batch import answer_each, read_ahead
from d2ext.engine.launch import USER_ERRORS, user_message
from d2ext.files import atomic_write, write_bytes, write_json
from d2ext.identity import config_digest
from d2ext.reading import clear_errors, one_line, parse_json, read_json, require
from d2ext.structures import Camera


@dataclass(frozen=True)
class Shard:
    """A slice of a list: its number, first byte and the byte after the last, first line (from 1), images."""

    number: int
    start: int
    end: int
    line: int
    images: int

    def file(self, output: Path) -> Path:
        """Where its answers go."""
        return output / f"shard-{self.number:06d}.jsonl"


def parse_row(line: bytes, where: str, texts: bool = True) -> dict[str, Any]:
    """One line of a list.

    Args:
        texts: it has ``sentences``.

    Raises:
        ValueError: names the place and the field that is wrong.
    """
    row = parse_json(line, where)
    for key in ("image", "calib"):
        require(row, key, str, where)
    if row.get("ground") is not None:
        require(row, "ground", str, where)
    for text in require(row, "sentences", list, where) if texts else ():
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"{where}: expected a sentence, got {one_line(repr(text), 60)}")
    known = ["image", "calib", "ground", *["sentences"] * texts]
    unknown = row.keys() - set(known)
    if unknown:
        expected = f"{', '.join(known[:-1])} or {known[-1]}"
        raise ValueError(f"{where}: field {min(unknown)!r}: expected {expected}")
    return row


@clear_errors
def cut_list(path: Path, shard_size: int, texts: bool = True) -> list[Shard]:
    """The shards of a list; all of its lines are checked, and none is kept in memory; ``texts`` as in
    :func:`parse_row`.

    Raises:
        FileNotFoundError, ValueError: no such file, a line that is wrong, or no line at all.
    """
    if shard_size < 1:
        raise ValueError(f"--shard-size {shard_size}: expected at least 1")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such list")
    shards: list[Shard] = []
    start = end = images = 0
    first = 1
    with open(path, "rb") as f:
        for number, line in enumerate(f, start=1):
            end += len(line)
            if line.strip():
                parse_row(line, f"{path}:{number}", texts)
                images += 1
            if images == shard_size:
                shards.append(Shard(len(shards), start, end, first, images))
                start, first, images = end, number + 1, 0
    if images:
        shards.append(Shard(len(shards), start, end, first, images))
    if not shards:
        raise ValueError(f"{path}: expected images, one a line")
    return shards


def read_shard(path: Path, shard: Shard, texts: bool = True) -> list[dict[str, Any]]:
    """The lines of a shard; ``texts`` as in :func:`parse_row`."""
    with open(path, "rb") as f:
        f.seek(shard.start)
        lines = f.read(shard.end - shard.start).split(b"\n")  # a bare carriage return ends no line
    numbered = enumerate(lines, start=shard.line)
    return [parse_row(line, f"{path}:{number}", texts) for number, line in numbered if line.strip()]


def write_folder_list(folder: Path, texts: Sequence[str] | None, path: Path) -> None:
    """Write a list that asks the same sentences about every image of a folder; None: none are asked.

    The folder has ``images/`` or ``image_2/``, ``calib/NAME.txt``, and ``denorm/`` or ``planes/NAME.txt``
    where the ground is known.

    Raises:
        FileNotFoundError: no image in the folder.
    """
    folder = folder.absolute()
    files = [p for name in ("images", "image_2") for p in (folder / name).glob("*")]
    images = sorted(p for p in files if p.suffix.lower() in IMAGE_SUFFIXES)
    if not images:
        raise FileNotFoundError(f"{folder}: no image files (.jpg, .png, ...) in images/ or image_2/")
    with atomic_write(path) as f:
        for image in images:
            grounds = [folder / kind / f"{image.stem}.txt" for kind in ("denorm", "planes")]
            row = {
                "image": str(image),
                "calib": str(folder / "calib" / f"{image.stem}.txt"),
                "ground": next((str(ground) for ground in grounds if ground.is_file()), None),
                **({} if texts is None else {"sentences": list(texts)}),
            }
            f.write(json.dumps(row).encode() + b"\n")


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    result = hashlib.sha256()
    with open(path, "rb") as f:
        while block := f.read(1 << 20):
            result.update(block)
    return result.hexdigest()


def check_manifest(
    output: Path, cfg: CfgNode, list_file: Path, shard_size: int, more: Mapping[str, Any]
) -> None:
    """Record what the answers in ``output`` depend on, ``more`` among it, or compare it with what an earlier
    run recorded.

    Raises:
        FileNotFoundError: no weights.
        ValueError: something is not as it was; the message names it.
    """
    if not Path(cfg.MODEL.WEIGHTS).is_file():
        raise FileNotFoundError(f"MODEL.WEIGHTS {cfg.MODEL.WEIGHTS!r}: expected a checkpoint file")
    manifest = {
        "list": sha256(list_file),
        "shard_size": shard_size,
        **more,
        "weights": sha256(Path(cfg.MODEL.WEIGHTS)),
        "config": config_digest(cfg, without=["MODEL.WEIGHTS"]),
    }
    path = output / "manifest.json"
    if not path.is_file():
        write_json(path, manifest)
    earlier = read_json(path)
    for key, value in manifest.items():
        if not isinstance(earlier, dict) or earlier.get(key) != value:
            raise ValueError(
                f"{path}: made by a run with another {key.replace('_', ' ')}; expected the same as before, "
                "or another --output"
            )


class ShardPredictor(ABC):
    """Answers shards with a model that is loaded once; one worker of a batch prediction. A subclass has the
    model.

    Args:
        cfg: config whose MODEL.WEIGHTS is loaded.
        list_file: the list.
        output: folder for the answers.

    Attributes:
        texts: whether the list has sentences.
    """

    texts = True

    def __init__(self, cfg: CfgNode, list_file: Path, output: Path) -> None:
        self.cfg = cfg
        self.max_pixels = cfg.INPUT.MAX_PIXELS
        self.list_file = list_file
        self.output = output

    def work(self, shard: Shard) -> tuple[int, int, str]:
        """Answer a shard; returns its images, how many of them could not be answered, and why the answers
        could not be written, or nothing."""
        try:
            return shard.images, self.answer(shard), ""
        except USER_ERRORS as e:
            return shard.images, 0, str(user_message(e))

    def answer(self, shard: Shard) -> int:
        """Write the answers to a shard; returns how many images could not be answered.

        A line is {"image": as in the list, ...}, or {"image", "error"} of an image that cannot be used.
        """
        rows = read_shard(self.list_file, shard, self.texts)
        named = zip(({"image": row["image"]} for row in rows), read_ahead(self._read, rows), strict=True)
        answers = list(answer_each(named, self.look))
        write_bytes(shard.file(self.output), b"".join(answer.line for answer in answers))
        return sum("error" in answer.row for answer in answers)

    def _read(self, row: dict[str, Any]) -> tuple[list[str], np.ndarray, Camera, torch.Tensor | None]:
        """The sentences, and what else the model needs of an image."""
        folder, ground = self.list_file.parent, row.get("ground")
        texts = row.get("sentences", [])
        for i, text in enumerate(texts):
            sentence_text(text, f"sentence {i}")
        read_image_size(folder / row["image"])  # a file that is cut off may still decode
        image = read_image(folder / row["image"], self.max_pixels)
        camera = Camera(read_calib(folder / row["calib"], image.shape[:2]), image.shape[:2])
        plane = None if ground is None else torch.tensor(read_ground(folder / ground))
        return texts, image, camera, plane

    @abstractmethod
    def look(self, _: Mapping[str, Any], inputs: tuple) -> tuple[dict[str, Any], None]:
        """The rest of the row of an image, from its sentences, pixels, camera and plane."""
