"""Space-time graphs: their scale, and which vehicle each pixel shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

#: Pixels of a graph from top to bottom.
MAX_HEIGHT = 8192


@dataclass(frozen=True)
class GraphSpec:
    """What a graph shows and at which scale.

    Args:
        lanes: names of the lanes, one panel each, from top to bottom; numbers become their text.
        start, end: m, the part of the road that is shown.
        seconds_per_pixel: s; column c covers the times [c, c + 1) x seconds_per_pixel of the recording's
            clock.
        metres_per_pixel: m.
        top_speed: m/s, the speed limit: the scale of the colours.
        vehicle_length: m; vehicles are drawn this long, around their position.
        max_gap: s; a track is not drawn between two rows that are farther apart.
        separator: pixels between two panels.
        max_columns: of a recording; a longer one is taken for a wrong time.

    Raises:
        ValueError: no lanes or one twice, a number that is not positive or finite, or more than
            ``MAX_HEIGHT`` pixels.
    """

    lanes: tuple[str, ...]
    start: float
    end: float
    seconds_per_pixel: float = 0.5
    metres_per_pixel: float = 3.0
    top_speed: float = 14.0
    vehicle_length: float = 5.0
    max_gap: float = 1.0
    separator: int = 2
    max_columns: int = 200_000

    def __post_init__(self) -> None:
        if any(isinstance(lane, bool) or not isinstance(lane, str | int) for lane in self.lanes):
            raise ValueError(f"lanes must be names or whole numbers, got {str(self.lanes)[:60]}")
        object.__setattr__(self, "lanes", tuple(map(str, self.lanes)))
        if not self.lanes or len(set(self.lanes)) < len(self.lanes):
            raise ValueError(f"lanes must be different names, at least one, got {str(self.lanes)[:60]}")
        if not -np.inf < self.start < self.end < np.inf:
            raise ValueError(f"end must be greater than start, got {self.start} to {self.end} m")
        for name in ("seconds_per_pixel", "metres_per_pixel", "top_speed", "vehicle_length", "max_gap"):
            if not 0 < getattr(self, name) < np.inf:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if self.separator < 0 or self.max_columns < 1:
            raise ValueError(
                f"expected separator >= 0 and max_columns > 0, got {self.separator}, {self.max_columns}"
            )
        if (self.end - self.start) / self.metres_per_pixel > MAX_HEIGHT or self.height > MAX_HEIGHT:
            raise ValueError(f"expected a graph of at most {MAX_HEIGHT} pixels from top to bottom")

    @property
    def panel_height(self) -> int:
        """Pixels along the road."""
        return int(np.ceil((self.end - self.start) / self.metres_per_pixel - 1e-9))

    @property
    def height(self) -> int:
        """Pixels of a graph from top to bottom."""
        return len(self.lanes) * self.panel_height + (len(self.lanes) - 1) * self.separator

    @property
    def max_duration(self) -> float:
        """s from the first row of a recording to the last."""
        return (self.max_columns - 1) * self.seconds_per_pixel

    def scale(self, width: int) -> tuple[float, ...]:
        """What a model gets used to in graphs of ``width`` columns: panels, pixels of each and between two,
        columns, s and m a pixel, m of a vehicle. Names, the place of the section on its road and the speed
        limit are the road's."""
        return (
            float(len(self.lanes)),
            float(self.panel_height),
            float(self.separator),
            float(width),
            self.seconds_per_pixel,
            self.metres_per_pixel,
            self.vehicle_length,
        )

    def column(self, time: float) -> int:
        """The column that shows a time in s."""
        return int(np.floor(time / self.seconds_per_pixel))

    def place(self, row: int) -> tuple[str, float] | None:
        """Lane and position (m) of the middle of a pixel row, None between the panels."""
        panel, below_top = divmod(row, self.panel_height + self.separator)
        if below_top >= self.panel_height:
            return None
        return self.lanes[panel], self.start + (self.panel_height - below_top - 0.5) * self.metres_per_pixel


@dataclass(frozen=True)
class SpaceTimeGraph:
    """A drawn graph and what it was drawn from.

    Args:
        spec: scale and section.
        first_column: the recording's column at the left edge.
        image: (H, W, 3) uint8, BGR.
        ids: (T,) names of the recording's vehicles.
        pixel: (M,) int, row x W + column of each contribution.
        track: (M,) int, its vehicle as an index into ``ids``.
        coverage: (M,) share of the pixel that the vehicle covers.
    """

    spec: GraphSpec
    first_column: int
    image: np.ndarray
    ids: np.ndarray
    pixel: np.ndarray
    track: np.ndarray
    coverage: np.ndarray

    def times(self) -> np.ndarray:
        """(W + 1,) s, the left edge of each column and the right edge of the last."""
        return (self.first_column + np.arange(self.image.shape[1] + 1)) * self.spec.seconds_per_pixel

    def tracks_in(self, weights: np.ndarray) -> dict[str, float]:
        """The vehicles drawn where ``weights`` is not 0, most first.

        Args:
            weights: (H, W) mask or heat map, not negative.

        Returns:
            By name, the sum of weight x share of the pixel covered.
        """
        if weights.shape != self.image.shape[:2]:
            raise ValueError(f"weights must have shape {self.image.shape[:2]}, got {weights.shape}")
        share = self.coverage * weights.reshape(-1)[self.pixel]
        sums = np.bincount(self.track, share, len(self.ids))
        order = np.argsort(-sums, kind="stable")
        return {str(self.ids[i]): float(sums[i]) for i in order if sums[i] > 0}

    def covered(self, tracks: np.ndarray, start: float = -np.inf, end: float = np.inf) -> np.ndarray:
        """(H, W) bool: pixels that show one of the vehicles (indices into ``ids``) in the columns of [start,
        end] s."""
        mask = np.zeros(self.image.shape[:2], bool)
        mask.reshape(-1)[self.pixel[np.isin(self.track, tracks)]] = True
        times = self.times()
        return mask & ((times[1:] > start) & (times[:-1] <= end))


def join_graphs(graphs: Sequence[SpaceTimeGraph]) -> SpaceTimeGraph:
    """One graph out of several of the same recording, each of which begins where the last one ends."""
    widths = [graph.image.shape[1] for graph in graphs]
    starts = np.cumsum([0, *widths[:-1]])
    ids, which = np.unique(np.concatenate([g.ids[g.track] for g in graphs]), return_inverse=True)
    pixels = []
    for graph, start, width in zip(graphs, starts, widths, strict=True):
        row, column = np.divmod(graph.pixel, width)
        pixels.append(row * sum(widths) + start + column)
    return SpaceTimeGraph(
        graphs[0].spec,
        graphs[0].first_column,
        np.concatenate([graph.image for graph in graphs], 1),
        ids,
        np.concatenate(pixels),
        which,
        np.concatenate([graph.coverage for graph in graphs]),
    )
