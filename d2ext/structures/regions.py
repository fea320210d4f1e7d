"""Connected regions of masks and heat maps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

_NEIGHBOURS = np.ones((3, 3))  # a region goes on over corners


@dataclass(frozen=True)
class Region:
    """A connected region of a heat map.

    Args:
        score: its greatest value.
        box: x0, y0, x1, y1 in whole pixels, the last two exclusive.
        mask: (y1 - y0, x1 - x0) bool, its pixels in the box.
    """

    score: float
    box: tuple[int, int, int, int]
    mask: np.ndarray

    def cut(self, values: np.ndarray) -> np.ndarray:
        """``values`` (H, W) where the region is, 0 elsewhere."""
        x0, y0, x1, y1 = self.box
        kept = np.zeros_like(values)
        kept[y0:y1, x0:x1] = np.where(self.mask, values[y0:y1, x0:x1], 0)
        return kept


def label_regions(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """Numbers (H, W) int from 1 on of the regions of a mask (H, W), 0 outside of them; and how many there
    are."""
    return ndimage.label(mask, _NEIGHBOURS)


def find_regions(values: np.ndarray, threshold: float) -> list[Region]:
    """The regions of a heat map (H, W) where it is at least ``threshold``, by falling score."""
    labels, _ = label_regions(values >= threshold)
    regions = []
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        mask = labels[rows, columns] == number
        box = (columns.start, rows.start, columns.stop, rows.stop)
        regions.append(Region(float(values[rows, columns][mask].max()), box, mask))
    return sorted(regions, key=lambda region: -region.score)
