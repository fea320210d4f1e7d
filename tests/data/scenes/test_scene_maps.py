"""Maps of layouts: against the projection of points, and naive loops."""

import cv2
import numpy as np
import pytest
import torch
from scipy.spatial import Delaunay
from toy_scenes import PLANE, PROJECTION, SIZE, annotation, record

from d2ext.data.augmentation import ImageTransform
from d2ext.data.scenes.mapper import layout_of, scene_of
from d2ext.data.scenes.maps import DEPTH_UNIT, ground_inverse_depth, layout_maps
from d2ext.structures import ROAD, Boxes3D, Camera

CLASSES = len(ROAD.names)
CAMERA = Camera(torch.tensor(PROJECTION), SIZE)


def boxes(*annotations):
    columns = ([a[c] for a in annotations] for c in ("location", "dimensions", "yaw"))
    return Boxes3D.from_kitti(*columns, PLANE)


def maps(*annotations, stride=1, ground=None):
    classes = torch.tensor([a["category_id"] for a in annotations])
    return layout_maps(boxes(*annotations), classes, CAMERA, ground, CLASSES, stride).numpy()


def test_a_box_covers_the_outline_of_its_projected_corners():
    bus = annotation(0, "bus", "red", 1.0, 20.0, 0.7)
    cover = maps(bus)[ROAD.names.index("bus")]
    corners = boxes(bus).project(CAMERA)[1][0].numpy()
    grid = np.stack(np.meshgrid(np.arange(SIZE[1]), np.arange(SIZE[0])), -1)
    inside = Delaunay(corners).find_simplex(grid) >= 0
    assert inside.sum() > 100 and (cover.astype(bool) ^ inside).sum() < 0.15 * inside.sum()
    assert maps(bus)[:CLASSES].sum() == cover.sum()


def test_nearer_boxes_cover_those_farther_away_whatever_their_order():
    near, far = annotation(0, "car", "red", 0.0, 14.0, 0.0), annotation(1, "bus", "red", 0.0, 24.0, 1.5)
    found = maps(near, far)
    assert np.array_equal(found, maps(far, near))
    alone, car, bus = maps(near), ROAD.names.index("car"), ROAD.names.index("bus")
    assert np.array_equal(found[car], alone[car]) and found[bus].any()
    assert not (found[car] * found[bus]).any()


def test_depth_heading_and_edges_are_those_of_the_box():
    car = annotation(0, "car", "red", 2.0, 16.0, 0.9)
    found = maps(car)
    inside = found[ROAD.names.index("car")] > 0
    inverse, sine, cosine, edges = (m[inside] for m in found[CLASSES:])
    box = boxes(car)
    assert inverse == pytest.approx(DEPTH_UNIT / float(box.center[0, 2]), rel=1e-4)
    alpha = float(box.alpha()[0])
    assert sine == pytest.approx(np.sin(alpha), abs=1e-4) and cosine == pytest.approx(np.cos(alpha), abs=1e-4)
    assert 0.1 < edges.mean() < 0.9 and set(np.unique(edges)) == {0.0, 1.0}


def test_where_no_box_is_the_depth_is_that_of_the_ground():
    ground = torch.tensor(PLANE)
    found = ground_inverse_depth(CAMERA, ground)
    inverse = np.linalg.inv(np.array(PROJECTION)[:, :3])
    for u, v in ((10, 40), (50, 60), (90, 35)):
        ray = inverse @ (u, v, 1.0)
        depth = -PLANE[3] / (np.array(PLANE[:3]) @ ray)  # where the ray meets the plane; its z is 1
        assert found[v, u] == pytest.approx(min(1.0, DEPTH_UNIT / depth), rel=1e-4)
    assert not found[0].any() and (np.diff(found, axis=0) >= 0).all()  # above the horizon; nearer below
    assert not ground_inverse_depth(CAMERA, None).any()


def test_a_box_behind_the_camera_and_none_leave_the_maps_empty():
    behind = annotation(0, "car", "red", 0.0, -10.0, 0.0)
    assert not maps(behind)[:CLASSES].any()
    nothing = Boxes3D.cat([])
    empty = layout_maps(nothing, torch.zeros(0).long(), CAMERA, None, CLASSES)
    assert empty.shape == (CLASSES + 4, SIZE[0] // 4, SIZE[1] // 4) and not empty.any()


def test_a_box_that_reaches_behind_the_camera_covers_what_is_before_it():
    truck = annotation(0, "truck", "red", 3.0, 3.0, np.pi / 2)
    assert maps(truck)[ROAD.names.index("truck")].any()


def test_coarser_maps_cover_the_cells_that_finer_ones_do():
    car = annotation(0, "bus", "red", 1.0, 18.0, 0.4)
    fine, coarse = (maps(car, stride=s)[ROAD.names.index("bus")] for s in (1, 4))
    share = fine.reshape(SIZE[0] // 4, 4, SIZE[1] // 4, 4).mean((1, 3))
    near = cv2.dilate((share > 0).astype(np.uint8), np.ones((3, 3)))
    assert coarse[share > 0.6].all() and not coarse[near == 0].any()


def test_the_layout_of_the_mirrored_picture_is_the_mirrored_layout():
    source = record(1)
    plain = ImageTransform(SIZE, SIZE, (0, 0), SIZE)
    parts = [scene_of(source, plain.with_flip(flip), 0.3) for flip in (False, True)]
    found = [layout_of(*part, CLASSES, 1).numpy() for part in parts]
    mirrored = found[1][..., ::-1]
    cosine = CLASSES + 2
    assert found[0][:CLASSES].any()
    for channel in (*range(CLASSES + 1), CLASSES + 1):
        assert np.abs(found[0][channel] - mirrored[channel]).mean() < 0.01
    assert np.abs(found[0][cosine] + mirrored[cosine]).mean() < 0.01


@pytest.mark.parametrize(
    "classes, stride, message", [([99], 4, "classes from 0 to 13"), ([0], 5, "multiples of 5")]
)
def test_what_is_no_layout_is_one_line(classes, stride, message):
    box = boxes(annotation(0, "car", "red", 0, 20, 0))
    with pytest.raises(ValueError, match=message):
        layout_maps(box, torch.tensor(classes), CAMERA, None, CLASSES, stride)
