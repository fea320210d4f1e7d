"""Air, rain and glare in SynthRoad's pictures, against the geometry of a plane."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from d2ext.data.synthroad import weather
from d2ext.data.synthroad.geometry import View, plane_from_tilt
from d2ext.data.synthroad.light import light_of
from d2ext.data.synthroad.scene import Light


def _view(pitch: float = 0.15, roll: float = 0.03, height: float = 6.0, skew: float = 0.0) -> View:
    matrix = np.array([[500.0, skew, 210, 40], [0, 520, 110, 3], [0, 0, 1, 0.01]])
    return View(matrix, plane_from_tilt(height, pitch, roll), 400, 240, True)


def _rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.mark.parametrize("skew", [0.0, 8.0])
def test_ground_depth_is_that_of_projected_ground_points(skew: float) -> None:
    view = _view(skew=skew)
    inverse, rays = weather.ground_inverse_depth(view), weather.ray_lengths(view)
    right, forward = np.meshgrid(np.linspace(-20, 20, 15), np.linspace(12, 200, 20))
    points = view.ground_point(right, forward).reshape(-1, 3)
    pixels, depth = view.project(points)
    inside = (pixels >= 1).all(axis=1) & (pixels <= [view.width - 2, view.height - 2]).all(axis=1)
    assert inside.sum() > 50
    # The maps are affine and smooth: between pixels they are read bilinearly.
    for point, (u, v), w in zip(points[inside], pixels[inside], depth[inside], strict=True):
        u0, v0 = int(u), int(v)
        a, b = u - u0, v - v0
        weights = np.outer([1 - b, b], [1 - a, a])
        assert (inverse[v0 : v0 + 2, u0 : u0 + 2] * weights).sum() == pytest.approx(1 / w, rel=1e-3)
        length = (rays[v0 : v0 + 2, u0 : u0 + 2] * weights).sum()
        assert length * w == pytest.approx(np.linalg.norm(point - view.center), rel=1e-3)


def test_fog_leaves_exp_of_minus_k_d_of_a_plane() -> None:
    view = _view()
    haze = 0.6
    white = np.full((view.height, view.width, 3), 255, np.uint8)
    light = Light(np.array([0, -1.0, 0]), 0.9, 0.0, haze, haze_color=np.zeros(3))
    image = weather.apply_weather(white, np.zeros(white.shape[:2], np.float32), view, light, _rng())
    sky = weather.ground_inverse_depth(view) <= 0
    assert sky.any() and (image[sky] == 255).all()  # it is drawn as it looks through air
    k = -np.log(1 - haze) / 100
    for forward in (15.0, 30.0, 60.0, 100.0, 150.0):
        pixel, _ = view.project(view.ground_point(0.0, forward))
        u, v = np.rint(pixel).astype(int)
        distance = float(np.hypot(forward, view.plane[3]))
        assert image[v, u] == pytest.approx([255 * np.exp(-k * distance)] * 3, rel=0.03, abs=1)


def test_what_stands_near_is_seen_through_less_air_than_the_ground_behind() -> None:
    view = _view()
    depth = np.zeros((view.height, view.width), np.float32)
    depth[60:160, 100:140] = 1 / 15
    light = Light(np.array([0, -1.0, 0]), 0.9, 0.0, 0.8, haze_color=np.zeros(3))
    white = np.full((view.height, view.width, 3), 255, np.uint8)
    image = weather.apply_weather(white, depth, view, light, _rng())[..., 0].astype(float)
    ray = view.inverse_intrinsics @ [120, 100, 1]
    assert image[100, 120] == pytest.approx(255 * 0.2 ** (15 * np.linalg.norm(ray) / 100), abs=1)
    assert image[100, 120] > image[100, 160] + 20


def test_clear_air_changes_nothing() -> None:
    view = _view()
    image = _rng().integers(0, 255, (view.height, view.width, 3), dtype=np.uint8)
    light = Light(np.array([0, -1.0, 0]), 0.9, 0.0, 0.0)
    depth = np.zeros(image.shape[:2], np.float32)
    np.testing.assert_array_equal(weather.apply_weather(image, depth, view, light, _rng()), image)


def test_the_same_seed_gives_the_same_bytes() -> None:
    view = _view()
    depth = np.zeros((view.height, view.width), np.float32)
    image = np.full((view.height, view.width, 3), 90, np.uint8)
    for name in ("rain", "fog", "night", "low sun"):
        light = light_of(name, view, _rng())
        first, second = (weather.apply_weather(image, depth, view, light, _rng()) for _ in range(2))
        np.testing.assert_array_equal(first, second)


def test_rain_brightens_a_part_of_a_dark_picture() -> None:
    view = _view()
    light = light_of("rain", view, _rng())
    image = np.full((view.height, view.width, 3), 60, np.uint8)
    changes = [
        (weather.rain(image, replace(light, rain=strength), _rng()) != 60).any(axis=2).mean()
        for strength in (0.1, 0.5, 1.0)
    ]
    assert 0 < changes[0] < changes[1] < changes[2] < 0.8
    assert weather.rain(image, light, _rng()).min() >= 59


def test_headlights_light_what_is_near_and_ahead() -> None:
    view = _view(pitch=0.0, roll=0.0, height=1.6)
    near = weather.ground_inverse_depth(view) / weather.ray_lengths(view)
    image = np.full((view.height, view.width, 3), 40, np.uint8)
    lit = weather.headlights(image, near, view, 1.0).astype(int)[..., 0]
    assert (lit >= 39).all()
    ahead = lit[:, 210]
    assert ahead[235] > 65 > ahead[140] > ahead[40]
    assert lit[235, 210] > lit[235, 5]


def test_glare_is_brightest_at_the_sun() -> None:
    view = _view(pitch=0.0)
    direction = np.linalg.solve(view.projection[:, :3], [300.0, 30.0, 1.0])
    light = Light(direction / np.linalg.norm(direction), 0.5, 0.3, 0.0)
    image = np.full((view.height, view.width, 3), 60, np.uint8)
    depth = np.zeros(image.shape[:2], np.float32)
    bright = weather.glare(image, depth, view, light, _rng()).astype(int).sum(axis=2)
    v, u = np.unravel_index(bright.argmax(), bright.shape)
    assert abs(u - 300) <= 12 and abs(v - 30) <= 12
    away = replace(light, sun=-light.sun)
    np.testing.assert_array_equal(weather.glare(image, depth, view, away, _rng()), image)
