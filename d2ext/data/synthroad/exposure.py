"""What a camera makes of a picture: lens, exposure and tone, noise, sharpening and compression."""

from __future__ import annotations

from functools import cache
from statistics import NormalDist

import cv2
import numpy as np

from d2ext.data.synthroad.scene import Sensor

# Signal-dependent noise: the part of the variance at mid-gray that does not depend on the light.
_READ_NOISE = 0.3


def expose(
    image: np.ndarray, sensor: Sensor, rng: np.random.Generator, grain: np.random.Generator | None = None
) -> np.ndarray:
    """What the sensor makes of an image (H, W, 3) uint8 BGR; rng drives dirt and the stamp's place, and noise
    unless ``grain`` does."""
    height, width = image.shape[:2]
    if sensor.resample != 1:
        image = _resized(image, (round(width * sensor.resample), round(height * sensor.resample)))
    image = lens(image, sensor)
    if sensor.dirt:
        image = soil(image, sensor.dirt, rng)
    image = cv2.LUT(image, tone_table(sensor)[:, None])
    image = saturate(image, sensor.saturation)
    image = add_noise(image, sensor, grain or rng)
    image = sharpen(image, sensor.sharpen)
    if sensor.stamp:
        burn_in(image, sensor.stamp, rng)
    if sensor.jpeg is not None:
        image = compress(image, sensor.jpeg)
    return image if sensor.resample == 1 else _resized(image, (width, height))


def compress(image: np.ndarray, quality: int) -> np.ndarray:
    """What JPEG of a quality from 1 to 100 leaves of an image."""
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))


def _resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    smaller = size[0] < image.shape[1]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)


def lens(image: np.ndarray, sensor: Sensor) -> np.ndarray:
    """Bloom, lateral chromatic aberration, blur and motion blur, vignetting."""
    if sensor.bloom:
        image = bloom(image, sensor.bloom)
    if abs(sensor.chroma) > 0.05:
        image = shift_colors(image, sensor.chroma)
    length, angle = sensor.motion
    if length > 1:
        image = cv2.filter2D(image, -1, motion_kernel(length, angle), borderType=cv2.BORDER_REPLICATE)
    if sensor.blur > 0.2:
        image = cv2.GaussianBlur(image, (0, 0), sensor.blur, borderType=cv2.BORDER_REPLICATE)
    if sensor.vignetting:
        kept = np.rint(255 * falloff(image.shape[0], image.shape[1], sensor.vignetting)).astype(np.uint8)
        image = cv2.multiply(image, cv2.merge([kept] * 3), scale=1 / 255)
    return image


