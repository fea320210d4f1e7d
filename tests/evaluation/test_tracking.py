"""Figures of tracks against those of trackeval, and against cases that can be worked out by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from trackeval_figures import GOLDEN, random_sequence, trackeval_figures

from d2ext.data.formats.track_labels import labels_of_tracks, track_labels
from d2ext.evaluation.track_pairs import pair_frames
from d2ext.evaluation.tracking import FramePairs, tracking_figures
from d2ext.tracking import Tracker, TrackerConfig


def frames_of(sequence):
    def similarity(f):
        return np.array(f["similarity"], float).reshape(len(f["truth"]), len(f["found"]))

    return [FramePairs(np.array(f["truth"], int), np.array(f["found"], int), similarity(f)) for f in sequence]


@pytest.mark.parametrize("case", json.loads(GOLDEN.read_text())["cases"])
def test_golden_figures_of_trackeval(case):
    found = tracking_figures(frames_of(sequence) for sequence in case["sequences"])
    for name, value in case["figures"].items():
        assert found[name] == pytest.approx(value, abs=1e-9), name
    assert found["GT"] == found["TP"] + found["FN"]


@pytest.mark.parametrize("seed", range(20, 26))
def test_figures_are_those_of_trackeval(seed):
    pytest.importorskip("trackeval")
    sequences = [random_sequence(seed, 40, 8, 9), random_sequence(seed + 50, 5, 2, 2)]
    found = tracking_figures([FramePairs(**vars(f)) for f in frames] for frames in sequences)
    for name, value in trackeval_figures(sequences).items():
        assert found[name] == pytest.approx(value, abs=1e-9), name


def test_by_hand():
    """Ten frames of one object; its track breaks in the middle, and one frame is a miss."""
    sequence = []
    for t in range(10):
        found = np.array([], int) if t == 2 else np.array([7 if t < 5 else 8])
        sequence.append(FramePairs(np.array([3]), found, np.full((1, len(found)), 0.7)))
    figures = tracking_figures([sequence])
    assert (figures["TP"], figures["FN"], figures["FP"], figures["IDSW"]) == (9, 1, 0, 1)
    assert figures["MOTA"] == pytest.approx(80) and figures["MOTP"] == pytest.approx(70)
    assert figures["IDF1"] == pytest.approx(100 * 5 / 9.5)
    association = (4 * 4 / 10 + 5 * 5 / 10) / 9  # below a similarity of 0.7, which 14 of the 19 are
    assert figures["HOTA"] == pytest.approx(100 * 14 / 19 * np.sqrt(0.9 * association))


def test_nothing_found_and_nothing_there():
    one, none = np.array([1]), np.zeros(0, int)
    missed = tracking_figures([[FramePairs(one, none, np.zeros((1, 0)))] * 3])
    assert missed["HOTA"] == missed["IDF1"] == missed["MOTA"] == 0 and missed["FN"] == 3
    invented = tracking_figures([[FramePairs(none, one, np.zeros((0, 1)))] * 3])
    assert invented["FP"] == 3 and invented["HOTA"] == 0 and invented["GT"] == 0
    assert tracking_figures([[]])["GT"] == tracking_figures([])["GT"] == 0


def annotation(x, z, kind=0, box=(0.0, 0.0, 10.0, 10.0)):
    return {
        "bbox": list(box), "category_id": kind, "truncated": 0, "occluded": 0, "has_3d": True,
        "location": [x, 1.6, z], "dimensions": [1.5, 1.8, 4.2], "yaw": -np.pi / 2,
    }  # fmt: skip


def two_cars(count=12):
    rows = []
    for t in range(count):
        rows += [(t, "a", annotation(0, 10 + t)), (t, "b", annotation(4, 60 + t))]
    return track_labels("s", np.arange(count) / 10, rows)


@pytest.mark.parametrize("similarity", ["iou3d", "distance", "iou2d"])
def test_labels_found_as_they_are_have_full_marks(similarity):
    truth = two_cars()
    figures = tracking_figures([pair_frames(truth, truth, similarity)])
    for name in ("HOTA", "MOTA", "IDF1", "MOTP"):
        assert figures[name] == pytest.approx(100)


def test_a_tracker_from_labels_to_figures():
    truth = two_cars()
    tracker = Tracker(TrackerConfig())
    tracked = [
        tracker.update(found, time) for found, time in zip(truth.detections(), truth.times, strict=True)
    ]
    figures = tracking_figures([pair_frames(truth, labels_of_tracks("s", truth.times, tracked))])
    assert figures["FN"] == 2 and figures["FP"] == figures["IDSW"] == 0  # a track is shown from the second on
    assert figures["MOTP"] > 90


def test_what_does_not_count():
    truth = two_cars()
    near = tracking_figures([pair_frames(truth, truth, max_distance=40)])
    assert near["GT"] == 12 and near["FP"] == 0
    other = tracking_figures([pair_frames(truth, truth, classes=[3])])
    assert other["GT"] == other["FP"] == 0
    rows = [(t, "a", annotation(0, 10 + t, box=(0, 0, 10, 10))) for t in range(4)]
    extra = [(t, "x", annotation(30, 30, box=(50, 50, 60, 60))) for t in range(4)]
    found = track_labels("s", np.arange(4) / 10, rows + extra)
    regions = [(t, [45.0, 45.0, 70.0, 70.0]) for t in range(2)]
    labelled = track_labels("s", np.arange(4) / 10, rows, regions)
    assert tracking_figures([pair_frames(labelled, found)])["FP"] == 2


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: FramePairs(np.array([1]), np.array([2]), np.zeros((2, 1))), r"expected \(1, 1\)"),
        (lambda: FramePairs(np.array([1, 1]), np.array([2]), np.zeros((2, 1))), "an identity twice"),
        (lambda: pair_frames(two_cars(), two_cars(), "iou4d"), "expected one of iou3d, distance, iou2d"),
        (lambda: pair_frames(two_cars(), two_cars(5)), "expected 12 frames, got 5"),
    ],
)
def test_wrong_input_is_one_line(make, message):
    with pytest.raises(ValueError, match=message):
        make()
