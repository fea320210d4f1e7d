"""Geometry: cameras, 3D boxes, ground planes, exact rotated IoU."""

from .boxes3d import BOX_EDGES, BOX_FRONT_FACE, NEAR_PLANE, Boxes3D, wrap_angle, yaw_rotation
from .camera import Camera
from .ground import flip_plane, ground_rotation, height_above_plane, normalize_plane
from .rotated_iou import bev_iou, iou3d, rectangle_intersection

__all__ = [
    "BOX_EDGES",
    "BOX_FRONT_FACE",
    "NEAR_PLANE",
    "Boxes3D",
    "Camera",
    "bev_iou",
    "flip_plane",
    "ground_rotation",
    "height_above_plane",
    "iou3d",
    "normalize_plane",
    "rectangle_intersection",
    "wrap_angle",
    "yaw_rotation",
]
