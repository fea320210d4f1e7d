"""3D boxes on the picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from d2ext.structures import BOX_EDGES, BOX_FRONT_FACE, NEAR_PLANE, Boxes3D, Camera

from .canvas import (
    INK,
    Color,
    chip_size,
    color_of,
    draw_chip,
    draw_segments,
    fill_polygon,
    mix,
)

# Corners of each face, the front first; _FACES_OF_EDGE (12, 6) tells which faces an edge is of.
_FACES = np.array([BOX_FRONT_FACE, (3, 2, 6, 7), (0, 1, 2, 3), (4, 5, 6, 7), (0, 3, 7, 4), (1, 2, 6, 5)])
_EDGES = np.array(BOX_EDGES)
_FACES_OF_EDGE = np.array([[set(edge) <= set(face) for face in _FACES.tolist()] for edge in BOX_EDGES])


def draw_boxes3d(
    image: np.ndarray,
    boxes3d: Boxes3D,
    camera: Camera,
    labels: Sequence[str] | None = None,
    colors: Sequence[Color] | None = None,
    scores: Sequence[float] | None = None,
    dashed: bool = False,
) -> np.ndarray:
    """Draw boxes as wireframes; the face towards the heading is tinted, hidden edges are thin and dark.

    Args:
        image: (H, W, 3) uint8 BGR; not changed.
        boxes3d: N boxes. Parts behind the camera or outside the image are cut off.
        camera: camera of ``image``.
        labels: N texts; labels stay inside the image and apart from each other where there is room.
        colors: N BGR colours, by default one after the other from the palette.
        scores: N numbers, written after the labels.
        dashed: broken lines without tint, to tell ground truth from predictions.

    Returns:
        (H, W, 3) uint8 BGR.

    Raises:
        ValueError: the image is not the camera's, or a list has not N items.
    """
    if image.shape != (*camera.image_size, 3):
        raise ValueError(f"image: expected shape {(*camera.image_size, 3)} of its camera, got {image.shape}")
    for name, items in (("labels", labels), ("colors", colors), ("scores", scores)):
        if items is not None and len(items) != len(boxes3d):
            raise ValueError(f"{name}: expected {len(boxes3d)}, one for each box, got {len(items)}")
    canvas = np.ascontiguousarray(image).copy()
    if len(boxes3d) == 0:
        return canvas
    boxes3d, camera = boxes3d.to("cpu", torch.float64), camera.to("cpu", torch.float64)
    colors = colors or [color_of(i) for i in range(len(boxes3d))]
    corners = boxes3d.corners().numpy()
    extents, _, valid = (x.numpy() for x in boxes3d.project(camera, clipped=True))
    far_to_near = np.argsort(-np.linalg.norm(boxes3d.center.numpy(), axis=1))
    for i in far_to_near[valid[far_to_near]]:
        _draw_box(canvas, corners[i], camera, colors[i], _line_width(canvas, extents[i]), dashed)

    texts = [" ".join(parts) for parts in _label_parts(len(boxes3d), labels, scores)]
    shown = [i for i in far_to_near[::-1].tolist() if valid[i] and texts[i]]
    size = label_size(canvas)
    sizes = [chip_size(texts[i], size) for i in shown]
    places = place_labels(sizes, extents[shown], camera.image_size)
    for i, chip, place in zip(shown, sizes, places, strict=True):
        _draw_leader(canvas, np.array((*place, *np.add(place, chip))), extents[i], colors[i])
    for i, (x, y) in zip(shown, places, strict=True):
        draw_chip(canvas, texts[i], x, y, size, colors[i])
    return canvas


def label_size(image: np.ndarray) -> int:
    """Pixels of the label text, by the size of the image."""
    return max(11, round(image.shape[1] / 95))


def place_labels(
    sizes: Sequence[tuple[int, int]], extents: np.ndarray, image_size: tuple[int, int]
) -> list[tuple[float, float]]:
    """Place labels at their boxes: inside the image, apart from each other and off small boxes if possible.

    Args:
        sizes: (width, height) of each of N labels; earlier ones have the choice.
        extents: (N, 4) 2D boxes x1, y1, x2, y2.
        image_size: (height, width).

    Returns:
        top left corner of each label: the cheapest of above, below, beside and inside the box, and farther
        and farther above and below it.
    """
    height, width = image_size
    areas = (extents[:, 2:] - extents[:, :2]).prod(axis=1)
    taken = np.zeros((0, 4))
    places = []
    for i, ((w, h), (x1, y1, x2, y2)) in enumerate(zip(sizes, extents, strict=True)):
        candidates = [(x1, y1 - h - 2), (x2 - w, y1 - h - 2), (x1, y2 + 2), (x2 - w, y2 + 2)]
        candidates += [(x1 - w - 2, y1), (x2 + 2, y1), (x1 + 2, y1 + 2)]
        for k in range(2, 9):
            candidates += [(x1, y1 - k * (h + 2)), (x1, y2 + k * (h + 2) - h)]
        away = w * h * 0.15 * np.array([0, 0, 0, 0, 0.5, 0.5, 1] + [k for k in range(2, 9) for _ in range(2)])
        spots = np.clip(np.array(candidates), 0, (max(width - w, 0), max(height - h, 0)))
        rectangles = np.concatenate((spots, spots + (w, h)), axis=1)
        hidden = _overlap(rectangles, extents) * np.where(areas < 20 * w * h, 1.0, 0.05)
        hidden[:, i] *= 0.1
        cost = away + hidden.sum(axis=1) + 10 * _overlap(rectangles, taken).sum(axis=1)
        best = int(np.argmin(cost))
        taken = np.concatenate((taken, rectangles[best : best + 1]))
        places.append((float(spots[best, 0]), float(spots[best, 1])))
    return places


def _overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(A, B) areas that rectangles (A, 4) and (B, 4) have in common."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    return np.clip(high - low, 0, None).prod(axis=2)


def clip_segments(segments: np.ndarray, distance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut segments (S, 2, D) to where the signed ``distance`` (S, 2) of their points is not negative.

    Returns:
        segments (S, 2, D), and (S,) bool: something is left of them.
    """
    start, end = distance[:, 0], distance[:, 1]
    crossing = (start < 0) != (end < 0)
    t = np.where(crossing, start / np.where(crossing, start - end, 1.0), 0.0)[:, None]
    cut = segments[:, 0] + t * (segments[:, 1] - segments[:, 0])
    outside = (distance < 0)[..., None] & crossing[:, None, None]
    return np.where(outside, cut[:, None], segments), (start >= 0) | (end >= 0)


