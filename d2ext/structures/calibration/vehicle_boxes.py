"""How probable the 2D boxes of road users are below a camera, whatever their sizes, places and directions."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from ..vocabulary import ROAD, Vocabulary
from .solve import view_of
from .view import LEAST_DEPTH, PixelGrid

LEAST_VEHICLES = 8
MOST_VEHICLES = 200
#: Standard deviations of the logarithm of height, width and length within a class.
SPREAD = {
    "car": (0.07, 0.06, 0.10),
    "van": (0.10, 0.07, 0.12),
    "truck": (0.14, 0.08, 0.30),
    "bus": (0.08, 0.06, 0.18),
    "pedestrian": (0.08, 0.40, 0.40),  # limbs: boxes of people are as wide as they move
    "cyclist": (0.07, 0.25, 0.12),
}
USUAL_SPREAD = (0.12, 0.10, 0.20)
#: Of the logarithms by which a class' mean sizes are others here than in its vocabulary.
OF_CLASS = {"car": (0.05, 0.05, 0.06), "pedestrian": (0.04, 0.2, 0.2)}
USUAL_OF_CLASS = (0.08, 0.08, 0.10)
#: Correlations of the three: what is longer than others of its class is wider and higher too.
_TOGETHER = np.array([[1.0, 0.4, 0.2], [0.4, 1.0, 0.5], [0.2, 0.5, 1.0]])
#: Of the sides of a box: pixels, and share of its width and height.
BOX_PIXELS, BOX_SHARE = 2.0, 0.02
#: Radians: of the direction of traffic along the road; of a person, who turns freely.
ALONG, FREE = math.radians(3), 1.0
#: Share of traffic that goes across the road, and of boxes that are of something else, with the standard
#: deviation of the logarithms of their sides.
CROSSING, OTHER, OTHER_SPREAD = 0.1, 0.05, 0.7
_EDGE = 2.0  # pixels: a box that near to the picture's edge is cut
_LEAST_HEIGHT = 12.0  # pixels of a box that tells something
_CELLS = 8  # of the picture across and down, from which boxes are chosen by turns
_LEAST_FALL = 2e-3  # of a ray a metre ahead, in metres: what is seen higher counts as that far away
#: Turns in standard deviations, by which their distribution is summed (Gauss and Hermite), and their shares.
_TURNS, _SHARES = np.polynomial.hermite_e.hermegauss(5)
_FEW_TURNS, _FEW_SHARES = np.polynomial.hermite_e.hermegauss(3)
_UNIT = np.array([[y, x, z] for y, x, z in itertools.product((0, -1), (-0.5, 0.5), (-0.5, 0.5))])


@dataclass(frozen=True)
class SeenVehicles:
    """2D boxes with what is known of their classes.

    Attributes:
        boxes: (N, 4) x1, y1, x2, y2 in pixels.
        kinds: (N,) class of each, from 0.
        sizes: (K, 3) mean height, width, length in metres of the classes.
        spread: (K, 3) standard deviations of their logarithms within a class.
        of_class: (K, 3) the same of the mean sizes, which differ from place to place.
    """

    boxes: np.ndarray
    kinds: np.ndarray
    sizes: np.ndarray
    spread: np.ndarray
    of_class: np.ndarray

    @classmethod
    def of_classes(
        cls,
        names: list[str],
        boxes: np.ndarray,
        image_size: tuple[int, int],
        vocabulary: Vocabulary = ROAD,
        most: int = MOST_VEHICLES,
    ) -> SeenVehicles:
        """At most ``most`` of those that are whole, large enough and of a class of known size: the highest
        ones from all over the picture.

        Raises:
            ValueError: fewer than ``LEAST_VEHICLES``.
        """
        boxes = np.asarray(boxes, float).reshape(-1, 4)
        known = [name in vocabulary.sizes and not name.startswith("unknown") for name in names]
        room = np.concatenate([boxes[:, :2], np.array(image_size[::-1]) - 1.0 - boxes[:, 2:]], 1)
        tall = boxes[:, 3] - boxes[:, 1]
        use = np.array(known, bool) & (room > _EDGE).all(1) & (tall >= _LEAST_HEIGHT)
        if use.sum() < LEAST_VEHICLES:
            raise ValueError(
                f"vehicles: expected at least {LEAST_VEHICLES} whole boxes of known classes that are "
                f"{_LEAST_HEIGHT:g} pixels high or more, got {use.sum()} of {len(boxes)}"
            )
        (places,) = np.nonzero(use)
        chosen = places[_from_all_over(boxes[places], image_size)[:most]]
        found, kinds = np.unique([names[i] for i in chosen], return_inverse=True)
        sizes = np.array([vocabulary.sizes[name] for name in found])
        spread = np.array([SPREAD.get(name, USUAL_SPREAD) for name in found])
        of_class = np.array([OF_CLASS.get(name, USUAL_OF_CLASS) for name in found])
        return cls(boxes[chosen], kinds, sizes, spread, of_class)

    def first(self, count: int) -> SeenVehicles:
        """The first so many."""
        return SeenVehicles(self.boxes[:count], self.kinds[:count], self.sizes, self.spread, self.of_class)


def _from_all_over(boxes: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
    """Order of boxes (N, 4) in which each cell of the picture gives one by turns, its highest first."""
    tall = boxes[:, 3] - boxes[:, 1]
    feet = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], 1)
    cell = (feet / image_size[::-1] * _CELLS).astype(int) @ [1, _CELLS]
    order = np.lexsort([-tall, cell])
    rank = np.arange(len(order)) - np.searchsorted(cell[order], cell[order])
    return order[np.lexsort([-tall[order], rank])]


class VehicleBoxes:
    """The likelihood of boxes under common parameters (6,): log focal, pitch, roll, log height (as in
    :class:`~.view.GroundView`), the heading of the road in radians, to the right, and log of how far vehicles
    turn from it, in units of ``ALONG``; and under ``offsets`` (3 K,), the logarithms by which mean sizes of
    classes are other than usual.

    A road user's place is where the lower side of its box asks for it; then the height and width of the box
    have a normal distribution, by the sizes of its class and the errors of the box, for each of a few turns
    from the road. What is summed here cannot be fitted instead: the best size and turn of each road user
    explain the more, the larger they seem, so that a fit prefers cameras under which they do (Neyman and
    Scott, Consistent estimates based on partially consistent observations, Econometrica 1948).
    """

    def __init__(self, seen: SeenVehicles, grid: PixelGrid) -> None:
        self.grid, self.count, self.kinds = grid, len(seen.boxes), seen.kinds
        x1, y1, x2, y2 = seen.boxes.T
        self.measured = np.stack([(x1 + x2) / 2, y2, y2 - y1, x2 - x1], 1)  # middle, bottom, height, width
        self.usual, self.spread = seen.sizes[seen.kinds], seen.spread[seen.kinds]
        self.offsets = np.zeros(seen.sizes.size)
        self.of_kind = np.eye(len(seen.sizes))[seen.kinds]
        free = self.usual[:, 2] < 1.0
        self.road = np.repeat([0.0, math.pi / 2], [len(_TURNS), len(_FEW_TURNS)])[:, None]
        turns = np.concatenate([_TURNS, _FEW_TURNS])[:, None]
        self.own_turns, self.road_turns = (
            np.where(free, turns * FREE, 0.0),
            np.where(free, 0.0, turns * ALONG),
        )
        crossing = np.where(free, 0.0, CROSSING)
        along, across = (share[:, None] / share.sum() for share in (_SHARES, _FEW_SHARES))
        self.shares = (1 - OTHER) * np.concatenate([along * (1 - crossing), across * crossing])
        self.noise = self._noise()
        self.feet = self.measured[:, :2] - np.stack([0 * y1, 0.12 * (y2 - y1)], 1)

    def _noise(self) -> np.ndarray:
        """(N, 4, 4) covariance of what is measured, by the errors of the four sides."""
        sides = np.array([[0.5, 0, 0.5, 0], [0, 0, 0, 1], [0, -1, 0, 1], [-1, 0, 1, 0]])
        tall, wide = self.measured[:, 2], self.measured[:, 3]
        deviation = np.stack([np.hypot(BOX_PIXELS, BOX_SHARE * side) for side in (wide, tall, wide, tall)], 1)
        return (sides * deviation[:, None] ** 2) @ sides.T

    @property
    def sizes(self) -> np.ndarray:
        """(N, 3) mean sizes of the classes, as they are thought to be here."""
        return self.usual * np.exp(self.of_kind @ self.offsets.reshape(-1, 3))

    def shapes(self, common: np.ndarray, feet: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        """Middle, bottom, height and width (..., T, N, 4) of boxes, not cut by the picture.

        Args:
            feet: (..., T, N, 2) pixels in which the middles of their ground are seen.
            sizes: (..., T, N, 3) metres.
        """
        view = view_of(common, self.grid)
        axes, scale = view.axes, view.focal * self.grid.scale
        rays = np.concatenate([(feet - self.grid.center) / scale, np.ones_like(feet[..., :1])], -1) @ axes
        place = rays * (view.height / np.maximum(rays[..., 1:2], _LEAST_FALL))
        up, across, along = np.moveaxis(_UNIT * sizes[..., None, :], -1, 0)
        angle = common[4] + self.road + self.own_turns + self.road_turns * math.exp(common[5])  # (T, N)
        angle = angle[..., None]
        c, s = np.cos(angle), np.sin(angle)
        x = c * across + s * along + place[..., :1]
        y = up + view.height
        z = c * along - s * across + place[..., 2:]
        depth = np.maximum(axes[2, 0] * x + axes[2, 1] * y + axes[2, 2] * z, LEAST_DEPTH)
        u = (axes[0, 0] * x + axes[0, 1] * y + axes[0, 2] * z) / depth
        v = (axes[1, 0] * x + axes[1, 1] * y + axes[1, 2] * z) / depth
        left, right, top, bottom = u.min(-1), u.max(-1), v.min(-1), v.max(-1)
        middle = scale[0] * (left + right) / 2 + self.grid.center[0]
        lower = scale[1] * bottom + self.grid.center[1]
        return np.stack([middle, lower, scale[1] * (bottom - top), scale[0] * (right - left)], -1)

    def likelihood(self, common: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Logarithms (N,) of the densities of the boxes, and their slopes (N, 3) by the logarithms of mean
        sizes."""
        step = 1e-4
        turns = self.own_turns.shape
        feet, sizes = np.broadcast_to(self.feet, (*turns, 2)), np.broadcast_to(self.sizes, (*turns, 3))
        moved_feet = feet + np.array([[0, 0], [0.1, 0], [0, 0.1], [0, 0], [0, 0], [0, 0]])[:, None, None]
        growth = 1 + step * np.concatenate([np.zeros((3, 3)), np.eye(3)])
        first = self.shapes(common, moved_feet, sizes * growth[:, None, None])
        by_feet = np.moveaxis(first[1:3] - first[0], 0, -1) / 0.1  # (T, N, 4, 2)
        by_size = np.moveaxis(first[3:] - first[0], 0, -1) / step  # (T, N, 4, 3)
        to_feet = np.linalg.inv(by_feet[..., :2, :] + 1e-9 * np.eye(2))
        follow = by_feet[..., 2:, :] @ to_feet  # height and width by middle and bottom
        there = feet + (to_feet @ (self.measured[:, :2] - first[0, ..., :2])[..., None])[..., 0]
        # What is left of middle and bottom after that step counts as it does at first.
        second = self.shapes(common, there, sizes)
        off = (follow @ (self.measured[:, :2] - second[..., :2])[..., None])[..., 0]
        relative = 1 / self.measured[:, 2:]
        error = (self.measured[:, 2:] - second[..., 2:] - off) * relative
        by_size = (by_size[..., 2:, :] - follow @ by_size[..., :2, :]) * relative[..., None]
        by_side = (
            np.concatenate([-follow, np.broadcast_to(np.eye(2), follow.shape)], -1) * relative[..., None]
        )
        scaled = by_size * self.spread[:, None]
        covariance = scaled @ _TOGETHER @ np.swapaxes(scaled, -1, -2)
        covariance = covariance + by_side @ self.noise @ np.swapaxes(by_side, -1, -2)
        return self._sum(error, covariance, by_size)

    def _sum(
        self, error: np.ndarray, covariance: np.ndarray, by_size: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Over the turns, and what else a box may be of."""
        (a, b), (_, d) = np.moveaxis(covariance, (-2, -1), (0, 1))
        det = np.maximum(a * d - b * b, 1e-12)
        x, y = error[..., 0], error[..., 1]
        pull = np.stack([(d * x - b * y) / det, (a * y - b * x) / det], -1)
        density = self.shares * np.exp(-0.5 * np.minimum((pull * error).sum(-1), 600.0)) / np.sqrt(det)
        other = OTHER * np.exp(-0.5 * (error**2).sum(-1).min(0) / OTHER_SPREAD**2) / OTHER_SPREAD**2
        whole = density.sum(0) + other
        slopes = (np.swapaxes(by_size, -1, -2) @ pull[..., None])[..., 0]  # (T, N, 3)
        return np.log(whole), (density[..., None] * slopes).sum(0) / whole[:, None]
