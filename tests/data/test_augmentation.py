"""The transformed camera, boxes and pixels must agree with each other and with the original image."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from detectron2.config import CfgNode

from d2ext.data.augmentation import ImageTransform, color_jitter, fit_size, random_scale_crop, to_tensor
from d2ext.structures import Boxes3D, Camera

SOURCE, BOUNDS = (375, 1242), (192, 640)
P = np.array([[721.5, 0, 609.6, 44.9], [0, 721.5, 172.9, 0.2], [0, 0, 1, 0.0027]])
PLANE = np.array([0.03, -0.98, -0.19, 5.0])


def transforms() -> list[ImageTransform]:
    """The plain fit, and random zooms in and out with and without the mirror."""
    rng = np.random.default_rng(1)
    result = [ImageTransform.fit(SOURCE, BOUNDS), ImageTransform.fit(SOURCE, BOUNDS).with_flip(True)]
    for zoom in (0.7, 0.9, 1.1, 1.5):
        for flip in (False, True):
            result.append(random_scale_crop(SOURCE, BOUNDS, (zoom, zoom), 1.0, rng).with_flip(flip))
    return [*result, random_scale_crop(SOURCE, (256, 320), (1.1, 1.1), 1.0, rng, exact=True)]


def project(P: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Pixels (N, 2) of points (N, 3)."""
    uvw = np.c_[points, np.ones(len(points))] @ P.T
    return uvw[:, :2] / uvw[:, 2:]


def boxes3d() -> Boxes3D:
    rng = np.random.default_rng(2)
    location = np.c_[rng.uniform(-8, 8, 20), rng.uniform(1, 2, 20), rng.uniform(12, 40, 20)]
    return Boxes3D.from_kitti(
        location, rng.uniform(1, 4, (20, 3)), rng.uniform(-3, 3, 20), torch.tensor(PLANE)
    )


@pytest.mark.parametrize("transform", transforms())
def test_projecting_with_the_new_camera_is_transforming_the_pixels(transform):
    boxes = boxes3d()
    camera = transform.apply_camera(Camera(P, SOURCE))
    assert camera.image_size == transform.size
    ours = camera.project(transform.apply_boxes3d(boxes).corners())[0].numpy()
    # The corners of a mirrored box are the mirrored corners, in another order: compare the hulls.
    pixels = project(P, boxes.corners().reshape(-1, 3).numpy()).reshape(20, 8, 2)
    hull = np.concatenate([pixels.min(axis=1), pixels.max(axis=1)], axis=1)
    expected = transform.apply_boxes(hull)
    np.testing.assert_allclose(
        np.concatenate([ours.min(axis=1), ours.max(axis=1)], axis=1), expected, atol=1e-6
    )


@pytest.mark.parametrize("transform", transforms())
def test_a_painted_point_is_found_where_the_new_camera_sees_it(transform):
    points = np.array([[-3.0, 1.2, 18.0], [2.5, 0.4, 14.0], [0.3, 0.9, 25.0]])
    for point in points:
        u, v = project(P, point[None])[0]
        y, x = np.mgrid[: SOURCE[0], : SOURCE[1]]
        blob = np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * 6.0**2))
        image = np.repeat((255 * blob)[..., None], 3, axis=2).astype(np.uint8)
        warped = transform.apply_image(image)
        assert warped.shape == (*transform.size, 3)
        weight = warped[..., 0].astype(float)
        y, x = np.mgrid[: transform.size[0], : transform.size[1]]
        found = np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()
        seen = torch.tensor(point * (-1, 1, 1) if transform.flip else point)
        camera = transform.apply_camera(Camera(P, SOURCE))
        np.testing.assert_allclose(camera.project(seen)[0].numpy(), found, atol=0.1)


@pytest.mark.parametrize("transform", transforms())
def test_plane_stays_under_the_boxes(transform):
    boxes = boxes3d()
    plane = torch.tensor(PLANE)
    height = boxes.bottom_center() @ plane[:3] + plane[3]
    moved, plane = transform.apply_boxes3d(boxes), transform.apply_plane(plane)
    torch.testing.assert_close(moved.bottom_center() @ plane[:3] + plane[3], height)


def test_flip_twice_is_the_identity():
    for transform in transforms():
        mirror = ImageTransform(transform.size, transform.size, (0, 0), transform.size, flip=True)
        image = np.random.default_rng(0).integers(0, 255, (*SOURCE, 3), dtype=np.uint8)
        once, other = transform.apply_image(image), transform.with_flip(not transform.flip).apply_image(image)
        np.testing.assert_array_equal(mirror.apply_image(once), other)
        camera = transform.apply_camera(Camera(P, SOURCE))
        torch.testing.assert_close(mirror.apply_camera(mirror.apply_camera(camera)).P, camera.P)
        boxes = np.array([[3.0, 4, 50, 60]])
        np.testing.assert_allclose(mirror.apply_boxes(mirror.apply_boxes(boxes)), boxes)
        twice = mirror.apply_boxes3d(mirror.apply_boxes3d(boxes3d()))
        torch.testing.assert_close(twice.corners(), boxes3d().corners())


