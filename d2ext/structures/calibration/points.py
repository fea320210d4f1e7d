"""A camera from points of the road whose places are known.

The points of a plane and their pixels are related by a homography, whose columns give the focal length
(Zhang, A flexible new technique for camera calibration, PAMI 2000); from there on pixels are compared.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import numpy as np

from ..ground import tilt_of_plane
from .solve import (
    CLICK,
    Calibration,
    click_variance,
    finish,
    fit,
    focal_starts,
    known_parameters,
    view_of,
)
from .view import PixelGrid

LEAST_POINTS = 4
_MOST_PLANES = 2000  # through three of the points, that are tried
_THICK = 0.3  # metres above or below the road within which a point is of it
_FLAT = 1e-3  # spread of points across a line, as a share of that along it
#: Pixels, and share of the image's width: beyond both the points are those of another image or place.
_WORST = (8.0, 0.02)
_HINT = "spread the points over near and far, left and right, or give the focal length"


def calibrate_points(
    pixels: np.ndarray,
    positions: np.ndarray,
    grid: PixelGrid,
    known: Mapping[str, float] | None = None,
) -> Calibration:
    """The camera that sees points of one plane, the road, at pixels.

    Args:
        pixels: (N, 2), N >= 4.
        positions: (N, 2) metres on the road in any frame seen from above: x to the right of y (east, north).
            (N, 3) with heights: the road is the plane that most of them lie near, and may slope.
        grid: size of the image and what else of the camera is given.
        known: what is given, see :func:`~.solve.known_parameters`.

    Raises:
        ValueError: fewer points, points on a line, mirrored positions, or no camera fits.
    """
    pixels, positions = np.asarray(pixels, float), np.asarray(positions, float)
    _check_points(pixels, positions)
    fixed = known_parameters(known or {})
    local = on_road(positions - positions.mean(0))  # metres near 0, whatever the frame's origin
    road = np.abs(local[:, 2]) < _THICK
    if road.sum() < LEAST_POINTS:
        raise ValueError(f"points: expected at least {LEAST_POINTS} on one plane, the road, got {road.sum()}")
    homography = _homography(local[road, :2], (pixels[road] - grid.center) / grid.scale)
    starts = [
        start
        for focal in focal_starts(grid.image_size[1], fixed) + _own_focal(homography)
        for start in _start(homography, focal, local[road, :2])
    ]
    if not starts:
        raise ValueError(
            "points: no camera above the road sees them so; are the positions mirrored (expected x to the "
            "right of y, seen from above: east, north), or in another order than the pixels?"
        )

    def residuals(x: np.ndarray) -> np.ndarray:
        return (view_of(x, grid).project(_placed(local, x)) - pixels).ravel()

    x, inverse, left = fit(residuals, starts, fixed, CLICK)
    typical = float(np.sqrt(np.median((left.reshape(-1, 2) ** 2).sum(1))))
    if typical > max(_WORST[0], _WORST[1] * grid.image_size[1]):
        raise ValueError(
            f"points: no camera fits, the best is {typical:.0f} pixels off; are all on one plane, in the "
            "order of their pixels, in metres?"
        )
    variance = click_variance(left, len(x) - len(fixed))
    rms = float(np.sqrt((left**2).mean()))
    return finish(x, inverse * variance, rms, len(pixels), grid, f"points: {_HINT}")


def _check_points(pixels: np.ndarray, positions: np.ndarray) -> None:
    shapes = [(len(pixels), size) for size in (2, 3)]
    if pixels.shape != shapes[0] or positions.shape not in shapes:
        raise ValueError(
            "points: expected (N, 2) pixels and (N, 2) or (N, 3) positions, "
            f"got {pixels.shape}, {positions.shape}"
        )
    if len(pixels) < LEAST_POINTS:
        raise ValueError(f"points: expected at least {LEAST_POINTS}, got {len(pixels)}")
    if not (np.isfinite(pixels).all() and np.isfinite(positions).all()):
        raise ValueError("points: expected finite numbers")
    for what, points in (("positions", positions), ("pixels", pixels)):
        values = np.linalg.svd(points - points.mean(0), compute_uv=False)
        if not values[1] > _FLAT * values[0]:
            raise ValueError(f"points: the {what} lie on a line, expected some beside it")


def on_road(positions: np.ndarray) -> np.ndarray:
    """Places (N, 3) in the plane that most of the positions lie near, and above it; of (N, 2): 0 above it."""
    if positions.shape[1] == 2:
        return np.c_[positions, np.zeros(len(positions))]
    rows = np.c_[positions[:, :2], np.ones(len(positions))]
    triples = _triples(len(rows))
    corners = rows[triples]
    flat = np.abs(np.linalg.det(corners)) > _FLAT * np.ptp(positions[:, :2]) ** 2
    if not flat.any():
        raise ValueError("points: the positions lie on a line, expected some beside it")
    planes = np.linalg.solve(corners[flat], positions[triples[flat], 2][..., None])[..., 0]
    off = np.abs(planes @ rows.T - positions[:, 2])
    near = off[np.minimum(off, _THICK).sum(1).argmin()] < _THICK
    slope = np.linalg.lstsq(rows[near], positions[near, 2], rcond=None)[0]
    up = np.array([-slope[0], -slope[1], 1.0]) / np.linalg.norm([*slope[:2], 1.0])
    right = np.array([1.0, 0.0, slope[0]]) / np.hypot(1.0, slope[0])
    return (positions - [0, 0, slope[2]]) @ np.stack([right, np.cross(up, right), up], 1)


def _triples(count: int) -> np.ndarray:
    """(T, 3) of so many points: all triples, or as many as are tried, drawn by chance, a seed's."""
    if math.comb(count, 3) <= _MOST_PLANES:
        return np.array(list(itertools.combinations(range(count), 3)))
    return np.random.default_rng(0).integers(0, count, (_MOST_PLANES, 3))  # one drawn twice spans no plane


