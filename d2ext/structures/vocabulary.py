"""The one taxonomy of every dataset: 14 road-user and road-object classes."""

from __future__ import annotations

from typing import NamedTuple


class Category(NamedTuple):
    """A class name (lower case) and its mean size (height, width, length) in metres."""

    name: str
    mean_size: tuple[float, float, float]


#: The position of a category is its ``category_id``. The sizes are priors for residuals, rounded from KITTI
#: and Rope3D.
CATEGORIES: tuple[Category, ...] = (
    Category("car", (1.45, 1.65, 4.10)),
    Category("van", (2.10, 1.90, 5.00)),
    Category("truck", (3.20, 2.55, 9.50)),
    Category("bus", (3.10, 2.65, 10.80)),
    Category("tram", (3.50, 2.55, 16.00)),
    Category("pedestrian", (1.70, 0.60, 0.70)),
    Category("person_sitting", (1.27, 0.60, 0.80)),
    Category("cyclist", (1.65, 0.55, 1.70)),
    Category("motorcyclist", (1.60, 0.65, 1.80)),
    Category("tricyclist", (1.60, 1.10, 2.50)),
    Category("barrow", (1.20, 0.80, 1.50)),
    Category("trafficcone", (0.70, 0.33, 0.20)),
    Category("unknown_movable", (1.30, 1.20, 2.00)),
    Category("unknown_unmovable", (0.85, 1.20, 1.80)),
)

#: Label types that mark regions without a usable object; their rows are no annotations.
IGNORED_TYPES = frozenset({"dontcare", "misc"})

_ALIASES = {
    "barrowlist": "barrow",
    "unknowns_movable": "unknown_movable",
    "unknowns_unmovable": "unknown_unmovable",
}
_IDS = {category.name: index for index, category in enumerate(CATEGORIES)}
_IDS.update({alias: _IDS[name] for alias, name in _ALIASES.items()})


def thing_classes() -> list[str]:
    """The 14 class names in ``category_id`` order."""
    return [category.name for category in CATEGORIES]


def category_id(name: str) -> int:
    """The id of a class name, compared case-insensitively.

    Raises:
        ValueError: the class is not in the taxonomy.
    """
    found = _IDS.get(name.lower())
    if found is None:
        raise ValueError(f"unknown class {name!r}, expected one of {', '.join(thing_classes())}")
    return found
