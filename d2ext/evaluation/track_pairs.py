"""Labelled and found tracks side by side, for :func:`.tracking.tracking_figures`."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np
from scipy.optimize import linear_sum_assignment

from d2ext.data.formats.track_labels import TrackLabels
from d2ext.tracking.overlap import overlap_2d, overlap_3d

from .tracking import FramePairs

#: Similarity from which a track is that of an object that does not count, so that it does not count either.
IGNORED_SIMILARITY = 0.5
#: m, at which a similarity by distance is 0.
REACH = 4.0


def iou_3d(truth: TrackLabels, found: TrackLabels) -> np.ndarray:
    """(N, M) exact IoU of boxes that stand on the same plane."""
    i, j = (index.ravel() for index in np.indices((len(truth), len(found))))
    reach = (np.hypot(*truth.size[:, 1:].T)[:, None] + np.hypot(*found.size[:, 1:].T)).ravel() / 2
    apart = np.linalg.norm(truth.location[i] - found.location[j], axis=1)
    near = np.flatnonzero(apart <= reach + np.maximum(truth.size[i, 0], found.size[j, 0]))
    iou = np.zeros(len(i))
    if len(near):
        a, b = _upright(truth), _upright(found)
        iou[near] = overlap_3d(*(part[i[near]] for part in a), *(part[j[near]] for part in b))
    return iou.reshape(len(truth), len(found))


def _upright(labels: TrackLabels) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    found = labels.frame_of_ground().detections(
        labels.location, labels.size, labels.yaw, labels.scores, labels.classes
    )
    assert found.position is not None and found.heading is not None
    assert found.size is not None and found.elevation is not None
    return found.position, found.heading, found.size, found.elevation


def nearness(truth: TrackLabels, found: TrackLabels) -> np.ndarray:
    """(N, M) 1 less the distance of the lower faces' middles as a share of ``REACH``, at least 0."""
    apart = np.linalg.norm(truth.location[:, None] - found.location, axis=-1)
    return np.maximum(0, 1 - apart / REACH)


def iou_2d(truth: TrackLabels, found: TrackLabels) -> np.ndarray:
    """(N, M) IoU of the 2D boxes."""
    return overlap_2d(truth.boxes[:, None], found.boxes)


SIMILARITIES: dict[str, Callable[[TrackLabels, TrackLabels], np.ndarray]] = {
    "iou3d": iou_3d,
    "distance": nearness,
    "iou2d": iou_2d,
}


def pair_frames(
    truth: TrackLabels,
    found: TrackLabels,
    similarity: str = "iou3d",
    classes: Collection[int] | None = None,
    max_distance: float = np.inf,
) -> list[FramePairs]:
    """The frames of a sequence. Objects of other classes, farther away, or without what is compared do not
    count; nor do tracks that are theirs, or lie in regions without labels, as in KITTI's benchmark.

    Args:
        found: of the same frames.
        similarity: one of ``SIMILARITIES``.
        classes: that count, whatever the track's class is called; None: all.
        max_distance: m from the sensor.

    Raises:
        ValueError: another number of frames, or an unknown similarity.
    """
    if similarity not in SIMILARITIES:
        raise ValueError(f"similarity: expected one of {', '.join(SIMILARITIES)}, got {similarity[:40]!r}")
    if len(truth.times) != len(found.times):
        raise ValueError(
            f"tracks of {found.name}: expected {len(truth.times)} frames, got {len(found.times)}"
        )
    counts = np.ones(len(truth), bool) if classes is None else np.isin(truth.classes, list(classes))
    if similarity != "iou2d":
        counts &= truth.has_3d & (np.linalg.norm(truth.location, axis=1) <= max_distance)
    frames = []
    for number in range(len(truth.times)):
        rows = np.arange(len(truth))[truth.rows_of(number)]
        columns = np.arange(len(found))[found.rows_of(number)]
        t, f = truth.select(rows), found.select(columns)
        similar = SIMILARITIES[similarity](t, f)
        own = counts[rows]
        regions = truth.ignored_boxes[truth.ignored_frame == number]
        far = np.zeros(len(f), bool)
        if similarity != "iou2d":
            far = np.linalg.norm(f.location, axis=1) > max_distance
        kept = _kept(similar, own, far | _inside(f.boxes, regions))
        frames.append(FramePairs(t.ids[own], f.ids[kept], similar[own][:, kept]))
    return frames


def _kept(similar: np.ndarray, own: np.ndarray, elsewhere: np.ndarray) -> np.ndarray:
    """(M,) bool: tracks that count."""
    kept = ~elsewhere
    rows, columns = linear_sum_assignment(-np.where(similar >= IGNORED_SIMILARITY, similar, 0))
    good = similar[rows, columns] >= IGNORED_SIMILARITY
    kept[columns[good]] = own[rows[good]]
    return kept


def _inside(boxes: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """(M,) bool: boxes of which more than half lies in one of the regions (R, 4)."""
    low = np.maximum(boxes[:, None, :2], regions[:, :2])
    high = np.minimum(boxes[:, None, 2:], regions[:, 2:])
    shared = np.maximum(high - low, 0).prod(-1)
    area = np.maximum(boxes[:, 2:] - boxes[:, :2], 0).prod(-1)
    return (shared > area[:, None] / 2).any(1)
