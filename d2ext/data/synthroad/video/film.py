"""Drawing the pictures of a clip: what stands still once, then what moves, and the sensor's noise."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import cv2
import numpy as np

from d2ext.data.synthroad.exposure import expose
from d2ext.data.synthroad.objects import draw_objects, draw_shadows
from d2ext.data.synthroad.raster import SCALE, Canvas
from d2ext.data.synthroad.scene import Scene, Sensor
from d2ext.data.synthroad.scenery import draw_background, draw_scenery
from d2ext.data.synthroad.video.clip import Clip
from d2ext.data.synthroad.video.section import RATE
from d2ext.data.synthroad.video.tracks import Track, in_picture, make_tracks
from d2ext.data.synthroad.weather import apply_weather

# Objects that one picture can hold; the farthest ones are left out.
_MOST = 90
_CLOCK = re.compile(r"\d\d:\d\d:\d\d")


@dataclass(frozen=True)
class Shot:
    """A picture (H, W, 3) BGR, and what it shows: tracks, the row of each, and the share of each that others
    do not hide."""

    image: np.ndarray
    shown: list[tuple[Track, int]]
    seen: np.ndarray


class Film:
    """A clip that can be drawn, picture by picture, in any order."""

    def __init__(self, clip: Clip) -> None:
        self.clip = clip
        self.tracks = make_tracks(clip)
        self._scenes = {False: clip.site.scene, True: clip.site.red}

    def shoot(self, frame: int) -> Shot:
        """Draw one picture; it depends on the clip and on its number only."""
        shown = sorted(in_picture(self.tracks, frame), key=lambda one: float(one[0].location[one[1], 2]))
        shown = shown[:_MOST]
        items = [track.item(row) for track, row in shown]
        still = self._scenes[bool(self.clip.red[frame])]
        scene = replace(still, objects=items, sensor=_at(still.sensor, frame))
        image, visible, alone = _draw(scene, self._steady(), self._grain(frame))
        return Shot(image, shown, np.where(alone > 0, visible / np.maximum(alone, 1), 0.0))

    def _steady(self) -> np.random.Generator:
        """What is the same in every picture: dirt on the lens, glare, the rain's slant."""
        return np.random.default_rng(self.clip.seed)

    def _grain(self, frame: int) -> np.random.Generator:
        return np.random.default_rng([*self.clip.seed, frame + 1])


def _draw(
    scene: Scene, steady: np.random.Generator, grain: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    canvas = Canvas(scene.view)
    draw_background(canvas, scene)
    draw_shadows(canvas, scene)
    draw_scenery(canvas, scene)
    visible, alone = draw_objects(canvas, scene)
    size = (scene.view.width, scene.view.height)
    image = cv2.resize(canvas.color, size, interpolation=cv2.INTER_AREA)
    depth = canvas.inverse_depth[::SCALE, ::SCALE]
    image = apply_weather(image, depth, scene.view, scene.light, steady, grain)
    return expose(image, scene.sensor, steady, grain), visible, alone


def _at(sensor: Sensor, frame: int) -> Sensor:
    """The sensor with the clock that it burns into its pictures set on."""
    found = _CLOCK.search(sensor.stamp)
    if not found:
        return sensor
    clock = datetime.strptime(found.group(), "%H:%M:%S") + timedelta(seconds=frame // RATE)
    return replace(sensor, stamp=_CLOCK.sub(f"{clock:%H:%M:%S}", sensor.stamp))
