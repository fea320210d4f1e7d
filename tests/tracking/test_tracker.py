"""The tracker on roads whose truth is known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from detectron2.structures import Boxes, Instances

from d2ext.structures import Boxes3D, iou3d
from d2ext.structures.vocabulary import ROAD
from d2ext.tracking import Detections, GroundFrame, Tracked, Tracker, TrackerConfig, overlap_3d
from d2ext.tracking.association import Pairs, assign
from d2ext.tracking.baselines import AB3DMOT, NearestTracker
from d2ext.tracking.imperfect import Faults, imperfect

CAR, PERSON = ROAD.names.index("car"), ROAD.names.index("pedestrian")
SIZE = (1.5, 1.8, 4.3)


def cars(places, heading=np.pi / 2, score=0.8, kind=CAR) -> Detections:
    places = np.asarray(places, float).reshape(-1, 2)
    n = len(places)
    headings = np.broadcast_to(np.asarray(heading, float), (n,))
    return Detections(
        np.full(n, score), np.full(n, kind), places, headings, np.tile(SIZE, (n, 1)), np.zeros(n)
    )


def driven(times, speed=10.0, x=2.0, start=20.0):
    """A car that drives away from the camera, picture by picture."""
    return [(t, cars([[x, start + speed * t]])) for t in times]


def run(tracker, frames) -> list[Tracked]:
    return [tracker.update(found, time) for time, found in frames]


def test_a_car_has_one_number_a_place_and_a_speed():
    reports = run(Tracker(), driven(np.arange(30) / 10))
    assert [len(r) for r in reports] == [0] + [1] * 29
    last = reports[-1]
    assert last.ids.tolist() == [1] and last.classes.tolist() == [CAR] and last.hits.tolist() == [30]
    np.testing.assert_allclose(last.position, [[2.0, 49.0]], atol=0.05)
    np.testing.assert_allclose(last.speed, 10.0, atol=0.1)
    np.testing.assert_allclose(last.velocity, [[0.0, 10.0]], atol=0.1)
    np.testing.assert_allclose(last.size, [SIZE], atol=1e-6)


@pytest.mark.parametrize("motion", ["turn", "velocity"])
def test_two_seconds_out_of_sight_are_bridged_and_much_longer_ones_not(motion):
    config = TrackerConfig(motion=motion, reentry_seconds=2.5)
    for gap, ids in ((2.0, {1}), (4.0, {1, 2})):
        times = [t for t in np.arange(0, 10, 0.1) if not 3.0 < t < 3.0 + gap - 1e-6]
        reports = run(Tracker(config), driven(times))
        assert set(np.concatenate([r.ids for r in reports]).tolist()) == ids


def test_a_track_that_has_ended_comes_back_under_its_number():
    times = [t for t in np.arange(0, 12, 0.1) if not 3.0 < t < 7.5]
    reports = run(Tracker(TrackerConfig(reentry_seconds=6.0)), driven(times, speed=1.0))
    assert set(np.concatenate([r.ids for r in reports]).tolist()) == {1}


def test_nothing_depends_on_the_frame_rate():
    """The same way at uneven times, with frames dropped: speed and place are the same at the end."""
    rng = np.random.default_rng(0)
    even = np.arange(0, 4.01, 0.1)
    uneven = np.append(np.sort(rng.choice(even[:-1], 20, replace=False)), even[-1])
    ends = [run(Tracker(), driven(times))[-1] for times in (even, uneven)]
    np.testing.assert_allclose(ends[0].position, ends[1].position, atol=0.05)
    np.testing.assert_allclose(ends[0].speed, ends[1].speed, atol=0.2)
    assert ends[0].ids.tolist() == ends[1].ids.tolist() == [1]


def test_cars_that_meet_keep_their_numbers():
    frames = []
    for t in np.arange(0, 4, 0.1):
        places = [[0.0, 20 + 10 * t], [3.5, 60 - 10 * t]]
        frames.append((t, cars(places, heading=[np.pi / 2, -np.pi / 2])))
    reports = run(Tracker(), frames)
    assert {tuple(r.ids.tolist()) for r in reports[1:]} == {(1, 2)}
    np.testing.assert_allclose(reports[-1].position[:, 0], [0.0, 3.5], atol=0.1)
    np.testing.assert_allclose(reports[-1].speed, [10, 10], atol=0.2)


def test_the_class_is_that_of_most_scores_and_flipped_headings_are_outvoted():
    frames = driven(np.arange(20) / 10)
    for i in (0, 4, 9):
        time, found = frames[i]
        frames[i] = (time, cars(found.position, heading=-np.pi / 2, score=0.5, kind=PERSON))
    last = run(Tracker(), frames)[-1]
    assert last.ids.tolist() == [1] and last.classes.tolist() == [CAR]
    np.testing.assert_allclose(last.heading, np.pi / 2, atol=0.1)
    np.testing.assert_allclose(last.speed, 10, atol=0.3)


def test_a_car_that_reverses_has_a_negative_speed():
    last = run(Tracker(), driven(np.arange(30) / 10, speed=-2.0))[-1]
    np.testing.assert_allclose(last.speed, -2, atol=0.2)


@pytest.mark.parametrize("plane", [None, (0.0, -0.97, -0.243, 6.5)])
def test_what_has_left_the_picture_is_not_shown(plane):
    """A car that leaves to the right is gone at once; one that is hidden in the middle stays for a while."""
    camera, size = (700.0, 0, 640, 0, 0, 700.0, 360, 0, 0, 0, 1, 0), (720, 1280)
    for known, shown in (({}, [2, 2, 2]), ({"camera": camera, "image_size": size}, [1, 1, 1])):
        tracker = Tracker(TrackerConfig(ground=plane, **known))
        for i in range(20):
            tracker.update(cars([[8.5 + 0.6 * i, 20], [0, 20]], heading=[0.0, 0.0]), i / 10)
        gone = [tracker.update(cars(np.zeros((0, 2))), 2.0 + i / 10) for i in range(3)]
        assert [len(tracks) for tracks in gone] == shown


def test_one_false_detection_and_weak_ones_are_no_track():
    tracker = Tracker()
    assert not len(tracker.update(cars([[0, 30]]), 0.0))
    for i in range(1, 10):
        assert not len(tracker.update(cars([[5, 40]], score=0.2), i / 10))
    assert len(tracker) == 0  # forgotten


def test_a_weak_detection_goes_on_with_a_track():
    frames = driven(np.arange(20) / 10)
    frames[10:] = [(t, cars(found.position, score=0.15)) for t, found in frames[10:]]
    reports = run(Tracker(), frames)
    assert reports[-1].missed.tolist() == [0.0] and reports[-1].detection.tolist() == [0]


def test_a_second_detection_of_the_same_car_starts_no_track():
    frames = driven(np.arange(30) / 10)
    frames[5:] = [(t, cars(np.concatenate([f.position, f.position + 0.2]))) for t, f in frames[5:]]
    assert len(run(Tracker(), frames)[-1]) == 1


def crowd(seed: int, time: float, count: int = 30) -> Detections:
    rng = np.random.default_rng([seed, int(time * 1000)])
    lanes, speed = np.arange(count) % 6 * 3.5 - 9, 8.0 + np.arange(count) % 5
    places = np.stack([lanes, 15 + np.arange(count) // 6 * 14 + speed * time], 1)
    found = cars(places + rng.normal(0, 0.2, places.shape))
    return found.select(rng.random(count) > 0.15)


@pytest.mark.parametrize("motion", ["turn", "velocity", "image"])
def test_a_restored_tracker_goes_on_bit_by_bit(motion, tmp_path):
    def found(time):
        boxes = np.random.default_rng(int(time * 10)).uniform(0, 50, (8, 4)).cumsum(1)
        crowded = crowd(0, time)
        return Detections(np.full(8, 0.9), np.zeros(8, int), boxes=boxes) if motion == "image" else crowded

    tracker = Tracker(TrackerConfig(motion=motion, ground=(0.01, -0.98, -0.2, 6.0)))
    for i in range(12):
        tracker.update(found(i / 10), i / 10)
    tracker.save(tmp_path / "state.npz")
    other = Tracker.load(tmp_path / "state.npz")
    assert other.config == tracker.config
    for i in range(12, 24):
        a, b = (t.update(found(i / 10), i / 10) for t in (tracker, other))
        for name, value in vars(a).items():
            assert np.array_equal(value, getattr(b, name)), name
    assert tracker.state_bytes() == other.state_bytes()


@pytest.mark.parametrize("motion", ["turn", "velocity", "image"])
def test_what_is_expected_changes_nothing(motion):
    tracker = Tracker(TrackerConfig(motion=motion))
    for time, found in driven(np.arange(20) / 10):
        box = np.array([[10 + 40 * time, 20, 60 + 40 * time, 70]])
        tracker.update(Detections(**vars(found) | {"boxes": box}), time)
    before = tracker.state_bytes()
    there = tracker.expected(2.1)
    assert there.ids.tolist() == [1] and there.detection.tolist() == [-1]
    if motion == "image":
        np.testing.assert_allclose(there.boxes, [[94, 20, 144, 70]], atol=2)
    else:
        np.testing.assert_allclose(there.position, [[2, 41]], atol=0.1)
    assert tracker.state_bytes() == before and tracker.expected(3.5).missed == pytest.approx([1.6])
    with pytest.raises(ValueError, match="from 1.9 s on, got 1.8"):
        tracker.expected(1.8)


def test_other_files_are_no_state(tmp_path):
    path = tmp_path / "state.npz"
    whole = Tracker().state_bytes()
    for content in (b"", b"text", whole[:-40], whole.replace(b'"step"', b'"stop"')):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="expected the state of a tracker") as error:
            Tracker.load(path)
        assert "\n" not in str(error.value) and len(str(error.value)) < 300
    with pytest.raises(FileNotFoundError, match="no such file"):
        Tracker.load(tmp_path / "nothing")


def test_memory_does_not_grow():
    """Twenty waves of cars: each needs as much as the first, and a flood of detections is cut off."""
    tracker, sizes = Tracker(TrackerConfig(history=8)), []
    for wave in range(20):
        for i in range(6):
            tracker.update(crowd(wave, i / 10, 12), 20.0 * wave + i / 10)
        sizes.append(len(tracker.state_bytes()))
    assert max(sizes) < 1.3 * min(sizes) and len(tracker) <= 14
    flood = Tracker(TrackerConfig(max_tracks=50))
    for i in range(5):
        flood.update(cars(np.random.default_rng(i).uniform(0, 1000, (200, 2))), i / 10)
    assert len(flood) <= 50


def test_the_trail_is_where_it_was():
    tracker = Tracker(TrackerConfig(history=5))
    reports = run(tracker, driven(np.arange(9) / 10))
    trail = tracker.trail(1)
    np.testing.assert_allclose(trail[:, 0], np.arange(4, 9) / 10)
    np.testing.assert_array_equal(trail[:, 1:], np.concatenate([r.position for r in reports[-5:]]))
    assert len(tracker.trail(7)) == len(tracker.trail(0)) == 0


def test_boxes_in_the_image_without_calibration():
    def found(t):
        boxes = [[100 + 80 * t, 50, 180 + 80 * t, 110], [400 - 60 * t, 60, 460 - 60 * t, 120]]
        return Detections(np.array([0.9, 0.8]), np.array([CAR, CAR]), boxes=np.array(boxes))

    times = [t for t in np.arange(0, 3, 0.1) if not 1.0 < t < 1.6]
    reports = run(Tracker(TrackerConfig(motion="image")), [(t, found(t)) for t in times])
    assert {tuple(r.ids.tolist()) for r in reports[1:]} == {(1, 2)}
    np.testing.assert_allclose(reports[-1].boxes, found(times[-1]).boxes, atol=3)
    np.testing.assert_allclose(reports[-1].velocity, [[80, 0], [-60, 0]], atol=8)
    assert reports[-1].position is None


def test_a_detectors_instances_on_a_tilted_ground():
    plane = (0.02, -0.97, -0.24, 6.5)
    tracker = Tracker(TrackerConfig(ground=plane))
    frame = GroundFrame(plane)
    for i in range(8):
        location, size, yaw = frame.to_kitti(cars([[1.0, 20 + i]]))
        instances = Instances((96, 160))
        instances.scores, instances.pred_classes = torch.tensor([0.9]), torch.tensor([CAR])
        instances.pred_boxes = Boxes(torch.tensor([[1.0, 2.0, 30.0, 40.0]]))
        instances.pred_boxes3d = Boxes3D.from_kitti(
            *(torch.tensor(a, dtype=torch.float32) for a in (location, size, yaw)), plane
        )
        report = tracker.update(instances, i / 10)
    np.testing.assert_allclose(report.position, [[1.0, 27.0]], atol=0.1)
    np.testing.assert_allclose(report.elevation, 0.0, atol=1e-4)
    np.testing.assert_allclose(report.heading, np.pi / 2, atol=1e-3)
    boxes = frame.boxes3d(report)
    assert boxes.center.shape == (1, 3)
    places = frame.to_ground(boxes.bottom_center().numpy())
    np.testing.assert_allclose(places[:, :2], report.position, atol=1e-9)


@pytest.mark.parametrize("plane", [None, (0.02, -0.97, -0.24, 6.5)])
def test_camera_and_ground_coordinates_are_inverse(plane):
    frame = GroundFrame(plane)
    points = np.random.default_rng(0).normal(0, 20, (50, 3))
    np.testing.assert_allclose(frame.to_camera(frame.to_ground(points)), points, atol=1e-12)
    if plane is not None:
        normal = np.array(plane[:3]) / np.linalg.norm(plane[:3])
        height = points @ normal + plane[3] / np.linalg.norm(plane[:3])
        np.testing.assert_allclose(frame.to_ground(points)[:, 2], height, atol=1e-12)
        np.testing.assert_allclose(frame.to_ground(np.zeros((1, 3)))[0, :2], 0, atol=1e-12)


def test_assignment_is_the_cheapest_of_all_with_most_pairs():
    rng = np.random.default_rng(0)
    for _ in range(40):
        possible = rng.random((4, 4)) < 0.5
        cost = rng.uniform(0, 2, (4, 4))
        track, detection = np.nonzero(possible)
        i, j = assign(Pairs(track, detection, cost[track, detection]), 4, 4)
        assert len(set(i.tolist())) == len(i) and len(set(j.tolist())) == len(j) and possible[i, j].all()

        def value(columns, possible=possible, cost=cost):
            kept = [(r, c) for r, c in enumerate(columns) if possible[r, c]]
            return -len(kept), sum(cost[p] for p in kept)

        best = min(value(columns) for columns in itertools.permutations(range(4)))
        assert (-len(i), pytest.approx(cost[i, j].sum())) == best


def test_overlap_is_that_of_the_exact_iou():
    rng = np.random.default_rng(0)
    a, b = (
        (rng.uniform(0, 4, (40, 2)), rng.uniform(-4, 4, 40), rng.uniform(1, 5, (40, 3)), rng.normal(0, 1, 40))
        for _ in range(2)
    )
    found = overlap_3d(*a, *b)
    frame = GroundFrame((0.02, -0.97, -0.24, 6.5))
    boxes = [frame.boxes3d(Detections(np.ones(40), np.zeros(40, int), *part)) for part in (a, b)]
    np.testing.assert_allclose(found, iou3d(*boxes, aligned=True).numpy(), atol=1e-9)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: TrackerConfig(motion="walk"), "expected one of turn, velocity, image"),
        (lambda: TrackerConfig(along=0), "along: expected a number, positive"),
        (lambda: TrackerConfig(low_score=0.9), "low_score: expected at most"),
        (lambda: TrackerConfig(ground=(1.0, 2.0)), "ground: expected 4 numbers"),
        (lambda: TrackerConfig(camera=(1.0,)), "camera: expected 12 numbers, got 1"),
        (lambda: TrackerConfig.from_dict({"wrong": 1}), "unknown setting 'wrong'"),
        (lambda: cars([[np.nan, 1]]), "position: expected finite"),
        (lambda: Detections(np.ones(2), np.zeros(3, int)), r"classes: expected \(2,\)"),
        (lambda: run(Tracker(), [(1.0, cars([[0, 9]])), (1.0, cars([[0, 9]]))]), "after 1 s, got 1"),
        (lambda: Tracker().update(cars([[0, 9]], kind=99), 0.0), "numbers below 14, got 99"),
        (lambda: Tracker().update(Detections(np.ones(1), np.zeros(1, int)), 0.0), "expected position"),
    ],
)  # fmt: skip
def test_wrong_input_is_one_line(make, message):
    with pytest.raises(ValueError, match=message) as error:
        value = make()
        Tracker(value)
    assert "\n" not in str(error.value) and len(str(error.value)) < 300


@pytest.mark.parametrize("tracker", [NearestTracker, AB3DMOT])
def test_baselines_follow_a_car(tracker):
    reports = run(tracker(), driven(np.arange(20) / 10))
    assert set(np.concatenate([r.ids for r in reports]).tolist()) == {1}
    np.testing.assert_allclose(reports[-1].speed, 10.0, atol=0.3)
    np.testing.assert_allclose(reports[-1].position, [[2.0, 39.0]], atol=0.3)


def test_ab3dmot_shows_after_three_and_drops_after_two():
    tracker = AB3DMOT()
    times = np.arange(20) / 10
    frames = [(t, cars(np.zeros((0, 2)))) for t in times]
    for i in range(6, 12):
        frames[i] = (times[i], cars([[0.0, 20.0]]))
    shown = [len(r) for r in run(tracker, frames)]
    assert shown == [0] * 8 + [1] * 4 + [1] + [0] * 7


def test_imperfect_detections_are_as_told_and_the_same_for_a_seed():
    truth = cars(np.stack([np.zeros(60), np.arange(60) * 6.0 + 10], 1))
    frames = [(i / 10, np.arange(60).astype(str), truth) for i in range(100)]
    faults = Faults(along=0.3, along_share=0, invented=0, missed=0.2, hidden=0.25, flipped=0.1, other_class=0)
    found, again = (imperfect(frames, faults, 5, 14) for _ in range(2))
    assert all(np.array_equal(a.position, b.position) for a, b in zip(found, again, strict=True))
    share = sum(map(len, found[50:])) / 3000
    assert share == pytest.approx(0.8 * 0.75, abs=0.05)  # neither missed nor hidden
    y = np.concatenate([f.position[:, 1] for f in found])
    assert np.std(y - np.round((y - 10) / 6) * 6) == pytest.approx(0.3, rel=0.05)
    backwards = np.concatenate([np.cos(f.heading - np.pi / 2) < 0 for f in found]).mean()
    assert backwards == pytest.approx(0.1, abs=0.02)
