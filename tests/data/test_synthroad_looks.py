"""How SynthRoad's objects look: colours that keep their names, fronts and rears, shadows, determinism."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from d2ext.data.synthroad.geometry import View, plane_from_tilt
from d2ext.data.synthroad.models import DISTRACTOR, SHAPES
from d2ext.data.synthroad.objects import draw_objects, draw_shadows
from d2ext.data.synthroad.palette import PAINT
from d2ext.data.synthroad.raster import Canvas
from d2ext.data.synthroad.scene import Light, Road, Scene, SceneObject
from d2ext.evaluation.colors import lab, nearest_colors

NAMES = list(PAINT)

ROAD = Road(0.0, 0.0, 3.5, 1, 1, 0.0, 2.0, None, None)
SUNNY, OVERCAST = (0.60, 0.38), (0.80, 0.0)
# Cones, carts and the like have no front, and trams have two.
WITH_FRONT = [
    (category, shape)
    for category in ("car", "van", "truck", "bus", "pedestrian", "person_sitting", "cyclist")
    for shape in SHAPES[category]
]
WITH_FRONT += [(category, shape) for category in ("motorcyclist", "tricyclist") for shape in SHAPES[category]]
VEHICLES = [(category, shape) for category in ("car", "van", "truck", "bus") for shape in SHAPES[category]]


def _scene(
    category: str,
    shape: str,
    color: str = "red",
    yaw: float = 0.6,
    seed: int = 0,
    light: tuple[float, float] = SUNNY,
    height: float = 5.0,
    distance: float = 22.0,
) -> Scene:
    """One object in the middle of a picture of 480 x 300 pixels."""
    focal = 700.0
    projection = np.array([[focal, 0, 240, 0], [0, focal, 150, 0], [0, 0, 1.0, 0]])
    view = View(projection, plane_from_tilt(height, np.arctan2(height - 1, distance), 0.0), 480, 300, True)
    size = np.array(SHAPES[category][shape].size.mean)
    location = view.ground_point(0.0, distance)
    item = SceneObject(
        category, color, size, location, yaw, view.box_corners(location, size, yaw), shape, seed
    )
    sun = view.ground_axes @ np.array([0.48, -0.64, -0.6])
    return Scene(view, ROAD, Light(sun, light[0], light[1], 0.03), 1, [item])


def _draw(scene: Scene) -> Canvas:
    canvas = Canvas(scene.view)
    canvas.color[:] = 100
    draw_shadows(canvas, scene)
    draw_objects(canvas, scene)
    return canvas


def _picture(number: int, color: str, light: tuple[float, float]) -> np.ndarray:
    """One of VEHICLES in a colour, from some side."""
    category, shape = VEHICLES[number]
    return _draw(_scene(category, shape, color, 0.9 * number, number, light)).color.astype(float)


@cache
def _paint(number: int) -> np.ndarray:
    """Which pixels of the picture show paint."""
    white, black = (_picture(number, color, SUNNY) for color in ("white", "black"))
    return np.linalg.norm(white - black, axis=2) > 120


@pytest.mark.parametrize("light", [SUNNY, OVERCAST], ids=["sunny", "overcast"])
@pytest.mark.parametrize("color", PAINT)
def test_paint_keeps_the_name_of_its_colour(color: str, light: tuple[float, float]) -> None:
    """Paint is what changes with the colour's name; its median is nearest to the colour of that name."""
    wrong = []
    for number, (_, shape) in enumerate(VEHICLES):
        picture, paint = _picture(number, color, light), _paint(number)
        assert paint.sum() > 300
        nearest = NAMES[nearest_colors(np.median(lab(picture[paint]), axis=0)[None])[0]]
        if nearest != color:
            wrong.append((shape, nearest))
    assert not wrong


@pytest.mark.parametrize(("category", "shape"), WITH_FRONT)
def test_front_and_rear_look_different(category: str, shape: str) -> None:
    """Turned round in the same light, an object gives another picture."""
    turns = (np.pi / 2, -np.pi / 2)
    front, rear = (_draw(_scene(category, shape, "gray", yaw, light=OVERCAST, height=2.5)) for yaw in turns)
    both = (front.ids > 0) & (rear.ids > 0)
    change = np.abs(front.color.astype(int) - rear.color).max(axis=2)[both]
    assert np.mean(change > 25) > 0.06


