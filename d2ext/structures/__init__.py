"""Geometry: cameras, 3D boxes, ground planes, exact rotated IoU, regions of maps; and classes of objects."""

from .boxes3d import BOX_EDGES, BOX_FRONT_FACE, NEAR_PLANE, Boxes3D, wrap_angle, yaw_rotation
from .camera import Camera
from .ground import (
    flip_plane,
    ground_rotation,
    height_above_plane,
    normalize_plane,
    plane_of_tilt,
    tilt_of_plane,
)
from .plausible import check_ground, check_projection, check_view
from .regions import Region, find_regions, label_regions
from .rotated_iou import bev_iou, iou3d, rectangle_intersection
from .transfer import constant, transfer
from .vocabulary import ROAD, Vocabulary

__all__ = [
    "BOX_EDGES",
    "BOX_FRONT_FACE",
    "NEAR_PLANE",
    "ROAD",
    "Boxes3D",
    "Camera",
    "Region",
    "Vocabulary",
    "bev_iou",
    "check_ground",
    "check_projection",
    "check_view",
    "constant",
    "find_regions",
    "flip_plane",
    "ground_rotation",
    "height_above_plane",
    "iou3d",
    "label_regions",
    "normalize_plane",
    "plane_of_tilt",
    "rectangle_intersection",
    "tilt_of_plane",
    "transfer",
    "wrap_angle",
    "yaw_rotation",
]
