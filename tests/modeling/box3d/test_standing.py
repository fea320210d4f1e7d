"""Boxes on a known ground against scipy's least squares of a naive projection, one box at a time."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.optimize import least_squares

from d2ext.data import image_record
from d2ext.engine import load_config
from d2ext.modeling.box3d.objects import ObjectBoxes
from d2ext.modeling.box3d.standing import stand_on_ground
from d2ext.projects.u2enet import add_u2enet_config
from d2ext.structures import Camera, plane_of_tilt

CONFIG = str(Path(__file__).resolve().parents[3] / "configs/U2ENet/u2enet_tiny_synthroad.yaml")
SIZE = (448, 800)
P = [[700.0, 0, 400, 20], [0, 710.0, 200, -5], [0, 0, 1, 0.01]]
DEPTH, PIXELS = 0.035, 0.06  # the standard deviations of the module
GROUND = {"pole": plane_of_tilt(7.0, 0.25, 0.03), "car": plane_of_tilt(1.65, 0.02, -0.01)}


def upright(plane, yaw):
    """Axes (length, down, width) of a box that stands on the plane (None: level), turned by yaw from the
    camera's x axis as it falls on the ground."""
    down = -np.array(plane[:3]) if plane is not None else np.array([0.0, 1.0, 0.0])
    right = np.array([1.0, 0, 0]) - down[0] * down
    right /= np.sqrt((right**2).sum())
    forward = np.cross(right, down)
    heading = math.cos(yaw) * right - math.sin(yaw) * forward
    return np.stack([heading, down, np.cross(heading, down)], 1)


def seen(foot, hwl, alpha, plane):
    """2D box, clipped, and projected centre and depth of a box that stands on ``foot``."""
    axes = upright(plane, alpha + math.atan2(foot[0], foot[2]))
    h, w, length = hwl
    points = [
        foot + axes @ [x * length / 2, -y * h, z * w / 2] for x in (-1, 1) for y in (0, 1) for z in (-1, 1)
    ] + [foot + axes @ [0, -h / 2, 0]]
    pixels = []
    for point in points:
        u, v, depth = np.array(P) @ [*point, 1]
        pixels.append((u / depth, v / depth))
    corners = np.array(pixels[:8])
    limit = [SIZE[1] - 1, SIZE[0] - 1]
    box = np.concatenate([corners.min(0), corners.max(0)]).clip(0, limit * 2)
    return box, np.array(pixels[8]), points[8][2]


def point_at(uv, depth):
    """The point (3,) of a depth that is seen at a pixel."""
    K, last = np.array(P)[:, :3], np.array(P)[:, 3]
    return np.linalg.solve(K, (depth + last[2]) * np.array([*uv, 1]) - last)


def naive(box2d, uv, first_depth, hwl, alpha, ground, plane, start, tilt):
    """The foot that minimises the sum of squares, found by scipy."""
    side = np.maximum(np.tile(box2d[2:] - box2d[:2], 2), 1) * PIXELS
    spread = np.sqrt(side**2 + (tilt * P[1][1]) ** 2)
    limit = [SIZE[1] - 1, SIZE[0] - 1]
    counts = np.concatenate([box2d[:2] >= 2, box2d[2:] <= np.array(limit) - 2])

    def foot_of(x):  # on the ground, whatever x and z are
        a, b, c, d = ground
        return np.array([x[0], -(a * x[0] + c * x[1] + d) / b, x[1]])

    def deviations(x):
        box, middle, depth = seen(foot_of(x), hwl, alpha, plane)
        far = np.log(max(depth, 0.5) / first_depth) / DEPTH
        return np.concatenate([(box - box2d) / spread * counts, (middle - uv) / spread[:2], [far]])

    return foot_of(least_squares(deviations, [start[0], start[2]], x_scale="jac", xtol=1e-12).x)


def scene(kind, level, seed=0, count=12):
    """Boxes as a head might predict them, each part a little off, and the record of their image."""
    rng = np.random.default_rng(seed)
    ground = GROUND[kind]
    plane = None if level else ground
    rows = []
    while len(rows) < count:
        x, z = rng.uniform(-12, 12), rng.uniform(8, 60)
        a, b, c, d = ground
        foot = np.array([x, -(a * x + c * z + d) / b, z])
        hwl, alpha = rng.uniform([1.2, 0.6, 0.8], [3, 2.2, 8]), rng.uniform(-3, 3)
        box, uv, _ = seen(foot, hwl, alpha, plane)
        if (box[2:] - box[:2]).min() < 4 or not (0 < uv[0] < SIZE[1] and 0 < uv[1] < SIZE[0]):
            continue
        depth = seen(foot, hwl, alpha, plane)[2] * math.exp(rng.normal() * 0.04)
        uv = uv + rng.normal(size=2) * 0.02 * (box[2:] - box[:2])
        box = (box + rng.normal(size=4) * 0.02 * np.tile(box[2:] - box[:2], 2)).clip(0, [799, 447] * 2)
        rows.append((box, uv, depth, hwl, alpha, foot))
    box, uv, depth, hwl, alpha, foot = (torch.tensor(np.array(x)) for x in zip(*rows, strict=True))
    center = torch.tensor(np.array([point_at(p, d) for p, d in zip(uv, depth, strict=True)]))
    unused = torch.zeros(count)
    boxes = ObjectBoxes(unused.long(), unused, box, center, hwl, alpha, depth, unused)
    record = {"camera": Camera(P, SIZE), "ground_plane": torch.tensor(ground), "ground_error": 0.002}
    return boxes, foot, record | {"box_plane": None if level else torch.tensor(ground)}


