"""Lanes that are found in paths, against the lines on which these were driven."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from d2ext.tracking.lanes import LaneRules, find_lanes

RADIUS = 150.0


def arc(offset: float, start: float, end: float, step: float = 0.8) -> np.ndarray:
    """(T, 2) m on a curve to the left, ``offset`` m outside of its middle, from one m along to another."""
    angle = np.arange(start, end, step if end > start else -step) / RADIUS
    return (RADIUS + offset) * np.stack([np.cos(angle), np.sin(angle)], 1)


def traffic(noise: float, seed: int = 0) -> list[np.ndarray]:
    """Two lanes each way of a curved road, in parts as tracks break, one vehicle that changes lanes and one
    that stands."""
    rng = np.random.default_rng(seed)
    paths = []
    for offset, way in ((-5.1, 1), (-1.7, 1), (1.7, -1), (5.1, -1)):
        for _ in range(12):
            start, length = rng.uniform(0, 50), rng.uniform(25, 60)
            ends = (start, start + length)[::way]
            paths.append(arc(offset + rng.normal(0, 0.2), *ends))
    change = arc(0.0, 10, 90)
    change += np.linspace(-5.1, -1.7, len(change))[:, None] * change / np.linalg.norm(change, axis=1)[:, None]
    paths += [change, np.tile(arc(9.0, 20, 21)[:1], (200, 1))]
    return [path + rng.normal(0, noise, path.shape) for path in paths]


@pytest.mark.parametrize("noise", [0.0, 0.15, 0.3])
def test_all_lanes_of_a_curved_road_are_found_in_their_direction(noise):
    lanes = find_lanes(traffic(noise))
    found = []
    for line in lanes.values():
        radius, angle = np.linalg.norm(line, axis=1), np.unwrap(np.arctan2(line[:, 1], line[:, 0]))
        found.append((np.median(radius) - RADIUS, np.sign(angle[-1] - angle[0]), np.ptp(radius), len(line)))
    found.sort()
    assert [round(way) for _, way, _, _ in found] == [1, 1, -1, -1]
    np.testing.assert_allclose([offset for offset, *_ in found], [-5.1, -1.7, 1.7, 5.1], atol=0.25)
    assert all(spread < 0.8 and length > 60 for _, _, spread, length in found)


def test_names_are_by_vehicles_and_points_a_metre_apart():
    paths = [np.stack([np.full(60, 4.0 * (i > 1)), np.arange(60.0)], 1) for i in range(6)]
    lanes = find_lanes(paths, LaneRules(least_vehicles=2))
    assert list(lanes) == ["1", "2"]
    np.testing.assert_allclose([line[:, 0].mean() for line in lanes.values()], [4, 0], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(np.diff(lanes["1"], axis=0), axis=1), 1, atol=0.05)


def test_a_lane_is_no_longer_than_enough_vehicles_drove():
    paths = [np.stack([np.zeros(100), np.arange(100.0)], 1)] + [
        np.stack([np.zeros(40), np.arange(30.0, 70.0)], 1) for _ in range(2)
    ]
    (line,) = find_lanes(paths).values()
    assert abs(line[0, 1] - 30) < 3 and abs(line[-1, 1] - 69) < 3
    assert find_lanes(paths, LaneRules(least_vehicles=4)) == {}
    assert find_lanes(paths, LaneRules(least_length=60)) == {}


def test_a_fork_shares_what_is_before_it():
    ahead = np.stack([np.zeros(50), np.arange(50.0)], 1)
    right = np.stack([np.linspace(0.5, 30, 50), 50 + np.linspace(0.5, 30, 50)], 1)
    straight = np.stack([np.zeros(50), np.arange(50.0, 100)], 1)
    paths = [np.concatenate([ahead, end]) for end in (right, straight) for _ in range(4)]
    first, second = find_lanes(paths).values()
    together = np.concatenate([first, second])
    for path in (paths[0], paths[-1]):
        assert cKDTree(together).query(path)[0].max() < 3.5
    assert cKDTree(first).query(second)[0].min() > 1.0  # no metre has two lanes


@pytest.mark.parametrize("paths", [[], [np.zeros((0, 2))], [np.zeros((5, 2))], [np.ones((1, 2))]])
def test_nobody_who_drove_is_no_lane(paths):
    assert find_lanes(paths, LaneRules(least_vehicles=1)) == {}


def test_a_rule_that_is_none_is_named():
    with pytest.raises(ValueError, match="width: expected a positive number, got 0"):
        LaneRules(width=0)
