"""Cameras found again from rendered scenes' exact cameras, by SynthRoad's own projection."""

import numpy as np
import pytest
from layouts import boxes_below

from d2ext.data.synthroad.cameras import CAR, POLE
from d2ext.structures.calibration.geography import east_north
from d2ext.structures.calibration.lanes import LaneLine, calibrate_lanes
from d2ext.structures.calibration.points import calibrate_points
from d2ext.structures.calibration.vehicle_boxes import SeenVehicles, VehicleBoxes
from d2ext.structures.calibration.vehicles import calibrate_vehicles
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
    print(trials, "focal %, pitch degrees, height %:", np.round(median, 2))
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


def test_heights_tell_points_above_a_road_that_slopes():
    rng = np.random.default_rng(4)
    view = POLE.sample_view(rng)
    uv, local = spots(view, rng, 8)
    above = np.array([0, 0, 0, 0, 0, 0, 1.2, 2.5])
    uv = view.project(view.ground_point(local[:, 0], local[:, 1], above))[0]
    tilt = np.radians(3.0)  # the road's, across
    turn = np.array([[np.cos(tilt), 0, -np.sin(tilt)], [0, 1, 0], [np.sin(tilt), 0, np.cos(tilt)]])
    positions = np.c_[local, above] @ turn.T + [400, -300, 55]
    found = calibrate_points(uv, positions, grid_of(view))
    assert (np.array(errors(found, view)) < [0.1, 0.02, 0.1]).all()
    flat = calibrate_points(uv, positions[:, :2], grid_of(view))
    assert found.residual < 0.01 and flat.residual > 1


def test_degrees_are_metres_to_the_east_and_north():
    # half a minute of arc along a meridian and a parallel, by the ellipsoid's radii at 48 degrees north
    latitude, longitude = np.array([48.0, 48.0, 48 + 1 / 120]), np.array([11.0, 11 + 1 / 120, 11.0])
    place = east_north(latitude, longitude)
    assert place[1] - place[0] == pytest.approx([621.9, 0], abs=0.3)
    assert place[2] - place[0] == pytest.approx([0, 926.6], abs=0.3)
    over = east_north(np.array([0.0, 0.0]), np.array([179.9999, -179.9999]))
    assert over[1, 0] - over[0, 0] == pytest.approx(22.26, abs=0.01)  # across the date line


def test_the_plane_of_many_points_hangs_on_none_of_them():
    """One of 80 is 5 m above the road, wherever it stands in the list."""
    rng = np.random.default_rng(0)
    view = POLE.sample_view(rng)
    uv, local = spots(view, rng, 80)
    above = np.r_[5.0, np.zeros(79)]
    uv = view.project(view.ground_point(local[:, 0], local[:, 1], above))[0]
    for order in (slice(None), slice(None, None, -1)):
        found = calibrate_points(uv[order], np.c_[local, above][order], grid_of(view))
        assert (np.array(errors(found, view)) < [0.1, 0.02, 0.1]).all()


def test_a_parallel_turns_to_the_pole():
    """It leaves the line to the east by half the square of the way, over the radius of its cone."""
    place = east_north(np.full(3, 52.0), np.array([11.0, 11.0145, 10.9855]), (52.0, 11.0))
    radius = 6378137 / np.sqrt(1 - 0.00669437999 * np.sin(np.radians(52)) ** 2)
    assert place[1:, 1] == pytest.approx(place[1:, 0] ** 2 * np.tan(np.radians(52)) / 2 / radius, rel=1e-3)
    assert 0.09 < place[1, 1] < 0.11 and 990 < place[1, 0] < 1000


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


def vehicles_trial(kind, seed, monkeypatch, known=()):
    view, names, boxes = boxes_below(kind, seed, 200, 2.0, monkeypatch)
    truth = {"focal": view.projection[0, 0], "height": view.plane[3]}
    seen = SeenVehicles.of_classes(names, boxes, (view.height, view.width))
    return calibrate_vehicles(seen, grid_of(view), {name: truth[name] for name in known}), view


