"""Space-time graphs of a recording that is still going on."""

from __future__ import annotations

from collections import deque

import numpy as np

from .graph import GraphSpec, SpaceTimeGraph, join_graphs
from .spacetime import SpaceTimeRenderer
from .tracks import Tracks, merge_tracks


class LiveGraph:
    """Draws the latest ``width`` columns of a live recording, each column once.

    Kept are the drawn columns of one graph and the rows of the last ``max_gap`` seconds before the columns
    that are to be drawn, however long the recording goes on.

    Args:
        spec: scale and section.
        width: columns of a graph.
        step: columns from one graph to the next.
        first_column: with which the first graph begins; None: that of the first row. One before it leaves the
            time before the recording empty, so that the first graph is there sooner.

    Raises:
        ValueError: the steps do not divide the width.
    """

    def __init__(self, spec: GraphSpec, width: int, step: int, first_column: int | None = None) -> None:
        if not 0 < step <= width or width % step:
            raise ValueError(f"step must divide the width of {width} columns, got {step}")
        self.spec, self.step = spec, step
        self._strips: deque[SpaceTimeGraph] = deque(maxlen=width // step)
        self._rows: Tracks | None = None
        self._next = first_column  # the column that is drawn next
        self._now = -np.inf  # s, to which the recording is known

    @property
    def next_column(self) -> int | None:
        """The column that is drawn next, None before the first row."""
        return self._next

    def update(self, rows: Tracks, now: float | None = None) -> list[SpaceTimeGraph]:
        """Take new rows; gives each graph of ``width`` columns that they complete.

        Without ``first_column`` the first graph begins with the column of the first row. A graph equals that
        of a ``SpaceTimeRenderer`` over the whole recording, but for the order of the vehicles.

        Args:
            rows: of any vehicles, none from before the last ``now``.
            now: s; there will be no more rows from before this time. By default that of the last row.

        Raises:
            ValueError: a row comes too late, or ``now`` goes backwards or by more than the spec's
                ``max_columns`` on; a vehicle has two rows at the same time.
        """
        if len(rows) and rows.time.min() < self._now:
            raise ValueError(
                f"a row of {rows.time.min():g} s after the time was {self._now:g} s: expected rows in order"
            )
        if now is None:
            now = float(rows.time.max()) if len(rows) else self._now
        if now < self._now:
            raise ValueError(f"now is {now:g} s after it was {self._now:g} s: expected a time that rises")
        if self._next is not None and self.spec.column(now) - self._next > self.spec.max_columns:
            raise ValueError(
                f"now is {now:g} s, more than {self.spec.max_columns} columns after the last graph"
            )
        self._rows = rows if self._rows is None else merge_tracks([self._rows, rows])
        self._now = now
        if self._next is None:
            if not len(rows):
                return []
            self._next = self.spec.column(rows.time.min())
        graphs, renderer = [], SpaceTimeRenderer(self._rows, self.spec)
        seconds = self.spec.seconds_per_pixel
        while (self._next + self.step) * seconds + self.spec.max_gap <= self._now:
            self._strips.append(renderer.render(self._next, self.step))
            self._next += self.step
            if len(self._strips) == self._strips.maxlen:
                graphs.append(join_graphs(list(self._strips)))
        self._rows = self._rows.select(self._rows.time >= self._next * seconds - self.spec.max_gap)
        return graphs
