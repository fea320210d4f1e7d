"""What a picture tells of its light and its camera, for what is drawn into it to look like the rest."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from d2ext.data.synthroad.geometry import View

# Luminance of asphalt and pavements by day in a well exposed picture, as SynthRoad's own have it.
_GROUND = 105.0
# Grounds nearer than this, in metres, are looked at.
_REACH = 120.0


@dataclass(frozen=True)
class Match:
    """tone (3,): what colours by day are multiplied by, BGR; black: level of the darkest places, 0-255;
    blur: sigma of the lens and noise of the sensor, in pixels and in levels; hardness: of the shadows, 0
    under clouds and 1 where the ground is in sun and deep shade."""

    tone: np.ndarray
    black: float
    blur: float
    noise: float
    hardness: float


def match_picture(image: np.ndarray, view: View) -> Match:
    """Estimate light, blur and noise of a picture (H, W, 3) of an empty road, BGR."""
    gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float32)
    ground = ground_mask(view) > 0
    if not ground.any():
        ground[:] = True
    median = np.median(image[ground].astype(float), axis=0)
    level = max(float(median @ (0.114, 0.587, 0.299)), 4.0)
    balance = np.clip(median / level, 0.8, 1.25)
    # Bright paint on the road bounds the light from below, dark asphalt or not.
    bright = float(np.percentile(gray[ground], 99)) / 235
    strength = float(np.clip(max(level / _GROUND, 0.8 * bright), 0.12, 1.3))
    # Where nothing is dark, the darkest place tells little.
    black = min(float(np.percentile(gray, 0.3)), 0.25 * level)
    return Match(strength * balance, black, blur_of(gray), noise_of(gray), _hardness(gray, ground))


def ground_mask(view: View, reach: float = _REACH) -> np.ndarray:
    """(H, W) uint8, 1 where the camera sees the ground plane nearer than ``reach`` metres."""
    u, v = np.meshgrid(np.arange(view.width, dtype=np.float32), np.arange(view.height, dtype=np.float32))
    slope = -view.plane[:3] @ view.inverse_intrinsics
    down = slope[0] * u + slope[1] * v + slope[2]
    return (down * reach > view.plane[3]).astype(np.uint8)


def blur_of(gray: np.ndarray) -> float:
    """Sigma of the lens in pixels, from the sharpest edges of a float32 picture.

    The ratio of an edge's gradient to that after another known blur tells its own (S. Zhuo and T. Sim,
    "Defocus map estimation from a single image", Pattern Recognition 2011, equation 5).
    """
    known = 1.0
    steep = _gradient(cv2.GaussianBlur(gray, (0, 0), 0.5))
    again = _gradient(cv2.GaussianBlur(gray, (0, 0), float(np.hypot(0.5, known))))
    edges = steep > max(float(np.percentile(steep, 99)), 12.0)
    if edges.sum() < 30:
        return 0.8
    ratio = np.percentile(steep[edges] / np.maximum(again[edges], 1e-3), 75)
    own = known / np.sqrt(max(float(ratio) ** 2 - 1, 1e-3))
    # Not the lens's: the blur by 0.5 against noise, and the differences over two pixels (variance 1 / 3).
    return float(np.clip(np.sqrt(max(own**2 - 0.25 - 1 / 3, 0.0)), 0.3, 3.0))


def _gradient(gray: np.ndarray) -> np.ndarray:
    return cv2.magnitude(cv2.Sobel(gray, cv2.CV_32F, 1, 0), cv2.Sobel(gray, cv2.CV_32F, 0, 1))


def noise_of(gray: np.ndarray) -> float:
    """Sigma in levels, from the Laplacians' difference in the smoother half of a float32 picture.

    J. Immerkaer, "Fast noise variance estimation", CVIU 1996, with a median in place of the mean.
    """
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    response = np.abs(cv2.filter2D(gray, cv2.CV_32F, kernel))
    smooth = _gradient(cv2.GaussianBlur(gray, (0, 0), 1.5))
    usable = (smooth <= np.median(smooth)) & (gray > 8) & (gray < 247)
    if usable.sum() < 100:
        return 1.0
    # The kernel's gain is 6; the median of |N(0, 1)| is 0.6745.
    return float(np.clip(np.median(response[usable]) / 0.6745 / 6, 0.0, 12.0))


def _hardness(gray: np.ndarray, ground: np.ndarray) -> float:
    """From how uneven the ground's brightness is at the scale of shadows."""
    sigma = gray.shape[1] / 200
    smooth = np.log(np.maximum(cv2.GaussianBlur(gray, (0, 0), sigma)[ground], 4.0))
    spread = float(np.percentile(smooth, 85) - np.percentile(smooth, 15))
    return float(np.clip((spread - 0.25) / 0.6, 0.0, 1.0))
