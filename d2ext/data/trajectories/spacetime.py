"""Space-time graphs: time to the right, position upwards, one panel a lane, colour for speed and
direction."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from .graph import GraphSpec, SpaceTimeGraph
from .tracks import Tracks

#: Moments at which a column looks at every vehicle; along the position the drawing is exact.
SAMPLES_PER_COLUMN = 4
#: Coverage and speed are summed in whole multiples of these: such sums are exact in float64, so that a graph
#: does not depend on the order of the rows, and a graph drawn column by column equals one drawn at once bit
#: for bit.
_COVERAGE_STEP = 2.0**-16
_SPEED_STEP = 2.0**-10

#: Colour (red, green, blue) against speed / top speed, linear between the stops.
PALETTE: tuple[tuple[float, tuple[int, int, int]], ...] = (
    (-0.50, (255, 0, 255)),
    (-0.08, (170, 60, 255)),
    (-0.02, (255, 0, 0)),
    (0.10, (255, 40, 0)),
    (0.50, (255, 200, 0)),
    (1.00, (40, 220, 40)),
    (1.25, (40, 220, 90)),
    (1.60, (0, 200, 255)),
    (2.00, (190, 240, 255)),
)
BACKGROUND = (0, 0, 0)
SEPARATOR = (96, 96, 96)


class SpaceTimeRenderer:
    """Draws graphs of one recording.

    A column depends only on the rows from ``max_gap`` before it to ``max_gap`` after it. So a live recording
    is drawn by a renderer over its latest rows, a column being final when the rows reach ``max_gap`` past its
    end, and the result equals the graph of the whole recording bit for bit.

    Args:
        tracks: the recording.
        spec: scale and section.
    """

    def __init__(self, tracks: Tracks, spec: GraphSpec) -> None:
        self.tracks, self.spec = tracks, spec

    @cached_property
    def _segments(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows that a vehicle's next row follows, with the samples from the one (inclusive) to the other
        (exclusive), all (S,), by first sample."""
        t = self.tracks
        first = np.ceil(t.time / self._sample_seconds - 0.5).astype(np.int64)
        joined = (t.track[1:] == t.track[:-1]) & (np.diff(t.time) <= self.spec.max_gap)
        row = np.flatnonzero(joined & (first[1:] > first[:-1]))
        row = row[np.argsort(first[row], kind="stable")]
        return row, first[row], first[row + 1]

    @cached_property
    def _panels(self) -> np.ndarray:
        """(N,) int, the panel in which each row is drawn, -1 for none."""
        panels = np.full(len(self.tracks), -1)
        for panel, lane in enumerate(self.spec.lanes):
            panels[self.tracks.lane == lane] = panel
        return panels

    @property
    def _sample_seconds(self) -> float:
        return self.spec.seconds_per_pixel / SAMPLES_PER_COLUMN

    def columns(self) -> range:
        """The columns from the recording's first row to its last.

        Raises:
            ValueError: more than the spec's ``max_columns``.
        """
        time = self.tracks.time
        if not len(time):
            return range(0)
        columns = range(self.spec.column(time.min()), self.spec.column(time.max()) + 1)
        if len(columns) > self.spec.max_columns:
            raise ValueError(
                f"times from {time.min():g} to {time.max():g} s give {len(columns)} columns, "
                f"expected at most {self.spec.max_columns}"
            )
        return columns

    def tile_starts(self, width: int, overlap: int) -> list[int]:
        """First columns of the graphs of ``width`` columns that cover the recording. Neighbours share at
        least ``overlap`` columns; the last ends with the recording, unless it is the only one."""
        if not 0 <= overlap < width:
            raise ValueError(f"overlap must be at least 0 and less than the width {width}, got {overlap}")
        columns = self.columns()
        last = max(columns.stop - width, columns.start)
        return [*range(columns.start, last, width - overlap), last]

    def tiles(self, width: int, overlap: int) -> Iterator[SpaceTimeGraph]:
        """The graphs at :meth:`tile_starts`."""
        for first in self.tile_starts(width, overlap):
            yield self.render(first, width)

    def render(self, first_column: int, width: int) -> SpaceTimeGraph:
        """The graph of ``width`` columns from ``first_column`` on."""
        track, pixel, speed, coverage = self._contributions(first_column, width)
        size = self.spec.height * width
        quantised = np.round(coverage / (SAMPLES_PER_COLUMN * _COVERAGE_STEP)) * _COVERAGE_STEP
        total = np.bincount(pixel, quantised, size)
        speeds = np.bincount(pixel, quantised * np.round(speed / _SPEED_STEP) * _SPEED_STEP, size)
        image = _colours(speeds / np.maximum(total, _COVERAGE_STEP), total, self.spec.top_speed)
        image = image.reshape(self.spec.height, width, 3)
        pitch = self.spec.panel_height + self.spec.separator
        for lane in range(1, len(self.spec.lanes)):
            image[lane * pitch - self.spec.separator : lane * pitch] = SEPARATOR[::-1]
        return SpaceTimeGraph(
            self.spec, first_column, image, self.tracks.ids, pixel, track, coverage / SAMPLES_PER_COLUMN
        )

    def _contributions(
        self, first_column: int, width: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Track, pixel, speed (m/s) and share of the pixel, of each pixel each vehicle touches at each
        sample."""
        spec, t = self.spec, self.tracks
        row, moment = self._samples(first_column, width)
        time = (moment + 0.5) * self._sample_seconds
        share = (time - t.time[row]) / (t.time[row + 1] - t.time[row])
        position = t.position[row] + share * (t.position[row + 1] - t.position[row])
        speed = t.speed[row] + share * (t.speed[row + 1] - t.speed[row])
        panel = self._panels[row]
        column = moment // SAMPLES_PER_COLUMN - first_column

        length = spec.vehicle_length / spec.metres_per_pixel
        low = (position - spec.start) / spec.metres_per_pixel - length / 2
        cells = np.floor(low).astype(np.int64)[:, None] + np.arange(int(np.ceil(length)) + 1)
        overlap = np.minimum(low[:, None] + length, cells + 1) - np.maximum(low[:, None], cells)
        visible = (overlap > 0) & (cells >= 0) & (cells < spec.panel_height) & (panel >= 0)[:, None]
        sample, _ = np.nonzero(visible)
        top = panel[sample] * (spec.panel_height + spec.separator)
        pixel = (top + spec.panel_height - 1 - cells[visible]) * width + column[sample]
        return t.track[row[sample]], pixel, speed[sample], overlap[visible]

    def _samples(self, first_column: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Row before each sample of each vehicle in some columns, and the sample's number."""
        row, first, last = self._segments
        begin, end = first_column * SAMPLES_PER_COLUMN, (first_column + width) * SAMPLES_PER_COLUMN
        longest = int(np.ceil(self.spec.max_gap / self._sample_seconds)) + 1
        near = slice(*np.searchsorted(first, [begin - longest, end]))
        row, first, last = row[near], first[near].clip(begin), last[near].clip(max=end)
        count = (last - first).clip(0)
        before = np.cumsum(count) - count
        return np.repeat(row, count), np.arange(count.sum()) - np.repeat(before - first, count)


def _colours(speed: np.ndarray, coverage: np.ndarray, top_speed: float) -> np.ndarray:
    """(N, 3) uint8 BGR of mean speeds (N,) m/s, over the background by coverage (N,)."""
    stops = [stop for stop, _ in PALETTE]
    # The lines of fast vehicles spread over many pixels a column: this keeps them bright, and edges soft.
    opacity = 1 - (1 - coverage.clip(0, 1)) ** 3
    image = np.empty((len(speed), 3), np.uint8)
    for channel in range(3):
        colour = np.interp(speed / top_speed, stops, [rgb[channel] for _, rgb in PALETTE])
        background = BACKGROUND[channel]
        image[:, 2 - channel] = np.round(background + opacity * (colour - background))
    return image
