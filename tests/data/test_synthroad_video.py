"""Clips: tracks are the simulated ways through the camera, bodies are drawn where their boxes are."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest

from d2ext.data.synthroad.cameras import FAMILIES
from d2ext.data.synthroad.geometry import rotation_y
from d2ext.data.synthroad.video.clip import Clip, make_clip
from d2ext.data.synthroad.video.files import write_truth
from d2ext.data.synthroad.video.film import Film
from d2ext.data.synthroad.video.generate import CAMERAS
from d2ext.data.synthroad.video.section import CROSSING, WATCHED
from d2ext.data.synthroad.video.site import sample_site
from d2ext.data.synthroad.video.tracks import Track, make_tracks
from d2ext.data.synthtraffic.anomalies import KINDS
from d2ext.data.trajectories import check_labels, read_labels, read_tracks

FRAMES, WIDTH = 600, 96


@cache
def clip_of(kind: str) -> Clip:
    return make_clip(FAMILIES["rope3d"], WIDTH, kind, FRAMES, [4, sorted(["good", *KINDS]).index(kind)])


@cache
def tracks_of(kind: str) -> list[Track]:
    return make_tracks(clip_of(kind))


def vehicles(kind: str) -> Iterator[Track]:
    yield from (track for track in tracks_of(kind) if track.body.vehicle)


def responsible(kind: str) -> tuple[Track, np.ndarray]:
    """The vehicle that shows the anomaly first, and its rows in that time."""
    clip = clip_of(kind)
    first = clip.intervals[0]
    (track,) = [t for t in tracks_of(kind) if t.body.vehicle == (clip.site.way, int(first.track_id))]
    time = track.body.frame / 10
    return track, (time >= first.start - 1e-6) & (time <= first.end + 1e-6)


# The way of a body.


def test_speed_is_that_of_the_boxes():
    """Simpson's rule on the simulation's speeds gives the metres between two boxes 0.4 s apart, along the
    lane; a change of lane adds less than 4 % to it."""
    for track in vehicles("good"):
        body = track.body
        along = np.linalg.norm(track.location[4:] - track.location[:-4], axis=1)
        v = np.abs(body.speed)
        expected = 0.1 / 3 * (v[:-4] + 4 * v[1:-3] + 2 * v[2:-2] + 4 * v[3:-1] + v[4:])
        same = body.lane[4:] == body.lane[:-4]
        assert np.abs(along - expected)[same].max() < 0.02 + 0.04 * expected.max()
        assert np.median(np.abs(along - expected)) < 0.01


def test_bodies_stand_on_the_ground_plane():
    plane = clip_of("good").site.scene.view.plane
    for track in tracks_of("good"):
        bottom = track.corners[:, :4].reshape(-1, 3)
        assert np.abs(bottom @ plane[:3] + plane[3]).max() < 1e-9


def test_corners_are_those_of_the_label_by_the_formula_of_the_formats():
    """formats.md: G @ R_y(ry), G's columns are camera x made orthogonal to the normal, the downward normal,
    and their cross product."""
    plane = clip_of("good").site.scene.view.plane
    down = -plane[:3]
    x = np.array([1.0, 0, 0]) - down[0] * down
    x /= np.linalg.norm(x)
    axes = np.stack([x, down, np.cross(x, down)], axis=1)
    for track in tracks_of("good")[:12]:
        height, width, length = track.body.model.size
        row = len(track.yaw) // 2
        sides = np.array([[i, j, k] for i in (-0.5, 0.5) for j in (-1, 0) for k in (-0.5, 0.5)])
        turn = axes @ rotation_y(float(track.yaw[row]))
        expected = track.location[row] + sides * [length, height, width] @ turn.T
        assert np.allclose(np.sort(track.corners[row], axis=0), np.sort(expected, axis=0), atol=1e-9)


def test_moving_bodies_face_where_they_go():
    """But for one that goes back and those on the wrong way, which face where they go too."""
    for kind in ("good", "weaving", "wrong_way"):
        for track in vehicles(kind):
            step = track.location[2:] - track.location[:-2]
            moving = np.linalg.norm(step, axis=1) > 0.3
            axes = clip_of(kind).site.scene.view.ground_axes
            yaw = track.yaw[1:-1][moving]
            facing = np.stack([np.cos(yaw), np.zeros(len(yaw)), -np.sin(yaw)], axis=1) @ axes.T
            way = step[moving] / np.linalg.norm(step[moving], axis=1, keepdims=True)
            assert (np.einsum("nc,nc->n", facing, way) > np.cos(np.radians(3))).all()


def test_a_vehicle_that_goes_back_still_faces_its_lanes_way():
    track, now = responsible("reversing")
    assert (track.body.speed[now] < 0).all()
    assert (track.body.heading[:, 1] * clip_of("reversing").site.way > 0.9).all()


def test_standing_bodies_stand():
    for kind in ("good", "stopped"):
        for track in vehicles(kind):
            still = (track.body.speed[1:] == 0) & (track.body.speed[:-1] == 0)
            assert np.abs(np.diff(track.location, axis=0)[still]).max(initial=0) < 1e-9
            assert np.abs(np.diff(track.yaw)[still]).max(initial=0) < 1e-9


def test_lanes_are_those_of_the_road():
    """The nearest centre line is the simulation's lane, but for a moment around a change."""
    clip = clip_of("weaving")
    for track in vehicles("weaving"):
        way = track.body.vehicle[0]
        centers = [clip.site.center(way, lane) for lane in (1, 2)]
        nearest = np.abs(track.body.p[:, None] - centers).argmin(axis=1) + 1
        named = np.array([clip.site.lane_name(way, lane) for lane in nearest])
        assert (named == track.body.lane).mean() > 0.95
        assert (
            np.abs(track.body.p[:, None] - centers).min(axis=1).max()
            < clip.site.scene.road.lane_width / 2 + 0.3
        )


