"""Periodic noise, and tiles of it that can be read at any size without aliasing."""

from __future__ import annotations

import cv2
import numpy as np


def fractal(size: int, slope: float, rng: np.random.Generator, low: float = 0.0) -> np.ndarray:
    """(size, size) float32 noise that repeats, of mean 0 and deviation 1, with amplitudes f ** -slope.

    low: waves of fewer periods a tile are left out, so that the repetition does not show.
    """
    rows, columns = np.fft.fftfreq(size) * size, np.fft.rfftfreq(size) * size
    frequency = np.hypot(rows[:, None], columns[None])
    amplitude = np.where(frequency > max(low, 0.5), np.maximum(frequency, 1.0) ** -slope, 0.0)
    spectrum = np.fft.rfft2(rng.normal(0, 1, (size, size))) * amplitude
    values = np.fft.irfft2(spectrum, s=(size, size))
    return (values / values.std()).astype(np.float32)


def blurred(tile: np.ndarray, sigma: float) -> np.ndarray:
    """A periodic tile (S, S, ...) under a Gaussian blur."""
    margin = int(np.ceil(4 * sigma))
    pad = [(margin, margin)] * 2 + [(0, 0)] * (tile.ndim - 2)
    return cv2.GaussianBlur(np.pad(tile, pad, mode="wrap"), (0, 0), sigma)[margin:-margin, margin:-margin]


# Pixels of a block that is read at one reduction.
BLOCK = 4


class Tiles:
    """Layers of periodic texture, each kept at every reduction of its two axes (a ripmap: McReynolds and
    Blythe, "Advanced Graphics Programming Using OpenGL", 2005, section 18.2). One gather reads them all.

    layers: (S, S) or (S, S, 3) uint8, S a power of two; texel: metres.
    """

    def __init__(self, layers: list[np.ndarray], texel: float) -> None:
        self.texel = texel
        self._size = layers[0].shape[0]
        self._bits = self._size.bit_length() - 1
        levels = self._bits + 1
        self._offsets = np.zeros((levels, levels), np.int32)
        count = 0
        for i in range(levels):
            for j in range(levels):
                self._offsets[i, j] = count
                count += (self._size >> i) * (self._size >> j)
        self._stride = count
        self._texels = np.concatenate([self._reductions(layer) for layer in layers])

    def _reductions(self, layer: np.ndarray) -> np.ndarray:
        if layer.ndim == 3:
            layer = cv2.cvtColor(layer, cv2.COLOR_BGR2BGRA)
        parts, rows = [], layer
        for i in range(self._bits + 1):
            part = rows
            for j in range(self._bits + 1):
                parts.append(
                    np.ascontiguousarray(part).view(np.uint32 if layer.ndim == 3 else np.uint8).ravel()
                )
                if j < self._bits:
                    part = cv2.resize(
                        part, (self._size >> j + 1, self._size >> i), interpolation=cv2.INTER_AREA
                    )
            if i < self._bits:
                rows = cv2.resize(rows, (self._size, self._size >> i + 1), interpolation=cv2.INTER_AREA)
        return np.concatenate(parts)

    def read(
        self, layer: np.ndarray | int, p: np.ndarray, q: np.ndarray, levels: tuple[np.ndarray, np.ndarray]
    ) -> np.ndarray:
        """Texels (H, W) or (H, W, 3) at p, q (H, W) metres, of layers (H, W) or of one.

        levels: log2 of a pixel's extent in metres along p and q, (h, w) each, for blocks of BLOCK pixels.
        """
        top, shape = self._bits, p.shape
        rough_p, rough_q = (
            np.clip(np.rint(level - np.log2(self.texel)), 0, top).astype(np.int32) for level in levels
        )
        level_p, level_q = _spread(rough_p, shape), _spread(rough_q, shape)
        v = self._texel(q)
        v >>= level_q
        v <<= top - level_p
        index = self._texel(p)
        index >>= level_p
        index += v
        index += _spread(self._offsets[rough_q, rough_p], shape)
        index += layer * np.int32(self._stride)
        found = np.take(self._texels, index)
        if found.dtype == np.uint32:
            return cv2.cvtColor(found.view(np.uint8).reshape(*shape, 4), cv2.COLOR_BGRA2BGR)
        return found

    def _texel(self, meters: np.ndarray) -> np.ndarray:
        scaled = meters * np.float32(1 / self.texel)
        # Beyond every coordinate: what follows is positive, so that a cast is a floor.
        scaled += np.float32(1 << 18)
        index = scaled.astype(np.int32)
        index &= np.int32(self._size - 1)
        return index


def _spread(rough: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Blocks (h, w) -> pixels (H, W)."""
    return np.repeat(np.repeat(rough, BLOCK, axis=1), BLOCK, axis=0)[: shape[0], : shape[1]]
