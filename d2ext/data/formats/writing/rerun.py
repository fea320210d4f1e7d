"""Rerun's recordings (.rrd): cameras, pictures, 2D and 3D boxes, tracks and sentences, to be looked at.

Written by Rerun's own SDK, an optional library. Entities: ``world`` is the camera's frame (x right, y down, z
ahead, metres); ``world/camera`` the pinhole with its picture and 2D boxes; ``world/boxes`` the 3D boxes, or
``world/tracks/ID`` where objects have tracks; ``sentences`` what was said or asked about the picture. The
timeline ``frame`` counts pictures from 0; ``time``, seconds, is that of frames of a video.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import uuid4

import numpy as np

from d2ext.data.formats.drawn import phrases_by_object
from d2ext.data.formats.upright import moved, record_boxes
from d2ext.reading import read_bytes

from .images import Record

_WORLD, _CAMERA, _SENTENCES = "world", "world/camera", "sentences"


class RerunFile:
    """A recording that grows by a picture at a time; a context manager, at whose end the file is there.

    Args:
        path: .rrd to write.
        names: of the classes.

    Raises:
        ValueError: the SDK is not installed, or another suffix.
    """

    def __init__(self, path: str | Path, names: Sequence[str]) -> None:
        self._path = Path(path)
        if self._path.suffix.lower() != ".rrd":
            raise ValueError(f"{path}: expected the name of a file .rrd")
        try:
            import rerun
        except ImportError as error:
            missing = {None: "rerun-sdk", "rerun": "rerun-sdk"}.get(error.name, error.name)
            message = f"{path}: {missing} is missing, which writes it: pip install d2ext[rerun]"
            raise ValueError(message) from None
        self._rerun = rerun
        self._names = list(names)
        self._count = 0
        self._tracks: set[str] = set()

    def __enter__(self) -> RerunFile:
        rerun = self._rerun
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Under another name until it is whole, as every file that is written here.
        self._partial = self._path.with_name(f".{self._path.stem}.{uuid4().hex[:8]}.rrd")
        self._stream = rerun.RecordingStream("d2ext", recording_id=str(uuid4()))
        self._stream.save(str(self._partial))
        self._stream.log(_WORLD, rerun.ViewCoordinates.RDF, static=True)
        if self._names:
            classes = [rerun.AnnotationInfo(id=i, label=name) for i, name in enumerate(self._names)]
            self._stream.log("/", rerun.AnnotationContext(classes), static=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.flush()
        self._stream.disconnect()
        if error is None:
            os.replace(self._partial, self._path)
        else:
            self._partial.unlink(missing_ok=True)

    def add(self, record: Record, picture: bytes | None = None) -> None:
        """The next picture, with what is known of it.

        Args:
            record: a dataset dict (see ``d2ext.data``); annotations may have a ``score``, and the name of
                their ``class`` in the place of its number.
            picture: PNG or JPEG; None: that of the file.

        Raises:
            FileNotFoundError, ValueError: the picture cannot be read.
        """
        rerun, stream, record = self._rerun, self._stream, moved(record)
        stream.set_time("frame", sequence=self._count)
        if "time" in record:
            stream.set_time("time", duration=float(record["time"]))
        self._count += 1
        K = [row[:3] for row in record["camera"]]
        size = [record["width"], record["height"]]
        view = rerun.ViewCoordinates.RDF
        stream.log(_CAMERA, rerun.Pinhole(image_from_camera=K, resolution=size, camera_xyz=view))
        data = read_bytes(record["file_name"]) if picture is None else picture
        stream.log(f"{_CAMERA}/image", rerun.EncodedImage(contents=data, media_type=_media_type(data)))
        phrases = phrases_by_object(record)
        labels = {a["id"]: self._label(a, phrases[a["id"]]) for a in record["annotations"]}
        self._add_flat(record["annotations"], labels)
        self._add_solid(record, labels)
        text = "\n".join(f"- {s['text']} {_targets(s)}" for s in record["sentences"])
        if text or record.get("caption"):
            content = "\n\n".join(filter(None, (record.get("caption"), text)))
            stream.log(_SENTENCES, rerun.TextDocument(content, media_type="text/markdown"))
        else:
            stream.log(_SENTENCES, rerun.Clear(recursive=False))

    def _label(self, annotation: Mapping[str, Any], phrases: Sequence[str]) -> str:
        words = [annotation["class"] if "class" in annotation else self._names[annotation["category_id"]]]
        words += [str(annotation["track_id"])] if "track_id" in annotation else []
        words += [f"{annotation['score']:.2f}"] if "score" in annotation else []
        colour = annotation.get("color")
        return "\n".join([" ".join([*([colour] if colour else []), *words]), *phrases])

    def _classes(self, annotations: Sequence[Mapping[str, Any]]) -> list[int]:
        """Numbers, from which Rerun takes colours."""
        for annotation in annotations:
            if "class" in annotation and annotation["class"] not in self._names:
                self._names.append(annotation["class"])
        return [a["category_id"] if "class" not in a else self._names.index(a["class"]) for a in annotations]

    def _add_flat(self, annotations: Sequence[Mapping[str, Any]], labels: Mapping[Any, str]) -> None:
        boxes = self._rerun.Boxes2D(
            array=np.array([a["bbox"] for a in annotations], dtype=np.float32).reshape(-1, 4),
            array_format=self._rerun.Box2DFormat.XYXY,
            labels=[labels[a["id"]] for a in annotations],
            class_ids=self._classes(annotations),
        )
        self._stream.log(f"{_CAMERA}/image/boxes", boxes)

    def _add_solid(self, record: Record, labels: Mapping[Any, str]) -> None:
        """Boxes of tracks each in an entity of its own, which is cleared when the track is gone."""
        solid = [a for a in record["annotations"] if a["has_3d"]]
        groups: dict[str, list[Any]] = {f"{_WORLD}/boxes": []}
        for annotation in solid:
            track = annotation.get("track_id")
            name = f"{_WORLD}/boxes" if track is None else f"{_WORLD}/tracks/{_part(str(track))}"
            groups.setdefault(name, []).append(annotation)
        for gone in self._tracks - groups.keys():
            self._stream.log(gone, self._rerun.Clear(recursive=False))
        self._tracks = groups.keys() - {f"{_WORLD}/boxes"}
        for name, group in groups.items():
            boxes = record_boxes(record, group)
            entry = self._rerun.Boxes3D(
                centers=boxes.center.numpy(),
                half_sizes=boxes.size.numpy()[:, [2, 0, 1]] / 2,
                quaternions=[self._rerun.Quaternion(xyzw=quaternion(r)) for r in boxes.rotation.numpy()],
                labels=[labels[a["id"]] for a in group],
                class_ids=self._classes(group),
            )
            self._stream.log(name, entry)


def write_rerun(
    path: str | Path, records: Sequence[Record], names: Sequence[str], image_root: str | Path
) -> None:
    """Write a recording of all images, one a step of the timeline ``frame``. What a camera has in its fourth
    column goes into the places of the boxes. It holds the pictures, and is as large as they are.

    Args:
        path: .rrd file to write.
        records: dataset dicts.
        names: of their classes.
        image_root: not used: pictures are in the file.

    Raises:
        FileNotFoundError, ValueError: Rerun's SDK is not installed, or an image cannot be read.
    """
    with RerunFile(path, names) as file:
        for record in records:
            file.add(record)


def quaternion(rotation: np.ndarray) -> list[float]:
    """(x, y, z, w) of a rotation matrix (3, 3): the axis of the largest of the four is taken, so that nothing
    is divided by a small number (S. Shepperd, "Quaternion from rotation matrix", 1978)."""
    R = rotation.astype(np.float64)
    trace = float(np.trace(R))
    squares = [1 + 2 * R[i, i] - trace for i in range(3)] + [1 + trace]  # of four times each
    largest = int(np.argmax(squares))
    value = math.sqrt(squares[largest]) / 2
    x, y, z = ((R[2, 1] - R[1, 2]), (R[0, 2] - R[2, 0]), (R[1, 0] - R[0, 1]))
    if largest == 3:
        found = [x, y, z, 4 * value * value]
    else:
        found = [float(R[i, largest] + R[largest, i]) for i in range(3)] + [(x, y, z)[largest]]
        found[largest] = 4 * value * value
    return [float(part) / (4 * value) for part in found]


def _media_type(data: bytes) -> str:
    return "image/png" if data.startswith(b"\x89PNG") else "image/jpeg"


def _targets(sentence: Mapping[str, Any]) -> str:
    targets = sentence["target_ids"]
    return "" if targets is None else f"({len(targets)} object{'s' * (len(targets) != 1)})"


def _part(name: str) -> str:
    """A part of an entity's path, in which a slash would begin another."""
    return "".join(letter if letter.isalnum() or letter in "_-." else "_" for letter in name)
