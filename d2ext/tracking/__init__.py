"""Tracks out of detections, on the ground plane and in the image.

tracker = Tracker(TrackerConfig(ground=(a, b, c, d)))
tracks = tracker.update(instances, time)  # of each picture; a ``Tracked``: ids, position, speed, ...
tracker.save("state.npz")  # Tracker.load("state.npz") goes on bit by bit
"""

from . import ground_motion, image_motion  # noqa: F401  (they register motions)
from .config import KINDS, VEHICLE, Kind, TrackerConfig
from .detections import Detections, Tracked
from .motion import MOTION_REGISTRY, Motion
from .overlap import overlap_2d, overlap_3d
from .plane import GroundFrame
from .tracker import Tracker

__all__ = [
    "KINDS",
    "MOTION_REGISTRY",
    "VEHICLE",
    "Detections",
    "GroundFrame",
    "Kind",
    "Motion",
    "Tracked",
    "Tracker",
    "TrackerConfig",
    "overlap_2d",
    "overlap_3d",
]
