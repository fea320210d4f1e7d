"""The Kalman filters against closed forms, finite differences, naive loops and simulated truth."""

from __future__ import annotations

import numpy as np
import pytest

from d2ext.tracking import steady, turning


def still(*values: float) -> tuple[np.ndarray, np.ndarray]:
    return np.array([values]), np.zeros((1, 5, 5))


def moved(state: np.ndarray, dt: float, decay: float = np.inf) -> np.ndarray:
    """The mean of one state after ``dt``, without noise."""
    mean, _ = turning.predict(state[None], np.zeros((1, 5, 5)), dt, np.zeros(1), np.zeros(1), decay)
    return mean[0]


def test_straight_line_and_circle():
    straight = moved(np.array([1.0, 2.0, 0.3, 10.0, 0.0]), 1.7)
    np.testing.assert_allclose(straight[:2], [1 + 17 * np.cos(0.3), 2 + 17 * np.sin(0.3)], rtol=1e-12)
    radius, rate = 20.0, 0.4
    state = np.array([radius, 0.0, np.pi / 2, radius * rate, rate])  # round the origin
    for dt in (0.1, 0.45, 3.0):
        state = moved(state, dt)
        assert np.hypot(*state[:2]) == pytest.approx(radius, rel=1e-12)
    angle = rate * 3.55
    np.testing.assert_allclose(state[:2], radius * np.array([np.cos(angle), np.sin(angle)]), rtol=1e-10)
    assert state[2] == pytest.approx(turning.wrap(np.array(np.pi / 2 + angle)), abs=1e-12)


