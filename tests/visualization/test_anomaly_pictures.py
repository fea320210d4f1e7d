"""Pictures of anomaly maps."""

import numpy as np
import pytest

from d2ext.data.trajectories import GraphSpec, SpaceTimeRenderer, Tracks
from d2ext.structures import find_regions
from d2ext.visualization import color_of, draw_anomalies
from d2ext.visualization.anomaly import heat_colours, overlay

SPEC = GraphSpec((1, 2), 0, 300)


def graph(width: int):
    """One vehicle in lane 1."""
    time = np.arange(0, 30.0, 0.5)
    n = len(time)
    one = np.ones(n, int)
    tracks = Tracks(np.array(["a"]), 0 * one, time, one, 10 * time, np.full(n, 10.0))
    return SpaceTimeRenderer(tracks, SPEC).render(0, width)


def test_what_is_not_above_0_leaves_the_image_gray_and_the_rest_goes_from_red_to_white():
    image = np.random.default_rng(0).integers(0, 255, (8, 9, 3)).astype(np.uint8)
    heat = np.full((8, 9), -0.3)
    plain = overlay(image, heat, 0.2).astype(int)
    assert np.ptp(plain, axis=2).max() <= 1
    heat[2, 3], heat[4, 5] = 0.15, 1.0
    changed = (overlay(image, heat, 0.2) != plain).any(2)
    assert np.argwhere(changed).tolist() == [[2, 3], [4, 5]]
    brightness = heat_colours(np.linspace(0, 1, 9)[None], 1.0).sum(2)[0].astype(int)
    assert (np.diff(brightness) > 0).all() and brightness[0] == 0


@pytest.mark.parametrize("size", [(1, 900), (900, 1), (1, 1), (20, 1000)])
def test_images_of_any_shape_can_be_drawn(size):
    heat = np.zeros(size, np.float32)
    heat[0, 0] = 1
    mask = heat > 0.5
    image = np.full((*size, 3), 90, np.uint8)
    picture = draw_anomalies(image, heat, 0.2, find_regions(heat, 0.2), ["1.00"], "title", mask)
    assert (picture == 90).all(2).any() and picture.shape[1] > 2 * size[1]


@pytest.mark.parametrize("width", [256, 300, 700])
def test_a_graph_longer_than_a_strip_goes_on_below(width):
    g = graph(width)
    one, picture = (draw_anomalies(x, np.zeros(x.image.shape[:2]), 0.2) for x in (graph(256), g))
    strips = -(-width // 256)
    assert picture.shape[1] == one.shape[1]
    assert (strips - 0.2) * one.shape[0] < picture.shape[0] <= strips * one.shape[0]


def test_a_box_is_around_its_region_on_the_heat_map_only():
    """The box of the region of an image: its pixels, enlarged, right of the image."""
    heat = np.zeros((160, 160))
    heat[20:40, 30:80] = 1.0
    picture = draw_anomalies(np.zeros((160, 160, 3), np.uint8), heat, 0.2, find_regions(heat, 0.2))
    ys, xs = np.nonzero((np.abs(picture.astype(int) - color_of(0)) < 25).all(2))
    assert xs.min() > 640
    assert (xs.max() - xs.min(), ys.max() - ys.min()) == (pytest.approx(200, abs=4), pytest.approx(80, abs=4))


def test_labels_title_and_axes_leave_marks():
    g = graph(256)
    heat = np.zeros(g.image.shape[:2])
    heat[100:120, 200:220] = 1
    regions = find_regions(heat, 0.2)
    plain = draw_anomalies(g, heat, 0.2, regions)
    for more in ({"labels": ["17, 20"]}, {"title": "normal"}):
        assert (draw_anomalies(g, heat, 0.2, regions, **more) != plain).any()
    image = draw_anomalies(g.image, heat, 0.2, regions)
    assert plain.shape[0] > image.shape[0] and plain.shape[1] > image.shape[1]
