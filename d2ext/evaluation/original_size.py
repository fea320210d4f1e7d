"""Pixel figures of anomaly maps at the images' own sizes.

A map is enlarged, bilinear, to the size of its image (averaged where the image is smaller than the map), and
compared with the mask as it was drawn. All maps of a test set at that size would fill the memory, so they are
kept as the model gave them and masks as bits, and one image at a time is enlarged. The figures are exact all
the same: of each abnormal pixel the normal ones that are greater, and at least as great, are counted image by
image, and the counts are whole numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from d2ext.data.image_io import resize
from d2ext.structures import label_regions

from .rates import areas

#: Abnormal pixels that are ranked in one pass over the images; about 100 bytes each are in use.
MAX_VALUES = 1 << 21
LIMIT = 0.3  # of the false positive rate, for AUPRO


@dataclass(frozen=True)
class Original:
    """What is needed of an image.

    Args:
        values: (H, W) float32, its map as the model gave it.
        bits: its mask, packed.
        size: height and width of the mask.
        marked: abnormal pixels of the mask.
    """

    values: np.ndarray
    bits: np.ndarray
    size: tuple[int, int]
    marked: int

    @classmethod
    def pack(cls, values: np.ndarray, mask: np.ndarray) -> Original:
        """Of a map and a mask (height, width) bool of the image's own size."""
        return cls(values, np.packbits(mask), (mask.shape[0], mask.shape[1]), int(mask.sum()))

    def enlarge(self) -> tuple[np.ndarray, np.ndarray]:
        """Map (height, width) float32 and mask (height, width) bool."""
        height, width = self.size
        mask = np.unpackbits(self.bits, count=height * width).view(bool)
        return resize(self.values, self.size), mask.reshape(self.size)


@dataclass
class _Sums:
    """Of a row of the table: normal pixels, areas of abnormal ones and their number, areas of regions."""

    normal: int = 0
    pixel_area: float = 0.0
    pixels: int = 0
    region_area: float = 0.0
    regions: int = 0

    def add(self, greater: np.ndarray, at_least: np.ndarray, region: np.ndarray) -> None:
        """Abnormal pixels (N,): normal ones above each, and the numbers of their regions."""
        rates = greater / self.normal, at_least / self.normal
        self.pixel_area += float(areas(*rates, 1.0).sum())
        self.pixels += len(region)
        sizes = np.bincount(region)
        means = np.bincount(region, areas(*rates, LIMIT)) / np.maximum(sizes, 1)
        self.region_area += float(means.sum()) / LIMIT
        self.regions += int((sizes > 0).sum())

    def figures(self) -> dict[str, float]:
        return {
            "original pixel AUROC": 100 * self.pixel_area / self.pixels,
            "original AUPRO": 100 * self.region_area / self.regions,
        }


def original_figures(images: Collection[Mapping[str, Any]], whole: str) -> dict[str, dict[str, float]]:
    """Pixel AUROC and AUPRO in per cent: of all images, under the name ``whole``, and by kind of anomaly.

    A row is there where every image of it is known, and some pixels are abnormal and some are not.

    Args:
        images: with ``label``, ``kind``, and ``original``: an :class:`Original`, or None where the mask, or
            another size than the map's, is not known.
    """
    unknown = {row["kind"] for row in images if row["original"] is None}
    if any(row["original"] is None and not row["label"] for row in images):
        return {}
    known = [row for row in images if row["original"] is not None]
    kinds = sorted({row["kind"] for row in known if row["label"]} - unknown)
    sums = {name: _Sums() for name in (whole, *kinds)}
    for row in known:
        height, width = row["original"].size
        for name in _rows_of(row, kinds, whole):
            sums[name].normal += height * width - row["original"].marked
    if sums[whole].normal:
        for group in _groups(known):
            _rank(group, known, kinds, sums, whole)
    rows = [whole, *kinds] if not unknown else kinds
    return {name: sums[name].figures() for name in rows if sums[name].pixels}


def _rows_of(row: Mapping[str, Any], kinds: Sequence[str], whole: str) -> list[str]:
    """Names of the rows in which an image counts."""
    return [whole, *(kinds if not row["label"] else [k for k in kinds if k == row["kind"]])]


def _groups(images: Sequence[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """The images with abnormal pixels, of which a group has few enough."""
    group: list[Mapping[str, Any]] = []
    total = 0
    for row in images:
        marked = row["original"].marked
        if group and total + marked > MAX_VALUES:
            yield group
            group, total = [], 0
        if marked:
            group.append(row)
            total += marked
    if group:
        yield group


def _rank(
    group: Sequence[Mapping[str, Any]],
    images: Sequence[Mapping[str, Any]],
    kinds: Sequence[str],
    sums: Mapping[str, _Sums],
    whole: str,
) -> None:
    """Add the abnormal pixels of a group to ``sums``, ranked among the normal ones of all ``images``."""
    values, region, owner = _abnormal_pixels(group, kinds)
    order = np.argsort(values)
    values, region, owner = values[order], region[order], owner[order]
    greater = np.zeros((2, len(values)), np.int64)  # among all images, among normal ones and the own kind's
    at_least = np.zeros_like(greater)
    for row in images:
        heat, mask = row["original"].enlarge()
        normal = np.sort(heat[~mask])
        own = True if not row["label"] else owner == _index(row["kind"], kinds)
        for counts, side in ((greater, "right"), (at_least, "left")):
            above = len(normal) - np.searchsorted(normal, values, side)  # type: ignore[call-overload]
            counts[0] += above
            np.add(counts[1], above, out=counts[1], where=own)
    sums[whole].add(greater[0], at_least[0], region)
    for number in np.unique(owner[owner >= 0]):
        chosen = owner == number
        sums[kinds[number]].add(greater[1, chosen], at_least[1, chosen], region[chosen])


def _abnormal_pixels(
    group: Sequence[Mapping[str, Any]], kinds: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values, numbers of the regions, and numbers of the kinds (-1 for others)."""
    parts, total = [], 0
    for row in group:
        heat, mask = row["original"].enlarge()
        regions, count = label_regions(mask)
        owner = np.full(row["original"].marked, _index(row["kind"], kinds), np.int16)
        parts.append((heat[mask], (regions[mask] + (total - 1)).astype(np.int32), owner))
        total += count
    values, region, owner = (np.concatenate(column) for column in zip(*parts, strict=True))
    return values, region, owner


def _index(kind: str, kinds: Sequence[str]) -> int:
    return kinds.index(kind) if kind in kinds else -1