def feet(boxes, record):
    plane = record["box_plane"]
    up = torch.tensor([0.0, -1, 0]).double() if plane is None else plane[:3].double()
    return boxes.center - up * boxes.hwl[:, :1] / 2


@pytest.mark.parametrize("level", [False, True], ids=["on the ground", "level"])
@pytest.mark.parametrize("kind", list(GROUND))
def test_least_squares_of_scipy(kind, level):
    boxes, true, record = scene(kind, level)
    found = stand_on_ground(boxes, record)
    feet_found = feet(found, record)
    ground = np.array(GROUND[kind])
    plane = None if level else ground
    for i, foot in enumerate(feet_found.numpy()):
        u, v, depth = np.array(P) @ [*boxes.center[i].tolist(), 1]
        expected = naive(
            boxes.box2d[i].numpy(), np.array([u, v]) / depth, float(boxes.depth[i]), boxes.hwl[i].numpy(),
            float(boxes.alpha[i]), ground, plane, true[i].numpy(), record["ground_error"],
        )  # fmt: skip
        assert foot == pytest.approx(expected, abs=2e-3 * float(boxes.depth[i])), i
    off = feet_found @ torch.tensor(ground[:3]) + ground[3]
    assert off.abs().max() < 1e-4
    before, after = ((x - true).norm(dim=1) for x in (feet(boxes, record), feet_found))
    assert after.median() < 0.6 * before.median()


def test_exact_boxes_stay_where_they_are():
    boxes, true, record = scene("pole", False, seed=1)
    for i in range(len(true)):
        box, uv, depth = seen(true[i].numpy(), boxes.hwl[i].numpy(), float(boxes.alpha[i]), GROUND["pole"])
        boxes.box2d[i], boxes.depth[i] = torch.tensor(box), depth
        boxes.center[i] = torch.tensor(point_at(uv, depth))
    found = stand_on_ground(boxes, record)
    assert torch.allclose(found.center, boxes.center, atol=2e-4)


def test_the_less_is_known_of_the_ground_the_less_depth_changes():
    boxes, _, record = scene("car", True, seed=2)
    changes = []
    for degrees in (0.01, 0.5, 5.0, 90.0):
        found = stand_on_ground(boxes, record | {"ground_error": math.radians(degrees)})
        changes.append((found.depth / boxes.depth).log().abs().sum())
    assert changes == sorted(changes, reverse=True) and changes[-1] < 0.1 * changes[0]


@pytest.mark.parametrize("missing", ["ground_plane", "ground_error"])
def test_nothing_moves_where_the_ground_is_not_known(missing):
    boxes, _, record = scene("pole", False)
    assert stand_on_ground(boxes, record | {missing: None}) is boxes
    del record[missing]
    assert stand_on_ground(boxes, record) is boxes


def test_what_nothing_fits_stays_and_the_others_do_not_mind():
    boxes, _, record = scene("pole", False)
    alone = stand_on_ground(boxes, record)
    boxes.depth[3] *= 4  # as if it stood far behind where its base is
    boxes.center[3] *= 4
    found = stand_on_ground(boxes, record)
    assert torch.equal(found.center[3], boxes.center[3]) and found.depth[3] == boxes.depth[3]
    others = torch.arange(len(boxes.center)) != 3
    assert torch.equal(found.center[others], alone.center[others])


@pytest.mark.parametrize("value", [math.inf, math.nan, 0.0, -1e30])
@pytest.mark.parametrize("name", ["box2d", "center", "hwl", "alpha", "depth"])
def test_what_is_no_box_stays_and_the_others_do_not_mind(name, value):
    boxes, _, record = scene("pole", False)
    alone = stand_on_ground(boxes, record)
    getattr(boxes, name)[3] = value
    found = stand_on_ground(boxes, record)
    others = torch.arange(len(boxes.center)) != 3
    assert torch.equal(found.center[others], alone.center[others])
    if not math.isfinite(value):
        assert torch.equal(found.center[3].isnan(), boxes.center[3].isnan())


def test_none_at_all():
    boxes, _, record = scene("pole", False)
    assert len(stand_on_ground(boxes[:0], record).center) == 0


@pytest.mark.parametrize(
    ("ground", "options", "degrees"),
    [
        ([0, -1, 0, 1.6], [], 0.2),
        ([0, -1, 0, 1.6], ["INPUT.BOX_PLANE", "level"], 0.5),
        (None, ["INPUT.BOX_PLANE", "level", "MODEL.PLANE_HEAD.ENABLED", False], 1.0),
        ([0, -1, 0, 1.6], ["INPUT.GROUND_ERROR", (2.0, 3.0, 4.0)], 2.0),
        ([0, -1, 0, 1.6], ["INPUT.GROUND_ERROR", ()], None),
    ],
    ids=["told", "in a car", "assumed", "by key", "off"],
)
def test_what_the_record_says_of_the_ground(ground, options, degrees):
    cfg = load_config(add_u2enet_config, CONFIG, options)
    record = image_record(cfg, np.zeros((*SIZE, 3), np.uint8), Camera(P, SIZE), ground)
    assert record["ground_plane"] is not None
    assert record["ground_error"] == (None if degrees is None else pytest.approx(math.radians(degrees)))


@pytest.mark.parametrize("value", [(0.1,), (-1.0, 0.5, 1.0), (0.1, 91.0, 1.0)])
def test_wrong_errors_are_refused(value):
    with pytest.raises(ValueError, match="INPUT.GROUND_ERROR.*3 numbers from 0 to 90, degrees, or none"):
        load_config(add_u2enet_config, CONFIG, ["INPUT.GROUND_ERROR", value])
