"""Cameras found again from rendered scenes' exact cameras, by SynthRoad's own projection."""

import numpy as np
import pytest

from d2ext.data.synthroad.cameras import CAR, POLE
from d2ext.structures.calibration.lanes import LaneLine, calibrate_lanes
from d2ext.structures.calibration.points import calibrate_points
from d2ext.structures.calibration.view import PixelGrid


def grid_of(view):
    P = view.projection
    return PixelGrid((view.height, view.width), (P[0, 2], P[1, 2]), P[1, 1] / P[0, 0])


def spots(view, rng, count):
    """Pixels far from one another, and the metres on the road that they see, by intersection."""
    size = np.array([view.width, view.height])
    uv = rng.uniform([0.05, 0.3] * size, [0.95, 0.97] * size, (400, 2))
    rays = np.c_[uv, np.ones(400)] @ np.linalg.inv(view.projection[:, :3]).T
    t = -(view.plane[3] + view.plane[:3] @ view.center) / (rays @ view.plane[:3])
    local = ((view.center + t[:, None] * rays) @ view.ground_axes)[:, [0, 2]]
    good = (t > 0) & (local[:, 1] < (90 if view.height > 400 else 40))
    uv, local, chosen = uv[good], local[good], [0]
    while len(chosen) < count:
        chosen.append(int(np.min([np.linalg.norm(uv - uv[i], axis=1) for i in chosen], 0).argmax()))
    return uv[chosen], local[chosen]


def errors(found, view):
    """Focal length and height in percent, pitch in degrees."""
    pitch = np.degrees(np.arcsin(-view.plane[2]))
    return [
        100 * abs(found.view.focal / view.projection[0, 0] - 1),
        abs(np.degrees(found.view.pitch) - pitch),
        100 * abs(found.view.height / view.plane[3] - 1),
    ]


def trial(sample, seed):
    rng = np.random.default_rng([seed, 7])
    view = sample(rng)
    uv, local = spots(view, rng, 6)
    angle = rng.uniform(0, 6.28)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    position = local @ turn.T + rng.uniform(-100, 100, 2)
    return errors(calibrate_points(uv + rng.normal(0, 2, uv.shape), position, grid_of(view)), view)


@pytest.mark.parametrize("sample", [POLE.sample_view, CAR.sample_view])
@pytest.mark.parametrize("trials", [4, pytest.param(100, marks=pytest.mark.slow)])
def test_six_points_of_two_pixels_noise_give_the_camera(sample, trials):
    median = np.median([trial(sample, seed) for seed in range(trials)], 0)
    assert (median < [3, 0.3, 3]).all(), median


@pytest.mark.parametrize(("sample", "reach"), [(POLE.sample_view, (18, 100)), (CAR.sample_view, (6, 60))])
def test_lane_lines_with_dashes_give_the_camera(sample, reach):
    found = []
    for seed in range(3):
        rng = np.random.default_rng([seed, 9])
        view, psi, lines = sample(rng), np.radians(rng.uniform(-8, 8)), []

        def seen(x, z, view=view, psi=psi):
            right, ahead = np.cos(psi) * x + np.sin(psi) * z, np.cos(psi) * z - np.sin(psi) * x
            return view.project(view.ground_point(right, ahead))[0]

        for i in range(4):
            uv = seen(3.5 * i - 7, np.linspace(*reach, 8))
            along = np.arange(reach[0] + 3, reach[1], 15.0) if i == 1 else np.zeros(0)
            marks = seen(3.5 * i - 7, along).reshape(-1, 2)
            lines.append(LaneLine(uv + rng.normal(0, 2, uv.shape), 3.5 * i, marks, along - 100))
        found.append(errors(calibrate_lanes(lines, grid_of(view)), view))
    assert (np.median(found, 0) < [5, 0.3, 3]).all()


@pytest.mark.parametrize(
    ("positions", "message"),
    [
        ([[0, 0], [1, 0], [0, 1]], "expected at least 4, got 3"),
        ([[0, 0], [1, 1], [2, 2], [3, 3]], "positions lie on a line"),
        ([[-3, 20], [3, 20], [-3, 40], [3, 40]], "mirrored"),
    ],
)
def test_points_that_no_camera_sees_are_one_line(positions, message):
    pixels = np.array([[700.0, 500], [300, 510], [600, 300], [400, 305]])[: len(positions)]
    with pytest.raises(ValueError, match=message) as error:
        calibrate_points(pixels, np.array(positions, float), PixelGrid((600, 1000)))
    assert "\n" not in str(error.value) and len(str(error.value)) < 300


def test_parallel_lines_alone_leave_the_focal_length_open():
    lines = [LaneLine(np.array([[500 + 40 * i, 300.0], [500 + 200 * i, 590.0]]), 3.5 * i) for i in (-1, 0, 1)]
    with pytest.raises(ValueError, match="lane lines"):
        calibrate_lanes(lines, PixelGrid((600, 1000)))
