"""Ground and surroundings: fixed to the plane, the same whenever they are drawn, and nobody's label."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from d2ext.data.synthroad import scenery
from d2ext.data.synthroad.cameras import FAMILIES
from d2ext.data.synthroad.daylight import air, irradiance
from d2ext.data.synthroad.geometry import View, plane_from_tilt
from d2ext.data.synthroad.ground import Ground
from d2ext.data.synthroad.lamplight import cast_lamps
from d2ext.data.synthroad.layout import CAR, POLE, sample_scene
from d2ext.data.synthroad.neighbourhood import make_neighbourhood
from d2ext.data.synthroad.noise import BLOCK, Tiles, fractal
from d2ext.data.synthroad.panels import draw_panel
from d2ext.data.synthroad.plants import cast_shadows
from d2ext.data.synthroad.raster import SCALE, Canvas
from d2ext.data.synthroad.scene import Light, Scene
from d2ext.data.synthroad.setting import make_setting
from d2ext.data.synthroad.standing import House, Neighbourhood, Post


def _drawn(scene: Scene) -> Canvas:
    canvas = Canvas(scene.view)
    scenery.draw_background(canvas, scene)
    scenery.draw_scenery(canvas, scene)
    return canvas


def _camera(height: float, pitch: float, width: int = 480, rows: int = 270, focal: float = 400.0) -> View:
    projection = np.array([[focal, 0, width / 2, 0], [0, focal, rows / 2, 0], [0, 0, 1, 0]])
    return View(projection, plane_from_tilt(height, np.radians(pitch), 0.0), width, rows, True)


@pytest.mark.parametrize("kind", (CAR, POLE), ids=lambda kind: kind.name)
def test_two_drawings_are_equal_whether_or_not_the_first_was_kept(kind) -> None:
    scene = sample_scene(kind, np.random.default_rng(5))
    first, kept = _drawn(scene), _drawn(replace(scene, objects=scene.objects[:1]))
    _drawn(sample_scene(kind, np.random.default_rng(6)))
    again = _drawn(scene)
    for other in (kept, again):
        np.testing.assert_array_equal(first.color, other.color)
        np.testing.assert_array_equal(first.inverse_depth, other.inverse_depth)


@pytest.mark.parametrize("name", ["kitti", "widecar", "highmast", "wide", "junction"])
def test_surroundings_write_no_ids_and_leave_no_pixel_unpainted(name: str) -> None:
    scene = sample_scene(FAMILIES[name], np.random.default_rng(3))
    scene = replace(scene, light=Light(sun=scene.up, ambient=0.6, shadow=0.3, haze=0.05))
    canvas = _drawn(scene)
    assert not canvas.ids.any()
    # By day no ground and no sky is black.
    nothing = canvas.color.max(axis=2) == 0
    assert nothing.mean() < 0.002
    assert np.isfinite(canvas.inverse_depth).all() and canvas.inverse_depth.max() < 1 / 0.5


def test_ground_keeps_its_pattern_when_the_camera_moves() -> None:
    """A patch of road seen from two heights, each warped to the same top view by its own homography."""
    scene = sample_scene(POLE, np.random.default_rng(8))
    light = Light(sun=scene.up, ambient=0.7, shadow=0.0, haze=0.0)
    road = replace(scene.road, angle=0.05, offset=1.0)
    views = []
    for height, pitch in ((6.0, 25.0), (8.0, 31.0)):
        moved = Scene(_camera(height, pitch), road, light, scene.scenery_seed)
        canvas = Canvas(moved.view)
        scenery.draw_background(canvas, moved)
        corners = moved.road_points(np.array([-1.0, 3.0, 3.0, -1.0]), np.array([12.0, 12.0, 16.0, 16.0]))
        pixels, _ = canvas.project(corners)
        matrix = cv2.getPerspectiveTransform(
            pixels.astype(np.float32), np.array([[0, 64], [64, 64], [64, 0], [0, 0]], np.float32)
        )
        top = cv2.warpPerspective(canvas.color, matrix, (64, 64), flags=cv2.INTER_AREA)
        views.append(cv2.GaussianBlur(top, (0, 0), 1.5).astype(float)[4:-4, 4:-4].mean(axis=2))
    first, second = (view - view.mean() for view in views)
    assert (first * second).mean() / (first.std() * second.std()) > 0.85
    shifted = np.roll(second, 9, axis=1)
    assert (first * shifted).mean() / (first.std() * shifted.std()) < 0.6


def test_tiles_are_read_as_a_naive_loop_reads_their_reductions() -> None:
    rng = np.random.default_rng(0)
    layers = [rng.integers(0, 256, (16, 16), np.uint8).astype(np.uint8) for _ in range(2)]
    tiles = Tiles(layers, texel=0.5)
    shape = (2 * BLOCK, 3 * BLOCK)
    # Not on a texel's edge, where rounding decides.
    p, q = ((rng.integers(-40, 40, shape) + 0.5).astype(np.float32) / 4 for _ in range(2))
    level_p, level_q = rng.integers(-2, 4, (2, 2, 3)).astype(np.float32)
    layer = rng.integers(0, 2, shape).astype(np.int32)
    found = tiles.read(layer, p, q, (level_p, level_q))
    for y, x in np.ndindex(*shape):
        i, j = y // BLOCK, x // BLOCK
        wide, high = (1 << int(np.clip(level[i, j] + 1, 0, 4)) for level in (level_p, level_q))
        u, v = int(np.floor(p[y, x] / 0.5)) % 16 // wide, int(np.floor(q[y, x] / 0.5)) % 16 // high
        block = layers[layer[y, x]][v * high : (v + 1) * high, u * wide : (u + 1) * wide]
        assert abs(float(found[y, x]) - block.mean()) < 2.5  # each halving rounds


def test_noise_repeats_without_a_seam() -> None:
    noise = fractal(64, 1.0, np.random.default_rng(1))
    inner = np.abs(np.diff(noise, axis=0)).mean()
    assert noise.mean() == pytest.approx(0, abs=1e-5) and noise.std() == pytest.approx(1, abs=1e-5)
    assert np.abs(noise[0] - noise[-1]).mean() < 1.3 * inner


def test_a_panel_lies_where_its_corners_project_to_and_hides_what_is_behind() -> None:
    view = _camera(2.0, 0.0)
    canvas = Canvas(view)
    near = np.array([[-1.0, 1, 8], [1, 1, 8], [1, -1, 8], [-1, -1, 8]])
    red, blue = (np.full((32, 32, 3), color, np.uint8) for color in ((0, 0, 200), (200, 0, 0)))
    draw_panel(canvas, near, red, np.ones(3))
    draw_panel(canvas, near * [4, 1, 1.5], blue, np.ones(3))
    pixels, _ = view.project(near)
    shown = np.argwhere(canvas.color[::SCALE, ::SCALE, 2] == 200)[:, ::-1]
    np.testing.assert_allclose(shown.min(axis=0), pixels.min(axis=0), atol=1)
    np.testing.assert_allclose(shown.max(axis=0), pixels.max(axis=0), atol=1)
    assert (canvas.color[..., 0] == 200).any()
    covered = canvas.color[..., 2] == 200
    np.testing.assert_allclose(canvas.inverse_depth[covered], 1 / 8, rtol=1e-4)


def test_a_panel_is_textured_upright_and_not_mirrored() -> None:
    view = _camera(2.0, 0.0)
    canvas = Canvas(view)
    texture = np.zeros((40, 40, 3), np.uint8)
    texture[:20, :20], texture[:20, 20:], texture[20:, :20], texture[20:, 20:] = 50, 100, 150, 200
    draw_panel(canvas, np.array([[-1.0, 1, 6], [1, 1, 6], [1, -1, 6], [-1, -1, 6]]), texture, np.ones(3))
    at = [view.project(np.array([x, y, 6.0]))[0] for y in (-0.5, 0.5) for x in (-0.5, 0.5)]
    values = [int(canvas.color[round(v * SCALE), round(u * SCALE), 0]) for u, v in at]
    assert values == [50, 100, 150, 200]


def test_light_is_lambert_s_and_air_is_beer_s() -> None:
    light = Light(
        sun=np.array([0.0, -0.6, 0.8]), ambient=0.5, shadow=0.3, haze=0.2, sun_color=np.array([0.8, 0.9, 1])
    )
    np.testing.assert_allclose(irradiance(np.array([0, -1.0, 0]), light), 0.5 + 0.58 * 0.6 * light.sun_color)
    np.testing.assert_allclose(irradiance(np.array([0, 1.0, 0]), light), [0.5] * 3)
    assert air(100.0, light) == pytest.approx(0.2) and air(200.0, light) == pytest.approx(1 - 0.8**2)


def test_a_house_s_shadow_lies_where_its_height_and_the_sun_put_it() -> None:
    """8 m tall, sun on the right at 45 degrees: 8 m of ground to the left of it are in shade, no more."""
    scene = sample_scene(POLE, np.random.default_rng(2))
    view = _camera(9.0, 25.0)
    sun = view.ground_axes @ np.array([1.0, -1.0, 0.0]) / np.sqrt(2)
    light = Light(sun=sun, ambient=0.5, shadow=0.5, haze=0.0)
    moved = Scene(view, replace(scene.road, angle=0.0, offset=0.0), light, 1)
    ground = Ground(Canvas(view), moved)
    house = House((2.0, 6.0), (20.0, 30.0), 8.0, 0.0, "plaster", np.full(3, 150.0), 1, 1)
    cast_shadows(ground, Neighbourhood(houses=[house]))
    inside = (ground.q > 20.5) & (ground.q < 29.5)
    assert (ground.light[inside & (ground.p > -5.5) & (ground.p < 1.5)] < 20).all()
    assert (
        ground.light[(ground.q < 19) | (ground.q > 32) | (ground.p < -6.7) | (ground.p > 6.7)] > 235
    ).all()


def test_lamps_light_the_ground_below_them_at_night_only() -> None:
    scene = sample_scene(POLE, np.random.default_rng(2))
    view = _camera(9.0, 25.0)
    posts = [Post("lamp", 4.0, q, 8.0, 1, 0) for q in (15.0, 45.0)]
    glow = []
    for lamps in (0.0, 1.0):
        light = Light(sun=scene.up, ambient=0.3, shadow=0.0, haze=0.0, lamps=lamps)
        moved = Scene(view, replace(scene.road, angle=0.0, offset=0.0), light, 1)
        ground = Ground(Canvas(view), moved)
        cast_lamps(ground, Neighbourhood(posts=posts))
        glow.append(ground.glow.astype(float))
    assert not glow[0].any()
    beside = np.abs(ground.p - 3.0) < 1
    below, between = (glow[1][beside & (np.abs(ground.q - q) < 0.5)].mean() for q in (15.0, 30.0))
    assert below > 240 and between < 0.3 * below


def test_every_place_is_drawn_and_nothing_stands_on_the_road_or_before_the_lens() -> None:
    places = set()
    for seed in range(60):
        scene = sample_scene((CAR, POLE)[seed % 2], np.random.default_rng([4, seed]))
        setting = make_setting(scene)
        places.add(setting.place)
        around = make_neighbourhood(scene, setting)
        road = scene.road
        for item in (*around.houses, *around.plants, *around.posts):
            p = np.atleast_1d(item.p)
            assert ((p >= road.right_edge) | (p <= road.left_edge)).all()
        for house in around.houses:
            away = max(min(house.p) - road.offset, road.offset - max(house.p), 0)
            assert np.hypot(away, max(house.q[0], -house.q[1], 0)) > 5
    assert len(places) >= 7
