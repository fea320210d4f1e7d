"""Places on the earth in metres."""

from __future__ import annotations

import numpy as np

_AXIS, _FLATTENING = 6378137.0, 1 / 298.257223563  # of the WGS 84 ellipsoid
_SQUARED = _FLATTENING * (2 - _FLATTENING)  # eccentricity


def east_north(
    latitude: np.ndarray, longitude: np.ndarray, origin: tuple[float, float] | None = None
) -> np.ndarray:
    """(N, 2) metres to the east and to the north, on the plane that touches WGS 84 at the origin.

    What is 6 km away is 1 mm nearer there than along the ellipsoid.

    Args:
        latitude, longitude: (N,) degrees.
        origin: latitude and longitude in degrees; None: the mean of the places.

    Raises:
        ValueError: degrees that are none.
    """
    for name, values, most in (("latitude", latitude, 89.9), ("longitude", longitude, 360.0)):
        if not (np.abs(values) <= most).all():
            raise ValueError(
                f"{name}: expected degrees within +-{most:g}, got {values[np.abs(values).argmax()]:g}"
            )
    if origin is None:
        turned = (longitude - longitude[0] + 180) % 360 - 180  # across the date line too
        origin = float(latitude.mean()), float(longitude[0] + turned.mean())
    phi = np.radians(origin[0])
    away = _geocentric(latitude, longitude - origin[1]) - _geocentric(np.array(origin[:1]), np.zeros(1))
    north = away @ np.array([-np.sin(phi), 0.0, np.cos(phi)])
    return np.stack([away[:, 1], north], 1)


def _geocentric(latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    """(N, 3) metres from the earth's middle: to longitude 0, to 90 degrees east, to the pole."""
    phi, lam = np.radians(latitude), np.radians(longitude)
    across = _AXIS / np.sqrt(1 - _SQUARED * np.sin(phi) ** 2)
    ring = across * np.cos(phi)
    return np.stack([ring * np.cos(lam), ring * np.sin(lam), across * (1 - _SQUARED) * np.sin(phi)], 1)