@pytest.mark.parametrize("rate", [0.0, 1e-5, -0.3, 2.0])
@pytest.mark.parametrize("decay", [np.inf, 1.5])
def test_covariance_follows_finite_differences(rate, decay):
    rng = np.random.default_rng(0)
    state, dt, step = np.array([3.0, -2.0, 0.7, 8.0, rate]), 0.4, 1e-6
    root = rng.normal(size=(5, 5))
    cov = root @ root.T
    columns = [(moved(state + step * e, dt, decay) - moved(state - step * e, dt, decay)) for e in np.eye(5)]
    jacobian = np.stack(columns, 1) / (2 * step)
    _, found = turning.predict(state[None], cov[None], dt, np.zeros(1), np.zeros(1), decay)
    np.testing.assert_allclose(found[0], jacobian @ cov @ jacobian.T, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("decay", [np.inf, 1.5])
def test_two_steps_are_as_one(decay):
    """On a straight way, where nothing is linearised, noise does not depend on the steps."""
    start = np.array([[0.0, 0.0, 0.2, 0.0, 0.0]])
    walks = np.array([1.3]), np.array([0.4])
    one = turning.predict(start, np.zeros((1, 5, 5)), 0.4, *walks, decay)
    two = start, np.zeros((1, 5, 5))
    for dt in (0.1, 0.3):
        two = turning.predict(*two, dt, *walks, decay)
    np.testing.assert_allclose(one[0], two[0], atol=1e-12)
    np.testing.assert_allclose(one[1], two[1], rtol=1e-9, atol=1e-12)


def test_many_are_as_each_alone_in_a_naive_loop():
    rng = np.random.default_rng(1)
    mean = rng.normal(size=(7, 5))
    roots = rng.normal(size=(7, 5, 5))
    cov = roots @ roots.transpose(0, 2, 1)
    measured = mean[:, :3] + rng.normal(0, 0.3, (7, 3))
    noises = rng.normal(size=(7, 3, 3))
    noise = noises @ noises.transpose(0, 2, 1) + np.eye(3)
    found, spread = turning.update(mean, cov, measured, noise)
    H = np.eye(3, 5)
    for i in range(7):
        K = cov[i] @ H.T @ np.linalg.inv(H @ cov[i] @ H.T + noise[i])
        rest = np.eye(5) - K @ H
        joseph = rest @ cov[i] @ rest.T + K @ noise[i] @ K.T
        np.testing.assert_allclose(found[i], mean[i] + K @ (measured[i] - H @ mean[i]), atol=1e-9)
        np.testing.assert_allclose(spread[i], joseph, atol=1e-9)


def test_opposite_heading_counts_as_the_same_and_turning_round_moves_on():
    mean, cov = np.array([[0.0, 0.0, 3.0, 5.0, 0.1]]), np.eye(5)[None]
    forward, _ = turning.update(mean, cov, np.array([[0.0, 0.0, -3.1]]), np.eye(3)[None])
    backward, _ = turning.update(mean, cov, np.array([[0.0, 0.0, -3.1 + np.pi]]), np.eye(3)[None])
    np.testing.assert_allclose(forward, backward, atol=1e-12)
    turned, spread = mean.copy(), cov.copy()
    turning.turn_round(turned, spread, np.array([True]))
    assert turned[0, 3] == -5
    np.testing.assert_allclose(moved(turned[0], 0.7)[:2], moved(mean[0], 0.7)[:2], atol=1e-12)


def simulate(rng: np.random.Generator, count: int, dt: float, steps: int):
    """True states of the filter's own model, by small steps, and measurements of them."""
    state = np.stack(
        [*rng.normal(0, 5, (2, count)), rng.uniform(-3, 3, count), rng.normal(8, 2, count), np.zeros(count)],
        1,
    )
    small = dt / 10
    for _ in range(steps):
        for _ in range(10):
            x, y, heading, speed, rate = state.T
            state = state + small * np.stack(
                [speed * np.cos(heading), speed * np.sin(heading), rate, 0 * rate, 0 * rate], 1
            )
            state[:, 3] += rng.normal(0, 1.0 * np.sqrt(small), count)
            state[:, 4] += rng.normal(0, 0.2 * np.sqrt(small), count)
        yield state, state[:, :3] + rng.normal(0, [0.3, 0.3, 0.1], (count, 3))


def test_errors_are_as_large_as_the_covariance_says():
    """NEES: the mean of e' P^-1 e over 400 runs is 5, the number of states."""
    rng = np.random.default_rng(2)
    count, noise = 400, np.diag([0.09, 0.09, 0.01])
    runs = simulate(rng, count, 0.1, 40)
    state, measured = next(runs)
    mean = np.concatenate([measured, np.tile([8.0, 0.0], (count, 1))], 1)
    cov = np.tile(np.diag([0.09, 0.09, 0.01, 5.0, 0.05]), (count, 1, 1))
    found = []
    for state, measured in runs:
        mean, cov = turning.predict(mean, cov, 0.1, np.full(count, 1.0), np.full(count, 0.2))
        mean, cov = turning.update(mean, cov, measured, np.tile(noise, (count, 1, 1)))
        error = mean - state
        error[:, 2] = turning.wrap(error[:, 2])
        found.append((error[:, None] @ np.linalg.inv(cov) @ error[..., None]).mean())
    assert 4.4 < np.mean(found[20:]) < 5.6


def test_steady_filter_is_a_naive_kalman_filter():
    rng = np.random.default_rng(3)
    mean, cov = np.zeros((4, 2, 2)), np.tile([2.0, 0.3, 1.0], (4, 2, 1))
    walk, noise = np.array([0.5, 0.2]), rng.uniform(0.1, 1, (4, 2))
    full = np.tile(np.array([[2.0, 0.3], [0.3, 1.0]]), (4, 2, 1, 1))
    naive = np.zeros((4, 2, 2))
    for dt in (0.1, 0.7, 0.2):
        measured = rng.normal(size=(4, 2))
        mean, cov = steady.predict(mean, cov, dt, walk)
        mean, cov = steady.update(mean, cov, measured - mean[..., 0], noise)
        F = np.array([[1, dt], [0, 1]])
        for i, j in np.ndindex(4, 2):
            Q = walk[j] ** 2 * np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]])
            P = F @ full[i, j] @ F.T + Q
            x = F @ naive[i, j]
            K = P[:, 0] / (P[0, 0] + noise[i, j])
            naive[i, j] = x + K * (measured[i, j] - x[0])
            full[i, j] = P - np.outer(K, P[0])
    np.testing.assert_allclose(mean, naive, atol=1e-12)
    np.testing.assert_allclose(cov, full.reshape(4, 2, 4)[..., [0, 1, 3]], atol=1e-12)


def test_settling_is_the_mean_of_what_was_seen():
    seen = np.array([2.0, 4.0, 9.0])
    value, variance = seen[:1], np.array([1.0])
    for measured in seen[1:]:
        value, variance = steady.settle(value, variance, measured, 1.0)
    assert value[0] == pytest.approx(seen.mean()) and variance[0] == pytest.approx(1 / 3)
