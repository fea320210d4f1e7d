"""A camera from the road users that it sees: 2D boxes, and what sizes their classes have.

How high a box is, beside where it stands, gives the horizon and the camera's height (Hoiem et al., Putting
objects in perspective, CVPR 2006). How much of the side of a vehicle is seen, at the bearing where it is seen
and with most of them along one road, and how much of its roof, give the focal length.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from .solve import Calibration, finish, focal_starts, known_parameters, view_of
from .vehicle_boxes import SeenVehicles, VehicleBoxes
from .view import LEAST_DEPTH, PixelGrid

#: Lenses: focal length in widths of the picture, and the standard deviation of its logarithm.
USUAL_FOCAL, FOCAL_SPREAD = 0.87, 0.6
LEVEL = math.radians(1.5)  # standard deviation of the roll that a person gives a camera
TURN_SPREAD = 0.4  # of the logarithm of how far vehicles turn from the road
_FEW = 50  # road users with which the search begins
_PITCHES = np.radians(np.arange(-8.0, 60.0, 0.5))
_HEADINGS = np.radians(np.arange(-85.0, 90.0, 10.0))
#: Of the search's own steps, by which slopes and curvatures are measured.
_STEP, _WIDE_STEP = 0.05, 0.3
#: The search: steps at most, how far each may go, and the gain at which it ends.
_MOST, _FARTHEST, _LEAST_GAIN = 40, 3.0, 0.005
_HINT = "vehicles: more of them at other places and nearer, or give --focal, --fov or --height"


def calibrate_vehicles(
    seen: SeenVehicles, grid: PixelGrid, known: Mapping[str, float] | None = None
) -> Calibration:
    """The camera under which the boxes of road users that stand on one plane are most probable.

    A roll near 0 is assumed (``LEVEL``), and that most drive along one road; the boxes may be of many
    pictures of one camera.

    Args:
        grid, known: as :func:`~.points.calibrate_points` has them.

    Raises:
        ValueError: they do not tell the focal length or the height.
    """
    fixed = known_parameters(known or {})
    few, whole = _Search(seen.first(_FEW), grid, fixed), _Search(seen, grid, fixed, sizes=True)
    found = []
    for focal in focal_starts(grid.image_size[1], fixed)[-7::2]:
        start = few.start(focal)
        if start is not None:
            found.append(few.descend(start))
    if not found:
        raise ValueError("vehicles: no camera above a road sees boxes of these heights at these places")
    _, best = whole.descend(min(found, key=lambda pair: pair[0])[1])
    return finish(whole.common(best), whole.covariance(best), 0.0, len(seen.boxes), grid, _HINT)


class _Search:
    """For the most probable parameters of :class:`VehicleBoxes`.

    They are sought as (log focal, horizon at the middle of the picture, roll, log height, heading, log turn,
    offsets), in steps of about their uncertainty; the horizon hardly depends on the focal length, as the
    pitch does.
    """

    STEPS = np.array([0.1, 0.01, 0.01, 0.03, 0.03, 0.2])

    def __init__(
        self, seen: SeenVehicles, grid: PixelGrid, fixed: Mapping[int, float], sizes: bool = False
    ) -> None:
        """
        Args:
            sizes: whether the classes' mean sizes are sought too, or taken as usual.
        """
        self.boxes, self.grid, self.fixed = VehicleBoxes(seen, grid), grid, fixed
        self.free = np.array([i for i in range(6 + seen.sizes.size * sizes) if i not in fixed])
        self.steps = np.concatenate([self.STEPS, seen.of_class.ravel()])
        self.mean = np.zeros(len(self.steps))
        self.mean[0] = math.log(USUAL_FOCAL * grid.image_size[1]) / self.STEPS[0]
        known = np.array([FOCAL_SPREAD, np.inf, LEVEL, np.inf, np.inf, TURN_SPREAD])
        self.prior = np.concatenate([(self.STEPS / known) ** 2, np.ones(seen.sizes.size)])

    def common(self, x: np.ndarray) -> np.ndarray:
        """The common parameters (6,)."""
        common = x[:6] * self.STEPS
        if 0 in self.fixed:
            common[0] = self.fixed[0]
        common[1] = math.atan(common[1] * self.grid.image_size[1] * math.exp(-common[0]))
        common[list(self.fixed)] = list(self.fixed.values())
        return common

    def sought(self, common: np.ndarray) -> np.ndarray:
        """What is sought (6 + 3 K,) of common parameters, with sizes as usual."""
        x = np.zeros(len(self.steps))
        x[:6] = common
        x[1] = math.tan(common[1]) * math.exp(common[0]) / self.grid.image_size[1]
        return x / self.steps

    def likelihood(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of the boxes, as :meth:`VehicleBoxes.likelihood`."""
        self.boxes.offsets = x[6:] * self.steps[6:]
        return self.boxes.likelihood(self.common(x))

    def cost(self, x: np.ndarray) -> float:
        """Minus the logarithm of the probability."""
        return float((self.prior * (x - self.mean) ** 2).sum() / 2 - self.likelihood(x)[0].sum())

    def slopes(self, x: np.ndarray) -> np.ndarray:
        """(N, free) of the logarithms of the boxes' densities."""
        by_size = self.likelihood(x)[1]
        each = np.einsum("nk,ni->nki", self.boxes.of_kind, by_size).reshape(len(by_size), -1)
        moves = _STEP * np.eye(len(x))[:6]
        first = [(self.likelihood(x + m)[0] - self.likelihood(x - m)[0]) / (2 * _STEP) for m in moves]
        return np.c_[np.array(first).T, each * self.steps[6:]][:, self.free]

    def descend(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Cost and what is sought at the minimum near ``x``; the curvature is taken from the slopes' squares
        (Berndt, Hall, Hall and Hausman, 1974), damped as by Levenberg and Marquardt."""
        cost, damping = self.cost(x), 1e-2
        for _ in range(_MOST):
            slopes = self.slopes(x)
            normal = slopes.T @ slopes + np.diag(self.prior[self.free])
            side = slopes.sum(0) - (self.prior * (x - self.mean))[self.free]
            for _ in range(6):
                other = x.copy()
                step = np.linalg.solve(normal + damping * np.diag(np.diag(normal) + 1e-9), side)
                other[self.free] += np.clip(step, -_FARTHEST, _FARTHEST)
                left = self.cost(other)
                if left < cost:
                    break
                damping *= 5
            else:
                break
            gain, x, cost, damping = cost - left, other, left, max(damping / 5, 1e-4)
            if gain < _LEAST_GAIN:
                break
        return cost, x

    def covariance(self, x: np.ndarray) -> np.ndarray:
        """(6, 6) of the common parameters: the mean of what the curvature of the cost says, and the squares
        of its slopes, which agree where the boxes are as they are thought to be."""
        place, slopes = np.ix_(self.free, self.free), self.slopes(x)
        inverse, rest = np.zeros((len(x), len(x))), np.diag(self.prior[self.free] + 1e-9)
        for normal in (self._curvature(x)[place], slopes.T @ slopes):
            inverse[place] += np.linalg.inv(normal + rest) / 2
        moves = _WIDE_STEP * np.eye(len(x))[:6]
        change = np.array([self.common(x + m) - self.common(x - m) for m in moves]).T / (2 * _WIDE_STEP)
        return change @ inverse[:6, :6] @ change.T

    def _curvature(self, x: np.ndarray) -> np.ndarray:
        """(6 + 3 K,) squared, of minus the logarithm of the boxes' densities, by differences of it and of
        its slopes by the offsets."""
        step, count = _WIDE_STEP, len(x)
        moves = step * np.eye(count)
        sums = {(i, sign): self._sums(x + sign * moves[i]) for i in range(count) for sign in (1, -1)}
        value, result = self._sums(x)[0], np.zeros((count, count))
        for i in range(count):
            result[i, 6:] = -(sums[i, 1][1] - sums[i, -1][1]) / (2 * step)
        result[6:, :6] = result[:6, 6:].T
        result[6:, 6:] = (result[6:, 6:] + result[6:, 6:].T) / 2
        for i in range(6):
            result[i, i] = -(sums[i, 1][0] + sums[i, -1][0] - 2 * value) / step**2
            for j in range(i):
                both = self._sums(x + moves[i] + moves[j])[0] + self._sums(x - moves[i] - moves[j])[0]
                ends = sum(sums[k, sign][0] for k in (i, j) for sign in (1, -1))
                result[i, j] = result[j, i] = -(both - ends + 2 * value) / (2 * step**2)
        values, vectors = np.linalg.eigh(result)
        return vectors @ np.diag(np.maximum(values, 0.0)) @ vectors.T

    def _sums(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Of the logarithms of the densities, and of their slopes (3 K,) by the offsets."""
        value, by_size = self.likelihood(x)
        return float(value.sum()), (self.boxes.of_kind.T @ by_size).ravel() * self.steps[6:]

    def start(self, focal: float) -> np.ndarray | None:
        """The pitch at which the heights of boxes agree best, the height of the camera that they then ask
        for, and the best heading; None where no pitch has most boxes below the horizon."""
        best, common = math.inf, np.zeros(6)
        sizes, tall, feet = self.boxes.sizes[:, 0], self.boxes.measured[:, 2], self.boxes.feet
        for pitch in [self.fixed[1]] if 1 in self.fixed else _PITCHES:
            tried = np.array([math.log(focal), pitch, self.fixed.get(2, 0.0), 0.0])
            view = view_of(tried, self.grid)
            ground = view.on_ground(feet)
            ahead = np.isfinite(ground).all(1) & (ground[:, 1] > LEAST_DEPTH)
            if ahead.mean() < 0.8:
                continue
            # Pixels that a metre is high at each place, at a height of 1; they fall as the height grows.
            points = np.stack([ground[:, 0], np.zeros(len(ground)), ground[:, 1]], 1)[ahead]
            metre = (view.project(points) - view.project(points + [0, -1e-3, 0]))[:, 1] * 1e3
            ratio = np.log(np.maximum(metre, 1e-9) * sizes[ahead] / tall[ahead])
            spread = float(np.abs(ratio - np.median(ratio)).mean())
            if spread < best:
                best, common[:4] = spread, [*tried[:3], self.fixed.get(3, float(np.median(ratio)))]
        if best == math.inf:
            return None
        starts = [self.sought(np.array([*common[:4], heading, 0.0])) for heading in _HEADINGS]
        return min(starts, key=self.cost)
