"""Everything around the road users: sky, ground, road markings, houses, trees and lamps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

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

_Layers = list[np.ndarray]
_kept: dict[str, tuple[Scene, _Layers]] = {}


def forget() -> None:
    """Drop what is kept of the scene that was drawn last."""
    _kept.clear()


def draw_background(canvas: Canvas, scene: Scene) -> None:
    """Sky, ground with the shadows of what stands beside the road, and far skyline; no depth is written."""
    (color,) = _layers("background", scene, _background)
    canvas.color[:] = color


def draw_scenery(canvas: Canvas, scene: Scene) -> None:
    """Houses, trees and whatever stands along both sides, with depth; no ids are written."""
    color, inverse_depth, mask = _layers("scenery", scene, _scenery)
    cv2.copyTo(color, mask, canvas.color)
    np.maximum(canvas.inverse_depth, inverse_depth, out=canvas.inverse_depth)


def _layers(name: str, scene: Scene, draw: Callable[[Canvas, Scene], _Layers]) -> _Layers:
    """What `draw` makes of a scene; kept until another scene comes: one is drawn several times in a row."""
    last, layers = _kept.get(name, (None, []))
    same = last is not None and all(
        getattr(last, part) is getattr(scene, part) for part in ("view", "road", "light", "scenery_seed")
    )
    if not same:
        layers = draw(Canvas(scene.view), scene)
        _kept[name] = (replace(scene, objects=[], distractors=[]), layers)
    return layers


def _background(canvas: Canvas, scene: Scene) -> _Layers:
    setting = make_setting(scene)
    ground = Ground(canvas, scene)
    draw_sky(canvas, scene, ground.sky)
    draw_surfaces(ground, setting)
    draw_markings(ground, setting)
    around = make_neighbourhood(scene, setting)
    cast_shadows(ground, around)
    dapple(ground, setting)
    cast_lamps(ground, around)
    finish(ground, lane_profile(scene, setting), np.random.default_rng([scene.scenery_seed, 8]))
    draw_streaks(ground, around)
    draw_skyline(canvas, scene, setting)
    return [canvas.color]


def _scenery(canvas: Canvas, scene: Scene) -> _Layers:
    setting = make_setting(scene)
    around = make_neighbourhood(scene, setting)
    for post in around.posts:
        draw_post(canvas, scene, post)
    for house in sorted(around.houses, key=lambda house: abs(house.q[0])):
        draw_house(canvas, scene, house)
    tint = np.array([1.0, 1.0, 1.0]) if setting.season == 0 else np.array([0.8, 0.95, 1.25])
    for strip in around.strips:
        draw_strip(canvas, scene, strip, tint)
    for plant in sorted(around.plants, key=lambda plant: plant.q):
        draw_plant(canvas, scene, plant)
    return [canvas.color, canvas.inverse_depth, (canvas.inverse_depth > 0).astype(np.uint8)]
