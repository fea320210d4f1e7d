"""Every effect of SynthRoad's cameras, measured on a picture for which the result is known."""

from __future__ import annotations

from dataclasses import fields, replace

import cv2
import numpy as np
import pytest

from d2ext.data.synthroad import exposure
from d2ext.data.synthroad.geometry import View, plane_from_tilt
from d2ext.data.synthroad.light import WEATHER, light_of, sample_light
from d2ext.data.synthroad.scene import Sensor
from d2ext.data.synthroad.sensor import sample_sensor

# A camera that changes nothing.
IDEAL = Sensor(blur=0.0, noise=0.0)


def _rng() -> np.random.Generator:
    return np.random.default_rng(3)


def _view(height: float) -> View:
    matrix = np.array([[700.0, 0, 600, 0], [0, 700, 180, 0], [0, 0, 1, 0]])
    return View(matrix, plane_from_tilt(height, 0.1, 0.0), 1242, 375, height > 3)


def _flat(level: int, size: tuple[int, int] = (200, 300)) -> np.ndarray:
    return np.full((*size, 3), level, np.uint8)


def _photo() -> np.ndarray:
    """Smooth blots of all colours with edges between them."""
    blots = cv2.GaussianBlur(_rng().random((120, 200, 3)).astype(np.float32), (0, 0), 6)
    return cv2.resize((255 * (blots > blots.mean())).astype(np.uint8), (400, 240))


def _ideal(**changes: object) -> Sensor:
    return replace(IDEAL, **changes)  # type: ignore[arg-type]


def test_an_ideal_camera_changes_nothing() -> None:
    np.testing.assert_array_equal(exposure.expose(_photo(), IDEAL, _rng()), _photo())


def test_the_same_seed_gives_the_same_bytes() -> None:
    view = _view(6.0)
    for i in range(20):
        sensor = sample_sensor(sample_light(view, _rng()), view, np.random.default_rng(i))
        first, second = (exposure.expose(_photo(), sensor, np.random.default_rng(i)) for _ in range(2))
        np.testing.assert_array_equal(first, second)
        assert first.shape == _photo().shape and first.dtype == np.uint8


def test_vignetting_takes_its_share_in_the_corners_and_nothing_in_the_middle() -> None:
    image = exposure.expose(_flat(200), _ideal(vignetting=0.3), _rng()).astype(float)
    assert image[100, 150] == pytest.approx([200] * 3, abs=1)
    for corner in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        assert image[corner] == pytest.approx([140] * 3, abs=2)
    # Half way to a corner a quarter of it, by the square of the radius.
    assert image[50, 75] == pytest.approx([200 * (1 - 0.3 / 4)] * 3, abs=1.5)


@pytest.mark.parametrize(
    "gain, gamma, contrast", [(1.0, 1.0, 1.0), (1.3, 1.0, 1.0), (0.8, 1.2, 0.9), (1, 0.8, 1.4)]
)
def test_the_tone_curve_is_its_closed_form(gain: float, gamma: float, contrast: float) -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    sensor = _ideal(gain=np.array([gain, 1.0, gain / 2]), gamma=gamma, contrast=contrast)
    image = exposure.expose(ramp, sensor, _rng())[0]
    for level in range(256):
        for channel, factor in enumerate((gain, 1.0, gain / 2)):
            value = 255 * min(level / 255 * factor, 1) ** gamma
            told = min(max(128 + (value - 128) * contrast, 0), 255)
            assert abs(float(image[level, channel]) - told) <= 0.5 + 1e-9


@pytest.mark.parametrize("level", [40, 128, 200])
@pytest.mark.parametrize("grain", [0.0, 0.6])
def test_noise_has_its_sigma_on_a_flat_field(level: int, grain: float) -> None:
    image = exposure.expose(_flat(level), _ideal(noise=5.0, grain=grain), _rng()).astype(float)
    told = 5.0 * np.sqrt(0.3 + 0.7 * level / 128)
    assert image.std() == pytest.approx(told, rel=0.03)
    assert image.mean() == pytest.approx(level, abs=0.2)
    assert np.ptp(image, axis=2).max() == 0  # without colour


