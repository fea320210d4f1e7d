from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from d2ext.structures import Boxes3D, Camera
from d2ext.visualization import draw_boxes3d
from d2ext.visualization.canvas import draw_text, text_width, wrap_text
from d2ext.visualization.draw3d import _dashes, _facing, clip_segments, place_labels, project_segments

CAMERA = Camera([[500.0, 0, 310, 20], [0, 500, 120, 1], [0, 0, 1, 0.003]], (240, 620))
GREY = np.full((240, 620, 3), 90, dtype=np.uint8)
RED = (0, 0, 255)


def car(x: float, z: float, yaw: float = 0.3) -> Boxes3D:
    return Boxes3D.from_kitti([[x, 1.6, z]], [[1.5, 1.7, 4.2]], [yaw])


def is_near(image: np.ndarray, u: float, v: float, color: tuple[int, int, int]) -> bool:
    patch = image[max(0, round(v) - 2) : round(v) + 3, max(0, round(u) - 2) : round(u) + 3].astype(int)
    return bool((np.abs(patch - color).sum(axis=-1) < 60).any())


def test_every_corner_is_drawn_where_the_projection_puts_it() -> None:
    box = car(1.0, 12.0)
    before = GREY.copy()
    drawn = draw_boxes3d(GREY, box, CAMERA, colors=[RED])
    assert np.array_equal(GREY, before)
    P = CAMERA.P.numpy()
    hidden = 0
    for corner in box.corners()[0].numpy():
        u, v, w = P @ np.append(corner, 1)
        hidden += not is_near(drawn, u / w, v / w, RED)
    assert hidden <= 1  # the corner at the back, where thin dark edges meet


def test_no_box_and_boxes_out_of_sight_leave_the_image_as_it_is() -> None:
    for boxes in (car(0, 9)[:0], car(0.0, -9.0), car(60.0, 12.0)):
        assert np.array_equal(draw_boxes3d(GREY, boxes, CAMERA), GREY)


@pytest.mark.parametrize("z", [-1.5, 0.0, 0.1, 1.0, 2.5])
@pytest.mark.parametrize("dashed", [False, True])
def test_boxes_around_the_camera_are_cut_not_wrapped(z: float, dashed: bool) -> None:
    drawn = draw_boxes3d(GREY, car(1.2, z, yaw=1.5), CAMERA, ["near"], dashed=dashed)
    assert drawn.shape == GREY.shape
    # the box is to the right of the camera: nothing of it, cut at the near plane, projects to the far left
    assert np.array_equal(drawn[:, :100], GREY[:, :100])


def test_wrong_arguments_are_one_line() -> None:
    with pytest.raises(ValueError, match=r"expected shape \(240, 620, 3\).*got \(10, 10, 3\)"):
        draw_boxes3d(GREY[:10, :10], car(0, 9), CAMERA)
    with pytest.raises(ValueError, match="labels: expected 1"):
        draw_boxes3d(GREY, car(0, 9), CAMERA, labels=["a", "b"])


def test_clipped_segments_lie_on_their_lines_on_the_right_side() -> None:
    rng = np.random.default_rng(0)
    segments = rng.normal(size=(200, 2, 3))
    normal, offset = np.array([0.3, -0.5, 0.8]), 0.2
    clipped, valid = clip_segments(segments, segments @ normal + offset)
    samples = segments[:, :1] + np.linspace(0, 1, 501)[None, :, None] * (segments[:, 1:] - segments[:, :1])
    inside = samples @ normal + offset >= 0
    assert np.array_equal(valid, inside[:, [0, -1]].any(axis=1))
    assert (clipped[valid] @ normal + offset > -1e-9).all()
    length = np.linalg.norm(clipped[:, 1] - clipped[:, 0], axis=1)
    expected = np.linalg.norm(segments[:, 1] - segments[:, 0], axis=1) * inside.mean(axis=1)
    assert np.abs(length - expected)[valid].max() < 0.02


