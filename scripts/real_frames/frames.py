"""The rows of the table: which frames are shown to which model, and which figures count."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from d2ext.data.formats import load_mono3drefer, load_monomulti3d, load_rope3d
from d2ext.data.formats.mono3drefer import SPLITS, split_file
from d2ext.reading import read_json

Records = list[dict[str, Any]]

#: Ground of KITTI's cameras, as it would be written into planes/.
KITTI_PLANE = [0.0, -1.0, 0.0, 1.65]
#: Words that mean nothing, or nothing that is in a picture of a road.
NONSENSE = ("asdf qwer zxcv", "a giraffe", "lorem ipsum dolor sit amet", "the grand piano")
#: Most rendered scenes that are asked for them.
SCENES = 12


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        key: of the row in the JSON; its dataset is registered as ``real_KEY``.
        title: of the row.
        model: "grounding" or "detection".
        kind: the dataset's ``evaluator_type``.
        folder: below the folder of frames; without it there is no row.
        load: that folder -> dataset dicts.
        figures: title of each figure -> its place in the evaluator's results, "section/name"; empty: those of
            :func:`answered`.
        level: the dataset's ``level_boxes``.
        options: config keys that are changed for the row.
    """

    key: str
    title: str
    model: str
    kind: str
    folder: str
    load: Callable[[Path], Records]
    figures: Mapping[str, str]
    level: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def dataset(self) -> str:
        """Its name in the catalog."""
        return f"real_{self.key}"

    def read(self, results: Mapping[str, Mapping[str, float]], folder: Path) -> dict[str, float]:
        """The figures, out of an evaluator's results and the files it left in ``folder``."""
        if not self.figures:
            return answered(folder / "predictions.json")
        places = {title: place.split("/", 1) for title, place in self.figures.items()}
        return {title: float(results[section][name]) for title, (section, name) in places.items()}


def all_splits(root: Path) -> Records:
    """All images of Mono3DRefer, once each: small sets name theirs in several splits."""
    splits = [split for split in SPLITS if (root / split_file(split)).is_file()]
    records = [record for split in splits for record in load_mono3drefer(root, split)]
    return list({record["image_id"]: record for record in records}.values())


def with_plane(root: Path) -> Records:
    """The same, each with KITTI's plane."""
    return [record | {"ground_plane": KITTI_PLANE} for record in all_splits(root)]


def nonsense(records: Records) -> Records:
    """Images with words that mean nothing in the place of their sentences."""
    words = [{"id": i, "text": t, "target_ids": [], "properties": []} for i, t in enumerate(NONSENSE)]
    return [record | {"sentences": words, "single_target": False} for record in records]


def real_nonsense(root: Path) -> Records:
    """Every frame that other sentences are about, asked for nothing."""
    records = all_splits(root / "mono3drefer")
    if (root / "monomulti3d").is_dir():
        records += load_monomulti3d(root / "monomulti3d", "train")
    return nonsense(records)


def answered(predictions: Path) -> dict[str, float]:
    """What was found for sentences that mean nothing: mean and most boxes of a sentence, the greatest score,
    and per cent of sentences that rightly got none."""
    found = [s["predictions"] for image in read_json(predictions) for s in image["sentences"]]
    counts = [len(boxes) for boxes in found]
    scores = [box["score"] for boxes in found for box in boxes]
    return {
        "boxes": sum(counts) / len(counts),
        "most boxes": float(max(counts)),
        "greatest score": max(scores, default=0.0),
        "none %": 100.0 * counts.count(0) / len(counts),
    }


ACCURACY = {"Acc@0.25": "published/Acc@0.25", "Acc@0.5": "published/Acc@0.5"}
CARS = {
    "2D AP@0.7": "exact/car bbox@0.7/all",
    "BEV AP@0.5": "exact/car bev@0.5/all",
    "3D AP@0.5": "exact/car 3d@0.5/all",
}
PLAIN = "plain/mono3drefer"

ROWS = (
    Row(
        "mono3drefer", "mono3drefer, all splits", "grounding", "mono3drefer", "mono3drefer", all_splits,
        ACCURACY, True,
    ),
    Row(
        "plain", "plain/mono3drefer, no planes/", "grounding", "mono3drefer", PLAIN, all_splits,
        ACCURACY, True,
    ),
    Row(
        "plain_plane", "plain/mono3drefer, plane 0 -1 0 1.65", "grounding", "mono3drefer", PLAIN, with_plane,
        ACCURACY, True,
    ),
    Row(
        "plain_none", "plain/mono3drefer, no plane known", "grounding", "mono3drefer", PLAIN, all_splits,
        ACCURACY, True, {"INPUT.DEFAULT_GROUND": ()},
    ),
    Row(
        "monomulti3d", "monomulti3d_train", "grounding", "monomulti3d", "monomulti3d",
        lambda root: load_monomulti3d(root, "train"), {"F1@0.5": "exact/F1@0.5"},
    ),
    Row(
        "rope3d", "rope3d_val, all cars, 4 steps", "detection", "rope3d", "rope3d",
        lambda root: load_rope3d(root, "val"), CARS, False, {"MODEL.DIFFUSION.STEPS": 4},
    ),
    Row("nonsense", "words that mean nothing", "grounding", "monomulti3d", "", real_nonsense, {}),
)  # fmt: skip
#: Of the folder of --rendered.
RENDERED = Row(
    "nonsense_rendered", "words that mean nothing, rendered scenes", "grounding", "monomulti3d",
    "monomulti3d", lambda root: nonsense(load_monomulti3d(root, "test")[:SCENES]), {},
)  # fmt: skip
