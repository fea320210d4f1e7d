"""Tracking on the ground plane and in the image."""

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
