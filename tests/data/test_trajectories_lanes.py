"""Tracks on the ground as recordings on lanes, and the traffic of a lane."""

from __future__ import annotations

import numpy as np
import pytest

from d2ext.data.trajectories import (
    Road,
    flow_to_csv,
    lane_flow,
    merge_tracks,
    read_tracks,
    tracks_on_road,
    tracks_to_csv,
)

#: Up along x = 0 with a bend to the right at y = 100, and down along x = 4.
ROAD = Road(
    {"up": np.array([[0.0, 0], [0, 100], [60, 100]]), "down": np.array([[4.0, 90], [4, 0]])}, half_width=1.5
)


def test_lanes_positions_and_speeds():
    place = np.array([[0.2, 30], [30.0, 101], [4.1, 70], [20, 20], [0.0, 31]])
    velocity = np.array([[0.5, 12], [7, 1], [0.3, -9], [3, 3], [0, 12.0]])
    names, time = np.array([7, 8, 7, 9, 7]), np.array([1.0, 1.0, 9.0, 1.0, 2.0])
    found = tracks_on_road(names, time, place, ROAD, velocity)
    assert found.ids.tolist() == ["7", "8"]
    assert found.lane.tolist() == ["up", "up", "down", "up"] and found.time.tolist() == [1, 2, 9, 1]
    np.testing.assert_allclose(found.position, [30, 31, 20, 130])
    np.testing.assert_allclose(found.speed, [12, 12, 9, 7])


def test_speed_is_the_change_of_position_where_none_is_given():
    place = np.stack([np.zeros(5), 10 + 3.0 * np.arange(5)], 1)
    found = tracks_on_road(np.full(5, 1), np.arange(5) / 2, place, ROAD)
    np.testing.assert_allclose(found.speed, 6.0)


def test_the_recording_is_what_trajad_reads(tmp_path):
    rng = np.random.default_rng(0)
    names = np.repeat(np.arange(3), 20)
    time = np.tile(np.arange(20) / 10, 3) + names
    place = np.stack([np.where(names == 1, 4.0, 0.0), np.where(names == 1, 80 - 9 * time, 10 + 9 * time)], 1)
    velocity = np.stack([rng.normal(0, 0.1, 60), np.where(names == 1, -9.0, 9.0)], 1)
    found = tracks_on_road(names, time, place, ROAD, velocity)
    (tmp_path / "a.csv").write_bytes(tracks_to_csv(found))
    again = read_tracks(tmp_path / "a.csv")
    assert again.ids.tolist() == ["0", "1", "2"]
    assert again.lane.tolist() == found.lane.tolist()
    np.testing.assert_allclose(again.position, found.position, atol=0.006)
    np.testing.assert_allclose(again.speed, 9.0, atol=0.006)


def test_pictures_one_by_one_are_the_recording():
    """What a live graph is fed, and what a file holds."""
    rng = np.random.default_rng(1)
    time = np.repeat(np.arange(10) / 10, 4)
    place = np.stack([rng.choice([0.0, 4.0, 9.0], 40), rng.uniform(5, 80, 40)], 1)
    names, velocity = np.tile(np.arange(4), 10), rng.normal(0, 5, (40, 2))
    whole = tracks_on_road(names, time, place, ROAD, velocity)
    parts = [
        tracks_on_road(names[r], time[r], place[r], ROAD, velocity[r]) for r in np.split(np.arange(40), 10)
    ]
    merged = merge_tracks(parts)
    assert 0 < len(whole) < 40 and whole.lane.tolist() == merged.lane.tolist()
    for name in ("track", "time", "position", "speed"):
        np.testing.assert_array_equal(getattr(merged, name), getattr(whole, name))


def test_flow_counts_what_passes_once_in_its_minute():
    rows = []
    for number, (start, speed) in enumerate([(0.0, 10.0), (58.0, 20.0), (70.0, 10.0), (75.0, -5.0)]):
        for t in np.arange(0, 8, 0.5):
            at = 20 + speed * t if speed > 0 else 70 + speed * t
            rows.append((number, start + t, 0.0, at, 0.0, speed))
    rows += [(9, 61.0 + t, 4.0, 50 - t, 0.0, -1.0) for t in range(5)]  # on the other lane, never there
    names, time, x, y, vx, vy = np.array(rows).T
    found = tracks_on_road(names, time, np.stack([x, y], 1), ROAD, np.stack([vx, vy], 1))
    flow = {(f.lane, f.start): f for f in lane_flow(found, place=60.0)}
    assert {key: f.vehicles for key, f in flow.items()} == {
        ("up", 0.0): 1, ("up", 60.0): 3, ("down", 0.0): 0, ("down", 60.0): 0,
    }  # fmt: skip
    assert flow["up", 0.0].speed == 10 and flow["up", 60.0].speed == pytest.approx((20 + 10 - 5) / 3)
    text = flow_to_csv(list(flow.values())).decode()
    assert text.splitlines()[0] == "lane,start,vehicles,speed" and "down,0.000,0,\n" in text
    assert lane_flow(found.select(np.zeros(len(found), bool)), 60.0) == []


def test_wrong_input_is_one_line():
    one, place = np.zeros(2), np.array([[0.0, 5], [0, 6]])
    with pytest.raises(ValueError, match="expected centre lines"):
        tracks_on_road(one, one, place, Road({}))
    with pytest.raises(ValueError, match="two rows at 0 s"):
        tracks_on_road(one, one, place, ROAD)
