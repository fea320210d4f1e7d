"""How much light falls on a surface, and how much air lies before it."""

from __future__ import annotations

import numpy as np

from d2ext.data.synthroad.scene import Light


def irradiance(normal: np.ndarray, light: Light) -> np.ndarray:
    """What the colour of a surface with unit normals (..., 3) is multiplied by, (..., 3) BGR: Lambert."""
    diffuse = np.clip(normal @ light.sun, 0, None)[..., None]
    return light.ambient * light.sky_color + (1.08 - light.ambient) * diffuse * light.sun_color


def air(distance: np.ndarray | float, light: Light) -> np.ndarray:
    """Share (...) of the haze's colour at a distance in metres: Beer's law."""
    clear = 1.0 - min(light.haze, 0.999)
    return 1.0 - clear ** (np.clip(distance, 0, 2000) / 100.0)


def through_air(color: np.ndarray, distance: float, light: Light) -> np.ndarray:
    """A colour (3,) as it is seen from a distance in metres, in 0-255."""
    share = float(air(distance, light))
    return np.clip(color + (light.haze_color - color) * share, 0, 255)
