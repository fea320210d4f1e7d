from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from d2ext.structures import Boxes3D, Camera, flip_plane, height_above_plane, normalize_plane

# KITTI-like, with a fourth column and some skew so that nothing can hide in a zero.
P = torch.tensor(
    [[721.5, 0.3, 609.6, 44.9], [0.0, 717.2, 172.9, 0.21], [0.0, 0.0, 1.0, 0.0027]], dtype=torch.float64
)
SIZE = (375, 1242)


@pytest.fixture
def camera() -> Camera:
    return Camera(P, SIZE)


@pytest.fixture
def points() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(50, 3, generator=generator, dtype=torch.float64) * torch.tensor(
        [20, 4, 60]
    ) + torch.tensor([-10.0, -2.0, 2.0])


def blob_center(image: np.ndarray) -> np.ndarray:
    v, u = np.mgrid[: image.shape[0], : image.shape[1]]
    return np.array([(u * image).sum(), (v * image).sum()]) / image.sum()


def blob_image(uv: np.ndarray, size: tuple[int, int], sigma: float = 5.0) -> np.ndarray:
    v, u = np.mgrid[: size[0], : size[1]]
    return np.exp(-((u - uv[0]) ** 2 + (v - uv[1]) ** 2) / (2 * sigma**2))


def test_project_is_the_homogeneous_product(camera, points):
    uv, depth = camera.project(points)
    for point, pixel, z in zip(points.numpy(), uv.numpy(), depth.numpy(), strict=True):
        u, v, w = P.numpy() @ np.append(point, 1.0)
        assert np.allclose(pixel, [u / w, v / w], atol=1e-9)
        assert z == point[2]


@pytest.mark.parametrize("change", ["none", "resize", "crop", "flip"])
def test_unproject_inverts_project(camera, points, change):
    camera = {
        "none": lambda: camera,
        "resize": lambda: camera.resize((200, 999)),
        "crop": lambda: camera.crop(31, -7, 300, 200),
        "flip": lambda: camera.flip(),
    }[change]()
    uv, depth = camera.project(points)
    assert torch.allclose(camera.unproject(uv, depth), points, atol=1e-9)


def test_project_and_unproject_are_differentiable(camera, points):
    points = points[:3].requires_grad_()
    assert torch.autograd.gradcheck(lambda p: camera.project(p), (points,))
    uv, depth = (t.detach().requires_grad_() for t in camera.project(points))
    assert torch.autograd.gradcheck(camera.unproject, (uv, depth))


def test_rays_start_at_the_optical_center(camera, points):
    uv, depth = camera.project(points)
    origin, direction = camera.rays(uv)
    assert torch.allclose(P[:, :3] @ origin + P[:, 3], torch.zeros(3, dtype=torch.float64), atol=1e-9)
    assert torch.allclose(direction[:, 2], torch.ones(len(uv), dtype=torch.float64))
    assert torch.allclose(
        torch.linalg.cross(points - origin, direction).norm(dim=1), torch.zeros(50).double()
    )


@pytest.mark.parametrize("size", [(48, 80), (60, 150), (192, 240)])
def test_resize_follows_a_resized_image(size):
    camera = Camera([[80, 0, 60, 3], [0, 75, 40, 1], [0, 0, 1, 0.01]], (96, 120)).to(torch.float64)
    point = torch.tensor([1.5, 0.7, 6.0], dtype=torch.float64)
    image = blob_image(camera.project(point)[0].numpy(), camera.image_size)
    warped = cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    resized = camera.resize(size)
    assert resized.image_size == size
    assert np.allclose(resized.project(point)[0], blob_center(warped), atol=0.02)


def test_crop_and_flip_follow_the_image():
    camera = Camera([[80, 0, 60, 3], [0, 75, 40, 1], [0, 0, 1, 0.01]], (96, 120)).to(torch.float64)
    point = torch.tensor([0.4, 0.7, 6.0], dtype=torch.float64)
    image = blob_image(camera.project(point)[0].numpy(), camera.image_size)
    cropped = camera.crop(20, 10, 90, 80)
    assert cropped.image_size == (80, 90)
    assert np.allclose(cropped.project(point)[0], blob_center(image[10:90, 20:110]), atol=0.02)
    mirrored = point * torch.tensor([-1.0, 1.0, 1.0])
    assert np.allclose(camera.flip().project(mirrored)[0], blob_center(image[:, ::-1]), atol=0.02)


