"""Figures of generated and rebuilt pictures.

Sources: Frechet distance: Heusel et al., NeurIPS 2017, equation 6 (Dowson and Landau, 1982). SSIM: Wang et
al., "Image Quality Assessment: From Error Visibility to Structural Similarity", 2004, on luma, with its
Gaussian window.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import scipy.linalg

_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_WINDOW, _SIGMA = 11, 1.5
MOST_DB = 100.0  # of pictures that are equal


def psnr(picture: np.ndarray, other: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of two uint8 pictures of one shape; at most ``MOST_DB``."""
    error = float(np.mean((picture.astype(np.float64) - other) ** 2))
    return MOST_DB if error == 0 else min(MOST_DB, 10 * float(np.log10(255**2 / error)))


def ssim(picture: np.ndarray, other: np.ndarray) -> float:
    """Structural similarity of two (H, W, 3) uint8 BGR pictures, at least 11 pixels a side: the mean over all
    places at which the window is inside."""
    a, b = (cv2.cvtColor(p, cv2.COLOR_BGR2GRAY).astype(np.float64) for p in (picture, other))
    margin = _WINDOW // 2

    def blur(x: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(x, (_WINDOW, _WINDOW), _SIGMA)[margin:-margin, margin:-margin]

    mean_a, mean_b = blur(a), blur(b)
    var_a, var_b = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2
    both = blur(a * b) - mean_a * mean_b
    similarity = (2 * mean_a * mean_b + _C1) * (2 * both + _C2)
    return float(np.mean(similarity / ((mean_a**2 + mean_b**2 + _C1) * (var_a + var_b + _C2))))


def frechet_distance(features: np.ndarray, others: np.ndarray) -> float:
    """Frechet distance of the Gaussians of two sets of features (N, D) and (M, D).

    Raises:
        ValueError: fewer than two of either.
    """
    if min(len(features), len(others)) < 2:
        raise ValueError(f"expected two pictures or more on either side, got {len(features)}, {len(others)}")
    mean_a, mean_b = features.mean(0, dtype=np.float64), others.mean(0, dtype=np.float64)
    cov_a, cov_b = (np.atleast_2d(np.cov(x.astype(np.float64), rowvar=False)) for x in (features, others))
    # The trace of the root of cov_a cov_b by the eigenvalues of root(cov_a) cov_b root(cov_a).
    root = _root(cov_a)
    both = np.sqrt(np.clip(scipy.linalg.eigvalsh(root @ cov_b @ root), 0, None)).sum()
    return float(((mean_a - mean_b) ** 2).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * both)


def _root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = scipy.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T


def nearest_distances(features: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(N,) distances of features (N, D) to the nearest of ``known`` (M, D), M at least 1."""
    squares = (features**2).sum(1)[:, None] + (known**2).sum(1) - 2 * features @ known.T
    nearest = squares.argmin(1)  # by differences: the form above loses the digits of small distances
    return np.linalg.norm(features.astype(np.float64) - known[nearest], axis=1)


def near_repeats(
    distances: np.ndarray, unseen: Sequence[float] | np.ndarray, share: float, rare: float
) -> np.ndarray:
    """(N,) bool, which pictures nearly repeat a training picture.

    Args:
        distances: (N,) of pictures to their nearest training picture.
        unseen: the same of pictures that are known to be new.
        share: a repeat is nearer than this share of ...
        rare: ... this quantile of ``unseen``.
    """
    return np.asarray(distances) < share * np.quantile(np.asarray(unseen), rare)
