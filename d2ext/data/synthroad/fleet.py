"""What stands on a road: a category, its shape, its colour and its size, as often as in traffic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from d2ext.data.synthroad.models import Shape

# Cars as they are sold, and clothes as they are worn; everything else comes in any of its colours.
_CAR_COLORS = {"white": 0.27, "gray": 0.24, "black": 0.21, "blue": 0.09, "red": 0.08, "green": 0.04,
               "yellow": 0.035, "brown": 0.035}  # fmt: skip
_CLOTHES = {"black": 0.26, "gray": 0.16, "blue": 0.16, "white": 0.14, "red": 0.10, "green": 0.07,
            "brown": 0.06, "yellow": 0.05}  # fmt: skip
_PEOPLE = ("pedestrian", "person_sitting", "cyclist", "motorcyclist")


@dataclass(frozen=True)
class Model:
    """What stands somewhere. size (3,): h, w, l in metres."""

    category: str
    shape: str
    color: str
    size: np.ndarray


def draw(weights: Mapping[str, float], rng: np.random.Generator) -> str:
    """One of the names, by weight."""
    values = np.array(list(weights.values()))
    return list(weights)[int(rng.choice(len(values), p=values / values.sum()))]


def sample_model(
    category: str,
    shapes: Mapping[str, Mapping[str, Shape]],
    rng: np.random.Generator,
    like: Model | None = None,
) -> Model:
    """A shape of a category, its colour and its size; ``like``: another one of the same make."""
    table = shapes[category]
    shape = like.shape if like else draw({name: item.weight for name, item in table.items()}, rng)
    known = table[shape].colors
    usual = _CAR_COLORS if category in ("car", "van") and shape != "taxi" else {}
    usual = _CLOTHES if category in _PEOPLE else usual
    color = (
        like.color if like else draw({name: usual.get(name, 0.02 if usual else 1.0) for name in known}, rng)
    )
    return Model(category, shape, color, table[shape].size.sample(rng))
