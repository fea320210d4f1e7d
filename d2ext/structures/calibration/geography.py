"""Places on the earth in metres."""

from __future__ import annotations

import numpy as np

_AXIS, _FLATTENING = 6378137.0, 1 / 298.257223563  # of the WGS 84 ellipsoid


def east_north(latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    """(N, 2) metres to the east and to the north of the mean, along the ellipsoid's radii of curvature there;
    right to a millimetre within a kilometre or so, as places around a camera are.

    Args:
        latitude, longitude: (N,) degrees.

    Raises:
        ValueError: degrees that are none.
    """
    for name, values, most in (("latitude", latitude, 89.9), ("longitude", longitude, 360.0)):
        if not (np.abs(values) <= most).all():
            raise ValueError(
                f"{name}: expected degrees within +-{most:g}, got {values[np.abs(values).argmax()]:g}"
            )
    middle = np.radians(latitude.mean())
    squared = _FLATTENING * (2 - _FLATTENING)  # eccentricity
    root = np.sqrt(1 - squared * np.sin(middle) ** 2)
    turned = np.radians((longitude - longitude[0] + 180) % 360 - 180)  # across the date line too
    east = (turned - turned.mean()) * _AXIS / root * np.cos(middle)
    north = (np.radians(latitude) - middle) * _AXIS * (1 - squared) / root**3
    return np.stack([east, north], 1)
