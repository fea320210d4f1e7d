"""How one object looks, by its seed: the shade of its colours, its finish, dirt, and which lamps are lit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from d2ext.data.synthroad.palette import vary
from d2ext.data.synthroad.scene import SceneObject

_PEOPLE = ("pedestrian", "person_sitting", "cyclist", "motorcyclist", "tricyclist", "barrow")
# Trousers and skirts, BGR.
_LEGS = (
    (74, 54, 40),
    (96, 72, 52),
    (34, 32, 32),
    (60, 58, 58),
    (112, 140, 160),
    (120, 118, 116),
    (44, 60, 84),
)
_SECOND = (
    (236, 236, 236),
    (40, 38, 38),
    (60, 40, 24),
    (30, 150, 230),
    (46, 120, 40),
    (150, 80, 30),
    (120, 118, 116),
)

# Strength of brake lights.
_BRAKE = 2.2


@dataclass(frozen=True)
class Look:
    """paint, accent (3,) BGR; gloss: a factor; metallic share, dirt, clearness of the glass in [0, 1]; head,
    tail, inside: strength of lamps; offset (2,): where its grain begins."""

    paint: np.ndarray
    accent: np.ndarray
    gloss: float
    metallic: float
    dirt: float
    clear: float
    inside: float
    head: float
    tail: float
    offset: np.ndarray


def look_of(item: SceneObject, lamps: float) -> Look:
    """The look of an object; lamps: how dark it is, from 0 by day to 1 at night."""
    rng = np.random.default_rng([item.seed, 77])
    person = item.category in _PEOPLE
    choices = _LEGS if person else _SECOND
    accent = np.array(choices[rng.integers(len(choices))], dtype=float) + rng.normal(0, 8, 3)
    paint = vary(item.color, rng)
    finish = rng.random()
    metallic = float(rng.uniform(0.4, 1.0)) if finish < 0.5 and not person else 0.0
    gloss = float(rng.uniform(0.1, 0.5)) if finish > 0.88 else float(rng.uniform(0.8, 1.1))
    dirt = float(rng.random() ** 3)
    clear = float(rng.uniform(0.15, 0.85))
    lit = lamps > 0.5
    head = float(rng.uniform(1.5, 2.5)) if lit else float(rng.random() < 0.2) * 0.9
    inside = float(rng.uniform(0.3, 1.0)) * lit * (item.category in ("bus", "tram"))
    tail = float(rng.uniform(0.7, 1.6)) if lit else float(rng.random() < 0.2) * 0.9
    tail = max(tail, _BRAKE) if item.braking else tail
    return Look(
        paint,
        np.clip(accent, 8, 245),
        gloss,
        metallic,
        dirt,
        clear,
        inside,
        head,
        tail,
        rng.uniform(0, 256, 2),
    )