def test_a_grain_spreads_over_its_neighbours() -> None:
    def correlation(grain: float) -> float:
        image = exposure.expose(_flat(128), _ideal(noise=6.0, grain=grain), _rng())[..., 0]
        return float(np.corrcoef(image[:, :-1].ravel(), image[:, 1:].ravel())[0, 1])

    assert abs(correlation(0.0)) < 0.02
    # Of a Gaussian's autocorrelation, exp(-1 / (4 sigma^2)), sampled.
    assert correlation(0.8) == pytest.approx(np.exp(-1 / (4 * 0.8**2)), abs=0.05)


def test_colour_noise_colours_and_keeps_the_mean() -> None:
    image = exposure.expose(_flat(128), _ideal(noise=5.0, color_noise=1.0), _rng()).astype(float)
    difference = image[..., 0] - image[..., 2]
    assert difference.std() > 4 and abs(difference.mean()) < 0.5


def test_red_and_blue_part_in_the_corners_by_the_pixels_told() -> None:
    height, width = 300, 400
    image = np.zeros((height, width, 3), np.uint8)
    spots = [(20, 20), (379, 20), (20, 279), (379, 279), (200, 150)]
    for x, y in spots:
        cv2.circle(image, (x, y), 6, (255, 255, 255), -1)
    shifted = exposure.expose(image, _ideal(chroma=4.0), _rng())
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    for x, y in spots:
        part = shifted[max(y - 20, 0) : y + 20, max(x - 20, 0) : x + 20].astype(float)
        ys, xs = np.mgrid[: part.shape[0], : part.shape[1]]
        places = [np.array([(xs * c).sum(), (ys * c).sum()]) / c.sum() for c in np.moveaxis(part, 2, 0)]
        away = np.array([x, y]) - middle
        told = 4.0 * away / np.hypot(*middle)
        np.testing.assert_allclose(places[2] - places[0], told, atol=0.15)


def test_blur_has_the_width_told() -> None:
    image = np.zeros((101, 101, 3), np.uint8)
    image[45:56, 45:56] = 255  # wide enough to survive rounding
    soft = exposure.expose(image, _ideal(blur=3.0), _rng())[..., 0].astype(float)
    x = np.arange(101) - 50
    column = soft.sum(axis=0)
    variance = (column * x**2).sum() / column.sum()
    assert variance == pytest.approx((11**2 - 1) / 12 + 3.0**2, rel=0.05)


@pytest.mark.parametrize("degrees", [0, 30, 90, 135])
def test_motion_blurs_along_its_direction_only(degrees: float) -> None:
    kernel = exposure.motion_kernel(9.0, np.radians(degrees))
    assert kernel.sum() == pytest.approx(1.0) and kernel.shape[0] % 2 == 1
    half = kernel.shape[0] // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    direction = np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
    along, across = x * direction[0] + y * direction[1], y * direction[0] - x * direction[1]
    assert (kernel * along).sum() == pytest.approx(0, abs=1e-3)
    # A line of L pixels has the variance (L - 1)^2 / 12 of an even spread between its ends.
    assert (kernel * along**2).sum() == pytest.approx(8.0**2 / 12, rel=0.15)
    assert (kernel * across**2).sum() < 0.4


def test_sharpening_overshoots_on_both_sides_of_an_edge() -> None:
    image = _flat(80)
    image[:, 150:] = 160
    row = exposure.expose(image, _ideal(sharpen=0.8), _rng())[100, :, 0].astype(int)
    assert row[:140].min() == row[:140].max() == 80 and row[160:].min() == row[160:].max() == 160
    # Unsharp by a Gaussian of 1 pixel: beside the edge its step is missing Phi(-0.5) = 0.3085 of 80 levels.
    assert row[149] == pytest.approx(80 - 0.8 * 80 * 0.3085, abs=3)
    assert row[150] == pytest.approx(160 + 0.8 * 80 * 0.3085, abs=3)


def test_saturation_zero_is_gray_and_keeps_brightness() -> None:
    gray = exposure.expose(_photo(), _ideal(saturation=0.0), _rng())
    assert np.ptp(gray, axis=2).max() <= 1
    told = cv2.cvtColor(_photo(), cv2.COLOR_BGR2GRAY)
    assert np.abs(gray[..., 0].astype(int) - told).max() <= 1
    half = exposure.expose(_photo(), _ideal(saturation=0.5), _rng()).astype(float)
    assert np.abs(half - (_photo() + told[..., None].astype(float)) / 2).max() <= 1


