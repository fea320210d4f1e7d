"""SynthRoad pictures against their labels: what is drawn must be where the 3D box says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from d2ext.data.synthroad.geometry import View, plane_from_tilt, rotation_y
from d2ext.data.synthroad.labels import Frame, make_frame
from d2ext.data.synthroad.layout import CAR, POLE, CameraKind
from d2ext.data.synthroad.palette import PAINT
from d2ext.data.synthroad.render import render
from d2ext.data.synthroad.scene import Light, Sensor
from d2ext.evaluation.colors import lab, nearest_colors

NAMES = list(PAINT)

KINDS = (CAR, POLE)


@pytest.fixture(scope="module")
def frames() -> dict[str, list[Frame]]:
    return {
        kind.name: [make_frame(kind, np.random.default_rng([11, i])) for i in range(10)] for kind in KINDS
    }


def _corners(frame: Frame, index: int) -> np.ndarray:
    """The eight corners from the label alone, by the formats' definition, one by one."""
    label, view = frame.labels[index], frame.scene.view
    height, width, length = label.size
    rotation = rotation_y(label.yaw)
    if view.tilted_boxes:
        down = -view.plane[:3]
        x_axis = np.array([1.0, 0, 0]) - down * down[0]
        x_axis /= np.linalg.norm(x_axis)
        rotation = np.column_stack([x_axis, down, np.cross(x_axis, down)]) @ rotation
    points = [
        np.array(label.location) + rotation @ np.array([sx * length / 2, sy * height, sz * width / 2])
        for sx in (-1, 1)
        for sy in (-1, 0)
        for sz in (-1, 1)
    ]
    return np.array(points)


def _rectangle(frame: Frame, corners: np.ndarray) -> np.ndarray:
    view = frame.scene.view
    pixels = np.array([view.projection @ np.append(corner, 1.0) for corner in corners])
    pixels = pixels[:, :2] / pixels[:, 2:]
    size = [view.width - 1, view.height - 1]
    return np.concatenate([np.clip(pixels.min(0), 0, size), np.clip(pixels.max(0), 0, size)])


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    overlap = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod()
    return float(overlap / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - overlap))


def _mask_extent(ids: np.ndarray, identity: int) -> np.ndarray:
    """x1, y1, x2, y2 of an id in image pixels (the id buffer has two pixels per image pixel)."""
    ys, xs = np.nonzero(ids == identity)
    canvas = np.array([xs.min() - 0.5, ys.min() - 0.5, xs.max() + 0.5, ys.max() + 0.5])
    return (canvas + 0.5) / 2 - 0.5


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_boxes_are_the_projected_3d_boxes(frames, kind: CameraKind) -> None:
    for frame in frames[kind.name]:
        for i, label in enumerate(frame.labels):
            np.testing.assert_allclose(label.box, _rectangle(frame, _corners(frame, i)), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_drawn_extent_matches_the_box(frames, kind: CameraKind) -> None:
    overlaps = []
    for frame in frames[kind.name]:
        for i, label in enumerate(frame.labels):
            if label.hidden == 0 and not label.border:
                drawn = _mask_extent(frame.rendering.ids, i + 1)
                overlaps.append(_iou(drawn, np.array(label.box)))
    assert len(overlaps) >= 15
    # The corners of a box stay empty, most so those of people and, from above, its far upper edge.
    assert np.mean(overlaps) > (0.82 if kind is CAR else 0.74)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_nothing_is_drawn_outside_the_box(frames, kind: CameraKind) -> None:
    for frame in frames[kind.name]:
        for i, label in enumerate(frame.labels):
            drawn, box = _mask_extent(frame.rendering.ids, i + 1), np.array(label.box)
            assert (drawn[:2] > box[:2] - 1.0).all() and (drawn[2:] < box[2:] + 1.0).all()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_objects_stand_on_the_plane(frames, kind: CameraKind) -> None:
    for frame in frames[kind.name]:
        plane = frame.scene.view.plane
        assert np.linalg.norm(plane[:3]) == pytest.approx(1.0)
        assert plane[1] < -0.9 and plane[3] > 0
        for label in frame.labels:
            # KITTI labels are rounded to centimetres before they are drawn.
            assert abs(np.dot(plane[:3], label.location) + plane[3]) < 0.01


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_hidden_fraction_against_each_object_drawn_alone(frames, kind: CameraKind) -> None:
    frame = max(frames[kind.name], key=lambda f: max(label.hidden for label in f.labels))
    for i, label in enumerate(frame.labels):
        alone = render(replace(frame.scene, objects=[frame.scene.objects[i]]), np.random.default_rng(0))
        # Houses and trees may hide a part in both drawings, so compare what is visible only.
        assert (frame.rendering.ids == i + 1).sum() <= (alone.ids == 1).sum()
        seen = (frame.rendering.ids == i + 1).sum() / 4
        whole = frame.rendering.whole_area[i]
        assert label.hidden == pytest.approx(1 - seen / whole, abs=1e-9)
        assert (alone.ids == 1).sum() / 4 <= whole
        assert label.occluded == (0 if label.hidden < 0.1 else 1 if label.hidden < 0.5 else 2)


def test_truncation_is_zero_inside_and_grows_outside(frames) -> None:
    labels = [label for kind in KINDS for frame in frames[kind.name] for label in frame.labels]
    assert all(label.truncated == 0 for label in labels if not label.border)
    cut = [label for label in labels if label.border]
    assert cut and all(0 <= label.truncated < 0.95 for label in cut)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_no_two_boxes_overlap(frames, kind: CameraKind) -> None:
    polygon = pytest.importorskip("shapely.geometry").Polygon
    for frame in frames[kind.name]:
        axes = frame.scene.view.ground_axes
        footprints = [polygon((item.corners[:4] @ axes)[:, [0, 2]]) for item in frame.scene.objects]
        for i, first in enumerate(footprints):
            assert all(first.intersection(second).area < 1e-9 for second in footprints[:i])


def test_colours_can_be_read_from_the_picture(frames) -> None:
    """By plain daylight: the nearest named colour, more by tint than brightness, of a large vehicle."""
    right, total = 0, 0
    for kind in KINDS:
        for frame in frames[kind.name]:
            sun = frame.scene.view.ground_axes @ [0.48, -0.80, -0.36]
            day = replace(
                frame.scene, light=Light(sun, ambient=0.65, shadow=0.35, haze=0.05), sensor=Sensor()
            )
            rendering = render(day, np.random.default_rng(0))
            ids = rendering.ids[::2, ::2]
            for i, label in enumerate(frame.labels):
                pixels = rendering.image[ids == i + 1].astype(float)
                if len(pixels) < 800 or label.category in ("pedestrian", "cyclist"):
                    continue
                votes = np.bincount(nearest_colors(lab(pixels)), minlength=len(NAMES))
                # Tyres, windows and frames are black and gray on every vehicle.
                votes[[NAMES.index("black"), NAMES.index("gray")]] //= 2
                total += 1
                right += NAMES[int(votes.argmax())] == label.color
    assert total > 30
    assert right / total > 0.9


def test_plane_and_projection_of_a_hand_made_view() -> None:
    """A level camera 2 m up: the ground 10 m ahead is seen at cy + f * 2 / 10."""
    projection = np.array([[100.0, 0, 50, 0], [0, 100, 40, 0], [0, 0, 1, 0]])
    view = View(projection, plane_from_tilt(2.0, 0.0, 0.0), 101, 81, True)
    uv, w = view.project(view.ground_point(0.0, 10.0))
    np.testing.assert_allclose(uv, [50, 60])
    assert w == pytest.approx(10.0)
