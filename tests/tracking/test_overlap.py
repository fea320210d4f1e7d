"""What counts as one thing that was detected twice, against OpenCV's polygons."""

from __future__ import annotations

import cv2
import numpy as np

from d2ext.tracking import Detections, Tracker, TrackerConfig
from d2ext.tracking.overlap import doubled, repeated


def detections(count: int, seed: int) -> Detections:
    """Close together, so that many overlap."""
    rng = np.random.default_rng(seed)
    size = rng.uniform([1, 0.5, 1], [3, 2.5, 9], (count, 3))
    heading, scores = rng.uniform(-np.pi, np.pi, count), rng.integers(1, 9, count) / 10
    place = rng.uniform(0, 25, (count, 2))
    return Detections(scores, rng.integers(0, 3, count), place, heading, size, np.zeros(count))


def stands_on(found: Detections, i: int, taken: Detections, j: int) -> bool:
    """Whether the middle of one lies on the ground of the other."""
    box = (taken.position[j].tolist(), taken.size[j, [2, 1]].tolist(), float(np.degrees(taken.heading[j])))
    return cv2.pointPolygonTest(cv2.boxPoints(box), found.position[i].tolist(), False) > 0


def test_two_things_do_not_stand_in_one_place():
    found, taken = detections(40, 0), detections(30, 1)
    expected = [
        any(stands_on(found, i, taken, j) or stands_on(taken, j, found, i) for j in range(30))
        for i in range(40)
    ]
    assert doubled(found, taken).tolist() == expected
    assert 5 < sum(expected) < 35


def test_of_two_in_one_place_the_surer_one_stays():
    found = detections(40, 2)
    kept: list[int] = []
    for i in sorted(
        range(40), key=lambda i: (-found.scores[i], i)
    ):  # one that repeats one takes no other along
        if not any(stands_on(found, i, found, j) or stands_on(found, j, found, i) for j in kept):
            kept.append(i)
    assert np.flatnonzero(~repeated(found)).tolist() == sorted(kept)
    assert 5 < len(kept) < 35
    assert not repeated(detections(0, 0)).any()
    boxes = np.array([[0.0, 0.0, 9.0, 9.0]] * 2)
    assert not repeated(
        Detections(np.ones(2), np.zeros(2, int), boxes=boxes)
    ).any()  # in the image: not known


def test_one_thing_of_two_classes_is_one_track():
    """A car that is also found as a van, farther away along the view, and one behind it."""
    tracker = Tracker(TrackerConfig(classes=("car", "van")))
    for step in range(20):
        place = np.array([[0.0, 20 + step], [0.2, 21.5 + step], [0.0, 27 + step]])
        size, heading = np.tile([1.5, 1.8, 4.4], (3, 1)), np.full(3, np.pi / 2)
        scores, classes = np.array([0.9, 0.6, 0.8]), np.array([0, 1, 0])
        tracked = tracker.update(Detections(scores, classes, place, heading, size, np.zeros(3)), step / 10)
    assert len(tracked) == 2 and tracked.ids.max() == 2
    assert sorted(tracked.detection.tolist()) == [0, 2]
    np.testing.assert_allclose(np.sort(tracked.position[:, 1]), [39, 46], atol=0.2)
