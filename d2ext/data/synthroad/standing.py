"""What may stand along a road: houses, plants, strips and posts, in road coordinates."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class House:
    """A block of p x q metres; side: of the road; roof: height of a gable, 0 for flat ones."""

    p: tuple[float, float]
    q: tuple[float, float]
    tall: float
    roof: float
    style: str
    wall: np.ndarray
    side: int
    seed: int


@dataclass(frozen=True)
class Plant:
    """A tree or bush at p, q: kind of `foliage.TREES`, "bare" or "bush"; tint (3,) of its leaves."""

    kind: str
    number: int
    p: float
    q: float
    tall: float
    tint: np.ndarray
    autumn: bool = False


@dataclass(frozen=True)
class Strip:
    """A hedge, fence, wall or row of trees along the road at p, from q[0] to q[1], `thick` metres deep."""

    kind: str
    p: float
    q: tuple[float, float]
    tall: float
    thick: float
    color: np.ndarray


@dataclass(frozen=True)
class Post:
    """A lamp, sign, traffic light, wire pole, billboard, shelter or gantry; side: of the road."""

    kind: str
    p: float
    q: float
    tall: float
    side: int
    seed: int


@dataclass
class Neighbourhood:
    """All that stands there."""

    houses: list[House] = field(default_factory=list)
    plants: list[Plant] = field(default_factory=list)
    strips: list[Strip] = field(default_factory=list)
    posts: list[Post] = field(default_factory=list)
