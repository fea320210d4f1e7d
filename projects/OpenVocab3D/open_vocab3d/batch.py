"""OpenVocab3D's work on lists of images: see :mod:`d2ext.engine.shards`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from detectron2.config import CfgNode

from d2ext.data.box_plane import box_plane
from d2ext.data.open_vocab.names import ExemplarBox, Name
from d2ext.engine.shards import ShardPredictor
from d2ext.evaluation import named_rows
from d2ext.projects.open_vocab3d.predictor import OpenVocabPredictor


def as_rows(names: Sequence[Name]) -> list[dict[str, Any]]:
    """Names as plain values, as they stand in a manifest."""
    return [
        {
            **vars(name),
            "prompts": list(name.prompts),
            "exemplars": [[e.image, list(e.box)] for e in name.exemplars],
            "size": name.size and list(name.size),
            "color": name.color and list(name.color),
        }
        for name in names
    ]


def of_rows(rows: Sequence[Mapping[str, Any]]) -> list[Name]:
    """The inverse of :func:`as_rows`."""
    return [
        Name(
            row["name"],
            tuple(row["prompts"]),
            tuple(ExemplarBox(image, tuple(box)) for image, box in row["exemplars"]),
            row["size"] and tuple(row["size"]),
            row["color"] and tuple(row["color"]),
            row["threshold"],
        )
        for row in rows
    ]


class NamePredictor(ShardPredictor):
    """Looks for the same names in each image: {"objects": [...]}.

    Args:
        cfg, list_file, output: as in :class:`~d2ext.engine.shards.ShardPredictor`.
        names: of :func:`as_rows`.
    """

    texts = False

    def __init__(
        self, cfg: CfgNode, list_file: Path, output: Path, names: Sequence[Mapping[str, Any]]
    ) -> None:
        super().__init__(cfg, list_file, output)
        self.predictor = OpenVocabPredictor(cfg, of_rows(names))

    def look(self, _: Mapping[str, Any], inputs: tuple) -> tuple[dict[str, Any], None]:
        """What was found of the names."""
        _, image, camera, plane = inputs
        found, ground = self.predictor(image, camera, plane), box_plane(self.cfg, plane)
        return {"objects": named_rows(found, ground, self.predictor.class_names)}, None