def test_jpeg_is_that_of_a_file(tmp_path) -> None:
    path = tmp_path / "image.jpg"
    cv2.imwrite(str(path), _photo(), [cv2.IMWRITE_JPEG_QUALITY, 45])
    image = exposure.expose(_photo(), _ideal(jpeg=45), _rng())
    np.testing.assert_array_equal(image, cv2.imread(str(path)))
    assert (image != _photo()).any()


def test_an_upscaled_picture_has_no_detail_finer_than_its_sensor() -> None:
    noise = _rng().integers(0, 256, (240, 320, 3), dtype=np.uint8)
    image = exposure.expose(noise, _ideal(resample=0.5), _rng())
    assert image.shape == noise.shape
    spectrum = np.abs(np.fft.fftshift(np.fft.fft2(image[..., 0].astype(float) - image[..., 0].mean()))) ** 2
    middle = spectrum[60:180, 80:240].sum()
    assert middle / spectrum.sum() > 0.9


def test_bloom_adds_light_around_what_is_bright_only() -> None:
    image = _flat(30)
    image[90:110, 140:160] = 255
    image = exposure.expose(image, _ideal(bloom=0.5), _rng()).astype(int)
    assert (image >= 30).all()
    assert image[100, 170].mean() > image[100, 185].mean() > 30
    assert (image[100, 290] == 30).all()
    np.testing.assert_array_equal(exposure.expose(_flat(120), _ideal(bloom=0.5), _rng()), _flat(120))


def test_dirt_leaves_most_of_the_picture_and_a_stamp_stays_in_a_corner() -> None:
    dirty = exposure.expose(_photo(), _ideal(dirt=0.5), _rng())
    changed = (dirty != _photo()).any(axis=2).mean()
    assert 0.01 < changed < 0.5
    stamped = exposure.expose(_flat(100), _ideal(stamp="2020-01-02 03:04:05"), _rng())
    ys, xs = np.nonzero((stamped != 100).any(axis=2))
    assert len(ys) > 50
    assert ys.max() < 40 or ys.min() > 160


@pytest.mark.parametrize("height", [1.65, 7.0])
def test_sampled_cameras_are_in_range_and_differ(height: float) -> None:
    rng, view = _rng(), _view(height)
    sensors = [sample_sensor(sample_light(view, rng), view, rng) for _ in range(600)]
    for sensor in sensors:
        assert sensor.jpeg is None or 40 <= sensor.jpeg <= 95
        assert 0.35 <= sensor.resample <= 1 and 0 <= sensor.vignetting <= 0.35
        assert 0.7 <= sensor.contrast <= 1.5 and (sensor.gain > 0.2).all() and (sensor.gain < 5.5).all()
        assert 0 <= sensor.saturation <= 1.6 and 0.2 < sensor.blur < 4 and 0 < sensor.noise < 20

    def share(test) -> float:
        return float(np.mean([test(sensor) for sensor in sensors]))

    assert share(lambda s: s.jpeg is not None) == pytest.approx(0.55, abs=0.07)
    assert share(lambda s: s.saturation < 0.3) < 0.08
    assert 0.02 < share(lambda s: s.dirt > 0) < 0.15
    assert 0.02 < share(lambda s: s.resample < 0.6) < 0.25
    stamped = share(lambda s: bool(s.stamp))
    assert 0.06 < stamped < 0.2 if height > 3 else stamped == 0
    for field in fields(Sensor):
        if field.name != "stamp":
            assert len({repr(getattr(sensor, field.name)) for sensor in sensors}) > 30, field.name


def test_exposure_makes_up_for_most_of_the_light() -> None:
    """Gray by day and by night, as the sensor sees it: much closer together than the light itself."""
    rng, view = _rng(), _view(7.0)

    def seen(name: str) -> tuple[float, float, float]:
        lights = [light_of(name, view, rng) for _ in range(200)]
        gains = [sample_sensor(light, view, rng) for light in lights]
        levels = [light.ambient * light.sky_color.mean() for light in lights]
        noise = np.mean([sensor.noise for sensor in gains])
        exposed = [level * s.gain.mean() for level, s in zip(levels, gains, strict=True)]
        return float(np.mean(levels)), float(np.mean(exposed)), float(noise)

    (day, exposed_day, noise_day), (night, exposed_night, noise_night) = seen("overcast"), seen("night")
    assert night < 0.4 * day and exposed_night > 0.5 * exposed_day
    assert noise_night > 1.5 * noise_day
    assert set(WEATHER) >= {"overcast", "night"}
