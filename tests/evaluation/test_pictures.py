"""Figures of pictures against closed forms and naive loops."""

import cv2
import numpy as np
import pytest

from d2ext.data.synthroad.palette import PAINT
from d2ext.evaluation.colors import color_name
from d2ext.evaluation.pictures import (
    MOST_DB,
    frechet_distance,
    near_repeats,
    nearest_distances,
    psnr,
    ssim,
)


def picture(seed=0):
    noise = np.random.default_rng(seed).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2)


def test_psnr_is_that_of_a_constant_error():
    a = np.full((8, 8, 3), 100, np.uint8)
    assert psnr(a, a + 5) == pytest.approx(20 * np.log10(255 / 5))
    assert psnr(a, a) == MOST_DB and psnr(a, a + 5) == psnr(a + 5, a)


def test_ssim_is_the_naive_sum_over_windows():
    a = picture()
    b = np.clip(a + np.random.default_rng(1).normal(0, 12, a.shape), 0, 255).astype(np.uint8)
    x, y = (cv2.cvtColor(p, cv2.COLOR_BGR2GRAY).astype(float) for p in (a, b))
    line = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    window = np.outer(line, line) / line.sum() ** 2
    values = []
    for i in range(x.shape[0] - 10):
        for j in range(x.shape[1] - 10):
            p, q = x[i : i + 11, j : j + 11], y[i : i + 11, j : j + 11]
            mp, mq = (window * p).sum(), (window * q).sum()
            vp, vq = (window * (p - mp) ** 2).sum(), (window * (q - mq) ** 2).sum()
            both = (window * (p - mp) * (q - mq)).sum()
            c1, c2 = 2.55**2, 7.65**2
            values.append((2 * mp * mq + c1) * (2 * both + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2)))
    assert ssim(a, b) == pytest.approx(np.mean(values), rel=1e-6)
    assert ssim(a, a) == pytest.approx(1) and ssim(a, picture(5)) < 0.8


def test_the_frechet_distance_of_gaussians_with_independent_parts_is_known():
    """Samples whose mean and covariance are exactly what is asked for."""
    rng = np.random.default_rng(0)
    raw = rng.normal(size=(500, 4))
    raw -= raw.mean(0)
    raw = raw @ np.linalg.inv(np.linalg.cholesky(np.cov(raw, rowvar=False))).T
    deviation, shift = np.array([1.0, 2.0, 0.5, 3.0]), np.array([1.0, 0.0, -2.0, 0.5])
    expected = (shift**2).sum() + ((deviation - 1) ** 2).sum()
    assert frechet_distance(raw, raw * deviation + shift) == pytest.approx(expected, rel=1e-6)
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    turned = frechet_distance(raw @ turn, (raw * deviation + shift) @ turn)
    assert turned == pytest.approx(expected, rel=1e-6) and frechet_distance(raw, raw) == pytest.approx(
        0, abs=1e-6
    )
    with pytest.raises(ValueError, match="expected two pictures or more on either side, got 1, 500"):
        frechet_distance(raw[:1], raw)


def test_the_nearest_of_known_features_is_that_of_a_loop():
    rng = np.random.default_rng(0)
    features, known = rng.normal(size=(7, 5)).astype(np.float32), rng.normal(size=(20, 5)).astype(np.float32)
    features[3] = known[11]
    expected = [min(np.linalg.norm(f.astype(float) - k) for k in known) for f in features]
    assert nearest_distances(features, known) == pytest.approx(expected, abs=1e-6)
    assert nearest_distances(features, known)[3] == 0


def test_repeats_are_nearer_than_a_share_of_what_new_pictures_are():
    unseen = np.linspace(10, 20, 101)
    found = near_repeats(np.array([0.0, 5.2, 5.3, 12.0]), unseen, 0.5, 0.05)
    assert found.tolist() == [True, True, False, False]  # the quantile is 10.5


@pytest.mark.parametrize("name", PAINT)
@pytest.mark.parametrize("light", [0.6, 0.85, 1.0])
def test_a_patch_has_the_name_of_its_paint_in_light_and_shade(name, light):
    if name in ("white", "gray", "black") and light < 0.85:
        pytest.skip("shade makes another grey of it")
    image = np.full((40, 60, 3), 110, np.uint8)
    image[10:30, 20:40] = (light * np.array(PAINT[name])).astype(np.uint8)
    image[12:14, 20:40] = (20, 20, 20)
    assert color_name(image, (20, 10, 40, 30)) == name


def test_a_box_outside_has_no_colour():
    assert color_name(picture(), (-50, -50, -30, -30)) is None
