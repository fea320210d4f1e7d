"""How much light falls on a surface, and how much air lies before it."""

from __future__ import annotations

import math

import numpy as np

from d2ext.data.synthroad.scene import Light


def irradiance(normal: np.ndarray, light: Light) -> np.ndarray:
    """What the colour of a surface with unit normals (..., 3) is multiplied by, (..., 3) BGR: Lambert."""
    diffuse = np.clip(normal @ light.sun, 0, None)[..., None]
    return light.ambient * light.sky_color + (1.08 - light.ambient) * diffuse * light.sun_color


def extinction(light: Light) -> float:
    """What air takes of light per metre: Beer's law leaves exp(-extinction * metres)."""
    return -math.log(1.0 - min(light.haze, 0.999)) / 100.0


def air(distance: float, light: Light) -> float:
    """Share of the haze's colour at a distance in metres."""
    return 1.0 - math.exp(-extinction(light) * min(max(distance, 0.0), 2000.0))
