"""What smooth surfaces mirror and what light falls on them: sky, skyline and ground around a scene."""

from __future__ import annotations

import cv2
import numpy as np

from d2ext.data.synthroad.raster import sampled
from d2ext.data.synthroad.scene import Scene

_SIDE = 96
_BRIGHTER = 1.12


class Surroundings:
    """The light of a scene in its ground's frame: x right, y up, z forward.

    sun (3,); image (96, 96, 3): what is seen in every direction, in 0-255, by Lambert's equal-area map around
    the zenith (the horizon is a circle of radius 0.5 ** 0.5).
    """

    def __init__(self, scene: Scene) -> None:
        self.light, self.scene = scene.light, scene
        axes = scene.view.ground_axes
        self.to_ground = axes.T * np.array([[1.0], [-1.0], [1.0]])
        self.sun = (self.to_ground @ scene.light.sun).astype(np.float32)
        self.image = _panorama(scene, np.random.default_rng([scene.scenery_seed, 2]))

    def seen(self, directions: np.ndarray) -> np.ndarray:
        """(3, N) unit directions, y up -> (N, 3) colours."""
        radius = 1.0 / np.sqrt(np.maximum(2.0 + 2.0 * directions[1], 1e-4))
        half = (_SIDE - 1) / 2
        u = half + half * directions[0] * radius
        v = half + half * directions[2] * radius
        return sampled(self.image, u, v)


def _panorama(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    light = scene.light
    grid = (np.arange(_SIDE) + 0.5) / _SIDE * 2 - 1
    x, z = np.meshgrid(grid, grid)
    squared = np.clip(x * x + z * z, 0, 1)
    up = 1 - 2 * squared
    azimuth = np.arctan2(x, z)
    clouds = cv2.GaussianBlur(rng.normal(0, 1, (_SIDE, _SIDE)), (0, 0), 5)
    clouds = np.clip(clouds / clouds.std(), -1.5, 1.5)[..., None] * 10
    height = np.clip(up, 0, 1)[..., None] ** 0.5
    # The sky is brighter than a picture can show.
    sky = _BRIGHTER * (light.horizon + (light.zenith - light.horizon) * height + clouds)
    level = light.ambient * np.asarray(light.sky_color)
    skyline, shade = _skyline(azimuth, rng)
    walls = shade[..., None] * level * (1 + 0.35 * np.asarray(light.sun_color) * light.shadow)
    ground = np.array([104.0, 104.0, 103.0]) * (level + 0.25 * np.asarray(light.sun_color))
    image = np.where((up < skyline)[..., None], walls, sky)
    image = np.where((up < 0)[..., None], ground * (0.72 + 0.28 * np.clip(1 + up, 0, 1))[..., None], image)
    image = cv2.GaussianBlur(image, (0, 0), 0.8)
    return np.maximum(image, 0).astype(np.float32)


def _skyline(azimuth: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Houses, trees and gaps all around: the sine of their height, and their brightness, by azimuth."""
    count = int(rng.integers(14, 30))
    cell = np.floor((azimuth / (2 * np.pi) + 0.5) * count).astype(int) % count
    tall = rng.uniform(0.04, 0.34, count) * (rng.random(count) < 0.8)
    return tall[cell], rng.uniform(48, 150, count)[cell]
