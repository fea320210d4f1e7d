"""SynthTraffic's recordings: the anomaly is in the tracks, normal traffic is free of all of them."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from d2ext.data.synthtraffic.anomalies import KINDS, LOGICAL, STRUCTURAL
from d2ext.data.synthtraffic.driver import Vehicle
from d2ext.data.synthtraffic.simulate import Recording, simulate
from d2ext.data.synthtraffic.world import SECTION, SPEED_LIMIT, STEP, STOP_LINE, demand
from d2ext.data.trajectories import Tracks

LENGTH = 5.0  # m, of a vehicle
SEEDS = range(3)


@cache
def _recording(kind: str, seed: int) -> Recording:
    return simulate(kind, [11, seed])


@pytest.fixture(params=SEEDS)
def good(request) -> Recording:
    return _recording("good", request.param)


def _per_vehicle(tracks: Tracks):
    for index in range(len(tracks.ids)):
        yield tracks.select(tracks.track == index)


def _gaps(tracks: Tracks):
    """(time, gap, position, speed, index of the leader's row) of each row that has a leader."""
    for time in np.unique(tracks.time):
        now = np.flatnonzero(tracks.time == time)
        for lane in (1, 2):
            rows = now[tracks.lane[now] == str(lane)]
            rows = rows[np.argsort(tracks.position[rows])]
            for row, leader in zip(rows, rows[1:], strict=False):
                yield row, leader, tracks.position[leader] - tracks.position[row] - LENGTH


def _responsible(recording: Recording) -> tuple[Tracks, Tracks]:
    """All rows of the first labelled vehicle, and those inside its label."""
    interval = recording.intervals[0]
    own = recording.tracks.of(interval.track_id)
    return own, own.select((own.time >= interval.start) & (own.time <= interval.end))


def test_idm_keeps_its_equilibrium_gap():
    # Treiber et al., equation 5: s_e(v) = (s0 + v T) / sqrt(1 - (v / v0)^4)
    vehicle = Vehicle(0, 1, 0.0, 8.0, desired_speed=14.0, headway=1.2)
    gap = (vehicle.min_gap + 8.0 * 1.2) / np.sqrt(1 - (8.0 / 14.0) ** 4)
    assert vehicle.follow(gap, 8.0) == pytest.approx(0, abs=1e-12)
    assert vehicle.follow(0.9 * gap, 8.0) < 0 < vehicle.follow(1.1 * gap, 8.0)


def test_demand_has_two_rush_hours_and_quiet_nights():
    hours = np.linspace(0, 24, 24 * 60, endpoint=False)
    flow = np.array([demand(hour) for hour in hours])
    peaks = hours[1:-1][(flow[1:-1] > flow[:-2]) & (flow[1:-1] > flow[2:])]
    assert len(peaks) == 2 and 7 < peaks[0] < 9 and 16 < peaks[1] < 19
    assert demand(3) < 0.3 * flow.max()


def test_normal_traffic_has_no_collisions(good):
    assert min(gap for _, _, gap in _gaps(good.tracks)) > 0.5


def test_normal_traffic_brakes_and_accelerates_within_comfort(good):
    for own in _per_vehicle(good.tracks):
        acceleration = np.diff(own.speed) / STEP
        assert acceleration.max(initial=0) < 2.5 and acceleration.min(initial=0) > -4.5


def test_normal_traffic_goes_forward_below_one_and_a_tenth_of_the_limit(good):
    assert good.tracks.speed.min() >= 0
    assert good.tracks.speed.max() < 1.1 * SPEED_LIMIT
    for own in _per_vehicle(good.tracks):
        assert (np.diff(own.position) >= 0).all()


def test_positions_are_the_integral_of_speeds(good):
    for own in _per_vehicle(good.tracks):
        assert (np.diff(own.time) < STEP + 1e-6).all()
        moved = (own.speed[1:] + own.speed[:-1]) / 2 * STEP
        np.testing.assert_allclose(np.diff(own.position), moved, atol=0.02)


def test_normal_traffic_changes_lanes_rarely(good):
    for own in _per_vehicle(good.tracks):
        changes = own.time[1:][own.lane[1:] != own.lane[:-1]]
        assert (np.diff(changes) > 5).all()


def test_normal_traffic_stops_only_at_the_red_signal_or_behind_a_vehicle_that_does(good):
    tracks = good.tracks
    leaders = {row: (leader, gap) for row, leader, gap in _gaps(tracks)}
    for row in np.flatnonzero(tracks.speed < 1.0):
        front = STOP_LINE - tracks.position[row] - LENGTH / 2
        time = tracks.time[row]
        # It takes a moment to come to a stop and to drive on.
        red = any(good.signal.cycle_closed(time - delay) for delay in (0.0, 1.5, 3.0))
        at_signal = 0 <= front < 8 and red
        leader, gap = leaders.get(row, (None, np.inf))
        behind = leader is not None and gap < 10 and tracks.speed[leader] < 4.0
        assert at_signal or behind


def test_normal_traffic_respects_the_signal(good):
    for own in _per_vehicle(good.tracks):
        front = own.position + LENGTH / 2
        crossing = np.flatnonzero((front[:-1] < STOP_LINE) & (front[1:] >= STOP_LINE))
        for row in crossing:
            # Who cannot stop in comfort drives through amber, the first seconds of the closed phase.
            assert not all(good.signal.cycle_closed(own.time[row] - s) for s in (0.0, 5.0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_labelled_vehicles_are_on_the_road_in_the_labelled_time(kind, seed):
    recording = _recording(kind, seed)
    assert recording.intervals
    for interval in recording.intervals:
        own = recording.tracks.of(interval.track_id)
        assert interval.start < interval.end
        inside = (own.time >= interval.start) & (own.time <= interval.end)
        assert inside.sum() * STEP > 0.8 * (interval.end - interval.start)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_no_recording_has_a_collision(kind, seed):
    assert min(gap for _, _, gap in _gaps(_recording(kind, seed).tracks)) >= 0


@pytest.mark.parametrize("seed", SEEDS)
class TestAnomalies:
    def test_stopped_vehicle_stands_in_its_lane_away_from_the_signal(self, seed):
        _, shown = _responsible(_recording("stopped", seed))
        assert shown.speed.max() < 0.3 and np.ptp(shown.position) < 1
        assert len(shown) * STEP >= 15 and STOP_LINE - shown.position.max() > 40

    def test_reversing_vehicle_moves_back_and_forward_again(self, seed):
        own, shown = _responsible(_recording("reversing", seed))
        assert (shown.speed < 0).all() and shown.position[0] - shown.position[-1] > 20
        after = own.time > shown.time[-1] + 10
        assert not after.any() or own.speed[after].max() > 0

    def test_wrong_way_vehicle_crosses_the_section_backwards(self, seed):
        own, _ = _responsible(_recording("wrong_way", seed))
        assert (own.speed < -5).all()
        assert own.position[0] > SECTION - 10 and own.position[-1] < 10

    def test_speeding_vehicle_is_half_as_fast_again_as_allowed(self, seed):
        _, shown = _responsible(_recording("speeding", seed))
        assert np.mean(shown.speed > 1.5 * SPEED_LIMIT) > 0.9 and np.ptp(shown.position) > 140

    def test_weaving_vehicle_changes_lanes_five_times(self, seed):
        _, shown = _responsible(_recording("weaving", seed))
        changes = shown.time[1:][shown.lane[1:] != shown.lane[:-1]]
        assert len(changes) >= 4 and np.diff(changes).max() < 8

    def test_cut_in_leaves_no_room_and_forces_the_follower_to_brake(self, seed):
        recording = _recording("cut_in", seed)
        cutter, victim = (recording.tracks.of(i.track_id) for i in recording.intervals)
        change = cutter.time[1:][cutter.lane[1:] != cutter.lane[:-1]]
        change = change[np.argmin(np.abs(change - recording.intervals[1].start))]
        at = cutter.position[cutter.time == change][0], victim.position[victim.time == change][0]
        assert 0 < at[0] - at[1] - LENGTH < 8
        soon = (victim.time >= change - 1.5 * STEP) & (victim.time <= change + 3.5)
        assert (np.diff(victim.speed[soon]) / STEP).min() < -4 and np.ptp(victim.speed[soon]) > 4

    def test_spill_back_fills_the_road_behind_the_signal(self, seed):
        tracks = _recording("spill_back", seed).tracks
        standing = (tracks.speed < 1) & (tracks.position > STOP_LINE + 5)
        assert len(np.unique(tracks.track[standing])) >= 12
        assert np.ptp(tracks.position[standing]) > 35

    def test_phantom_queue_stands_far_before_the_signal_with_nothing_in_front(self, seed):
        recording = _recording("phantom_queue", seed)
        labelled = [recording.tracks.of(i.track_id) for i in recording.intervals]
        for own, interval in zip(labelled, recording.intervals, strict=True):
            inside = (own.time >= interval.start) & (own.time <= interval.end)
            assert own.position[inside].max() < STOP_LINE - 60
        assert len(labelled) >= 5

    def test_skipped_green_keeps_the_queue_while_the_cycle_says_green(self, seed):
        recording = _recording("skipped_green", seed)
        own, shown = _responsible(recording)
        green = [not recording.signal.cycle_closed(time) for time in shown.time]
        assert np.mean(green) > 0.8 and (shown.speed < 2).all()
        assert shown.position.max() < STOP_LINE


def test_vehicles_of_a_logical_anomaly_each_drive_as_they_may():
    for kind in LOGICAL:
        tracks = _recording(kind, 0).tracks
        assert tracks.speed.min() >= 0 and tracks.speed.max() < 1.1 * SPEED_LIMIT
        for own in _per_vehicle(tracks):
            acceleration = np.diff(own.speed) / STEP
            assert acceleration.max(initial=0) < 2.5 and acceleration.min(initial=0) > -4.5


def test_kinds_are_all_there():
    assert set(STRUCTURAL) == {"stopped", "reversing", "wrong_way", "speeding", "weaving", "cut_in"}
    assert set(LOGICAL) == {"spill_back", "phantom_queue", "skipped_green"}


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="kind must be one of good, stopped"):
        simulate("flying", [0])
