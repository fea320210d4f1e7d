"""A picture with its tracks, their speeds, and what is wrong."""

from __future__ import annotations

import numpy as np

from d2ext.visualization.canvas import PALETTE, draw_text
from d2ext.visualization.draw3d import draw_boxes3d

from .chain import Look, Watch

#: Colours (BGR) of vehicles of an alarm, and of others.
ALARM, CALM = (40, 40, 230), PALETTE[1]
_LINES = 4


def draw_look(image: np.ndarray, look: Look, watch: Watch) -> np.ndarray:
    """Boxes with number and km/h, those of alarms in red, and the alarms in words.

    Args:
        image: (H, W, 3) uint8 BGR.

    Returns:
        (H, W, 3) uint8 BGR.
    """
    guilty = {number for event in look.alarms for number in event.vehicles}
    speeds = {vehicle.id: vehicle.speed for vehicle in look.vehicles}
    labels, colors = [], []
    for number, speed in zip(look.tracked.ids.tolist(), look.tracked.speed.tolist(), strict=True):
        labels.append(f"{number}: {3.6 * abs(speeds.get(number, speed)):.0f} km/h")
        colors.append(ALARM if number in guilty else CALM)
    boxes = watch.frame.boxes3d(look.tracked).to("cpu")
    picture = draw_boxes3d(image, boxes, watch.camera, labels, colors)
    size = max(10, image.shape[0] // 28)
    lines = [f"{look.time:.1f} s"]
    lines += [f"{e.kind.replace('_', ' ')}: {', '.join(map(str, e.vehicles[:4]))}" for e in look.alarms]
    shown = lines[:_LINES]
    height, width = round((len(shown) + 0.5) * 1.3 * size), round(0.6 * size * max(map(len, shown))) + size
    picture[:height, :width] //= 3  # so that text is read on any sky
    for i, line in enumerate(shown):
        draw_text(
            picture, line, size // 2, (i + 1.2) * 1.3 * size, size, PALETTE[0] if i else (255, 255, 255)
        )
    return picture
