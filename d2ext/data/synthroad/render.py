"""A scene -> picture, and what is visible of every object."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from d2ext.data.synthroad.exposure import expose
from d2ext.data.synthroad.objects import draw_objects, draw_shadows
from d2ext.data.synthroad.raster import SCALE, Canvas
from d2ext.data.synthroad.scene import Scene
from d2ext.data.synthroad.scenery import draw_background, draw_scenery
from d2ext.data.synthroad.weather import apply_weather


@dataclass(frozen=True)
class Rendering:
    """image (H, W, 3) BGR; ids (2H, 2W): object index + 1, 0 elsewhere.

    visible_area, whole_area: (N,) in image pixels, with and without what hides the object.
    """

    image: np.ndarray
    ids: np.ndarray
    visible_area: np.ndarray
    whole_area: np.ndarray


def render(scene: Scene, rng: np.random.Generator, grain: np.random.Generator | None = None) -> Rendering:
    """Draw a scene with at most 255 objects.

    Args:
        rng: of rain, glare, dirt and noise.
        grain: of what differs from one picture of a video to the next, drops and noise; None: ``rng``.
    """
    canvas = Canvas(scene.view)
    draw_background(canvas, scene)
    draw_shadows(canvas, scene)
    draw_scenery(canvas, scene)
    visible, alone = draw_objects(canvas, scene)
    size = (scene.view.width, scene.view.height)
    image = cv2.resize(canvas.color, size, interpolation=cv2.INTER_AREA)
    depth = canvas.inverse_depth[::SCALE, ::SCALE]
    image = apply_weather(image, depth, scene.view, scene.light, rng, grain)
    area = SCALE * SCALE
    return Rendering(expose(image, scene.sensor, rng, grain), canvas.ids, visible / area, alone / area)
