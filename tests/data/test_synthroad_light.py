"""SynthRoad's light: how often which weather is sampled, and colours that go together."""

from __future__ import annotations

import numpy as np
import pytest

from d2ext.data.synthroad.geometry import View, plane_from_tilt
from d2ext.data.synthroad.light import UNREAL, WEATHER, light_of, sample_light, shadow_of, sun_tint

_CAMERA = np.array([[700.0, 0, 600, 0], [0, 700, 180, 0], [0, 0, 1, 0]])
VIEW = View(_CAMERA, plane_from_tilt(6, 0.2, 0.02), 1200, 375, True)


@pytest.fixture(scope="module")
def lights() -> list:
    rng = np.random.default_rng(0)
    return [sample_light(VIEW, rng) for _ in range(3000)]


def test_the_same_seed_gives_the_same_light() -> None:
    first, second = (sample_light(VIEW, np.random.default_rng(5)) for _ in range(2))
    assert all(np.array_equal(getattr(first, name), getattr(second, name)) for name in vars(first))


def test_weather_is_as_frequent_as_in_recorded_data(lights) -> None:
    """What sets each weather apart, against the shares that were asked for, within three sigmas."""
    assert sum(kind.weight for kind in WEATHER.values()) == pytest.approx(1.0)
    for told, found in (
        (0.10, [light.lamps >= 0.8 and light.sky_color.mean() < 0.45 for light in lights]),
        (0.08, [light.rain > 0 for light in lights]),
        (0.04, [light.haze >= 0.5 for light in lights]),
        (0.06, [light.lamps >= 0.3 and 0.35 < light.sky_color.mean() < 0.72
                and light.rain == 0 and light.haze < 0.5 and light.zenith.mean() > 45 for light in lights]),
    ):  # fmt: skip
        assert np.mean(found) == pytest.approx(told, abs=0.02)
    assert WEATHER["overcast"].weight == pytest.approx(0.30)
    assert sum(kind.weight for name, kind in WEATHER.items() if name in ("night", "dusk")) < 0.2


def test_everything_is_in_its_range(lights) -> None:
    for light in lights:
        assert np.linalg.norm(light.sun) == pytest.approx(1.0)
        for name in ("ambient", "shadow", "haze", "lamps", "wet", "rain"):
            assert 0 <= getattr(light, name) <= 1, name
        for name in ("zenith", "horizon", "haze_color"):
            color = getattr(light, name)
            assert color.shape == (3,) and (color >= 0).all() and (color <= 255).all(), name
        for color in (light.sun_color, light.sky_color):
            assert color.shape == (3,) and (color >= 0).all() and (color < 1.6).all()


@pytest.mark.parametrize("name", WEATHER)
def test_the_sun_stands_as_high_as_the_weather_says(name: str) -> None:
    low, high = np.radians(WEATHER[name].elevation)
    rng = np.random.default_rng(1)
    heights = [np.arcsin(light_of(name, VIEW, rng).sun @ VIEW.plane[:3]) for _ in range(200)]
    assert low - 1e-9 <= min(heights) < low + 0.2 * (high - low)
    assert high - 0.2 * (high - low) < max(heights) <= high + 1e-9


def test_shadow_is_the_suns_share_of_level_ground() -> None:
    """Ground in sun and ground in shadow by Lambert's law, added up by hand."""
    rng = np.random.default_rng(2)
    for _ in range(50):
        light = light_of("clear", VIEW, rng)
        shaded = light.ambient * light.sky_color.mean()
        lit = shaded + (1.08 - light.ambient) * light.sun_color.mean() * (light.sun @ VIEW.plane[:3])
        assert 1 - light.shadow == pytest.approx(shaded / lit)
    assert shadow_of(0.5, np.zeros(3), np.ones(3), 1.0) == 0


def test_no_shadow_under_clouds_and_fog() -> None:
    rng = np.random.default_rng(3)
    for name in ("overcast", "rain", "fog", "dusk"):
        assert all(light_of(name, VIEW, rng).shadow == 0 for _ in range(20))


def test_a_low_sun_is_dimmer_and_redder() -> None:
    """Kasten and Young's air mass at 10 degrees is 5.6, at 45 degrees 1.41: twice the depth in between."""
    tints = np.array([sun_tint(elevation, 0.05) for elevation in (8, 15, 30, 45, 70)])
    assert (np.diff(tints, axis=0) > 0).all()
    assert (np.diff(tints[:, 0] / tints[:, 2]) > 0).all()
    np.testing.assert_allclose(tints[3], 1.0)
    # Green through Rayleigh's and the aerosol's depth, with air masses from the table of the paper.
    depth = 0.0988 + 0.05 * 0.55**-1.3
    told = np.exp(-depth * (5.58 - 1.41)) ** (1 / 2.2)
    assert sun_tint(10, 0.05)[1] == pytest.approx(told, rel=0.01)


def test_some_scenes_are_beyond_nature() -> None:
    """The share whose sky is another colour than its weather has: saturated against the ranges of nature."""
    rng = np.random.default_rng(4)
    natural = [light_of(name, VIEW, rng) for name in WEATHER for _ in range(60)]
    spread = max(np.ptp(light.horizon) for light in natural)
    lights = [sample_light(VIEW, rng) for _ in range(2000)]
    strange = np.mean([np.ptp(light.horizon) > spread for light in lights])
    assert 0.2 * UNREAL < strange < UNREAL and 0.05 <= UNREAL <= 0.10
