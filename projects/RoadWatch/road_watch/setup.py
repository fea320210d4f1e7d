"""From what a user gives to a run."""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detectron2.config import CfgNode

from d2ext.data.given_camera import GivenCamera, GivenGround
from d2ext.data.trajectories import Road, read_road
from d2ext.identity import config_digest
from d2ext.structures import Camera

from .chain import Watch
from .detector import Finder, LabelFinder, PictureFinder
from .learned import LearnedAlarms, load_graph_model
from .outputs import Recorder
from .run import Run
from .source import make_source


@dataclass(frozen=True)
class Place:
    """A camera on a pole.

    Attributes:
        camera, ground: what is known of it and of the road below it.
        road: road.json; None: lanes are not known.
        device: models run on; "" for the configs'.
        labels: KITTI tracking file whose objects stand in the place of a detector's.
    """

    camera: GivenCamera
    ground: GivenGround
    road: Path | None
    device: str = ""
    labels: Path | None = None


def make_watch(cfg: CfgNode, place: Place, size: tuple[int, int]) -> Watch:
    """The chain for pictures of ``size`` (height, width).

    Raises:
        FileNotFoundError, ValueError: a file, setting or model that cannot be used.
    """
    settings = cfg.ROAD_WATCH
    road, camera, plane = road_of(place.road, cfg), place.camera.of(size), place.ground.plane()
    if plane is None:
        raise ValueError("the ground plane: expected --ground, or --height with --pitch")
    finder = make_finder(settings.DETECTOR, place, camera, plane)
    learned = None
    if settings.ANOMALY.CONFIG:
        learned = LearnedAlarms(settings.ANOMALY, load_graph_model(settings.ANOMALY, place.device))
    return Watch(cfg, finder, road, camera, plane, learned)


def road_of(path: Path | None, cfg: CfgNode) -> Road:
    """The road of road.json, or one without lanes.

    Raises:
        FileNotFoundError, ValueError: no such file, one without lanes, or a model that wants lanes.
    """
    if path is not None:
        road = read_road(path)
        if not road.lanes:
            raise ValueError(f"{path}: expected centre lines of lanes")
        return road
    if cfg.ROAD_WATCH.ANOMALY.CONFIG:
        raise ValueError("ROAD_WATCH.ANOMALY.CONFIG: a model of traffic on lanes, expected --road with it")
    return Road({})


def make_finder(settings: CfgNode, place: Place, camera: Camera, plane: list[float]) -> Finder:
    """What finds the objects."""
    if place.labels is not None:
        return LabelFinder(place.labels, plane)
    return PictureFinder(settings, place.device, camera, plane)


def identity_of(cfg: CfgNode, source: str, place: Place) -> str:
    """What two runs that are the same have in common."""
    text = "\n".join([config_digest(cfg), source, *(str(v) for k, v in vars(place).items() if k != "device")])
    return hashlib.sha256(text.encode()).hexdigest()


def make_run(
    cfg: CfgNode,
    source: str,
    place: Place,
    output: Path,
    building: AbstractContextManager | None = None,
    **options: Any,
) -> Run:
    """A run that goes on where an earlier one in ``output`` stopped.

    Args:
        source: path of a video or a folder, or address of a stream.
        building: entered while the models are built.
        options: as :class:`~.run.Run` has them.

    Raises:
        FileNotFoundError, ValueError, OSError: something cannot be used.
    """
    road_of(place.road, cfg)  # said before anything is written
    identity = identity_of(cfg, source, place)
    make_source(source, cfg.ROAD_WATCH.SOURCE)
    recorder = Recorder(output, identity, cfg.ROAD_WATCH.OUTPUT.DISK_PATIENCE)
    epoch = recorder.state["epoch"] if recorder.state else 0.0
    pictures = make_source(source, cfg.ROAD_WATCH.SOURCE, epoch)

    def make(size: tuple[int, int]) -> Watch:
        with building or nullcontext():
            return make_watch(cfg, place, size)

    return Run(cfg, make, pictures, recorder, **options)
