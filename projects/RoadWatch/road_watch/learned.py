"""What a model of space-time graphs says of the traffic while it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from detectron2.config import CfgNode

from d2ext.data.config import add_anomaly_data_config
from d2ext.data.recordings import graph_spec
from d2ext.data.trajectories import SpaceTimeGraph, Tracks, merge_tracks, region_extent, suspects
from d2ext.data.trajectories.tracks import in_lanes
from d2ext.engine import ImagePredictor, add_engine_config, load_config
from d2ext.engine.streaming import StreamingPredictor
from d2ext.modeling.anomaly.config import add_anomaly_config
from d2ext.structures import find_regions

from .alarms import Signal

#: Share of a region's heat from which on a vehicle is named, and vehicles that are named at most.
_SHARE, _NAMED = 0.2, 5


def add_graph_model_config(cfg: CfgNode) -> None:
    """Add the keys of models of space-time graphs."""
    add_anomaly_data_config(cfg)
    add_engine_config(cfg)
    add_anomaly_config(cfg)
    # Of TrajAD's project: the first chooses the threshold, the others change nothing here.
    cfg.TEST.THRESHOLD = None
    cfg.TEST.HEAT_MAPS = False
    cfg.TEST.ORIGINAL_SIZE = True


def load_graph_model(settings: CfgNode, device: str = "") -> ImagePredictor:
    """The model of ``ROAD_WATCH.ANOMALY``.

    Args:
        device: it runs on; "" for its config's.

    Raises:
        FileNotFoundError, ValueError: a config or weights that are missing or do not fit.
    """
    options = [*map(str, settings.OPTIONS)]
    options += ["MODEL.WEIGHTS", settings.WEIGHTS] if settings.WEIGHTS else []
    options += ["MODEL.DEVICE", device] if device else []
    return ImagePredictor(load_config(add_graph_model_config, settings.CONFIG, options))


def no_rows() -> Tracks:
    """A recording of nobody."""
    text, numbers = np.zeros(0, "U1"), np.zeros(0)
    return Tracks(text, np.zeros(0, np.int64), numbers, text, numbers, numbers)


class LearnedAlarms:
    """Signals of regions of the heat map that are new.

    The time before the first row counts as an empty road, so that the first look comes soon. Vehicles that
    are on the road then seem to come out of nothing, so the first seconds of heat are left out.

    Args:
        settings: ``ROAD_WATCH.ANOMALY``.
        predictor: with a model of space-time graphs.

    Attributes:
        graph, heat_map: of the last look, for a view of the graph as it grows; None before it.
        threshold: of its scores; 0 before it.
    """

    def __init__(self, settings: CfgNode, predictor: ImagePredictor) -> None:
        cfg = predictor.cfg
        self._settings, self._spec, self._width = settings, graph_spec(cfg), cfg.INPUT.GRAPH.WIDTH
        self._predictor = predictor
        self._stream: StreamingPredictor | None = None
        self._waiting: list[Tracks] = []
        self._first = 0  # column with which the stream begins
        self._settled = -np.inf  # s, before which heat is left out
        self._now = -np.inf  # s, of the last look
        self._seen = -np.inf  # of the last moment
        self._signals: list[Signal] = []
        self.graph: SpaceTimeGraph | None = None
        self.heat_map: np.ndarray | None = None
        self.threshold = 0.0

    @property
    def memory(self) -> float:
        """s of rows before now that :meth:`restore` wants."""
        columns = self._width + 2 * self._settings.STEP
        return columns * self._spec.seconds_per_pixel + 2 * self._spec.max_gap

    def update(self, time: float, rows: Tracks) -> list[Signal]:
        """Take the rows of a moment; what is found holds until the next look."""
        rows = rows.select(in_lanes(rows.lane, self._spec.lanes))
        before, self._seen = self._seen, time
        if self._stream is not None and time - before > self._width * self._spec.seconds_per_pixel:
            # After a gap that long nothing of before is in the graph.
            self._stream, self._signals, self._waiting, self._now = None, [], [], -np.inf
        if len(rows):
            self._waiting.append(rows)
        if self._stream is None:
            if not self._waiting:
                return []
            first = min(float(part.time.min()) for part in self._waiting)
            self._settled = first + self._settings.SETTLE_SECONDS
            step = self._settings.STEP
            self._begin(self._spec.column(first) - self._width + step)
        assert self._stream is not None and self._stream.next_column is not None
        end = (self._stream.next_column + self._settings.STEP) * self._spec.seconds_per_pixel
        if time >= end + self._spec.max_gap:
            self._look(time)
        return self._signals

    def _begin(self, first_column: int) -> None:
        self._first = first_column
        self._stream = StreamingPredictor(self._predictor, self._settings.STEP, first_column)

    def _look(self, time: float) -> None:
        assert self._stream is not None
        rows = merge_tracks(self._waiting) if self._waiting else no_rows()
        self._waiting, self._now = [], time
        for graph, found in self._stream.update(rows, time):
            self.graph, self.heat_map = graph, found["anomaly_map"].float().cpu().numpy()
            self.threshold = found["threshold"]
            self._signals = self._regions(graph, self.heat_map, self.threshold)

    def _regions(self, graph: SpaceTimeGraph, values: np.ndarray, threshold: float) -> list[Signal]:
        settings, signals = self._settings, []
        new = max(1, round(settings.NEW_SECONDS / self._spec.seconds_per_pixel))
        values = values.copy()
        values[:, : max(0, values.shape[1] - new)] = 0.0
        values[:, graph.times()[:-1] < self._settled] = 0.0
        level = threshold * settings.RAISE
        for region in find_regions(values, threshold * min(settings.KEEP, settings.RAISE)):
            extent = region_extent(graph, region)
            named = [s for s in suspects(graph, values, region) if s.share >= _SHARE][:_NAMED]
            lanes = named[0].extent.lanes if named else extent.lanes
            lane, (low, high) = next(iter(lanes.items()), ("", (0.0, 0.0)))
            vehicles = tuple(int(s.track_id) for s in named)
            keep = settings.KEEP / settings.RAISE
            signals.append(
                Signal(
                    "abnormal", "model", vehicles, region.score / level, lane, (low + high) / 2,
                    keep=keep, since=extent.start, least=0.0,
                )
            )  # fmt: skip
        return signals

    def state(self) -> dict[str, Any]:
        """Plain values, for :meth:`restore`."""
        following = None if self._stream is None else self._stream.next_column
        times = {"now": self._now, "seen": self._seen, "settled": self._settled}
        known = {name: at if np.isfinite(at) else None for name, at in times.items()}
        signals = [asdict(signal) for signal in self._signals]
        return {"first": self._first, "next": following, **known, "signals": signals}

    def restore(self, state: Mapping[str, Any], rows: Tracks) -> None:
        """Go on from :meth:`state`, with the rows of the last :attr:`memory` seconds."""
        self._signals = [Signal(**{**s, "vehicles": tuple(s["vehicles"])}) for s in state["signals"]]
        self._seen, self._settled = (-np.inf if state[k] is None else state[k] for k in ("seen", "settled"))
        rows = rows.select(in_lanes(rows.lane, self._spec.lanes))
        if state["next"] is not None:
            self._begin(max(state["first"], state["next"] - self._width))
            if state["now"] is not None:
                assert self._stream is not None
                self._now = state["now"]
                self._stream.update(rows.select(rows.time <= self._now), self._now)
        later = rows.select(rows.time > self._now)
        self._waiting = [later] if len(later) else []
