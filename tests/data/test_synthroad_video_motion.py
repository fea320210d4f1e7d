"""Ways of vehicles from a simulation's rows, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from d2ext.data.synthroad.video.motion import Path, make_paths

CENTERS = {1: 1.75, 2: 5.25}


def path_of(position, speed, lane) -> Path:
    """Of one vehicle whose rows are 0.2 s apart."""
    rows = [
        (3, round(0.2 * i, 1), int(n), float(p), float(v))
        for i, (p, v, n) in enumerate(zip(position, speed, lane, strict=True))
    ]
    (path,) = make_paths(rows, CENTERS.__getitem__, [1])
    return path


def test_half_steps_keep_a_constant_acceleration():
    time = np.arange(30) * 0.2
    path = path_of(5 + 4 * time + 0.75 * time**2, 4 + 1.5 * time, np.ones(30))
    fine = path.tick / 10
    assert path.tick.tolist() == list(range(59))
    assert path.position == pytest.approx(5 + 4 * fine + 0.75 * fine**2)
    assert path.speed == pytest.approx(4 + 1.5 * fine) and not path.braking.any()


def test_a_change_of_lane_crosses_the_line_at_its_moment_and_turns_as_it_goes():
    lane = np.where(np.arange(60) < 30, 1, 2)
    path = path_of(12.0 * 0.2 * np.arange(60), np.full(60, 12.0), lane)
    first_in_lane = int(np.argmax(path.lane == 2))
    aside = 0.4  # m, how far from the middle a driver keeps at most
    assert path.across[first_in_lane] == pytest.approx(3.5, abs=aside + 0.35)
    assert np.abs(path.across[:40] - 1.75).max() < aside and np.abs(path.across[-40:] - 5.25).max() < aside
    slope = np.gradient(path.across, path.position)
    assert path.slope[1:-1] == pytest.approx(slope[1:-1], abs=0.01)
    # The quintic from 0 to 1 is 15 / 8 steep in its middle.
    assert path.slope.max() == pytest.approx(15 / 8 * 3.5 / (2.4 * 12), abs=0.03)


def test_who_stands_in_a_change_of_lane_stays_where_it_is():
    position = np.concatenate([np.linspace(0, 30, 26), np.full(20, 30.0), np.linspace(30, 60, 26)])
    speed = np.concatenate([np.full(26, 6.0), np.zeros(20), np.full(26, 6.0)])
    path = path_of(position, speed, np.where(np.arange(72) < 24, 1, 2))
    still = (path.position == 30.0) & (path.speed == 0)
    assert still.sum() > 30 and path.braking[still].all()
    assert np.ptp(path.across[still]) == 0 and np.ptp(path.slope[still]) == 0
    assert 2.3 < path.across[still][0] < 4.9


def test_who_goes_back_faces_ahead_and_who_comes_on_the_wrong_way_does_not():
    ahead = np.linspace(0, 40, 40)
    going_back = path_of(
        np.r_[ahead, ahead[::-1][:20]], np.r_[np.full(40, 5.0), np.full(20, -5.0)], np.ones(60)
    )
    assert not going_back.backwards
    assert path_of(ahead[::-1], np.full(40, -5.0), np.ones(40)).backwards
    for part in (np.s_[5:70], np.s_[90:110]):
        slope = np.gradient(going_back.across[part], going_back.position[part])
        assert going_back.slope[part][1:-1] == pytest.approx(slope[1:-1], abs=0.01)
