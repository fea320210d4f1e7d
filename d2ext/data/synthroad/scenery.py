"""Everything around the road users: sky, ground, road markings, houses, trees and lamps."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from d2ext.data.synthroad.buildings import draw_house
from d2ext.data.synthroad.ground import Ground, finish
from d2ext.data.synthroad.lamplight import cast_lamps, dapple, draw_streaks
from d2ext.data.synthroad.markings import draw_markings
from d2ext.data.synthroad.neighbourhood import make_neighbourhood
from d2ext.data.synthroad.plants import cast_shadows, draw_plant
from d2ext.data.synthroad.posts import draw_post
from d2ext.data.synthroad.raster import Canvas
from d2ext.data.synthroad.roadside import draw_strip
from d2ext.data.synthroad.scene import Scene
from d2ext.data.synthroad.setting import lane_profile, make_setting
from d2ext.data.synthroad.sky import draw_sky, draw_skyline
from d2ext.data.synthroad.surfaces import draw_surfaces


@dataclass(frozen=True)
class _Backdrop:
    """A scene without its objects: colour (H, W, 3) of sky and ground; colour, inverse depth (H, W) and mask
    (H, W) of what stands there, all at canvas resolution."""

    scene: Scene
    ground: np.ndarray
    color: np.ndarray
    inverse_depth: np.ndarray
    mask: np.ndarray

    def shows(self, scene: Scene) -> bool:
        """Whether another scene has the same surroundings, seen in the same way."""
        mine = self.scene
        parts = ((mine.view, scene.view), (mine.road, scene.road), (mine.light, scene.light))
        return all(a is b for a, b in parts) and mine.scenery_seed == scene.scenery_seed


# A scene is drawn several times in a row, with fewer and fewer objects.
_last: list[_Backdrop] = []


def draw_background(canvas: Canvas, scene: Scene) -> None:
    """Sky, ground with the shadows of what stands beside the road, and far skyline; no depth is written."""
    canvas.color[:] = _backdrop(scene).ground


def draw_scenery(canvas: Canvas, scene: Scene) -> None:
    """Houses, trees and whatever stands along both sides, with depth; no ids are written."""
    backdrop = _backdrop(scene)
    cv2.copyTo(backdrop.color, backdrop.mask, canvas.color)
    np.maximum(canvas.inverse_depth, backdrop.inverse_depth, out=canvas.inverse_depth)


def forget() -> None:
    """Drop what is kept of the scene that was drawn last."""
    _last.clear()


def _backdrop(scene: Scene) -> _Backdrop:
    if not _last or not _last[0].shows(scene):
        _last[:] = [_draw(scene)]
    return _last[0]


def _draw(scene: Scene) -> _Backdrop:
    canvas = Canvas(scene.view)
    setting = make_setting(scene)
    around = make_neighbourhood(scene, setting)
    ground = Ground(canvas, scene)
    draw_sky(canvas, scene, ground.sky)
    draw_surfaces(ground, setting)
    draw_markings(ground, setting)
    cast_shadows(ground, around)
    dapple(ground, setting)
    cast_lamps(ground, around)
    finish(ground, lane_profile(scene, setting), np.random.default_rng([scene.scenery_seed, 8]))
    draw_streaks(ground, around)
    if ground.sky:
        draw_skyline(canvas, scene, setting)
    behind = canvas.color.copy()
    for post in around.posts:
        draw_post(canvas, scene, post)
    for house in sorted(around.houses, key=lambda house: abs(house.q[0])):
        draw_house(canvas, scene, house)
    tint = np.array([1.0, 1.0, 1.0]) if setting.season == 0 else np.array([0.8, 0.95, 1.25])
    for strip in around.strips:
        draw_strip(canvas, scene, strip, tint)
    for plant in sorted(around.plants, key=lambda plant: plant.q):
        draw_plant(canvas, scene, plant)
    mask = (canvas.inverse_depth > 0).astype(np.uint8)
    without = replace(scene, objects=[], distractors=[])
    return _Backdrop(without, behind, canvas.color, canvas.inverse_depth, mask)
