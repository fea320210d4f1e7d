"""Classes of objects: what the labels of a dataset call them, and what a model tells apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from d2ext.reading import one_line

Size = tuple[float, float, float]  # height, width, length in metres


@dataclass(frozen=True)
class Vocabulary:
    """Names of classes and what is known of them. The position of a name is its ``category_id``.

    Attributes:
        names: of the classes, lower case.
        sizes: mean (height, width, length) in metres by name, the priors of size residuals; a class may have
            none.
        aliases: other names of a class.
        ignored: types of label rows that mark regions without a usable object; they are no classes.

    Raises:
        ValueError: no name, or a name twice.
    """

    names: tuple[str, ...]
    sizes: Mapping[str, Size] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset({"dontcare", "misc"})

    def __post_init__(self) -> None:
        names = [name for name in self.names if isinstance(name, str) and name]
        if not names or len(set(names)) < len(self.names):
            raise ValueError(f"classes: expected different names, got {one_line(repr(self.names), 150)}")

    def __len__(self) -> int:
        return len(self.names)

    def id_of(self, name: str) -> int:
        """The id of a class name or alias, compared case-insensitively.

        Raises:
            ValueError: it is no class.
        """
        name_of = {known.lower(): known for known in self.names}
        found = name_of.get(name.lower()) or self.aliases.get(name.lower())
        if found is None:
            raise ValueError(f"unknown class {name!r}, expected one of {', '.join(self.names)}")
        return self.names.index(found)

    @classmethod
    def of_names(cls, names: Iterable[str]) -> Vocabulary:
        """Classes with the sizes that :data:`ROAD` has for the same names."""
        names = tuple(names)
        return cls(names, {name: size for name, size in ROAD.sizes.items() if name in names})

    @classmethod
    def of_metadata(cls, metadata: Any) -> Vocabulary | None:
        """The classes of a dataset, from Detectron2's metadata: ``vocabulary``, else ``thing_classes``, else
        what ``read_vocabulary``, called without arguments, finds in the dataset's own file; None where it has
        none of them."""
        found = metadata.get("vocabulary")
        names: Sequence[str] = metadata.get("thing_classes", ())
        if found is None and not names and metadata.get("read_vocabulary") is not None:
            found = metadata.get("read_vocabulary")()
        return found if found is not None or not names else cls.of_names(names)


#: The taxonomy of the datasets that this collection reads. Sizes are rounded from KITTI and Rope3D.
ROAD = Vocabulary(
    names=(
        "car", "van", "truck", "bus", "tram", "pedestrian", "person_sitting", "cyclist", "motorcyclist",
        "tricyclist", "barrow", "trafficcone", "unknown_movable", "unknown_unmovable",
    ),
    sizes={
        "car": (1.45, 1.65, 4.10),
        "van": (2.10, 1.90, 5.00),
        "truck": (3.20, 2.55, 9.50),
        "bus": (3.10, 2.65, 10.80),
        "tram": (3.50, 2.55, 16.00),
        "pedestrian": (1.70, 0.60, 0.70),
        "person_sitting": (1.27, 0.60, 0.80),
        "cyclist": (1.65, 0.55, 1.70),
        "motorcyclist": (1.60, 0.65, 1.80),
        "tricyclist": (1.60, 1.10, 2.50),
        "barrow": (1.20, 0.80, 1.50),
        "trafficcone": (0.70, 0.33, 0.20),
        "unknown_movable": (1.30, 1.20, 2.00),
        "unknown_unmovable": (0.85, 1.20, 1.80),
    },
    aliases={
        "barrowlist": "barrow",
        "unknowns_movable": "unknown_movable",
        "unknowns_unmovable": "unknown_unmovable",
    },
)  # fmt: skip