def _homography(local: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """(3, 3) from positions to pixels around the principal point, by the direct linear transformation."""
    (a, s), (b, t) = _scaled(local), _scaled(pixels)
    one, zero = np.ones((len(a), 1)), np.zeros((len(a), 3))
    p = np.concatenate([a, one], 1)
    rows = np.concatenate(
        [np.concatenate([p, zero, -b[:, :1] * p], 1), np.concatenate([zero, p, -b[:, 1:] * p], 1)]
    )
    _, values, vectors = np.linalg.svd(rows)
    if values[7] < 1e-6 * values[0]:
        raise ValueError("points: expected four of which no three lie on a line")
    return np.linalg.inv(t) @ vectors[-1].reshape(3, 3) @ s


def _scaled(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean, size = points.mean(0), np.abs(points - points.mean(0)).mean()
    matrix = np.array([[1 / size, 0, -mean[0] / size], [0, 1 / size, -mean[1] / size], [0, 0, 1]])
    return (points - mean) / size, matrix


def _own_focal(homography: np.ndarray) -> list[float]:
    """The focal length of a homography, where it has one: its first columns are of one length and
    perpendicular."""
    h1, h2 = homography[:, 0], homography[:, 1]
    h1, h2 = h1 / np.linalg.norm(homography[2]), h2 / np.linalg.norm(homography[2])
    a = np.array([h1[2] * h2[2], h1[2] ** 2 - h2[2] ** 2])
    b = -np.array([h1[:2] @ h2[:2], h1[:2] @ h1[:2] - h2[:2] @ h2[:2]])
    squared = float(a @ b) / float(a @ a) if a @ a > 0 else -1.0
    return [squared**0.5] if squared > 1.0 else []


def _start(homography: np.ndarray, focal: float, local: np.ndarray) -> list[np.ndarray]:
    """Parameters (log focal, pitch, roll, log height, heading, x, z) at a focal length; none where the points
    are seen from below."""
    columns = np.diag([1 / focal, 1 / focal, 1.0]) @ homography
    columns /= np.sqrt(np.linalg.norm(columns[:, 0]) * np.linalg.norm(columns[:, 1]))
    depth = local @ columns[2, :2] + columns[2, 2]
    columns *= np.sign(np.median(depth))
    u, _, v = np.linalg.svd(columns[:, :2], full_matrices=False)
    first, second = (u @ v).T
    up = np.cross(first, second)
    height = -float(up @ columns[:, 2])
    if height <= 0 or up[1] >= 0:
        return []
    pitch, roll = tilt_of_plane([*up, height])
    axes = view_of(np.array([0.0, pitch, roll, 0.0]), PixelGrid((1, 1))).axes
    ahead, place = axes.T @ first, axes.T @ columns[:, 2]
    heading = np.arctan2(ahead[2], ahead[0])
    return [np.array([np.log(focal), pitch, roll, np.log(height), heading, place[0], place[2]])]


def _placed(local: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Positions (N, 3), up last, turned and moved into the ground frame (N, 3)."""
    c, s = np.cos(x[4]), np.sin(x[4])
    right, ahead = local[:, :2] @ [c, -s] + x[5], local[:, :2] @ [s, c] + x[6]
    return np.stack([right, -local[:, 2], ahead], 1)