def test_vehicles_have_red_lamps_at_the_rear_only() -> None:
    for category, shape in VEHICLES:
        shares = []
        for turn in (1, 3):
            scene = _scene(category, shape, "gray", yaw=turn * np.pi / 2, height=2.5)
            canvas = _draw(scene)
            b, g, r = (canvas.color[canvas.ids > 0].astype(int)[:, k] for k in range(3))
            shares.append(np.mean((r > 90) & (r > 2 * g) & (r > 2 * b)))
        front, rear = shares
        assert rear > 0.003 and front < 0.25 * rear, shape


def test_shading_leaves_numbers_and_depth_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from d2ext.data.synthroad import objects

    scene = _scene("car", "sedan")
    canvas, plain = Canvas(scene.view), Canvas(scene.view)
    areas = draw_objects(canvas, scene)
    monkeypatch.setattr(objects, "shade_object", lambda *_: None)
    expected = draw_objects(plain, scene)
    np.testing.assert_array_equal(canvas.ids, plain.ids)
    np.testing.assert_array_equal(canvas.inverse_depth, plain.inverse_depth)
    np.testing.assert_array_equal(areas, expected)
    assert areas[0][0] == (canvas.ids == 1).sum()


def test_the_same_object_is_drawn_the_same_again_and_another_seed_differs() -> None:
    first, again = (_draw(_scene("car", "suv", seed=4)).color for _ in range(2))
    np.testing.assert_array_equal(first, again)
    other = _draw(_scene("car", "suv", seed=5)).color
    assert (first != other).any()


def test_depth_of_a_drawn_object_lies_within_its_box() -> None:
    scene = _scene("van", "panel", yaw=1.0)
    canvas = _draw(scene)
    depth = 1.0 / canvas.inverse_depth[canvas.ids == 1]
    corners = scene.objects[0].corners[:, 2]
    # Border pixels may reach a little beyond a face's corners.
    assert depth.min() > corners.min() - 0.3 and depth.max() < corners.max() + 0.3


def test_shadows_fall_away_from_the_sun() -> None:
    """The darkest ground beside a vehicle, without the darkness all around it, lies opposite to the sun."""
    scene = _scene("truck", "box", yaw=0.0, height=9.0, distance=30.0)
    dark = _draw(scene).color.astype(int)[..., 1] < 80
    dark &= _draw(scene).ids == 0
    diffuse = _draw(replace(scene, light=replace(scene.light, shadow=0.0)))
    dark &= diffuse.color[..., 1] > 90
    ys, xs = np.nonzero(dark)
    assert len(ys) > 500
    # The sun stands at the right and behind the camera.
    middle = scene.view.project(scene.objects[0].location)[0] * 2
    assert xs.mean() < middle[0]


def test_distractors_hide_objects_and_have_no_number() -> None:
    scene = _scene("pedestrian", "standing", distance=24.0)
    where = scene.view.ground_point(0.0, 20.0)
    size = np.array([2.4, 1.4, 0.25])
    poster = SceneObject(
        DISTRACTOR, "red", size, where, np.pi / 2, scene.view.box_corners(where, size, np.pi / 2), "poster", 3
    )
    alone, hidden = Canvas(scene.view), Canvas(scene.view)
    free = draw_objects(alone, scene)
    behind = draw_objects(hidden, replace(scene, distractors=[poster]))
    assert (alone.ids > 0).sum() == free[0][0] > 2 * behind[0][0]
    assert behind[1][0] == free[1][0]
    assert (hidden.color != alone.color).any()


@pytest.mark.filterwarnings("error")
def test_an_object_that_reaches_behind_the_camera_is_cut_off() -> None:
    """Beside the camera: only what lies before it is drawn, and it is the bottom left of the picture."""
    scene = _scene("bus", "city", yaw=np.pi / 2, height=1.6, distance=10.0)
    where = scene.view.ground_point(-2.4, 3.0)
    item = scene.objects[0]
    corners = scene.view.box_corners(where, item.size, item.yaw)
    assert corners[:, 2].min() < 0 < corners[:, 2].max()
    canvas = _draw(replace(scene, objects=[replace(item, location=where, corners=corners)]))
    ys, xs = np.nonzero(canvas.ids)
    assert 0.05 < len(ys) / canvas.ids.size < 0.9
    assert xs.min() == 0 and xs.mean() < canvas.ids.shape[1] / 2
    assert (1 / canvas.inverse_depth[ys, xs]).min() > 0.4
