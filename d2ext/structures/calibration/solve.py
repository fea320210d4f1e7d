"""Non-linear least squares from several starts, and what is known afterwards."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from .view import GroundView, PixelGrid

NAMES = ("focal", "pitch", "roll", "height")  # the first four parameters of every fit
#: Fields of view (degrees across) of the starts.
FIELDS_OF_VIEW = (18.0, 26.0, 36.0, 48.0, 62.0, 78.0, 96.0, 116.0)
#: Pixels by which a careful click is off, and how many residuals that guess is worth beside the real ones.
CLICK, CLICK_WEIGHT = 2.0, 4
#: Share of the focal length by which it may be uncertain before it counts as unknown.
MOST_UNCERTAIN = 0.5
_MOST_PITCH, _MOST_ROLL = math.radians(89), math.radians(45)

Residuals = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Calibration:
    """A camera above the road, with standard deviations.

    Attributes:
        view: focal length (pixels), pitch and roll (radians), height (metres).
        deviation: standard deviation of each of ``NAMES`` in the same units; 0 for what was given.
        residual: root mean square of the residuals, in pixels; of vehicles, whose sizes differ, 0.
        count: of points, lines or vehicles that were used.
    """

    view: GroundView
    deviation: dict[str, float]
    residual: float
    count: int

    def lines(self) -> list[str]:
        """One line a number, with units, as a command prints them."""
        degree = math.degrees(1)
        rows = (("focal", 1.0, "pixels"), ("pitch", degree, "degrees down"), ("roll", degree, "degrees"))
        return [
            f"{name}: {getattr(self.view, name) * scale:.2f} +- {self.deviation[name] * scale:.2f} {unit}"
            for name, scale, unit in (*rows, ("height", 1.0, "m"))
        ]


def view_of(x: np.ndarray, grid: PixelGrid) -> GroundView:
    """The camera of parameters (log focal, pitch, roll, log height, ...)."""
    focal, height = np.exp(np.clip([x[0], x[3]], -20, 20))
    return GroundView(float(focal), float(x[1]), float(x[2]), float(height), grid)


def known_parameters(known: Mapping[str, float]) -> dict[int, float]:
    """Parameters that are given, by their place.

    Args:
        known: some of ``NAMES``; pixels, radians, metres.

    Raises:
        ValueError: another name, or a number that no camera has.
    """
    fixed = {}
    for name, value in known.items():
        if name not in NAMES:
            raise ValueError(f"known: expected some of {', '.join(NAMES)}, got {name[:40]!r}")
        if not math.isfinite(value) or (name in ("focal", "height") and value <= 0):
            raise ValueError(f"known {name}: expected a positive number, got {value:g}")
        fixed[NAMES.index(name)] = math.log(value) if name in ("focal", "height") else float(value)
    return fixed


def fit(
    residuals: Residuals,
    starts: Sequence[np.ndarray],
    fixed: Mapping[int, float],
    loss_scale: float | None,
    step: float | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The best of the minima that the starts lead to, by a loss that grows linearly beyond ``loss_scale``;
    None: the residuals have that in them.

    Args:
        residuals: parameters (P,) -> (R,).
        starts: parameters (P,) each; those at ``fixed`` are replaced and stay.
        step: of differences, relative; None: scipy's.

    Returns:
        parameters (P,), the inverse of J^T J (P, P) with zeros at what was fixed, and residuals (R,).

    Raises:
        ValueError: no start leads anywhere.
    """
    free = [i for i in range(len(starts[0])) if i not in fixed]

    def whole(x: np.ndarray) -> np.ndarray:
        full = np.empty(len(starts[0]))
        full[free] = x
        for place, value in fixed.items():
            full[place] = value
        return full

    # A minimum beyond these is no camera; the bounds keep the search from running away.
    low, high = np.full(len(starts[0]), -np.inf), np.full(len(starts[0]), np.inf)
    low[:4] = [math.log(10), -_MOST_PITCH, -_MOST_ROLL, math.log(0.05)]
    high[:4] = [math.log(1e6), _MOST_PITCH, _MOST_ROLL, math.log(500)]
    best = None
    for start in starts:
        try:
            found = least_squares(
                lambda x: residuals(whole(x)),
                np.clip(start, low + 1e-9, high - 1e-9)[free],
                bounds=(low[free], high[free]),
                x_scale="jac",
                diff_step=step,
                loss="linear" if loss_scale is None else "soft_l1",
                f_scale=loss_scale or 1.0,
                max_nfev=60,
            )
        except (ValueError, np.linalg.LinAlgError):  # not finite at the start
            continue
        if np.isfinite(found.cost) and (best is None or found.cost < best.cost):
            best = found
    if best is None:
        raise ValueError("expected what a camera above a road can see; no camera fits")
    covariance = np.zeros((len(starts[0]),) * 2)
    covariance[np.ix_(free, free)] = _inverse(best.jac)
    x = whole(best.x)
    return x, covariance, residuals(x)


def _inverse(jacobian: np.ndarray) -> np.ndarray:
    """(J^T J)^-1, with a huge variance of what is left open, which a pseudo-inverse makes 0."""
    normal = jacobian.T @ jacobian
    scale = 1 / np.sqrt(np.maximum(np.diag(normal), 1e-30))
    scale = np.outer(scale, scale)
    return np.linalg.inv(normal * scale + 1e-12 * np.eye(len(normal))) * scale


def finish(
    x: np.ndarray, covariance: np.ndarray, rms: float, count: int, grid: PixelGrid, hint: str
) -> Calibration:
    """The result of a fit.

    Args:
        covariance: of the parameters.
        hint: what to add where the focal length stays open.

    Raises:
        ValueError: the input does not tell the focal length or the height.
    """
    sd = np.sqrt(np.maximum(np.diag(covariance)[:4], 0))
    if not max(sd[0], sd[3]) < MOST_UNCERTAIN:
        what = "focal length" if sd[0] >= sd[3] else "height"
        raise ValueError(f"these leave the {what} open (+- {100 * max(sd[0], sd[3]):.0f} %): {hint}")
    view = view_of(x, grid)
    values = (sd[0] * view.focal, sd[1], sd[2], sd[3] * view.height)
    return Calibration(view, dict(zip(NAMES, map(float, values), strict=True)), float(rms), count)


def click_variance(residuals: np.ndarray, parameters: int) -> float:
    """Variance of pixel residuals (R,) of a fit of ``parameters``: few of them tell little, so that a guess
    of ``CLICK`` pixels counts as ``CLICK_WEIGHT`` more."""
    spare = max(0, residuals.size - parameters)
    robust = np.minimum(np.abs(residuals), 3 * max(CLICK, 1.5 * float(np.median(np.abs(residuals)))))
    mean = float((robust**2).mean()) * residuals.size / max(1, spare) if spare else 0.0
    return (spare * mean + CLICK_WEIGHT * CLICK**2) / (spare + CLICK_WEIGHT)


def focal_starts(width: int, fixed: Mapping[int, float]) -> list[float]:
    """Focal lengths in pixels to start from."""
    if 0 in fixed:
        return [math.exp(fixed[0])]
    return [width / 2 / math.tan(math.radians(angle) / 2) for angle in FIELDS_OF_VIEW]