def test_flip_twice_is_the_same_camera(camera):
    assert torch.allclose(camera.flip().flip().P, camera.P)
    assert camera.flip().fx > 0


def test_flip_moves_principal_point_and_fourth_column():
    camera = Camera([[700, 0, 600, 45], [0, 700, 170, 0.2], [0, 0, 1, 0]], SIZE).flip()
    assert camera.cx == SIZE[1] - 1 - 600
    assert camera.P[0, 3] == -45


def test_plane_intersection_lies_on_the_plane_and_on_the_ray(camera):
    plane = normalize_plane(torch.tensor([0.02, -0.97, -0.2, 6.5], dtype=torch.float64))
    uv = torch.tensor([[600.0, 300.0], [50.0, 370.0], [1200.0, 250.0]], dtype=torch.float64)
    depth = camera.intersect_plane(uv, plane)
    points = camera.unproject(uv, depth)
    assert (depth > 0).all()
    assert torch.allclose(height_above_plane(points, plane), torch.zeros(3, dtype=torch.float64), atol=1e-9)
    flipped_uv = torch.stack((SIZE[1] - 1 - uv[:, 0], uv[:, 1]), dim=1)
    assert torch.allclose(camera.flip().intersect_plane(flipped_uv, flip_plane(plane)), depth)


def test_pixels_above_the_horizon_meet_the_ground_behind_the_camera(camera):
    level = torch.tensor([0.0, -1.0, 0.0, 1.65], dtype=torch.float64)
    assert camera.intersect_plane(torch.tensor([600.0, 10.0], dtype=torch.float64), level) < 0


@pytest.mark.parametrize(
    ("matrix", "size", "message"),
    [
        (torch.zeros(4, 4), SIZE, "3x4"),
        ([[700, 0, 600, 0], [0, 700, 170, 0], [0, 0, 2, 0]], SIZE, "third row"),
        ([[0, 0, 600, 0], [0, 700, 170, 0], [0, 0, 1, 0]], SIZE, "focal"),
        ([[float("nan"), 0, 600, 0], [0, 700, 170, 0], [0, 0, 1, 0]], SIZE, "finite"),
        (P, (0, 5), "image size"),
    ],
)
def test_bad_cameras_are_refused(matrix, size, message):
    with pytest.raises(ValueError, match=message) as error:
        Camera(matrix, size)
    assert "\n" not in str(error.value)


def test_augmented_box_projects_to_the_augmented_2d_box(camera):
    boxes = Boxes3D.from_kitti([[2.0, 1.6, 14.0]], [[1.5, 1.7, 4.2]], [0.4]).to(torch.float64)
    x1, y1, x2, y2 = boxes.project(camera)[0][0].tolist()
    flipped, _, _ = boxes.flip().project(camera.flip())
    last = SIZE[1] - 1
    assert flipped[0].tolist() == pytest.approx([last - x2, y1, last - x1, y2], abs=1e-6)


def test_intrinsics_stand_for_a_projection_without_a_fourth_column(points):
    K = P[:, :3]
    camera = Camera(K, SIZE)
    assert torch.equal(camera.P, torch.cat([K, torch.zeros(3, 1, dtype=K.dtype)], 1))
    uv, depth = camera.project(points)
    image = points @ K.T
    assert torch.allclose(uv, image[:, :2] / image[:, 2:]) and torch.equal(depth, points[:, 2])
    assert torch.equal(Camera(K.numpy(), SIZE).P, camera.P)
    assert torch.equal(Camera(K.tolist(), SIZE).P.double(), camera.P.float().double())


@pytest.mark.parametrize(
    ("matrix", "size"),
    [
        (None, SIZE),
        ("P2", SIZE),
        ([[1.0, 2.0], [3.0]], SIZE),
        ([[None] * 4] * 3, SIZE),
        (P[:2], SIZE),
        (P[:, :3].T, SIZE),
        (P, None),
        (P, (375, 1242, 3)),
        (P, 375),
        (P, ("a", "b")),
        (P, (float("nan"), 3)),
        (P, (0, 3)),
    ],
    ids=lambda x: str(x)[:20],
)
def test_what_is_no_camera_is_one_clear_line(matrix, size):
    with pytest.raises(ValueError, match="camera: expected") as error:
        Camera(matrix, size)
    assert "\n" not in str(error.value) and len(str(error.value)) < 300