def test_no_two_vehicles_touch():
    for kind in ("good", "phantom_queue"):
        found = list(vehicles(kind))
        for frame in range(0, FRAMES, 7):
            now = [(t, int(np.searchsorted(t.body.frame, frame))) for t in found if frame in t.body.frame]
            now = [(t, i) for t, i in now if abs(t.body.position[i] - 40) < 60]
            for k, (a, i) in enumerate(now):
                for b, j in now[k + 1 :]:
                    apart = np.abs([a.body.p[i] - b.body.p[j], a.body.q[i] - b.body.q[j]])
                    assert (apart > (a.body.model.size[1:] + b.body.model.size[1:]) / 2).any()


# The tracks in the pictures.


def test_numbers_count_the_tracks_as_they_begin():
    found = [track for track in tracks_of("good") if track.number >= 0]
    by_number = sorted(found, key=lambda track: track.number)
    assert [track.number for track in by_number] == list(range(len(found)))
    firsts = [track.body.frame[np.argmax(track.labelled)] for track in by_number]
    assert firsts == sorted(firsts)


def test_tracks_have_no_gaps():
    """One may leave the picture and come back, which only one that goes back does."""
    for track in tracks_of("good"):
        frames = track.body.frame[track.labelled]
        assert (np.diff(frames) == 1).all() and (np.diff(track.body.frame) == 1).all()


def test_the_watched_section_is_in_the_picture():
    for kind in ("good", "stopped"):
        for track in vehicles(kind):
            if track.body.vehicle[0] == clip_of(kind).site.way:
                position = track.body.position
                assert track.shown[(position > 0) & (position < WATCHED.length)].all()


@pytest.mark.parametrize("kind", KINDS)
def test_an_anomaly_is_seen(kind, tmp_path):
    """Its vehicles are in the watched section at their times, which lie in the clip, and show what they
    should."""
    clip = clip_of(kind)
    numbers = {track.body.vehicle: track for track in vehicles(kind)}
    for interval in clip.intervals:
        track = numbers[(clip.site.way, int(interval.track_id))]
        time = track.body.frame / 10
        now = (time >= interval.start - 1e-6) & (time <= interval.end + 1e-6)
        assert 0 <= interval.start <= interval.end <= (FRAMES - 1) / 10
        assert now.any() and track.labelled[now].mean() > 0.7
    track, now = responsible(kind)
    speed = track.body.speed[now]
    shows = {
        "stopped": np.abs(speed).max() < 0.35, "reversing": speed.min() < -2, "wrong_way": speed.max() < -1,
        "speeding": speed.min() > 1.45 * 13.9,
        "weaving": (np.diff(track.body.lane[now].astype(int)) != 0).sum() >= 2,
        "cut_in": np.ptp(speed) > 3, "spill_back": speed.min() < 2, "phantom_queue": speed.min() < 2,
        "skipped_green": speed.min() < 2,
    }  # fmt: skip
    assert shows[kind]
    write_truth(tmp_path, "0", Film(clip), "test", camera=False)
    labels, recorded = tmp_path / "trajectories/test/0.json", tmp_path / "trajectories/test/0.csv"
    (anomaly,) = read_labels(labels)
    assert anomaly.intervals[0].track_id == str(track.number)
    check_labels([anomaly], read_tracks(recorded), labels)


