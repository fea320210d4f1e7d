"""What SynthRoad can draw: the shapes of every category of road user, and what resembles road users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from zlib import crc32

import numpy as np

from d2ext.data.synthroad.mesh import Mesh
from d2ext.data.synthroad.palette import COLORS
from d2ext.data.synthroad.shapes import BUILDERS

Size = tuple[float, float, float]

# The category of scene.distractors; their shapes are those of DISTRACTORS.
DISTRACTOR = "distractor"


@dataclass(frozen=True)
class SizeStatistics:
    """Mean and standard deviation of h, w, l in metres, near those of KITTI and Rope3D labels."""

    mean: Size
    std: Size

    def sample(self, rng: np.random.Generator) -> np.ndarray:
        """(3,) h, w, l within two standard deviations, in whole centimetres."""
        noise = np.clip(rng.standard_normal(3), -2, 2)
        return np.round(np.array(self.mean) + noise * np.array(self.std), 2)


@dataclass(frozen=True)
class Shape:
    """One shape of a category. weight: how often, among the shapes of its category; colors: the named colours
    that it comes in."""

    size: SizeStatistics
    weight: float
    colors: tuple[str, ...] = COLORS


def _shape(mean: Size, std: Size, weight: float = 1.0, colors: tuple[str, ...] = COLORS) -> Shape:
    return Shape(SizeStatistics(mean, std), weight, colors)


_SIGNAL = ("red", "yellow")

# The first shape of a category is drawn where an object names none.
SHAPES: dict[str, dict[str, Shape]] = {
    "car": {
        "sedan": _shape((1.46, 1.71, 4.42), (0.05, 0.07, 0.20), 0.27),
        "hatchback": _shape((1.50, 1.64, 3.84), (0.05, 0.06, 0.24), 0.24),
        "estate": _shape((1.49, 1.71, 4.42), (0.05, 0.06, 0.20), 0.12),
        "suv": _shape((1.67, 1.78, 4.35), (0.07, 0.06, 0.22), 0.19),
        "taxi": _shape((1.50, 1.69, 4.36), (0.05, 0.06, 0.16), 0.07),
        "mpv": _shape((1.63, 1.73, 4.22), (0.05, 0.05, 0.20), 0.06),
        "mini": _shape((1.50, 1.56, 3.10), (0.04, 0.05, 0.25), 0.03),
        "pickup": _shape((1.77, 1.81, 5.05), (0.06, 0.05, 0.18), 0.02),
    },
    "van": {
        "minivan": _shape((1.92, 1.90, 4.90), (0.06, 0.05, 0.18), 0.35),
        "panel": _shape((2.28, 1.98, 5.40), (0.18, 0.05, 0.35), 0.35),
        "minibus": _shape((2.12, 1.92, 5.25), (0.14, 0.05, 0.25), 0.18),
        "microvan": _shape((1.88, 1.64, 4.00), (0.05, 0.04, 0.18), 0.12),
    },
    "truck": {
        "box": _shape((3.20, 2.42, 7.60), (0.28, 0.12, 1.10), 0.36),
        "tipper": _shape((3.10, 2.48, 7.90), (0.18, 0.06, 0.70), 0.16),
        "trailer": _shape((3.80, 2.53, 14.20), (0.15, 0.05, 1.30), 0.18),
        "tanker": _shape((3.30, 2.48, 9.60), (0.15, 0.05, 1.00), 0.10),
        "dropside": _shape((2.45, 2.05, 5.90), (0.15, 0.10, 0.45), 0.20),
    },
    "bus": {
        "city": _shape((3.12, 2.54, 11.40), (0.10, 0.04, 0.70), 0.55),
        "coach": _shape((3.45, 2.54, 12.00), (0.12, 0.04, 0.60), 0.25),
        "midibus": _shape((2.78, 2.15, 7.20), (0.12, 0.07, 0.45), 0.20),
    },
    "tram": {"tram": _shape((3.50, 2.48, 16.00), (0.10, 0.10, 2.50))},
    "pedestrian": {
        "walking": _shape((1.73, 0.60, 0.78), (0.09, 0.06, 0.12), 0.34),
        "standing": _shape((1.72, 0.58, 0.46), (0.09, 0.06, 0.06), 0.22),
        "bag": _shape((1.72, 0.66, 0.66), (0.09, 0.06, 0.09), 0.16),
        "coat": _shape((1.70, 0.58, 0.62), (0.09, 0.05, 0.08), 0.12),
        "umbrella": _shape((2.00, 0.95, 0.98), (0.09, 0.08, 0.08), 0.07),
        "child": _shape((1.20, 0.46, 0.52), (0.12, 0.05, 0.08), 0.09),
    },
    "person_sitting": {
        "bench": _shape((1.28, 0.60, 0.80), (0.07, 0.05, 0.07), 0.6),
        "chair": _shape((1.27, 0.58, 0.78), (0.07, 0.05, 0.08), 0.4),
    },
    "cyclist": {
        "city": _shape((1.73, 0.59, 1.74), (0.07, 0.05, 0.08), 0.50),
        "loaded": _shape((1.72, 0.62, 1.78), (0.07, 0.05, 0.08), 0.30),
        "racer": _shape((1.58, 0.48, 1.70), (0.06, 0.04, 0.06), 0.20),
    },
    "motorcyclist": {
        "scooter": _shape((1.62, 0.70, 1.75), (0.07, 0.05, 0.10), 0.50),
        "delivery": _shape((1.64, 0.72, 1.85), (0.07, 0.05, 0.10), 0.25),
        "motorcycle": _shape((1.58, 0.78, 2.05), (0.07, 0.05, 0.10), 0.25),
    },
    "tricyclist": {
        "cargo": _shape((1.58, 1.08, 2.55), (0.08, 0.08, 0.20), 0.45),
        "parcels": _shape((1.72, 1.10, 2.70), (0.08, 0.07, 0.20), 0.35),
        "cabin": _shape((1.72, 1.15, 2.45), (0.06, 0.07, 0.15), 0.20),
    },
    "barrow": {
        "cart": _shape((1.15, 0.75, 1.55), (0.10, 0.08, 0.15), 0.6),
        "wheelbarrow": _shape((0.75, 0.65, 1.45), (0.08, 0.06, 0.12), 0.4),
    },
    "trafficcone": {
        "cone": _shape((0.72, 0.36, 0.36), (0.08, 0.04, 0.04), 0.5, _SIGNAL),
        "post": _shape((0.72, 0.32, 0.20), (0.07, 0.03, 0.03), 0.5, _SIGNAL),
    },
    "unknown_movable": {
        "container": _shape((1.28, 1.30, 1.05), (0.12, 0.12, 0.08), 0.35, ("gray", "green", "blue", "brown")),
        "trailer": _shape((1.65, 1.60, 2.60), (0.25, 0.12, 0.30), 0.25),
        "trolley": _shape((1.02, 0.58, 0.95), (0.04, 0.04, 0.08), 0.15),
        "suitcase": _shape((0.90, 0.45, 0.32), (0.10, 0.04, 0.04), 0.10),
        "animal": _shape((0.66, 0.28, 0.98), (0.10, 0.04, 0.12), 0.15, ("brown", "black", "white", "gray")),
    },
    "unknown_unmovable": {
        "barrier": _shape((0.86, 0.52, 1.95), (0.08, 0.06, 0.25), 0.30, ("red", "white", "gray", "yellow")),
        "planter": _shape((0.74, 0.75, 2.10), (0.08, 0.12, 0.30), 0.20),
        "barricade": _shape((1.05, 1.60, 0.50), (0.08, 0.25, 0.06), 0.20, ("red", "yellow", "white")),
        "bollard": _shape((0.85, 0.22, 0.22), (0.10, 0.04, 0.04), 0.20),
        "bench": _shape((0.84, 1.70, 0.60), (0.05, 0.20, 0.05), 0.10, ("brown", "gray", "green", "red")),
    },
}  # fmt: skip

# What resembles road users and is none: w across, l deep, as of an object whose front is its picture.
DISTRACTORS: dict[str, Shape] = {
    "poster": _shape((2.40, 1.40, 0.25), (0.20, 0.12, 0.03), 0.20),
    "billboard": _shape((3.60, 3.60, 0.28), (0.30, 0.40, 0.03), 0.10),
    "column": _shape((3.10, 1.25, 1.25), (0.25, 0.10, 0.10), 0.08),
    "statue": _shape((2.60, 0.90, 0.90), (0.25, 0.08, 0.08), 0.08, ("gray", "green", "brown", "white")),
    "dummy": _shape((1.78, 0.60, 0.42), (0.05, 0.04, 0.04), 0.08),
    "bin": _shape((1.02, 0.52, 0.52), (0.08, 0.05, 0.05), 0.14),
    "mailbox": _shape((1.20, 0.50, 0.42), (0.10, 0.04, 0.04), 0.10, ("yellow", "green", "red", "blue")),
    "cabinet": _shape((1.30, 1.10, 0.45), (0.15, 0.20, 0.05), 0.10, ("gray", "white", "green")),
    "bicycle": _shape((1.05, 0.56, 1.74), (0.05, 0.04, 0.06), 0.12),
}  # fmt: skip

CATEGORIES: tuple[str, ...] = tuple(SHAPES)


def _mixture(shapes: Mapping[str, Shape]) -> SizeStatistics:
    """Mean and deviation over all shapes of a category."""
    weights = np.array([shape.weight for shape in shapes.values()])
    weights = weights / weights.sum()
    means = np.array([shape.size.mean for shape in shapes.values()])
    mean = weights @ means
    variance = weights @ (np.array([shape.size.std for shape in shapes.values()]) ** 2 + (means - mean) ** 2)
    return SizeStatistics(tuple(mean.tolist()), tuple(np.sqrt(variance).tolist()))


SIZES: dict[str, SizeStatistics] = {category: _mixture(shapes) for category, shapes in SHAPES.items()}


VARIANTS = 5


def mesh_of(category: str, shape: str = "", seed: int = 0) -> Mesh:
    """The mesh of a shape, its category's first where none is named; the seed picks one of its variants.

    Raises KeyError for a shape that the category does not have.
    """
    known = DISTRACTORS if category == DISTRACTOR else SHAPES[category]
    return _variant(category, shape or next(iter(known)), seed % VARIANTS)


# All of them, about 300 MB: building one takes as long as drawing four.
@cache
def _variant(category: str, shape: str, variant: int) -> Mesh:
    return BUILDERS[category][shape](np.random.default_rng([variant, crc32(shape.encode())]))
