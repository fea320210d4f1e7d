"""A scene -> picture, and what is visible of every object."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import cv2
import numpy as np

from d2ext.data.synthroad.objects import draw_objects, draw_shadows
from d2ext.data.synthroad.raster import SCALE, Canvas
from d2ext.data.synthroad.scene import Scene, Sensor
from d2ext.data.synthroad.scenery import draw_background, draw_scenery


@dataclass(frozen=True)
class Rendering:
    """image (H, W, 3) BGR; ids (2H, 2W): object index + 1, 0 elsewhere.

    visible_area, whole_area: (N,) in image pixels, with and without what hides the object.
    """

    image: np.ndarray
    ids: np.ndarray
    visible_area: np.ndarray
    whole_area: np.ndarray


def render(scene: Scene, rng: np.random.Generator) -> Rendering:
    """Draw a scene with at most 255 objects. rng drives the sensor noise only."""
    canvas = Canvas(scene.view)
    draw_background(canvas, scene)
    draw_shadows(canvas, scene)
    draw_scenery(canvas, scene)
    visible, alone = draw_objects(canvas, scene)
    size = (scene.view.width, scene.view.height)
    image = cv2.resize(canvas.color, size, interpolation=cv2.INTER_AREA)
    area = SCALE * SCALE
    return Rendering(_expose(image, scene.sensor, rng), canvas.ids, visible / area, alone / area)


def _expose(image: np.ndarray, sensor: Sensor, rng: np.random.Generator) -> np.ndarray:
    """Lens blur, colour cast, contrast and sensor noise."""
    image = cv2.GaussianBlur(image, (0, 0), sensor.blur)
    levels = np.arange(256)[:, None]
    curve = (128 + (levels - 128) * sensor.contrast) * sensor.gain
    image = cv2.LUT(image, np.clip(np.rint(curve), 0, 255).astype(np.uint8)[:, None, :])
    # Gaussian noise through its quantiles: random bytes are an order of magnitude faster than normal numbers.
    random = np.frombuffer(rng.bytes(image.size), np.uint8).reshape(image.shape)
    grain = cv2.LUT(random, np.clip(np.rint(128 + sensor.noise * _quantiles()), 0, 255).astype(np.uint8))
    return cv2.addWeighted(image, 1.0, grain, 1.0, -128.0)


@cache
def _quantiles() -> np.ndarray:
    """The standard normal distribution at 256 evenly spaced probabilities."""
    return np.array([NormalDist().inv_cdf((k + 0.5) / 256) for k in range(256)])