@pytest.mark.parametrize("name", CAMERAS)
def test_every_family_on_a_pole_sees_the_section(name):
    site = sample_site(FAMILIES[name], 64, np.random.default_rng(2))
    view = site.scene.view
    for line in site.lane_lines().values():
        points = view.ground_point(*np.linspace(*line, 20).T)
        uv, w = view.project(points)
        if np.allclose(line, site.lane_lines()["1"]):
            assert (w > 0).all() and (uv > -0.5).all() and (uv < [view.width - 0.5, view.height - 0.5]).all()
    lengths = [np.linalg.norm(end - start) for start, end in site.lane_lines().values()]
    assert lengths == pytest.approx([WATCHED.length] * len(lengths))


def test_the_road_is_the_simulated_one():
    for seed in range(4):
        site = sample_site(FAMILIES["rope3d"], 64, np.random.default_rng(seed))
        road = site.scene.road
        own, oncoming = road.lanes_own, road.lanes_oncoming
        assert {own, oncoming} == ({2} if site.two_way else {0, 2})
        stop = dict(zip((1, -1), road.stop_lines, strict=True))
        assert stop[site.way] == site.along(site.way, WATCHED.stop_line)
        if site.two_way:
            assert stop[-site.way] - stop[site.way] == pytest.approx(site.way * CROSSING)
        else:
            assert stop[-site.way] is None


# The pictures.


@cache
def film() -> Film:
    return Film(make_clip(FAMILIES["rope3d"], 192, "stopped", 40, [1, 1]))


def test_a_picture_depends_on_its_number_only():
    first = film().shoot(5).image
    film().shoot(30)
    assert (film().shoot(5).image == first).all()


def test_what_stands_still_stays_the_same_and_what_moves_is_in_its_box():
    """Where two pictures differ by more than noise, a box or its surroundings (shadows) are in one of them;
    in the boxes of fast vehicles near the camera they do differ."""
    one, two = film().shoot(4), film().shoot(24)
    change = np.abs(one.image.astype(int) - two.image).max(axis=2)
    covered = np.zeros(change.shape, bool)
    moved = []
    for shot in (one, two):
        for track, row in shot.shown:
            x1, y1, x2, y2 = track.whole[row]
            wide, tall = x2 - x1, y2 - y1
            a, b, c, d = np.rint([x1 - 2 * wide, y1 - tall, x2 + 2 * wide, y2 + tall]).astype(int).clip(0)
            covered[b : d + 1, a : c + 1] = True
            if abs(track.body.speed[row]) > 5 and track.labelled[row] and tall > 12:
                x1, y1, x2, y2 = np.rint(track.box[row]).astype(int)
                moved.append(np.percentile(change[y1 : y2 + 1, x1 : x2 + 1], 80))
    noise = np.percentile(change[~covered], 99)
    assert (change[~covered] > 4 * noise + 24).mean() < 0.002
    assert not moved or np.median(moved) > noise


def test_shares_are_what_nearer_ones_leave():
    """Against pictures of each alone: the same where no other box meets its own, else no more."""
    shot, alone = film().shoot(4), Film(film().clip)
    boxes = np.array([track.box[row] for track, row in shot.shown])
    free = 0
    for i, (track, row) in enumerate(shot.shown[:12]):
        if not track.labelled[row]:
            continue
        alone.tracks = [track]
        (share,) = alone.shoot(4).seen
        low, high = np.maximum(boxes[:, :2], boxes[i, :2]), np.minimum(boxes[:, 2:], boxes[i, 2:])
        meets = (low < high).all(axis=1)
        meets[i] = False
        assert shot.seen[i] <= share + 1e-9
        if not meets.any():
            assert shot.seen[i] == share
            free += 1
    assert free
