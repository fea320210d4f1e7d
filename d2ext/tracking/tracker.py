"""Tracks out of detections, picture by picture."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from d2ext.files import write_bytes
from d2ext.reading import clear_errors, read_bytes

from .association import Pairs, assign
from .config import TrackerConfig
from .detections import Detections, Tracked
from .motion import MOTION_REGISTRY, Motion
from .overlap import doubled, repeated
from .plane import GroundFrame
from .saved import pack, unpack
from .table import Table, join, select

#: States of a track: not reported yet, reported, ended (it may come back).
NEW, LIVE, ENDED = 0, 1, 2
#: Share of an earlier score in the mean.
_SCORE_MEMORY = 0.8
_EPSILON = 1e-6  # s, by which times may be rounded


class Tracker:
    """Follows objects over time, one picture after the other; times need not be evenly spaced.

    Detections of a high score are matched to the tracks first, the others to tracks that are left (Y. Zhang
    et al., "ByteTrack", ECCV 2022), then those that are still alone to tracks that have ended. What matches
    is chosen by distance and overlap, all tracks at once.

    Args:
        config: settings; those of :class:`TrackerConfig` where None.
    """

    def __init__(self, config: TrackerConfig | None = None) -> None:
        self.config = config or TrackerConfig()
        self.frame = GroundFrame(self.config.ground)
        self._motion: Motion = MOTION_REGISTRY.get(self.config.motion)(self.config)
        self._time = -np.inf
        self._next_id = 1
        self._step = 0  # pictures so far, which the rings of places turn by
        nobody = Detections(np.zeros(0), np.zeros(0, np.int64), *_no_places())
        self._table: Table = self._begin(nobody, 0.0)

    def __len__(self) -> int:
        """Tracks that are kept, reported or not."""
        return len(self._table["id"])

    def update(self, detections: Any, time: float) -> Tracked:
        """Take the detections of one picture.

        Args:
            detections: :class:`Detections`, or what a detector gives (Detectron2's ``Instances``), which
                :meth:`GroundFrame.detections_of` reads.
            time: s, later than that of the last picture.

        Returns:
            The tracks that are reported now.

        Raises:
            ValueError: a time that is not later, detections without what is tracked, or of an unknown class.
        """
        found = detections if isinstance(detections, Detections) else self.frame.detections_of(detections)
        self._motion.check(found)
        if not np.isfinite(time) or time <= self._time:
            raise ValueError(f"tracker: expected a time after {self._time:g} s, got {time}")
        wrong = (found.classes < 0) | (found.classes >= len(self.config.classes))
        if wrong.any():
            count, number = len(self.config.classes), found.classes[wrong][0]
            raise ValueError(f"detections: classes: expected numbers below {count}, got {number}")
        if len(self) and time - self._time > 0:
            self._motion.predict(self._table, self._kinds(), time - self._time)
        self._time = float(time)
        self._forget()
        fresh = ~repeated(found)
        tracks, matched = self._match(found, fresh)
        self._renew(tracks, found.select(matched))
        current = np.full(len(self), -1)
        current[tracks] = matched
        alone = fresh.copy()
        alone[matched] = False
        started = self._births(found, alone, matched)
        if len(started):
            self._table = join(self._table, self._begin(found.select(started), self._time))
            current = np.concatenate([current, started])
        self._number()
        self._remember()
        return self._report(current)

    def expected(self, time: float) -> Tracked:
        """Where all tracks that have not ended are expected at a time, those out of sight too: what a
        detector that starts from the tracks begins with. Nothing changes.

        Args:
            time: s, not before the last picture.

        Raises:
            ValueError: an earlier time.
        """
        if not self._time <= time < np.inf and len(self):
            raise ValueError(f"tracker: expected a time from {self._time:g} s on, got {time}")
        table = dict(self._table)
        if len(self) and time > self._time:
            self._motion.predict(table, self._kinds(), time - self._time)
        return self._chosen(table, float(time), np.full(len(self), -1), table["state"] == LIVE)

    def _kinds(self) -> np.ndarray:
        return self._table["votes"].argmax(1)

    def _match(self, found: Detections, fresh: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Tracks and their detections, of those that ``fresh`` (N,) leaves."""
        table, kinds = self._table, self._kinds()
        pairs = self._motion.pairs(table, found, kinds, self._time - table["seen"])
        unlike = kinds[pairs.track] != found.classes[pairs.detection]
        new = table["state"][pairs.track] == NEW
        cost = pairs.cost + self.config.class_cost * (unlike * 1.0 + new)
        pairs = Pairs(pairs.track, pairs.detection, cost)
        high = fresh & (found.scores >= self.config.high_score)
        low = fresh & (found.scores >= self.config.low_score) & ~high
        free, chosen = np.ones(len(self), bool), []
        state = table["state"]
        for tracks, detections in ((state != ENDED, high), (state == LIVE, low), (state == ENDED, high)):
            stage = pairs.of(tracks & free, detections) if len(pairs.track) else pairs
            if not len(stage.track):
                continue
            pair = assign(stage, len(self), len(found))
            chosen.append(pair)
            free[pair[0]] = False
            high[pair[1]] = False
        if not chosen:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        return np.concatenate([c[0] for c in chosen]), np.concatenate([c[1] for c in chosen])

    def _renew(self, rows: np.ndarray, found: Detections) -> None:
        """Take matched detections in."""
        if not len(rows):
            return
        table = self._table
        self._motion.update(table, rows, found)
        table["seen"][rows] = self._time
        table["hits"][rows] += 1
        table["evidence"][rows] += found.scores
        table["score"][rows] = _SCORE_MEMORY * table["score"][rows] + (1 - _SCORE_MEMORY) * found.scores
        table["votes"][rows, found.classes] += found.scores
        enough = table["hits"][rows] >= self.config.birth_hits
        enough &= table["evidence"][rows] >= self.config.birth_evidence
        table["state"][rows[enough | (table["state"][rows] != NEW)]] = LIVE

    def _forget(self) -> None:
        """End what was not seen for long, and forget what was not seen for longer."""
        table, config = self._table, self.config
        unseen = self._time - table["seen"]
        over = (table["state"] == LIVE) & (unseen > config.bridge_seconds + _EPSILON)
        table["state"][over] = ENDED
        limit = np.array([config.tentative_seconds, np.inf, config.reentry_seconds])[table["state"]]
        kept = unseen <= limit + _EPSILON
        if not kept.all():
            self._table = select(table, kept)

    def _births(self, found: Detections, alone: np.ndarray, matched: np.ndarray) -> np.ndarray:
        """Indices of detections that start a track: of high score, and not a second one of an object."""
        start = np.flatnonzero(alone & (found.scores >= self.config.high_score))
        if len(start) and len(matched):
            start = start[~doubled(found.select(start), found.select(matched))]
        room = max(0, self.config.max_tracks - len(self))
        if len(start) > room:
            start = np.sort(start[np.argsort(-found.scores[start], kind="stable")[:room]])
        return start

    def _begin(self, found: Detections, time: float) -> Table:
        """Rows of new tracks."""
        count = len(found)
        votes = np.zeros((count, len(self.config.classes)))
        votes[np.arange(count), found.classes] = found.scores
        alone = found.scores >= self.config.birth_evidence
        live = np.where((self.config.birth_hits <= 1) & alone, LIVE, NEW)
        return {
            "id": np.zeros(count, np.int64),
            "state": live.astype(np.int8),
            "first": np.full(count, time),
            "seen": np.full(count, time),
            "hits": np.ones(count, np.int64),
            "evidence": found.scores.copy(),
            "score": found.scores.copy(),
            "votes": votes,
            "places": np.full((count, self.config.history, 3), np.nan),
            **self._motion.begin(found),
        }

    def _number(self) -> None:
        """Give tracks that are reported for the first time their numbers."""
        fresh = np.flatnonzero((self._table["state"] == LIVE) & (self._table["id"] == 0))
        self._table["id"][fresh] = np.arange(self._next_id, self._next_id + len(fresh))
        self._next_id += len(fresh)

    def _remember(self) -> None:
        """Keep the places of this time."""
        slot = self._step % self.config.history
        self._step += 1
        self._table["places"][:, slot, 0] = self._time
        self._table["places"][:, slot, 1:] = self._middles()

    def _middles(self) -> np.ndarray:
        mean = self._table["mean"]
        return mean[:, :2] if mean.ndim == 2 else mean[:, :2, 0]

    def _report(self, current: np.ndarray) -> Tracked:
        """What is shown of the tracks; ``current`` (N,) are their detections."""
        table, config = self._table, self.config
        shown = (table["state"] == LIVE) & (self._time - table["seen"] <= config.report_seconds + _EPSILON)
        tracks = self._chosen(table, self._time, current, shown)
        sure = tracks.deviation <= config.report_deviation * _width(tracks)
        if config.camera is not None and config.image_size is not None and tracks.position is not None:
            sure &= self.frame.in_view(tracks, config.camera, config.image_size)
        sure |= tracks.missed == 0
        return tracks if sure.all() else tracks.select(sure)

    def _chosen(self, table: Table, time: float, current: np.ndarray, shown: np.ndarray) -> Tracked:
        chosen = select({name: column for name, column in table.items() if name != "places"}, shown)
        return Tracked(
            time=time,
            ids=chosen["id"],
            scores=chosen["score"],
            classes=chosen["votes"].argmax(1),
            first=chosen["first"],
            missed=time - chosen["seen"],
            hits=chosen["hits"],
            detection=current[shown],
            **self._motion.report(chosen),
        )

    def trail(self, track_id: int) -> np.ndarray:
        """(H, 3) time and place (x, y in m, or pixels) of a track at the last pictures, the latest last; at
        most ``history`` of them, none of a track that is not kept."""
        rows = np.flatnonzero(self._table["id"] == track_id) if track_id > 0 else np.zeros(0, int)
        if not len(rows):
            return np.zeros((0, 3))
        places = np.roll(self._table["places"][rows[0]], -(self._step % self.config.history), axis=0)
        return places[~np.isnan(places[:, 0])]

    def state_bytes(self) -> bytes:
        """The whole state, from which :meth:`from_bytes` goes on bit by bit as this tracker would."""
        about = {"config": self.config.to_dict(), "next_id": self._next_id, "step": self._step}
        return pack(about, self._time, self._table)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the state to a file, which is never seen half written."""
        write_bytes(path, self.state_bytes())

    @classmethod
    @clear_errors
    def load(cls, path: str | os.PathLike[str]) -> Tracker:
        """A tracker of a saved state.

        Raises:
            FileNotFoundError, ValueError: no such file, or no state of a tracker.
        """
        return cls.from_bytes(read_bytes(path), str(path))

    @classmethod
    def from_bytes(cls, data: bytes, where: str = "tracker state") -> Tracker:
        """A tracker of :meth:`state_bytes`. Nothing in it is run as code.

        Raises:
            ValueError: other bytes.
        """
        try:
            about, time, table = unpack(data)
            tracker = cls(TrackerConfig.from_dict(about["config"]))
            for name, column in tracker._table.items():
                given = table[name]
                if given.shape != (len(table["id"]), *column.shape[1:]) or given.dtype != column.dtype:
                    raise ValueError(f"column {name} is {given.dtype} {given.shape}")
            tracker._table, tracker._time = {name: table[name] for name in tracker._table}, time
            tracker._next_id, tracker._step = int(about["next_id"]), int(about["step"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{where}: expected the state of a tracker: {error}") from None
        return tracker


def _no_places() -> tuple[np.ndarray, ...]:
    return np.zeros((0, 2)), np.zeros(0), np.zeros((0, 3)), np.zeros(0), np.zeros((0, 4))


def _width(tracks: Tracked) -> np.ndarray:
    """(N,) m, or pixels of the shorter side."""
    if tracks.size is not None:
        return tracks.size[:, 1]
    assert tracks.boxes is not None
    return (tracks.boxes[:, 2:] - tracks.boxes[:, :2]).min(1)
