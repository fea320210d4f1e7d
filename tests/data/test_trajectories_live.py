"""Live graphs against graphs of the whole recording."""

import numpy as np
import pytest

from d2ext.data.synthtraffic.generate import SPEC
from d2ext.data.synthtraffic.simulate import simulate
from d2ext.data.trajectories import LiveGraph, SpaceTimeRenderer, Tracks, join_graphs, merge_tracks


@pytest.fixture(scope="module")
def tracks() -> Tracks:
    return simulate("wrong_way", [0, 2, 0]).tracks


def between(tracks: Tracks, start: float, end: float) -> Tracks:
    return tracks.select((tracks.time >= start) & (tracks.time < end))


def same(a, b) -> bool:
    """Pixels, and who covers how much of them."""
    heat = np.random.default_rng(0).random(a.image.shape[:2])
    one, two = a.tracks_in(heat), b.tracks_in(heat)
    return (a.image == b.image).all() and one == pytest.approx(two) and a.first_column == b.first_column


def test_graphs_side_by_side_equal_one_graph(tracks):
    renderer = SpaceTimeRenderer(tracks, SPEC)
    joined = join_graphs([renderer.render(start, width) for start, width in ((7, 20), (27, 1), (28, 50))])
    assert same(joined, renderer.render(7, 71))


def test_merged_parts_equal_the_whole(tracks):
    cuts = [0, 10, 10.2, 40, 200]
    merged = merge_tracks([between(tracks, a, b) for a, b in zip(cuts, cuts[1:], strict=False)][::-1])
    for name in tracks.ids:
        one, two = merged.of(name), tracks.of(name)
        for column in ("time", "lane", "position", "speed"):
            assert (getattr(one, column) == getattr(two, column)).all()
    assert len(merged) == len(tracks)


def test_a_live_graph_equals_that_of_the_whole_recording(tracks):
    live, renderer, count = LiveGraph(SPEC, 64, 8), SpaceTimeRenderer(tracks, SPEC), 0
    edges = np.arange(0, 130, 1.7)
    for start, end in zip(edges, edges[1:], strict=False):
        for graph in live.update(between(tracks, start, end)):
            assert same(graph, renderer.render(8 * count, 64))
            count += 1
    assert count == 24


def test_columns_come_when_nothing_can_change_them(tracks):
    live, seconds = LiveGraph(SPEC, 8, 8), 8 * SPEC.seconds_per_pixel
    assert live.update(between(tracks, 0, seconds)) == []
    assert live.update(between(tracks, seconds, seconds), now=seconds + SPEC.max_gap - 0.01) == []
    assert len(live.update(between(tracks, 0, 0), now=seconds + SPEC.max_gap)) == 1


def test_an_empty_road_is_drawn_as_time_goes_on(tracks):
    live = LiveGraph(SPEC, 8, 4)
    assert live.update(between(tracks, 0, 0)) == []
    live.update(between(tracks, 50, 50.5))
    graphs = live.update(between(tracks, 0, 0), now=80.0)
    assert graphs[0].first_column == 100
    assert not graphs[-1].tracks_in(np.ones(graphs[-1].image.shape[:2]))


def test_rows_out_of_order_are_refused(tracks):
    live = LiveGraph(SPEC, 8, 4)
    live.update(between(tracks, 10, 20))
    with pytest.raises(ValueError, match="a row of 5 s after the time was 19.8 s: expected rows in order"):
        live.update(between(tracks, 5, 30))
    with pytest.raises(ValueError, match="now is 3 s after it was 19.8 s"):
        live.update(between(tracks, 0, 0), now=3.0)
    again = between(tracks, 19.7, 20)
    with pytest.raises(ValueError, match=r"vehicle \w+: two rows at 19.8 s, expected one"):
        live.update(again)
