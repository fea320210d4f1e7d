"""From regions of a map to times, places and vehicles; on labelled SynthTraffic recordings with the mask as
the map, and with a blurred one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from d2ext.data.synthtraffic.anomalies import KINDS, STRUCTURAL
from d2ext.data.synthtraffic.generate import SPEC
from d2ext.data.synthtraffic.simulate import simulate
from d2ext.data.trajectories import (
    GraphSpec,
    LabelledAnomaly,
    SpaceTimeGraph,
    SpaceTimeRenderer,
    Tracks,
    anomaly_mask,
    region_extent,
    suspects,
)
from d2ext.structures import find_regions

BLUR = 6.0  # pixels


def two_vehicles() -> Tracks:
    """Both at 10 m/s, "a" in lane 1 from 0 m and "b" in lane 2 from 100 m, for 20 s."""
    time = np.arange(0, 20.1, 0.5)
    n = len(time)
    return Tracks(
        np.array(["a", "b"]),
        np.repeat([0, 1], n),
        np.tile(time, 2),
        np.repeat([1, 2], n),
        np.concatenate([10 * time, 100 + 10 * time]),
        np.full(2 * n, 10.0),
    )


@pytest.fixture(scope="module")
def graph() -> SpaceTimeGraph:
    return SpaceTimeRenderer(two_vehicles(), GraphSpec((1, 2), 0, 300)).render(0, 42)


def test_a_region_has_the_times_and_positions_of_its_pixels(graph):
    heat = np.zeros(graph.image.shape[:2])
    heat[10:21, 6:16] = 1  # of 100 rows: lane 1, from 300 - 21 x 3 to 300 - 10 x 3 m
    (region,) = find_regions(heat, 0.5)
    extent = region_extent(graph, region)
    assert (extent.start, extent.end) == (3.0, 8.0)
    assert extent.lanes == {"1": (237.0, 270.0)}
    heat[95:110, 6:16] = 1  # over the two rows between the lanes
    extent = region_extent(graph, find_regions(heat, 0.5)[1])
    assert extent.lanes == {"1": (0.0, 15.0), "2": (276.0, 300.0)}


def test_a_vehicle_in_a_region_has_its_own_times_and_positions(graph):
    heat = np.zeros(graph.image.shape[:2])
    heat[:, 10:20] = 1  # from 5 to 10 s
    (region,) = find_regions(heat, 0.5)
    found = suspects(graph, heat, region)
    assert {s.track_id for s in found} == {"a", "b"}
    assert sum(s.share for s in found) == pytest.approx(1)
    a = next(s for s in found if s.track_id == "a").extent
    assert (a.start, a.end) == (5.0, 10.0)
    low, high = a.lanes["1"]
    # It is 5 m long and drawn from 5 to 10 s; pixels are 3 m.
    assert 47.5 - 3 <= low <= 47.5 + 1.5 and 102.5 - 1.5 <= high <= 102.5 + 3
    assert list(a.lanes) == ["1"]


def test_the_vehicle_under_the_greater_values_comes_first(graph):
    top = graph.image.shape[0] // 2
    for lane, name in ((0, "a"), (1, "b")):
        heat = np.full(graph.image.shape[:2], 0.5)
        heat[lane * top : (lane + 1) * top] = 1
        (region,) = find_regions(heat, 0.1)
        assert suspects(graph, heat, region)[0].track_id == name


def test_a_region_without_vehicles_has_no_suspects(graph):
    heat = np.zeros(graph.image.shape[:2])
    heat[0, 0] = 1
    assert suspects(graph, heat, find_regions(heat, 0.5)[0]) == []


def _named_first(kinds: list[str], seeds: range, blur: float) -> float:
    """Share of recordings whose first region names the responsible vehicle first; of a queue, any in it."""
    right = []
    for kind in kinds:
        for seed in seeds:
            recording = simulate(kind, [seed, 2, 0])
            graph = SpaceTimeRenderer(recording.tracks, SPEC).render(0, 256)
            heat = anomaly_mask(graph, [LabelledAnomaly(kind, tuple(recording.intervals))]).astype(np.float32)
            if blur:
                heat = cv2.GaussianBlur(heat, (0, 0), blur)
            named = suspects(graph, heat, find_regions(heat, heat.max() / 2)[0])[0].track_id
            labelled = [interval.track_id for interval in recording.intervals]
            right.append(named == labelled[0] if kind in STRUCTURAL else named in labelled)
    return float(np.mean(right))


@pytest.mark.parametrize("blur", [0.0, BLUR])
def test_the_vehicle_of_a_simple_anomaly_is_named_first(blur):
    assert _named_first(["stopped", "reversing"], range(1), blur) == 1


@pytest.mark.slow
@pytest.mark.parametrize("blur", [0.0, BLUR])
def test_the_responsible_vehicle_is_named_first_in_four_of_five_recordings(blur):
    assert _named_first(list(KINDS), range(4), blur) >= 0.8
