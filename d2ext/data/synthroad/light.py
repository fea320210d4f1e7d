"""Sampling light: the sun's height, clouds, dusk, night, rain and fog, in colours that go together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from d2ext.data.synthroad.geometry import View
from d2ext.data.synthroad.scene import Light

Range = tuple[float, float]

# Share of the scenes whose colours and shadows follow no physics.
UNREAL = 0.07
# A sunlit surface that faces the sun has this much of its colour, of both lights together.
FULL_LIGHT = 1.08
# The display's power law: what lights add up to is linear, what colours are multiplied by is not.
_DISPLAY = 1 / 2.2
# Wavelengths of blue, green and red in micrometres.
_WAVELENGTHS = np.array([0.45, 0.55, 0.62])


@dataclass(frozen=True)
class Weather:
    """One kind of light; ranges are sampled evenly.

    elevation: of the sun in degrees; ambient: as in Light; cloud: share of the sun's light that clouds
    take; zenith, horizon: BGR of the sky on average; haze: as in Light; level: of all light by day's
    measure; tint: how far the light may lean to blue (negative) or to red; lamps, wet, rain: as in Light.
    """

    weight: float
    elevation: Range
    ambient: Range
    cloud: Range
    zenith: tuple[float, float, float]
    horizon: tuple[float, float, float]
    haze: Range
    level: Range = (0.95, 1.05)
    tint: Range = (-0.03, 0.03)
    lamps: Range = (0.0, 0.0)
    wet: Range = (0.0, 0.0)
    rain: Range = (0.0, 0.0)


WEATHER: dict[str, Weather] = {
    "clear": Weather(
        0.20, (20, 70), (0.42, 0.66), (0.0, 0.1), (214, 156, 104), (240, 226, 208), (0.005, 0.06)
    ),
    "cloudy": Weather(
        0.14, (15, 65), (0.55, 0.74), (0.1, 0.5), (222, 196, 172), (240, 236, 230), (0.01, 0.10)
    ),
    "low sun": Weather(
        0.08, (8, 20), (0.38, 0.60), (0.0, 0.2), (206, 166, 124), (196, 216, 238), (0.01, 0.12), (0.85, 1.0)
    ),
    "overcast": Weather(
        0.30,
        (15, 65),
        (0.76, 0.92),
        (0.85, 1.0),
        (226, 222, 218),
        (236, 234, 232),
        (0.02, 0.20),
        (0.8, 1.05),
        (-0.05, 0.02),
    ),
    "dusk": Weather(
        0.06,
        (1, 8),
        (0.80, 0.95),
        (0.8, 1.0),
        (132, 96, 74),
        (150, 160, 196),
        (0.02, 0.20),
        (0.35, 0.7),
        (-0.16, 0.10),
        (0.3, 1.0),
    ),
    "night": Weather(
        0.10,
        (40, 75),
        (0.70, 0.92),
        (0.0, 0.3),
        (22, 15, 13),
        (52, 46, 48),
        (0.0, 0.15),
        (0.16, 0.42),
        (-0.06, 0.30),
        (0.8, 1.0),
    ),
    "rain": Weather(
        0.08,
        (10, 60),
        (0.80, 0.94),
        (0.95, 1.0),
        (188, 184, 180),
        (208, 206, 202),
        (0.10, 0.45),
        (0.6, 0.95),
        (-0.08, 0.02),
        (0.0, 0.6),
        (0.5, 1.0),
        (0.1, 1.0),
    ),
    "fog": Weather(
        0.04,
        (10, 60),
        (0.84, 0.96),
        (0.95, 1.0),
        (216, 214, 212),
        (220, 218, 216),
        (0.50, 0.82),
        (0.75, 1.0),
        (-0.05, 0.03),
        (0.0, 0.5),
        (0.0, 0.4),
    ),
}


def sample_light(view: View, rng: np.random.Generator) -> Light:
    """Light of a random weather; in some scenes with colours and shadows beyond nature."""
    names = list(WEATHER)
    weights = np.array([WEATHER[name].weight for name in names])
    light = light_of(names[rng.choice(len(names), p=weights / weights.sum())], view, rng)
    return _beyond_nature(light, rng) if rng.random() < UNREAL else light


def light_of(name: str, view: View, rng: np.random.Generator) -> Light:
    """Light of a weather by its name in :data:`WEATHER`."""
    kind = WEATHER[name]

    def draw(limits: Range) -> float:
        return float(rng.uniform(*limits))

    elevation, azimuth = np.radians(draw(kind.elevation)), rng.uniform(0, 2 * np.pi)
    level, cloud, ambient, tint = draw(kind.level), draw(kind.cloud), draw(kind.ambient), draw(kind.tint)
    sky_color = level * _tinted(tint, rng)
    if kind.lamps[0] >= 0.8:
        # By night the lamps overhead stand for the sun.
        sun_color = level * _tinted(tint, rng) * (1 - cloud)
    else:
        sun_color = level * sun_tint(np.degrees(elevation), draw((0.03, 0.2))) * (1 - cloud)
    local = [np.cos(elevation) * np.cos(azimuth), -np.sin(elevation), np.cos(elevation) * np.sin(azimuth)]
    zenith, horizon = _sky(kind, tint, rng)
    wet = draw(kind.wet)
    if name in ("night", "dusk") and rng.random() < 0.2:
        wet = draw((0.3, 1.0))
    return Light(
        sun=view.ground_axes @ np.array(local),
        ambient=ambient,
        shadow=shadow_of(ambient, sun_color, sky_color, elevation) if cloud < 0.6 else 0.0,
        haze=draw(kind.haze),
        sun_color=sun_color,
        sky_color=sky_color,
        zenith=zenith,
        horizon=horizon,
        haze_color=np.clip(horizon * draw((0.88, 0.99)), 0, 255),
        lamps=draw(kind.lamps),
        wet=wet,
        rain=draw(kind.rain),
    )


def sun_tint(elevation: float, turbidity: float) -> np.ndarray:
    """What the air leaves of the sun's light, (3,) BGR as colours are displayed, 1 at 45 degrees.

    Rayleigh's and Angstrom's optical depths through Kasten and Young's (1989) air mass. elevation in
    degrees; turbidity: Angstrom's coefficient, from 0.02 in clear air to 0.2.
    """
    depth = 0.00877 * _WAVELENGTHS**-4.05 + turbidity * _WAVELENGTHS**-1.3

    def left(degrees: float) -> np.ndarray:
        mass = 1 / (np.sin(np.radians(degrees)) + 0.50572 * (degrees + 6.07995) ** -1.6364)
        return np.exp(-depth * mass)

    return (left(elevation) / left(45.0)) ** _DISPLAY


def shadow_of(ambient: float, sun_color: np.ndarray, sky_color: np.ndarray, elevation: float) -> float:
    """The share of a level ground's light that comes from the sun, elevation in radians."""
    direct = (FULL_LIGHT - ambient) * float(np.mean(sun_color)) * np.sin(elevation)
    return float(direct / (direct + ambient * float(np.mean(sky_color))))


