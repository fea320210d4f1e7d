"""Graphs against the finely integrated share of each pixel that a vehicle covers; tiles; live use."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from d2ext.data.trajectories import GraphSpec, SpaceTimeRenderer, Tracks
from d2ext.data.trajectories.spacetime import SEPARATOR

SPEC = GraphSpec(lanes=(1, 2), start=0, end=120, seconds_per_pixel=0.5, metres_per_pixel=3, top_speed=14)


def _tracks(*vehicles) -> Tracks:
    """Each vehicle: (time, lane, position) functions sampled at 10 Hz: (start, end, lane of t, position of
    t)."""
    parts = []
    for number, (start, end, lane, position) in enumerate(vehicles):
        time = np.arange(start, end, 0.1)
        place = np.array([position(t) for t in time])
        speed = np.gradient(place, time)
        parts.append((np.full(len(time), number), time, np.array([lane(t) for t in time]), place, speed))
    track, time, lane, position, speed = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Tracks(np.array([f"v{i}" for i in range(len(vehicles))]), track, time, lane, position, speed)


def _steady(speed: float, start: float = 0.0, lane: int = 1, begin: float = 0.0, end: float = 20.0):
    return begin, end, lambda t: lane, lambda t: start + speed * t


def _traffic(seed: int = 0, count: int = 40) -> Tracks:
    rng = np.random.default_rng(seed)
    vehicles = []
    for _ in range(count):
        begin, speed, lane = rng.uniform(0, 60), rng.uniform(2, 16), int(rng.integers(1, 3))
        vehicles.append(
            (begin, begin + rng.uniform(2, 20), lambda t, k=lane: k, lambda t, b=begin, v=speed: (t - b) * v)
        )
    return _tracks(*vehicles)


@pytest.mark.parametrize("speed", [0.0, 1.3, 9.0, -7.0, 20.0])
def test_coverage_is_the_share_of_the_pixel_that_the_vehicle_covers(speed):
    spec, start = replace(SPEC, end=240), 60.4
    graph = SpaceTimeRenderer(_tracks(_steady(speed, start)), spec).render(0, 12)
    drawn = np.bincount(graph.pixel, graph.coverage, spec.height * 12).reshape(spec.height, 12)
    drawn = drawn[: spec.panel_height]
    fine = 40  # points a pixel and direction
    time = (np.arange(12 * fine) + 0.5) / fine * spec.seconds_per_pixel
    place = (np.arange(spec.panel_height * fine) + 0.5) / fine * spec.metres_per_pixel
    occupied = np.abs(place[:, None] - (start + speed * time)) < spec.vehicle_length / 2
    expected = occupied.reshape(spec.panel_height, fine, 12, fine).mean((1, 3))[::-1]
    # A column looks at four moments: between two of them the vehicle moves by up to 20 m/s x 0.125 s = 0.83
    # pixels.
    np.testing.assert_allclose(drawn, expected, atol=0.03 + abs(speed) * 0.125 / 3 / 4)
    np.testing.assert_allclose(drawn.sum(0), spec.vehicle_length / spec.metres_per_pixel, rtol=1e-9)


def test_position_grows_upwards_and_panels_are_lanes_from_top_to_bottom():
    graph = SpaceTimeRenderer(_tracks(_steady(0, 10.5), _steady(0, 100.5, lane=2)), SPEC).render(4, 8)
    rows = [np.flatnonzero(graph.covered(np.array([track])).any(1)) for track in (0, 1)]
    for row, lane, position in zip(rows, (1, 2), (10.5, 100.5), strict=True):
        places = [SPEC.place(int(r)) for r in row]
        assert {place[0] for place in places} == {str(lane)}
        assert np.mean([place[1] for place in places]) == pytest.approx(position, abs=0.1)
    separator = graph.image[SPEC.panel_height : SPEC.panel_height + SPEC.separator]
    assert (separator == SEPARATOR[::-1]).all() and SPEC.place(SPEC.panel_height) is None


@pytest.mark.parametrize(
    "speed, colour",
    [(0, "red"), (14, "green"), (-5, "magenta"), (24, "blue")],
)
def test_colour_tells_standing_driving_reversing_and_speeding_apart(speed, colour):
    graph = SpaceTimeRenderer(_tracks(_steady(speed, 60 if speed <= 0 else 0)), SPEC).render(0, 8)
    panel = graph.image[: SPEC.panel_height].reshape(-1, 3)
    blue, green, red = panel[panel.sum(1).argmax()] / panel.max()
    high, low = 0.8, 0.5
    expected = {
        "red": red > high and green < low and blue < low,
        "green": green > high and red < low and blue < low,
        "magenta": red > high and blue > high and green < low,
        "blue": blue > high and red < low,
    }
    assert expected[colour]


def test_a_graph_drawn_column_by_column_from_the_latest_rows_equals_the_whole_bit_for_bit():
    tracks = _traffic()
    whole = SpaceTimeRenderer(tracks, SPEC).render(0, 100)
    for column in range(100):
        begin, end = column * SPEC.seconds_per_pixel, (column + 1) * SPEC.seconds_per_pixel
        latest = (tracks.time > begin - SPEC.max_gap) & (tracks.time < end + SPEC.max_gap)
        live = SpaceTimeRenderer(tracks.select(latest), SPEC).render(column, 1)
        np.testing.assert_array_equal(live.image[:, 0], whole.image[:, column])


def test_the_order_of_the_vehicles_does_not_matter():
    tracks = _traffic()
    order = np.argsort(-tracks.track, kind="stable")
    other = Tracks(tracks.ids[::-1], (len(tracks.ids) - 1 - tracks.track)[order], tracks.time[order],
                   tracks.lane[order], tracks.position[order], tracks.speed[order])  # fmt: skip
    first, second = (SpaceTimeRenderer(t, SPEC).render(0, 120) for t in (tracks, other))
    np.testing.assert_array_equal(first.image, second.image)
    everywhere = np.ones((SPEC.height, 120))
    assert first.tracks_in(everywhere) == pytest.approx(second.tracks_in(everywhere))


@pytest.mark.parametrize("width, overlap", [(32, 0), (32, 8), (50, 49), (500, 100)])
def test_tiles_cover_the_recording_and_agree_where_they_overlap(width, overlap):
    renderer = SpaceTimeRenderer(_traffic(), SPEC)
    columns = renderer.columns()
    whole = renderer.render(columns.start, len(columns) + width)
    seen = np.zeros(len(columns) + width, bool)
    for tile in renderer.tiles(width, overlap):
        place = slice(tile.first_column - columns.start, tile.first_column - columns.start + width)
        np.testing.assert_array_equal(tile.image, whole.image[:, place])
        seen[place] = True
    assert seen[: len(columns)].all() and seen[len(columns) :].sum() == max(0, width - len(columns))


def test_pixels_name_the_vehicles_that_cover_them():
    tracks = _traffic()
    graph = SpaceTimeRenderer(tracks, SPEC).render(0, 140)
    for number in range(0, 40, 7):
        mask = graph.covered(np.array([number]))
        found = graph.tracks_in(mask)
        assert found[f"v{number}"] == max(found.values())
        # Every pixel of the mask is where one of the vehicle's rows, or the way between two, passes.
        rows, columns = np.nonzero(mask)
        own = tracks.of(f"v{number}")
        for row, column in zip(rows, columns, strict=True):
            _, position = SPEC.place(row)
            time = (column + 0.5) * SPEC.seconds_per_pixel
            reach = SPEC.vehicle_length / 2 + SPEC.metres_per_pixel / 2 + 16 * SPEC.seconds_per_pixel / 2
            assert abs(np.interp(time, own.time, own.position) - position) <= reach
    assert graph.tracks_in(np.zeros((SPEC.height, 140))) == {}


def test_gaps_longer_than_allowed_are_not_bridged():
    tracks = _tracks(_steady(5, 10))
    kept = (tracks.time < 4) | (tracks.time > 6)
    graph = SpaceTimeRenderer(tracks.select(kept), SPEC).render(0, 30)
    columns = graph.covered(np.array([0])).any(0)
    assert columns[:8].all() and not columns[8:12].any() and columns[13:30].all()


def test_other_lanes_and_places_outside_the_section_are_not_drawn():
    tracks = _tracks(_steady(0, 50, lane=9), _steady(0, -3.0), _steady(0, 124.0))
    assert len(SpaceTimeRenderer(tracks, SPEC).render(0, 20).pixel) == 0


@pytest.mark.parametrize(
    "change, message",
    [({"lanes": ()}, "lanes"), ({"end": 0}, "end"), ({"top_speed": 0}, "top_speed must be positive")],
)
def test_wrong_specs_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        GraphSpec(**{"lanes": (1,), "start": 0, "end": 10, **change})
