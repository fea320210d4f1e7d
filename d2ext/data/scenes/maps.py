"""A layout, boxes of a label file in front of a camera, as maps.

Channels of a pixel: one for each class (1 where the nearest box is of it), inverse depth, sine and cosine of
the observation angle, and the edges of every box that is not behind another one. A box covers the convex
outline of its corners; nearer ones cover those farther away. Where no box is, the inverse depth is that of
the ground.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from d2ext.modeling.generation.layout import map_channels
from d2ext.structures import BOX_EDGES, NEAR_PLANE, Boxes3D, Camera

DEPTH_UNIT = 10.0  # metres: the inverse depth of a point so far away is 1
_FAR = 1 << 14  # pixels, beyond which OpenCV's fixed-point coordinates may overflow


def layout_maps(
    boxes: Boxes3D,
    classes: Tensor,
    camera: Camera,
    ground: Tensor | None,
    num_classes: int,
    stride: int = 4,
) -> Tensor:
    """The maps of a layout.

    Args:
        boxes: N boxes in the camera's frame.
        classes: (N,) from 0 to ``num_classes`` - 1.
        camera: of the picture, whose sides are multiples of ``stride``.
        ground: (4,) plane, None if not known.
        stride: pixels of the picture in one of the maps.

    Returns:
        (``map_channels``, H / stride, W / stride) float32.

    Raises:
        ValueError: a class that is none, or a picture whose sides are no multiples.
    """
    height, width = camera.image_size
    if height % stride or width % stride:
        raise ValueError(f"layout: expected sides that are multiples of {stride}, got {width}x{height}")
    if len(classes) and not 0 <= int(classes.min()) <= int(classes.max()) < num_classes:
        raise ValueError(
            f"layout: expected classes from 0 to {num_classes - 1}, got {classes.tolist()}"[:200]
        )
    size = (height // stride, width // stride)
    camera, boxes = camera.resize(size).to(torch.float64), boxes.to("cpu", torch.float64)
    maps = np.zeros((map_channels(num_classes), *size), np.float32)
    inverse, sine, cosine, edges = maps[num_classes:]
    inverse[:] = ground_inverse_depth(camera, ground)
    alpha = boxes.alpha().numpy()
    corners = boxes.corners().numpy()
    for i in np.argsort(-boxes.center[:, 2].numpy()).tolist():
        outline, lines = _outline(corners[i], camera)
        if len(outline) < 3:
            continue
        cover = np.zeros(size, np.uint8)
        cv2.fillConvexPoly(cover, outline, 1)
        inside = cover.astype(bool)
        maps[:num_classes, inside] = 0
        maps[int(classes[i]), inside] = 1
        inverse[inside] = min(1.0, DEPTH_UNIT / max(float(boxes.center[i, 2]), NEAR_PLANE))
        sine[inside], cosine[inside] = np.sin(alpha[i]), np.cos(alpha[i])
        edges[inside] = 0
        cv2.polylines(edges, lines, False, 1.0)
    return torch.from_numpy(maps)


def ground_inverse_depth(camera: Camera, ground: Tensor | None) -> np.ndarray:
    """(H, W), ``DEPTH_UNIT`` over the depth of the ground in each pixel, at most 1; 0 above the horizon and
    without a ground."""
    height, width = camera.image_size
    if ground is None:
        return np.zeros((height, width), np.float32)
    grid = torch.meshgrid(torch.arange(width), torch.arange(height), indexing="xy")
    depth = camera.intersect_plane(torch.stack(grid, -1).double(), ground.double()).numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = np.where(depth > NEAR_PLANE, DEPTH_UNIT / depth, 0.0)
    return np.clip(np.nan_to_num(inverse), 0, 1).astype(np.float32)


def _outline(corners: np.ndarray, camera: Camera) -> tuple[np.ndarray, list[np.ndarray]]:
    """Convex outline (V, 1, 2) and edges, each (2, 2), of a box (8, 3) in whole pixels; what is behind the
    near plane is cut off."""
    ends = corners[np.array(BOX_EDGES)]
    front = ends[..., 2] + float(camera.P[2, 3]) - NEAR_PLANE
    ends = ends[(front > 0).any(1)]
    front = front[(front > 0).any(1)]
    if not len(ends):
        return np.zeros((0, 1, 2), np.int32), []
    a, b = ends[:, 0].copy(), ends[:, 1].copy()
    span = np.where(front[:, 0] == front[:, 1], 1.0, front[:, 0] - front[:, 1])
    cut = a + (front[:, 0] / span)[:, None] * (b - a)
    a[front[:, 0] <= 0], b[front[:, 1] <= 0] = cut[front[:, 0] <= 0], cut[front[:, 1] <= 0]
    uv, _ = camera.project(torch.from_numpy(np.stack([a, b], 1)))
    pixels = np.clip(np.rint(uv.numpy()), -_FAR, _FAR).astype(np.int32)
    return cv2.convexHull(pixels.reshape(-1, 1, 2)), list(pixels)