def _tinted(tint: float, rng: np.random.Generator) -> np.ndarray:
    """(3,) BGR about 1, red up and blue down by `tint`, with a little of green or magenta."""
    return np.array([1 - tint, 1 + rng.normal(0, 0.01), 1 + tint])


def _sky(kind: Weather, tint: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Zenith and horizon, varied together in brightness and colour."""
    bright = np.exp(rng.normal(0.03, 0.10)) if max(kind.zenith) > 100 else np.exp(rng.normal(0, 0.5))
    cast = _tinted(tint / 2 + rng.normal(0, 0.02), rng)
    # Between the two: clouds and dust bring the zenith to the horizon's colour.
    mixed = rng.uniform(0.0, 0.5)
    zenith, horizon = np.array(kind.zenith), np.array(kind.horizon)
    zenith = zenith + mixed * (horizon - zenith)
    return np.clip(zenith * bright * cast, 0, 255), np.clip(horizon * np.sqrt(bright) * cast, 0, 255)


def _beyond_nature(light: Light, rng: np.random.Generator) -> Light:
    """The same scene under light of any colour, share and strength, one or several of them."""
    changes: dict[str, Callable[[], object]] = {
        "sun_color": lambda: light.sun_color * rng.uniform(0.5, 1.3, 3),
        "sky_color": lambda: light.sky_color * rng.uniform(0.6, 1.25, 3),
        "ambient": lambda: float(rng.uniform(0.3, 1.0)),
        "shadow": lambda: float(rng.uniform(0.0, 0.8)),
        "zenith": lambda: rng.uniform(0, 255, 3),
        "horizon": lambda: rng.uniform(0, 255, 3),
        "haze_color": lambda: rng.uniform(60, 255, 3),
        "wet": lambda: float(rng.uniform(0, 1)),
    }
    drawn = {name: change() for name, change in changes.items() if rng.random() < 0.6}
    return replace(light, **drawn)  # type: ignore[arg-type]
