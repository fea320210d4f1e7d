"""What the demos do with a picture, many or a video: look at each, draw and write what is there."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from torch import Tensor, tensor
from tqdm import tqdm

from d2ext.data.formats.writing import RerunFile
from d2ext.data.frames import Frame, ImageFiles, VideoFile, is_video
from d2ext.data.given_camera import CameraOfEach, GivenCamera
from d2ext.engine.batch import answer_each, read_ahead, write_each
from d2ext.files import write_json
from d2ext.reading import one_line
from d2ext.structures import Camera
from d2ext.visualization import check_picture_path, write_picture
from d2ext.visualization.video import VIDEO_SUFFIX, VideoWriter

RESULTS = "results.jsonl"
MOST_NAMED = 20  # pictures that cannot be used and are told one by one


@dataclass(frozen=True)
class Look:
    """What a model sees in a picture.

    Attributes:
        row: as it is written, without the picture's name.
        picture: (H, W, 3) uint8 BGR, with what was found.
        said: what the command prints of one picture.
        count: of objects.
        plane: (4,) on which the boxes of the row stand, None for the camera's x-z plane.
    """

    row: dict[str, Any]
    picture: np.ndarray
    said: Sequence[str]
    count: int
    plane: Tensor | None = None


#: From image (H, W, 3) uint8 BGR, its camera and its ground plane (4,) or None.
Looker = Callable[[np.ndarray, Camera, Tensor | None], Look]


@dataclass(frozen=True)
class Sources:
    """What a demo is given: where pictures come from and where results go.

    Attributes:
        paths: image files, folders, or one video.
        output: picture, video or folder.
        json: file to write, None for none, or of many pictures one beside ``output``.
        every: look at each so many pictures only.
        fps: of a video to write; None: as the input's.
        rerun: recording for Rerun to write too, None for none.
    """

    paths: Sequence[Path]
    output: Path
    json: Path | None = None
    every: int = 1
    fps: float | None = None
    rerun: Path | None = None

    @property
    def is_one(self) -> bool:
        """Whether there is one picture."""
        return len(self.paths) == 1 and self.paths[0].is_file() and not is_video(self.paths[0])

    @property
    def to_video(self) -> bool:
        """Whether pictures become a video."""
        return self.output.suffix.lower() == VIDEO_SUFFIX

    def check(self) -> None:
        """Find out before any work whether there are pictures, and others can be written.

        Raises:
            FileNotFoundError, ValueError: no pictures; a name of no picture, or a file in the place of a
                folder.
        """
        if self.is_one:
            check_picture_path(self.output)
            return
        if not self.to_video and (self.output.is_file() or self.output.suffix):
            raise ValueError(
                f"{self.output}: expected a folder for many pictures, or a video such as out{VIDEO_SUFFIX}"
            )
        self.frames()

    def frames(self) -> ImageFiles | VideoFile:
        """The pictures.

        Raises:
            FileNotFoundError, ValueError: there are none.
        """
        if len(self.paths) == 1 and is_video(self.paths[0]):
            return VideoFile(self.paths[0], self.every)
        return ImageFiles(self.paths, self.every, None if self.to_video else self.output)

    @property
    def lines(self) -> Path:
        """The file of results of many."""
        beside = self.output.with_suffix(".jsonl") if self.to_video else self.output / RESULTS
        return self.json or beside


def run_demo(sources: Sources, cameras: CameraOfEach, look: Looker, title: str) -> None:
    """Look at what is there, write and print what was found.

    Args:
        title: of the progress bar.

    Raises:
        FileNotFoundError, ValueError: a picture cannot be used; of many, after all others are done.
        OSError: something cannot be written.
    """
    recording = RerunFile(sources.rerun, ()) if sources.rerun else None
    with recording or nullcontext():
        if recording is not None:
            look = _recorded(look, recording)
        if sources.is_one:
            _look_at_one(sources, cameras, look)
        else:
            _look_at_many(sources, cameras, look, title)
    if sources.rerun:
        print(f"wrote {sources.rerun}")


def _recorded(look: Looker, recording: RerunFile) -> Looker:
    """``look``, and what it finds goes into a recording."""

    def look_and_record(image: np.ndarray, camera: Camera, plane: Tensor | None) -> Look:
        found = look(image, camera, plane)
        jpeg = cv2.imencode(".jpg", image)[1].tobytes()
        recording.add(_as_record(found, image.shape[:2], camera), jpeg)
        return found

    return look_and_record


def _as_record(found: Look, size: tuple[int, ...], camera: Camera) -> dict[str, Any]:
    """A dataset dict of what was found. An object that several sentences name is there once."""
    groups = found.row.get("sentences") or [{"objects": found.row.get("objects", ())}]
    annotations: dict[tuple[Any, ...], dict[str, Any]] = {}
    sentences = []
    for number, group in enumerate(groups):
        targets = []
        for item in group["objects"]:
            key = (item["class"], *item["bbox"], *item["location"])
            annotation = annotations.setdefault(key, {**item, "id": len(annotations), "has_3d": True})
            targets.append(annotation["id"])
        if "text" in group:
            sentences.append({"id": number, "text": group["text"], "target_ids": targets})
    return {
        "height": size[0],
        "width": size[1],
        "camera": camera.P.tolist(),
        "ground_plane": None if found.plane is None else found.plane.tolist(),
        "level_boxes": found.plane is None,
        "annotations": list(annotations.values()),
        "sentences": sentences,
    }


def _look_at_one(sources: Sources, cameras: CameraOfEach, look: Looker) -> None:
    (path,) = sources.paths
    image = cameras.camera.read(path)
    found = look(image, *_camera(cameras, image, path))
    write_picture(sources.output, found.picture)
    if sources.json is not None:
        write_json(sources.json, {"image": str(path), **found.row})
    for line in found.said:
        print(line)
    print(f"wrote {sources.output}" + (f" and {sources.json}" if sources.json else ""))


def _look_at_many(sources: Sources, cameras: CameraOfEach, look: Looker, title: str) -> None:
    frames = sources.frames()
    named = (
        (frame.head, image if isinstance(image, Exception) else (frame, image))
        for frame, image in _read(frames, cameras.camera)
    )

    def answer(_: Mapping[str, Any], seen: tuple[Frame, np.ndarray]) -> tuple[Mapping[str, Any], Look]:
        frame, image = seen
        found = look(image, *_camera(cameras, image, frame.photograph))
        return found.row, found

    errors, objects, done = [], 0, 0
    video = VideoWriter(sources.output, sources.fps or frames.fps) if sources.to_video else None

    def keep(row: Mapping[str, Any], found: Look) -> None:
        nonlocal objects
        objects += found.count
        if video is not None:
            video.write(found.picture)
        else:
            write_picture(sources.output / f"{_name(row)}.jpg", found.picture)

    bar = tqdm(total=len(frames) or None, unit="image", desc=title)
    with bar, video or nullcontext():
        for row in write_each(sources.lines, answer_each(named, answer), keep):
            done += 1
            errors += [f"{_name(row)}: {row['error']}"] if "error" in row else []
            bar.update()
    print(f"{done} images: {objects} objects; {len(errors)} could not be used")
    pictures = f" and {sources.output}" if video else f", and pictures to {sources.output}"
    print(f"wrote {sources.lines}{pictures}")
    if errors:
        for line in errors[1:MOST_NAMED]:
            print(one_line(line), file=sys.stderr)
        raise ValueError(one_line(f"{len(errors)} of {done} could not be used: {errors[0]}"))


def _read(
    frames: ImageFiles | VideoFile, camera: GivenCamera
) -> Iterator[tuple[Frame, np.ndarray | Exception]]:
    if isinstance(frames, VideoFile):
        return iter(frames)
    pictures = read_ahead(partial(frames.read, reader=camera.read), frames.items)
    return zip(frames.items, pictures, strict=True)


def _name(row: Mapping[str, Any]) -> str:
    return row["image"] if "image" in row else f"{row['frame']:06d}"


def _camera(
    cameras: CameraOfEach, image: np.ndarray, photograph: Path | None
) -> tuple[Camera, Tensor | None]:
    camera, plane = cameras(image.shape[:2], photograph)
    return camera, None if plane is None else tensor(plane)
