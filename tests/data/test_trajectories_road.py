"""Lanes and arc lengths against Shapely, and roads as files."""

from __future__ import annotations

import json

import numpy as np
import pytest
from shapely.geometry import LineString, Point

from d2ext.data.trajectories import Road, read_road
from d2ext.structures.calibration.geography import east_north


def test_projection_agrees_with_shapely():
    rng = np.random.default_rng(0)
    lines = {
        3: np.array([[0.0, 0.0], [40.0, 0.0], [70.0, 20.0], [70.0, 60.0]]),
        8: np.array([[0.0, 4.0], [38.0, 4.0], [66.0, 22.0], [66.0, 60.0]]),
    }
    points = rng.uniform((-5, -5), (75, 65), size=(4000, 2))
    lane, position, on_road = Road(lines, half_width=2.0).project(*points.T)
    checked = 0
    for point, k, s, on in zip(points, lane, position, on_road, strict=True):
        p = Point(point)
        strings = {number: LineString(line) for number, line in lines.items()}
        distance = {number: string.distance(p) for number, string in strings.items()}
        nearest = min(distance, key=distance.__getitem__)
        along = strings[nearest].project(p)
        if not 1e-9 < along < strings[nearest].length - 1e-9:
            assert not on
            continue
        assert on == (distance[nearest] <= 2.0)
        if on:
            assert k == str(nearest) and s == pytest.approx(along, abs=1e-9)
            checked += 1
    assert checked > 200


@pytest.mark.parametrize(
    "latitude, north, east",
    [(0.0, 110_574, 111_320), (45.0, 111_132, 78_847), (60.0, 111_412, 55_800), (-45.0, 111_132, 78_847)],
)
def test_degrees_have_the_lengths_of_printed_tables(latitude, north, east):
    x, _ = east_north(np.array([latitude]), np.array([23.01]), (latitude, 23.0))[0]
    _, y = east_north(np.array([latitude + 0.01]), np.array([23.0]), (latitude, 23.0))[0]
    assert x == pytest.approx(east / 100, rel=1e-4) and y == pytest.approx(north / 100, rel=1e-4)


def test_a_lane_ends_where_its_line_ends():
    _, position, on_road = Road({1: np.array([[0.0, 0.0], [10.0, 0.0]])}).project(
        np.array([-0.1, 0.0, 10.0, 10.1]), np.zeros(4)
    )
    assert on_road.tolist() == [False, True, True, False]
    assert position[1:3].tolist() == [0, 10]


def test_a_road_file(tmp_path):
    path = tmp_path / "road.json"
    path.write_text(json.dumps({"lanes": {"-2": [[0, 0], [5, 5]]}, "half_width": 3, "backward_lanes": [1]}))
    road = read_road(path)
    assert road.lanes["-2"].tolist() == [[0, 0], [5, 5]]
    assert road.half_width == 3 and road.backward_lanes == ("1",) and road.camera_to_road is None
    rows = [[1, 0, 0, 2], [0, 0, 1, 3], [0, -1, 0, 7]]
    path.write_text(json.dumps({"camera_to_road": rows}))
    assert read_road(path).camera_to_road.tolist() == rows


@pytest.mark.parametrize(
    "text, message",
    [
        ("[]", "expected an object, got list"),
        ('{"lane": {}}', "unknown field 'lane', expected lanes, half_width, backward_lanes, origin"),
        ('{"lanes": {"": [[0, 0], [1, 1]]}}', "field 'lanes': expected a name, got nothing"),
        ('{"lanes": {"1": [[0, 0], [1]]}}', "lane 1: expected a list of points"),
        ('{"lanes": {"1": [[0, 0]]}}', "lane 1: expected at least two points"),
        ('{"lanes": {"1": [[0, 0], [0, 0]]}}', "lane 1: two equal points follow each other"),
        ('{"half_width": "wide"}', "field 'half_width': expected int or float"),
        ('{"half_width": 0}', "half_width must be positive"),
        ('{"backward_lanes": [1.5]}', "field 'backward_lanes': expected names of lanes"),
        ('{"half_width": 1e999}', "1e999 is beyond every number"),
        ('{"half_width": NaN}', "NaN"),
        ('{"lanes": {"1": [[0, 0], [1e39, 1]]}}', "lane 1: expected metres from -1e+08 to 1e+08"),
        ('{"lanes": {"1": [[0, 0], ["1", 1]]}}', "lane 1: expected a list of points"),
        ('{"lanes": {"1": [[0, 0], [1, true]]}}', "lane 1: expected a list of points"),
        ('{"lanes": {"1": 3}}', "lane 1: expected a list of points"),
        ('{"origin": [91, 0]}', "origin: expected latitude and longitude in degrees"),
        ('{"camera_to_road": 3}', "field 'camera_to_road': expected three rows of four numbers"),
        ('{"camera_to_road": [[1, 0], [0, 1]]}', "camera_to_road: expected three rows of four"),
        ('{"camera_to_road": [[2, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]}', "expected a rotation"),
        ('{"origin": 3}', "field 'origin': expected [latitude, longitude]"),
    ],
)
def test_faults_of_a_road_file_are_one_line(tmp_path, text, message):
    path = tmp_path / "road.json"
    path.write_text(text)
    with pytest.raises(ValueError) as error:
        read_road(path)
    assert str(error.value).startswith(str(path)) and message in str(error.value)
