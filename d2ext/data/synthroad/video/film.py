"""Drawing the pictures of a clip: what stands still once, then what moves, and the sensor's noise."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from d2ext.data.synthroad.raster import SCALE
from d2ext.data.synthroad.render import render
from d2ext.data.synthroad.scene import Sensor
from d2ext.data.synthroad.video.clip import Clip
from d2ext.data.synthroad.video.section import RATE
from d2ext.data.synthroad.video.tracks import Track, in_picture, make_tracks

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
        found = render(scene, self._steady(), self._grain(frame))
        whole = np.maximum(found.whole_area, 1 / SCALE**2)  # a sample at least
        return Shot(found.image, shown, found.visible_area / whole)

    def _steady(self) -> np.random.Generator:
        """What is the same in every picture: dirt on the lens, glare, the rain's slant."""
        return np.random.default_rng(self.clip.seed)

    def _grain(self, frame: int) -> np.random.Generator:
        return np.random.default_rng([*self.clip.seed, frame + 1])


def _at(sensor: Sensor, frame: int) -> Sensor:
    """The sensor with the clock that it burns into its pictures set on."""
    found = _CLOCK.search(sensor.stamp)
    if not found:
        return sensor
    clock = datetime.strptime(found.group(), "%H:%M:%S") + timedelta(seconds=frame // RATE)
    return replace(sensor, stamp=_CLOCK.sub(f"{clock:%H:%M:%S}", sensor.stamp))