def project_segments(segments: np.ndarray, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Project 3D segments (S, 2, 3) to the image, cut at the near plane and a little outside the image.

    Returns:
        pixels (S, 2, 2), and (S,) bool: something is left of them.
    """
    depth_offset = float(camera.P[2, 3])
    segments, valid = clip_segments(segments, segments[..., 2] + depth_offset - NEAR_PLANE)
    uv = camera.project(torch.from_numpy(segments))[0].numpy()
    height, width = camera.image_size
    margin = 0.1 * max(height, width)
    for axis, size in ((0, width), (1, height)):
        for distance in (lambda v: v + margin, lambda v, size=size: size + margin - v):
            uv, inside = clip_segments(uv, distance(uv[..., axis]))
            valid = valid & inside
    return uv, valid


def project_face(face: np.ndarray, camera: Camera) -> np.ndarray:
    """The visible part (V, 2), in pixels, of a convex 3D polygon (C, 3); V is 0 when nothing is visible."""
    uv, valid = project_segments(np.stack((face, np.roll(face, -1, axis=0)), axis=1), camera)
    return uv[valid].reshape(-1, 2)


def _draw_box(
    canvas: np.ndarray, corners: np.ndarray, camera: Camera, color: Color, width: int, dashed: bool
) -> None:
    uv, valid = project_segments(corners[_EDGES], camera)
    if dashed:
        dashes = _dashes(uv[valid], 4.0 + 2 * width)
        if width > 1:
            draw_segments(canvas, dashes, INK, width + 2)
        draw_segments(canvas, dashes, color, width)
        return
    facing = _facing(corners, camera.center().numpy())
    visible = (_FACES_OF_EDGE & facing).any(axis=1) | ~facing.any()  # all of them from within the box
    # A front face seen through the box is tinted less, not to hide the object.
    front = project_face(corners[list(BOX_FRONT_FACE)], camera)
    fill_polygon(canvas, front, color, 0.4 if facing[0] else 0.2)
    draw_segments(canvas, uv[valid & ~visible], mix(color, INK, 0.45), 1)
    if width > 1:
        draw_segments(canvas, uv[valid & visible], INK, width + 2)
    draw_segments(canvas, uv[valid & visible], color, width)


def _facing(corners: np.ndarray, eye: np.ndarray) -> np.ndarray:
    """(6,) bool: the face is seen from its outside; the first is the front face."""
    face_centers = corners[_FACES].mean(axis=1)
    return ((face_centers - corners.mean(axis=0)) * (eye - face_centers)).sum(axis=1) > 0


def _draw_leader(canvas: np.ndarray, chip: np.ndarray, extent: np.ndarray, color: Color) -> None:
    """A thin line from a label to its box when the two are apart; both are x1, y1, x2, y2."""
    start = np.clip((extent[:2] + extent[2:]) / 2, chip[:2], chip[2:])
    end = np.clip(start, extent[:2], extent[2:])
    if np.linalg.norm(end - start) > 4:
        draw_segments(canvas, np.stack((start, end))[None], color, 1)


def _line_width(image: np.ndarray, extent: np.ndarray) -> int:
    """Width in pixels by the size of the image, less for boxes that are small in it."""
    full = max(2, round(max(image.shape[:2]) / 700))
    side = float(np.max(extent[2:] - extent[:2]))
    return int(np.clip(round(side / 32), 1, full))


def _dashes(segments: np.ndarray, length: float) -> np.ndarray:
    """Break segments (S, 2, 2) into dashes of about ``length`` pixels with gaps of the same length."""
    dashes = []
    for start, end in segments:
        count = max(1, round(float(np.linalg.norm(end - start)) / length / 2))
        t = (np.arange(2 * count).reshape(count, 2) / (2 * count - 1))[..., None]
        dashes.append(start + t * (end - start))
    return np.concatenate(dashes) if dashes else np.zeros((0, 2, 2))


def _label_parts(
    count: int, labels: Sequence[str] | None, scores: Sequence[float] | None
) -> list[tuple[str, ...]]:
    texts = [(label,) for label in labels] if labels is not None else [()] * count
    if scores is None:
        return list(texts)
    return [(*text, f"{score:.2f}") for text, score in zip(texts, scores, strict=True)]
