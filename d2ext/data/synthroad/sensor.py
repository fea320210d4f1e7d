"""Sampling cameras: good ones and poor ones, exposed for the light they stand in."""

from __future__ import annotations

import numpy as np

from d2ext.data.synthroad.geometry import View
from d2ext.data.synthroad.light import FULL_LIGHT, UNREAL
from d2ext.data.synthroad.scene import Light, Sensor

# Cameras higher than this stand by the road: softer, and some burn the time into the picture.
_CAR_HEIGHT = 3.0


def sample_sensor(light: Light, view: View, rng: np.random.Generator, unreal_share: float = UNREAL) -> Sensor:
    """A random camera, good or poor, with the exposure and the noise that this light brings; a share of them
    with colours that no camera has."""
    pole = view.plane[3] > _CAR_HEIGHT
    unreal = rng.random() < unreal_share
    poor = unreal or rng.random() < (0.3 if pole else 0.15)
    dark = float(np.clip(1.2 - np.mean(_level(light, view)) * 1.6, 0, 1))
    gain = _gain(light, view, rng) * (rng.uniform(0.7, 1.2, 3) if unreal else 1.0)

    def maybe(share: float, low: float, high: float, otherwise: float = 0.0) -> float:
        value = float(rng.uniform(low, high))
        return value if rng.random() < share else otherwise

    gray = rng.random() < 0.02 + 0.1 * dark * pole
    return Sensor(
        gain=gain,
        contrast=float(np.clip(rng.normal(1.12, 0.16), 0.7, 1.5)),
        gamma=float(np.exp(rng.normal(0, 0.12))),
        saturation=float(rng.uniform(0, 0.25) if gray else np.clip(rng.normal(0.95, 0.2), 0.4, 1.6)),
        vignetting=maybe(0.6, 0.03, 0.35),
        blur=float(rng.uniform(0.5, 1.6) if poor else rng.uniform(0.2, 0.6)) + maybe(0.03, 0.5, 1.2),
        motion=(maybe(0.15 + 0.3 * dark, 1.5, 4 + 4 * dark), float(rng.uniform(0, np.pi))),
        chroma=maybe(0.5, 0.1, 2.0 if poor else 1.2),
        bloom=maybe(0.6, 0.01, 0.12) + 0.25 * dark,
        noise=float(rng.uniform(0.5, 2.5) * (2.0 if poor else 1.0) * (1 + 2.5 * dark)),
        color_noise=float(rng.uniform(0.1, 0.6 + 0.6 * dark)),
        grain=maybe(0.7, 0.3, 0.8),
        sharpen=maybe(0.7, 0.15, 1.6 if poor else 0.9),
        jpeg=int(rng.integers(40, 96)) if rng.random() < 0.55 else None,
        resample=maybe(0.5 if poor else 0.15, 0.35 if poor else 0.65, 0.95, 1.0),
        dirt=maybe(0.3 if light.rain else 0.04, 0.2, 1.0),
        stamp=_stamp(rng) if pole and rng.random() < 0.12 else "",
    )


def _level(light: Light, view: View) -> np.ndarray:
    """Mean light (3,) on the ground and on what stands upright there."""
    up = float(light.sun @ view.plane[:3])
    upright = np.sqrt(max(1 - up * up, 0.0)) / np.pi  # mean over all directions it may face
    direct = (FULL_LIGHT - light.ambient) * light.sun_color
    return light.ambient * light.sky_color + direct * (max(up, 0.0) + upright) / 2


def _gain(light: Light, view: View, rng: np.random.Generator) -> np.ndarray:
    """Exposure and white balance that make up for most of the light's strength and colour, with errors."""
    level = _level(light, view)
    gray = float(np.mean(level))
    exposure = (0.95 / gray) ** rng.uniform(0.5, 0.9) * np.exp(rng.normal(0, 0.14))
    balance = (gray / level) ** rng.uniform(0.5, 1.0)
    warmth, green = rng.normal(0, 0.05), rng.normal(0, 0.015)
    return np.clip(exposure * balance * np.exp([-warmth, green, warmth]), 0.35, 4.0)


def _stamp(rng: np.random.Generator) -> str:
    """A date and a time as surveillance cameras write them."""
    year, month, day = rng.integers([2012, 1, 1], [2026, 13, 29])
    hour, minute, second = rng.integers([0, 0, 0], [24, 60, 60])
    date = ("{0}-{1:02d}-{2:02d}", "{1:02d}/{2:02d}/{0}", "{0}.{1:02d}.{2:02d}")[rng.integers(3)]
    name = f" CAM {rng.integers(1, 100):02d}" if rng.random() < 0.5 else ""
    return date.format(year, month, day) + f" {hour:02d}:{minute:02d}:{second:02d}" + name