@pytest.mark.parametrize("transform", transforms())
def test_clipping_keeps_exactly_the_image_part(transform):
    white = transform.apply_image(np.full((*SOURCE, 3), 255, np.uint8))[..., 0] > 0
    rows, columns = np.flatnonzero(white.any(axis=1)), np.flatnonzero(white.any(axis=0))
    everything = transform.clip_boxes(np.array([[-1e6, -1e6, 1e6, 1e6]]))[0]
    assert everything.tolist() == [columns[0], rows[0], columns[-1], rows[-1]]


def test_a_centred_crop_keeps_the_middle_of_the_picture():
    rng = np.random.default_rng(0)
    middle = np.array([[(SOURCE[1] - 1) / 2, (SOURCE[0] - 1) / 2] * 2])
    for zoom in (0.6, 0.8, 1.3, 2.0):
        transform = random_scale_crop(SOURCE, BOUNDS, (zoom, zoom), 0.0, rng)
        expected = [(transform.size[1] - 1) / 2, (transform.size[0] - 1) / 2] * 2
        np.testing.assert_allclose(transform.apply_boxes(middle)[0], expected, atol=0.5)


@pytest.mark.parametrize("source", [(375, 1242), (540, 960), (720, 720), (960, 540)])
@pytest.mark.parametrize("bounds", [(288, 960), (448, 800)])
def test_an_exact_size_is_that_of_the_picture_whatever_its_aspect(source, bounds):
    """The picture keeps its aspect, and covers as much of the one axis as it lacks of the other."""
    transform = random_scale_crop(source, bounds, (1.0, 1.0), 0.0, np.random.default_rng(0), exact=True)
    assert transform.apply_image(np.zeros((*source, 3), np.uint8)).shape[:2] == bounds == transform.size
    height, width = transform.resized
    assert height / width == pytest.approx(source[0] / source[1], rel=0.01)
    assert height / bounds[0] == pytest.approx(bounds[1] / width, rel=0.01)


@pytest.mark.parametrize("size", [(375, 1242), (1080, 1920), (1920, 1080), (5, 4000)])
def test_fit_keeps_the_aspect_and_touches_a_bound(size):
    height, width = fit_size(size, (384, 1280))
    assert height == 384 or width == 1280
    assert height <= 384 and width <= 1280
    assert width / height == pytest.approx(size[1] / size[0], rel=0.6 / height)


def jitter(**values: float) -> CfgNode:
    return CfgNode({"BRIGHTNESS": 0.0, "CONTRAST": 0.0, "SATURATION": 0.0, "HUE": 0.0} | values)


def test_jitter_of_nothing_is_the_identity_and_the_input_is_untouched():
    image = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    kept = image.copy()
    np.testing.assert_array_equal(color_jitter(image, jitter(), np.random.default_rng(0)), image)
    color_jitter(image, jitter(BRIGHTNESS=0.5, HUE=0.1), np.random.default_rng(0))
    np.testing.assert_array_equal(image, kept)


def test_jitter_changes_what_it_says():
    image = np.random.default_rng(0).integers(60, 150, (50, 50, 3), dtype=np.uint8)
    for seed in range(5):
        bright = color_jitter(image, jitter(BRIGHTNESS=0.3), np.random.default_rng(seed)).astype(float)
        ratio = bright / image
        assert ratio.std() < 0.01 and 0.69 < ratio.mean() < 1.31
        contrast = color_jitter(image, jitter(CONTRAST=0.3), np.random.default_rng(seed)).astype(float)
        assert 0.69 < contrast.std() / image.std() < 1.31
        gray = [cv2.cvtColor(i, cv2.COLOR_BGR2GRAY).astype(float) for i in (image,)]
        flat = color_jitter(image, jitter(SATURATION=0.3), np.random.default_rng(seed))
        assert np.abs(cv2.cvtColor(flat, cv2.COLOR_BGR2GRAY) - gray[0]).max() <= 2


def test_hue_keeps_the_brightest_channel_value():
    image = np.zeros((4, 4, 3), np.uint8)
    image[..., 2] = 200  # red
    turned = color_jitter(image, jitter(HUE=0.3), np.random.default_rng(3))
    assert abs(int(turned.max()) - 200) <= 1 and not np.array_equal(turned, image)


def test_tensor_formats():
    image = np.random.default_rng(0).integers(0, 255, (4, 6, 3), dtype=np.uint8)
    bgr, rgb = to_tensor(image, "BGR"), to_tensor(image, "RGB")
    assert bgr.shape == (3, 4, 6) and bgr.dtype == torch.uint8
    assert torch.equal(bgr, rgb.flip(0)) and bgr[0, 1, 2] == image[1, 2, 0]
