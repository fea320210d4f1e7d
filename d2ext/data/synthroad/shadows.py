"""Shadows of road users on the ground: what the sun casts, and the darkness beneath them."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from d2ext.data.synthroad.geometry import clip_near
from d2ext.data.synthroad.pose import pose_of
from d2ext.data.synthroad.raster import FIXED, NEAR, SCALE, Canvas, fill, to_fixed
from d2ext.data.synthroad.scene import Scene, SceneObject

# The tile of darkness reaches this far beyond the footprint, as a share of its width.
_REACH = 1.6
_TILE = 64
_FROM_TILE = np.array([[2 / _TILE, 0, 1 / _TILE - 1], [0, 2 / _TILE, 1 / _TILE - 1], [0, 0, 1]])


def draw_shadows(canvas: Canvas, scene: Scene) -> None:
    """Darken the ground under the objects and where they keep the sun off."""
    height, width = canvas.ids.shape
    size = (width // SCALE, height // SCALE)
    factor = np.full((size[1], size[0]), 255, np.uint8)
    for item in (*scene.distractors, *scene.objects):
        if scene.light.shadow > 0.01:
            _cast(factor, canvas, item, scene)
    _dim(canvas.color, factor)
    beneath = np.full((size[1], size[0]), 255, np.uint8)
    for item in (*scene.distractors, *scene.objects):
        _contact(beneath, item, scene)
    _dim(canvas.color, beneath)


def _dim(image: np.ndarray, factor: np.ndarray) -> None:
    """Multiply the part of an image where the factor (at 1 / SCALE of its size) is below 255."""
    dark = factor < 255
    ys, xs = np.nonzero(dark.any(axis=1))[0], np.nonzero(dark.any(axis=0))[0]
    if not len(ys):
        return
    y0, y1, x0, x1 = int(ys[0]), int(ys[-1]) + 1, int(xs[0]), int(xs[-1]) + 1
    large = cv2.resize(
        factor[y0:y1, x0:x1], ((x1 - x0) * SCALE, (y1 - y0) * SCALE), interpolation=cv2.INTER_LINEAR
    )
    part = image[y0 * SCALE : y1 * SCALE, x0 * SCALE : x1 * SCALE]
    cv2.multiply(part, cv2.merge([large] * 3), dst=part, scale=1 / 255)


def _cast(factor: np.ndarray, canvas: Canvas, item: SceneObject, scene: Scene) -> None:
    """The shadow of every face turned to the sun, softer the farther its caster is."""
    view, light = scene.view, scene.light
    mesh = pose_of(canvas, item)
    up = scene.up
    slope = float(light.sun @ up)
    if slope < 0.08:
        return
    quads = mesh.quads[mesh.normals @ light.sun > 0]
    height = quads @ up + view.plane[3]
    ground = quads - light.sun * (np.maximum(height, 0) / slope)[..., None]
    pixels, w = view.project(ground)
    keep = w.min(axis=1) > NEAR
    pixels = pixels[keep]
    if not len(pixels):
        return
    per_meter = float(view.projection[1, 1]) / max(float(np.median(w[keep])), 1.0)
    sigma = float(np.clip(per_meter * (0.02 + 0.02 * float(item.size[0]) / slope * 0.5), 0.5, 12))
    margin = int(3 * sigma) + 1
    low = np.maximum(np.floor(pixels.reshape(-1, 2).min(axis=0)).astype(int) - margin, 0)
    limit = np.array([factor.shape[1], factor.shape[0]])
    high = np.minimum(np.ceil(pixels.reshape(-1, 2).max(axis=0)).astype(int) + margin + 1, limit)
    if (low >= high).any():
        return
    mask = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
    for quad in to_fixed(pixels - low):
        cv2.fillConvexPoly(mask, quad, 255, cv2.LINE_8, FIXED)
    mask = cv2.GaussianBlur(mask, (0, 0), sigma)
    table = (255 * (1 - light.shadow * np.arange(256) / 255)).astype(np.uint8)
    part = factor[low[1] : high[1], low[0] : high[0]]
    np.minimum(part, cv2.LUT(mask, table), out=part)


@cache
def _tile(rounded: bool) -> np.ndarray:
    """(64, 64) darkness in [0, 255] around a footprint that fills the middle 1 / _REACH."""
    grid = (np.arange(_TILE) + 0.5) / _TILE * 2 - 1
    x, z = np.meshgrid(grid * _REACH, grid * _REACH)
    if rounded:
        outside = np.sqrt(x * x + z * z) - 0.55
        dark = 0.8 * np.exp(-np.clip(outside, 0, None) / 0.22)
    else:
        outside = np.sqrt(np.clip(np.abs(x) - 0.93, 0, None) ** 2 + np.clip(np.abs(z) - 0.90, 0, None) ** 2)
        dark = np.exp(-((outside / 0.32) ** 1.3))
    edge = np.clip((_REACH - np.maximum(np.abs(x), np.abs(z))) / 0.25, 0, 1)
    return (255 * dark * edge).astype(np.uint8)


def _contact(factor: np.ndarray, item: SceneObject, scene: Scene) -> None:
    """Less sky is seen beneath and beside an object."""
    view, light = scene.view, scene.light
    middle = item.corners[:4].mean(axis=0)
    # Half extents of the tile along the box, in metres; it reaches as far on all sides.
    along, across = item.corners[1] - item.corners[2], item.corners[0] - item.corners[1]
    length, width = float(np.linalg.norm(along)), float(np.linalg.norm(across))
    reach = (_REACH - 1) * min(width, 2.0) * 0.5
    grown = np.array([along * (1 + 2 * reach / length) / 2, across * (1 + 2 * reach / width) / 2])
    quad = middle + np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) @ grown
    outline = clip_near(quad, view.project(quad)[1], NEAR)
    if len(outline) < 3:
        return
    pixels, _ = view.project(outline)
    limit = np.array([factor.shape[1], factor.shape[0]])
    low = np.clip(np.floor(pixels.min(axis=0)), 0, limit).astype(int)
    high = np.clip(np.ceil(pixels.max(axis=0)) + 1, 0, limit).astype(int)
    if (low >= high).any():
        return
    size = (int(high[0] - low[0]), int(high[1] - low[1]))
    # From the tile over shares of its half extents to pixels; a part behind the camera is left out.
    columns = np.stack([*grown, middle], axis=1)
    matrix = view.projection[:, :3] @ columns
    matrix[:, 2] += view.projection[:, 3]
    matrix = np.array([[1, 0, -low[0]], [0, 1, -low[1]], [0, 0, 1]]) @ matrix @ _FROM_TILE
    inside = np.zeros((size[1], size[0]), np.uint8)
    fill(inside, pixels - low, 255)
    vehicle = width > 1.3
    dark = cv2.warpPerspective(_tile(not vehicle), matrix, size, flags=cv2.INTER_LINEAR)
    dark = np.minimum(dark, inside)
    strength = (0.80 if vehicle else 0.5) * (1 - 0.25 * light.lamps)
    table = (255 * (1 - strength * np.arange(256) / 255)).astype(np.uint8)
    part = factor[low[1] : high[1], low[0] : high[0]]
    np.minimum(part, cv2.LUT(dark, table), out=part)