def test_projected_segments_are_what_is_in_front_of_the_camera() -> None:
    segment = np.array([[[0.2, 0.1, 8.0], [-0.3, 0.4, -8.0]]])
    uv, valid = project_segments(segment, CAMERA)
    t = np.linspace(0, 1, 100001)[:, None]
    points = segment[0, 0] + t * (segment[0, 1] - segment[0, 0])
    pixels = CAMERA.to(torch.float64).project(torch.from_numpy(points[points[:, 2] > 0.1]))[0].numpy()
    pixels = pixels[
        (np.abs(pixels - (310, 120)) <= (310 + 62, 120 + 62)).all(axis=1)
    ]  # the image and a margin
    low, high = uv[0].min(axis=0), uv[0].max(axis=0)
    assert valid.all()
    np.testing.assert_allclose((low, high), (pixels.min(axis=0), pixels.max(axis=0)), atol=1.0)


def test_faces_seen() -> None:
    eye = np.zeros(3)
    towards = _facing(car(0.0, 10.0, yaw=np.pi / 2).corners()[0].numpy(), eye)  # heads to -z: shows its front
    away = _facing(car(0.0, 10.0, yaw=-np.pi / 2).corners()[0].numpy(), eye)
    assert towards[0] and not towards[1] and away[1] and not away[0]
    assert not _facing(car(0.0, 0.0).corners()[0].numpy(), np.array([0.0, 1.0, 0.0])).any()  # from within


def test_labels_stay_inside_and_apart() -> None:
    rng = np.random.default_rng(1)
    corner = rng.uniform((0, 0), (580, 200), size=(20, 2))
    extents = np.concatenate((corner, corner + rng.uniform(5, 80, size=(20, 2))), axis=1).clip(
        0, (620, 240) * 2
    )
    sizes = [(50, 16)] * 20
    spots = np.array(place_labels(sizes, extents, (240, 620)))
    assert (spots >= 0).all() and (spots + sizes <= (620, 240)).all()
    apart = np.abs(spots[:, None] - spots[None]) >= (50, 16)
    assert (apart.any(axis=2) | np.eye(20, dtype=bool)).all()


def test_label_larger_than_the_image_starts_inside() -> None:
    assert place_labels([(500, 30)], np.array([[10.0, 10, 20, 20]]), (20, 100)) == [(0.0, 0.0)]


def test_dashes_cover_half_of_the_line() -> None:
    lines = np.array([[[0.0, 0.0], [100.0, 0.0]], [[5.0, 5.0], [5.0, 5.0]]])
    dashes = _dashes(lines, 5.0)
    length = np.linalg.norm(dashes[:, 1] - dashes[:, 0], axis=1)
    assert length.max() == pytest.approx(5.0, rel=0.1) and length.sum() == pytest.approx(50, rel=0.1)
    assert dashes[..., 0].min() == 0 and dashes[..., 0].max() == 100


def test_wrapped_lines_fit_and_keep_every_word() -> None:
    text = "The black car on the right is about 7 meters away, about 1.39 meters high, facing away from me."
    lines = wrap_text(text, 14, 200)
    assert " ".join(lines) == text and len(lines) > 2
    assert all(text_width(line, 14) <= 200 for line in lines)


@pytest.mark.skipif(not hasattr(cv2, "FontFace"), reason="OpenCV 4 has no Chinese font")
def test_chinese_is_drawn_and_wrapped() -> None:
    """Other characters make other pixels, which empty boxes for unknown characters would not."""
    text = "位于我左侧、距我34.5米的那辆白色小轿车 (a white car)，没有被遮挡。"
    lines = wrap_text(text, 14, 120)
    assert len(lines) > 2 and all(0 < text_width(line, 14) <= 120 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert not any(line[0] in "、，。" for line in lines)
    drawn = []
    for character in "左右":
        image = np.zeros((30, 30, 3), np.uint8)
        draw_text(image, character, 2, 24, 20, (255, 255, 255))
        drawn.append(image)
    assert drawn[0].any() and not np.array_equal(*drawn)