@pytest.mark.slow
@pytest.mark.parametrize("kind", [POLE, CAR], ids=["pole", "car"])
def test_two_hundred_boxes_of_vehicles_give_the_camera(kind, monkeypatch):
    found = [vehicles_trial(kind, seed, monkeypatch) for seed in range(100)]
    median = np.median([errors(*pair) for pair in found], 0)
    print(kind.name, "focal %, pitch degrees, height %:", np.round(median, 2))
    assert (median < [8, 1, 8]).all(), median
    off = [(c.view.focal - v.projection[0, 0]) / c.deviation["focal"] for c, v in found]
    assert 0.3 < np.median(np.abs(off)) < 1.2  # 0.67 where the deviations are right and nothing else is wrong


@pytest.mark.parametrize("kind", [POLE, CAR], ids=["pole", "car"])
def test_vehicles_below_a_known_lens_give_pitch_and_height(kind, monkeypatch):
    found, view = vehicles_trial(kind, 3, monkeypatch, ["focal"])
    _, pitch, height = errors(found, view)
    assert pitch < 0.6 and height < 6 and found.deviation["focal"] == 0
    assert found.view.focal == pytest.approx(view.projection[0, 0])


def test_vehicles_that_tell_nothing_are_counted():
    boxes = np.array([[10.0 * i, 50, 10.0 * i + 30, 90] for i in range(1, 20)])
    with pytest.raises(ValueError, match="expected at least 8 whole boxes of known classes.* got 0 of 19"):
        SeenVehicles.of_classes(["ghost"] * 19, boxes, (200, 300))
    with pytest.raises(ValueError, match="got 0 of 19"):  # at the edge, and too small
        SeenVehicles.of_classes(["car"] * 19, boxes * [1, 0, 1, 1], (200, 300))


def test_boxes_are_those_of_the_projection():
    rng = np.random.default_rng(0)
    view = POLE.sample_view(rng)
    location, size, yaw = view.ground_point(2.0, 40.0), np.array([1.5, 1.7, 4.2]), view.yaw_of(0.2, 1.0)
    whole, _ = view.box_rectangle(view.box_corners(location, size, yaw))
    seen = SeenVehicles(
        whole[None], np.zeros(1, int), size[None], np.full((1, 3), 0.05), np.full((1, 3), 0.05)
    )
    boxes = VehicleBoxes(seen, grid_of(view))
    pitch, roll = np.arcsin(-view.plane[2]), np.arctan2(view.plane[0], -view.plane[1])
    heading = np.arctan2(0.2, 1.0)
    common = np.array([np.log(view.projection[0, 0]), pitch, roll, np.log(view.plane[3]), heading, 0.0])
    foot, _ = view.project(location)
    turns = boxes.own_turns.shape
    shapes = boxes.shapes(common, np.broadcast_to(foot, (*turns, 2)), np.broadcast_to(size, (*turns, 3)))
    expected = [(whole[0] + whole[2]) / 2, whole[3], whole[3] - whole[1], whole[2] - whole[0]]
    assert shapes[2, 0] == pytest.approx(expected, abs=1e-6)  # the middle of five turns along the road


def test_likely_sizes_are_more_likely_under_the_true_camera(monkeypatch):
    view, names, boxes = boxes_below(POLE, 1, 60, 1.0, monkeypatch)
    model = VehicleBoxes(SeenVehicles.of_classes(names, boxes, (view.height, view.width)), grid_of(view))
    pitch, roll = np.arcsin(-view.plane[2]), np.arctan2(view.plane[0], -view.plane[1])
    headings = [
        max(
            model.likelihood(np.array([np.log(focal), pitch + turn, roll, np.log(height), heading, 0.0]))[
                0
            ].sum()
            for heading in np.radians(np.arange(-30, 31, 3))
        )
        for focal, turn, height in (
            (view.projection[0, 0], 0, view.plane[3]),
            (view.projection[0, 0], 0.05, view.plane[3]),
            (view.projection[0, 0], 0, 1.3 * view.plane[3]),
            (1.5 * view.projection[0, 0], 0, view.plane[3]),
        )
    ]
    assert headings[0] > max(headings[1:])