def bloom(image: np.ndarray, strength: float) -> np.ndarray:
    """Add light that is scattered around the brightest pixels, at an eighth of the size."""
    height, width = image.shape[:2]
    small = cv2.resize(image, (width // 8 + 1, height // 8 + 1), interpolation=cv2.INTER_AREA)
    bright = np.maximum(small, 170) - np.uint8(170)
    halo = cv2.addWeighted(
        cv2.GaussianBlur(bright, (0, 0), 1.2), 1.2, cv2.GaussianBlur(bright, (0, 0), 5.0), 1.2, 0.0
    )
    halo = cv2.resize(halo, (width, height), interpolation=cv2.INTER_LINEAR)
    return cv2.addWeighted(image, 1.0, halo, 2 * strength, 0.0)


def shift_colors(image: np.ndarray, pixels: float) -> np.ndarray:
    """Lateral chromatic aberration: red `pixels` / 2 farther out in the corners, blue as much nearer."""
    height, width = image.shape[:2]
    center = np.array([(width - 1) / 2, (height - 1) / 2])
    channels = list(cv2.split(image))
    for channel, sign in ((0, -1), (2, 1)):
        scale = 1 + sign * pixels / 2 / float(np.hypot(*center))
        matrix = np.column_stack([np.eye(2) * scale, center * (1 - scale)])
        channels[channel] = cv2.warpAffine(
            channels[channel],
            matrix,
            (width, height),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
    return cv2.merge(channels)


def motion_kernel(length: float, angle: float) -> np.ndarray:
    """A line of `length` pixels through the middle of an odd square, in sum 1."""
    half = int(np.ceil(length / 2))
    steps = np.linspace(-(length - 1) / 2, (length - 1) / 2, 8 * half + 1)
    at = np.stack([steps * np.cos(angle), steps * np.sin(angle)], axis=1) + half
    low = np.floor(at).astype(int)
    part = at - low
    kernel = np.zeros((2 * half + 2, 2 * half + 2), np.float32)
    for dx in (0, 1):
        for dy in (0, 1):
            weight = np.abs(1 - dx - part[:, 0]) * np.abs(1 - dy - part[:, 1])
            np.add.at(kernel, (low[:, 1] + dy, low[:, 0] + dx), weight)
    kernel = kernel[: 2 * half + 1, : 2 * half + 1]
    return kernel / kernel.sum()


@cache
def _radius(height: int, width: int) -> np.ndarray:
    """Squared distance from the middle, (H, W), 1 in the corners."""
    y = (np.arange(height, dtype=np.float32) - (height - 1) / 2) ** 2
    x = (np.arange(width, dtype=np.float32) - (width - 1) / 2) ** 2
    return (y[:, None] + x[None, :]) / (y[0] + x[0])


def falloff(height: int, width: int, lost: float) -> np.ndarray:
    """Vignetting (H, W): 1 in the middle, 1 - lost in the corners, with the square of the radius."""
    return 1 - lost * _radius(height, width)


def tone_table(sensor: Sensor) -> np.ndarray:
    """(256, 3) uint8: level -> gain, gamma, then contrast about mid-gray; what is too bright clips."""
    levels = np.arange(256)[:, None] / 255
    value = np.clip(levels * sensor.gain, 0, 1) ** sensor.gamma
    return np.clip(np.rint(128 + (255 * value - 128) * sensor.contrast), 0, 255).astype(np.uint8)


def saturate(image: np.ndarray, saturation: float) -> np.ndarray:
    """Colours (1) moved from (0) their gray by BT.601's weights."""
    if abs(saturation - 1) < 0.03:
        return image
    gray = np.array([0.114, 0.587, 0.299])
    matrix = saturation * np.eye(3) + (1 - saturation) * np.ones((3, 1)) * gray
    return cv2.transform(image, matrix)


def add_noise(image: np.ndarray, sensor: Sensor, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise whose variance grows with the level, one part common to all colours."""
    if sensor.noise <= 0:
        return image
    height, width = image.shape[:2]
    size, half = (width, height), (height // 2 + 1, width // 2 + 1)
    luma = _normal((height, width), rng)
    if sensor.grain > 0.25:
        # Demosaicking and denoising spread a grain over its neighbours; the variance stays.
        kernel = cv2.getGaussianKernel(5, sensor.grain)
        luma = cv2.sepFilter2D(luma, -1, kernel, np.divide(kernel, (kernel**2).sum()))
    grain = cv2.merge([luma] * 3)
    if sensor.color_noise > 0.02:
        # Cameras smooth colour more than brightness: blots of two pixels.
        blots = cv2.resize(_normal((*half, 3), rng), size, interpolation=cv2.INTER_LINEAR)
        grain = cv2.addWeighted(grain, 1.0, blots, 1.6 * sensor.color_noise, 0.0)
    share = _READ_NOISE + (1 - _READ_NOISE) * np.arange(256, dtype=np.float32) / 128
    sigma = cv2.LUT(image, (sensor.noise * np.sqrt(share)).astype(np.float32))
    return cv2.add(image, cv2.multiply(sigma, grain), dtype=cv2.CV_8U)


def _normal(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Standard normal numbers, float32: the quantiles of random bytes, ten times faster than exact ones."""
    random = np.frombuffer(rng.bytes(int(np.prod(shape))), np.uint8).reshape(shape)
    return cv2.LUT(random, _quantiles())


@cache
def _quantiles() -> np.ndarray:
    """The standard normal distribution at 256 evenly spaced probabilities, scaled to variance 1."""
    values = np.array([NormalDist().inv_cdf((k + 0.5) / 256) for k in range(256)])
    return (values / values.std()).astype(np.float32)


def sharpen(image: np.ndarray, strength: float) -> np.ndarray:
    """Unsharp mask; leaves halos along edges."""
    if strength <= 0:
        return image
    soft = cv2.GaussianBlur(image, (0, 0), 1.0, borderType=cv2.BORDER_REPLICATE)
    return cv2.addWeighted(image, 1 + strength, soft, -strength, 0.0)


def soil(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Drops and dirt on the lens: some spots where the picture is blurred, and darker or brighter."""
    height, width = image.shape[:2]
    small = cv2.resize(image, (width // 8 + 1, height // 8 + 1), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), 1.5)
    soft = cv2.convertScaleAbs(soft, alpha=float(rng.uniform(0.7, 1.1)), beta=float(rng.uniform(0, 25)))
    mask = np.zeros(small.shape[:2], np.uint8)
    for _ in range(int(rng.integers(2, 4 + round(20 * strength)))):
        x, y = rng.uniform(0, mask.shape[1]), rng.uniform(0, mask.shape[0])
        axes = rng.uniform(0.4, 2.5, 2) * (1 + (rng.random() < 0.15))
        placed = ((float(x), float(y)), (2 * float(axes[0]), 2 * float(axes[1])), float(rng.uniform(0, 180)))
        cv2.ellipse(mask, placed, int(255 * rng.uniform(0.4, 0.9)), -1)
    mask = cv2.GaussianBlur(mask, (0, 0), 0.8)
    share = cv2.merge([cv2.resize(mask, (width, height), interpolation=cv2.INTER_LINEAR)] * 3)
    soft = cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR)
    kept = cv2.multiply(image, cv2.bitwise_not(share), scale=1 / 255)
    return cv2.add(kept, cv2.multiply(soft, share, scale=1 / 255))


def burn_in(image: np.ndarray, text: str, rng: np.random.Generator) -> None:
    """Write text into a corner, white or yellow with a dark rim, in place."""
    height, width = image.shape[:2]
    scale = height / 540 * float(rng.uniform(0.5, 0.9))
    font = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_PLAIN, cv2.FONT_HERSHEY_DUPLEX)[rng.integers(3)]
    scale *= 1.7 if font == cv2.FONT_HERSHEY_PLAIN else 1.0
    (wide, tall), _ = cv2.getTextSize(text, font, scale, 1)
    margin = int(rng.uniform(0.01, 0.03) * width)
    x = margin if rng.random() < 0.6 else max(width - wide - margin, 0)
    y = margin + tall if rng.random() < 0.7 else height - margin
    color = (235, 235, 235) if rng.random() < 0.8 else (60, 220, 240)
    if rng.random() < 0.6:
        cv2.putText(image, text, (x, y), font, scale, (20, 20, 20), 3, cv2.LINE_AA)
    cv2.putText(image, text, (x, y), font, scale, color, 1, cv2.LINE_AA)
