"""Exact IoU of rotated 3D boxes that share their up axis: no compiled code, no loop over pairs.

The footprints are rectangles. In the frame of rectangle A = [-a, a] x [-b, b] the area of its intersection
with a rectangle B is, by Green's theorem, the integral of clamp(x, -a, a) d clamp(y, -b, b) around B. Along
an edge the integrand is piecewise linear, so clipping the edge at y = +-b and x = +-a and summing
trapezoids is exact. Nothing is decided by comparing nearly equal numbers, so shared edges, identical boxes
and touching corners need no special case.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .boxes3d import Boxes3D
from .projection import small_matmul

_AXIS_TOLERANCE = 1e-3  # largest difference of two unit up axes that counts as the same axis
_CHUNK = 32768  # pairs clipped at a time: intermediate results stay in the cache


def rectangle_intersection(
    half_a: Tensor, half_b: Tensor, offset: Tensor, heading_a: Tensor, heading_b: Tensor
) -> Tensor:
    """Area of the intersection of two rotated rectangles; leading dimensions broadcast.

    Args:
        half_a, half_b: (..., 2) half extents along and across the heading.
        offset: (..., 2) centre of B minus centre of A.
        heading_a, heading_b: (..., 2) unit vectors.

    Returns:
        (...,) areas.
    """
    # B in the frame of A: centre, heading (cos, sin), corners in order round the rectangle.
    ax, ay = heading_a.unbind(-1)
    x, y = offset.unbind(-1)
    bx, by = heading_b.unbind(-1)
    x, y = ax * x + ay * y, ax * y - ay * x
    cos, sin = ax * bx + ay * by, ax * by - ay * bx
    along, across = half_b.unbind(-1)
    signs = half_b.new_tensor([[1, 1], [-1, 1], [-1, -1], [1, -1]])
    along, across = along[..., None] * signs[:, 0], across[..., None] * signs[:, 1]
    px = x[..., None] + cos[..., None] * along - sin[..., None] * across
    py = y[..., None] + sin[..., None] * along + cos[..., None] * across
    dx, dy = px.roll(-1, -1) - px, py.roll(-1, -1) - py

    a, b = half_a[..., 0, None], half_a[..., 1, None]
    y0, y1 = _crossings(py, dy, b)
    x0, x1 = _crossings(px, dx, a)
    x0, x1 = torch.clamp(x0, y0, y1), torch.clamp(x1, y0, y1)
    t = torch.stack((y0, x0, x1, y1), dim=-1)
    cx = torch.clamp(px[..., None] + t * dx[..., None], -a[..., None], a[..., None])
    cy = torch.clamp(py[..., None] + t * dy[..., None], -b[..., None], b[..., None])
    area = ((cx[..., 1:] + cx[..., :-1]) * (cy[..., 1:] - cy[..., :-1])).sum(dim=(-1, -2)) / 2
    smaller = 4 * torch.minimum(half_a.prod(dim=-1), half_b.prod(dim=-1))
    return torch.minimum(area.clamp(min=0), smaller)


def bev_iou(boxes1: Boxes3D, boxes2: Boxes3D, aligned: bool = False) -> Tensor:
    """IoU of the footprints, seen along the common up axis.

    Args:
        boxes1, boxes2: N and M boxes (N = M if ``aligned``) that share one up axis.
        aligned: compare box i with box i only.

    Returns:
        (N, M), or (N,) if ``aligned``.

    Raises:
        ValueError: the boxes differ in their up axis, or in number though ``aligned``.
    """
    return _iou(boxes1, boxes2, aligned, vertical=False)


def iou3d(boxes1: Boxes3D, boxes2: Boxes3D, aligned: bool = False) -> Tensor:
    """IoU of the volumes; arguments, result and errors as for ``bev_iou``."""
    return _iou(boxes1, boxes2, aligned, vertical=True)


def _crossings(start: Tensor, step: Tensor, bound: Tensor) -> tuple[Tensor, Tensor]:
    """Ordered parameters in [0, 1] where start + t * step meets -bound and +bound."""
    safe = torch.where(step == 0, torch.ones_like(step), step)
    t0, t1 = (-bound - start) / safe, (bound - start) / safe
    return torch.minimum(t0, t1).clamp(0, 1), torch.maximum(t0, t1).clamp(0, 1)


def _iou(boxes1: Boxes3D, boxes2: Boxes3D, aligned: bool, vertical: bool) -> Tensor:
    n, m = len(boxes1), len(boxes2)
    if aligned and n != m:
        raise ValueError(f"aligned IoU: expected the same number of boxes, got {n} and {m}")
    if n == 0 or m == 0:
        return boxes1.center.new_zeros((n,) if aligned else (n, m))
    frame = _common_frame(boxes1, boxes2)
    position1, position2 = small_matmul(boxes1.center, frame), small_matmul(boxes2.center, frame)
    heading1, heading2 = _headings(boxes1, frame), _headings(boxes2, frame)
    half1, half2 = boxes1.size[:, [2, 1]] / 2, boxes2.size[:, [2, 1]] / 2
    size1, size2 = boxes1.size, boxes2.size

    # Only pairs whose circumscribed circles (and vertical extents) meet are clipped.
    if aligned:
        first = second = torch.arange(n, device=boxes1.device)
    else:
        reach = half1.norm(dim=1)[:, None] + half2.norm(dim=1)
        near = (position1[:, None, 0] - position2[:, 0]).square() + (
            position1[:, None, 2] - position2[:, 2]
        ).square() <= reach.square()
        if vertical:
            near &= (position1[:, None, 1] - position2[:, 1]).abs() * 2 <= size1[:, :1] + size2[:, 0]
        first, second = near.nonzero(as_tuple=True)
    offset = position2[second] - position1[first]
    pairs = (half1[first], half2[second], offset[:, [0, 2]], heading1[first], heading2[second])
    chunks = zip(*(values.split(_CHUNK) for values in pairs), strict=True)
    shared = torch.cat([rectangle_intersection(*chunk) for chunk in chunks])
    content1, content2 = size1[:, 1:].prod(dim=1), size2[:, 1:].prod(dim=1)
    if vertical:
        h1, h2 = size1[first, 0], size2[second, 0]
        overlap = (h1 + h2) / 2 - offset[:, 1].abs()
        shared = shared * torch.minimum(overlap, torch.minimum(h1, h2)).clamp(min=0)
        content1, content2 = content1 * size1[:, 0], content2 * size2[:, 0]
    union = content1[first] + content2[second] - shared
    values = torch.where(union > 0, shared / torch.where(union > 0, union, torch.ones_like(union)), 0.0)
    if aligned:
        return values
    return values.new_zeros(n, m).index_put((first, second), values)


def _common_frame(boxes1: Boxes3D, boxes2: Boxes3D) -> Tensor:
    """(3, 3) rotation whose columns are two ground axes (0 and 2) and the common down axis (1)."""
    down = torch.cat((boxes1.rotation[:, :, 1], boxes2.rotation[:, :, 1]))
    axis = down[0]
    if bool(((down - axis).norm(dim=1) > _AXIS_TOLERANCE).any()):
        raise ValueError("IoU of rotated boxes: expected boxes that share one up axis")
    right = boxes1.center.new_tensor([1.0, 0.0, 0.0] if axis[0].abs() < 0.9 else [0.0, 0.0, 1.0])
    right = right - axis * (axis * right).sum()
    right = right / right.norm()
    return torch.stack((right, axis, torch.linalg.cross(right, axis)), dim=1)


def _headings(boxes: Boxes3D, frame: Tensor) -> Tensor:
    heading = small_matmul(boxes.rotation[:, :, 0], frame)[:, [0, 2]]
    return heading / heading.norm(dim=1, keepdim=True)
