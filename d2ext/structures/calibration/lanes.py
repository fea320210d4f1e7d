"""A camera from straight, parallel lane lines whose spacing is known.

Parallel lines alone give five numbers (the horizon, the point where they meet, their spacing at the horizon's
side and the place of the first), one too few: the focal length needs marks at known distances along a line,
or itself or the height to be known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

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

LEVEL = np.radians(1.5)  # standard deviation of the roll that a person gives a camera
_HINT = "give marks along a line with their places, --focal, --fov or --height"


@dataclass(frozen=True)
class LaneLine:
    """A line of paint along the road.

    Attributes:
        pixels: (N, 2), N >= 2, anywhere on it.
        offset: metres to the right of the first line.
        marks: (M, 2) pixels of the beginnings of its dashes, or other marks on it; empty where it has none.
        along: (M,) metres of the marks along the line, away from the camera, from anywhere.
    """

    pixels: np.ndarray
    offset: float
    marks: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    along: np.ndarray = field(default_factory=lambda: np.zeros(0))


def calibrate_lanes(
    lines: Sequence[LaneLine],
    grid: PixelGrid,
    known: Mapping[str, float] | None = None,
) -> Calibration:
    """The camera that sees parallel lines of one plane, the road.

    A roll near 0 is assumed (``LEVEL``): two lines do not tell it.

    Args:
        lines: at least two, of different offsets.
        grid, known: as :func:`~.points.calibrate_points` has them.

    Raises:
        ValueError: fewer lines, lines that do not meet, no camera fits, or the focal length stays open.
    """
    _check_lines(lines)
    fixed = known_parameters(known or {})
    marked = [line for line in lines if len(line.marks)]
    offsets = np.array([line.offset - lines[0].offset for line in lines])
    starts = [
        np.concatenate([start, _first_marks(start, marked, grid)])
        for focal in focal_starts(grid.image_size[1], fixed)
        for start in _start(lines, offsets, focal, grid)
    ]
    if not starts:
        raise ValueError(
            "lane lines: expected them to meet ahead, below no picture, the first offset leftmost"
        )

    def residuals(x: np.ndarray) -> np.ndarray:
        view = view_of(x, grid)
        across, along = np.array([np.cos(x[4]), 0, -np.sin(x[4])]), np.array([np.sin(x[4]), 0, np.cos(x[4])])
        found = [np.array([x[2] / LEVEL * CLICK])]
        end = view.homogeneous(along * 1e6)
        for line, offset in zip(lines, offsets, strict=True):
            normal = np.cross(view.homogeneous(across * (x[5] + offset) + along * 30), end)
            normal /= np.linalg.norm(normal[:2])
            found.append(line.pixels @ normal[:2] + normal[2])
        for line, first in zip(marked, x[6:], strict=True):
            offset = line.offset - lines[0].offset
            reach = first + line.along - line.along[0]
            points = across * (x[5] + offset) + along * reach[:, None]
            found.append((view.project(points) - line.marks).ravel())
        return np.concatenate(found)

    x, inverse, left = fit(residuals, starts, fixed, CLICK)
    pixels = left[1:]
    rms = float(np.sqrt((pixels**2).mean()))
    if rms > max(8.0, 0.02 * grid.image_size[1]):
        raise ValueError(f"lane lines: no camera fits, the best is {rms:.0f} pixels off; are they parallel?")
    variance = click_variance(pixels, len(x) - len(fixed))
    return finish(x, inverse * variance, rms, len(lines), grid, f"lane lines: {_HINT}")


def _check_lines(lines: Sequence[LaneLine]) -> None:
    if len(lines) < 2 or len({line.offset for line in lines}) < 2:
        raise ValueError(f"lane lines: expected at least 2 of different offsets, got {len(lines)}")
    for number, line in enumerate(lines, start=1):
        if line.pixels.ndim != 2 or len(line.pixels) < 2 or np.ptp(line.pixels, axis=0).max() < 2:
            raise ValueError(f"lane line {number}: expected at least 2 points apart from one another")
        if line.along.shape != line.marks.shape[:1]:
            raise ValueError(f"lane line {number}: expected a place along it for each of its marks")
        if len(line.marks) and not np.ptp(line.along) > 0:
            raise ValueError(f"lane line {number}: expected at least 2 marks at different places along it")


def _start(lines: Sequence[LaneLine], offsets: np.ndarray, focal: float, grid: PixelGrid) -> list[np.ndarray]:
    """Parameters (log focal, pitch, roll 0, log height, heading, x of the first line) at a focal length."""
    rows = []
    for line in lines:
        mean = line.pixels.mean(0)
        normal = np.linalg.svd(line.pixels - mean)[2][1]
        rows.append([*normal, -normal @ mean])
    scale = np.array([1.0, 1.0, 1 / focal])  # pixels of the order of 1
    vector = np.linalg.svd(np.array(rows) * scale)[2][-1] * scale
    if abs(vector[2]) < 1e-12 * np.abs(vector).max():
        return []
    u, v = (vector[:2] / vector[2] - grid.center) / (focal * grid.scale)
    pitch = np.arctan(-v)
    heading = np.arctan2(u * np.cos(pitch), 1.0)
    view = view_of(np.array([np.log(focal), pitch, 0.0, 0.0]), grid)
    spots = [view.on_ground(line.pixels) @ [np.cos(heading), -np.sin(heading)] for line in lines]
    measured = np.array(
        [np.median(spot[np.isfinite(spot)]) if np.isfinite(spot).any() else np.nan for spot in spots]
    )
    seen = np.isfinite(measured)
    if seen.sum() < 2:
        return []
    slope, place = np.polyfit(measured[seen], offsets[seen], 1)
    if not slope > 0:
        return []
    return [np.array([np.log(focal), pitch, 0.0, np.log(slope), heading, -place])]


def _first_marks(start: np.ndarray, marked: Sequence[LaneLine], grid: PixelGrid) -> np.ndarray:
    """(M,) metres along the road of the first mark of each line that has some."""
    view = view_of(start, grid)
    along = [np.sin(start[4]), np.cos(start[4])]
    return np.nan_to_num(np.array([view.on_ground(line.marks[0]) @ along for line in marked]), nan=20.0)
