"""Files of scenes: pictures with labels, cameras, grounds and sentences in the formats of the datasets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from d2ext.data.synthesis import claim, write_settings
from d2ext.data.synthroad import writer
from d2ext.data.synthroad.geometry import View
from d2ext.data.synthroad.labels import OCCLUSION_STEPS, Label
from d2ext.data.synthroad.writer import SPLITS, FrameRecord, Referral
from d2ext.structures import Camera

MARKER = "scenes.json"
NO_COLOR = "none"
_LEVEL_GROUND = (0.0, -1.0, 0.0, 1.65)  # where none is known
_HIDDEN = (0.0, OCCLUSION_STEPS[0], OCCLUSION_STEPS[1], 1.0)  # by the label's level
_CUT = 0.1  # share of an object that is told to be outside where no more is known


class SceneFiles:
    """Writes a dataset into a folder that is empty, new, or holds an unfinished one of the same settings.

    Pictures whose boxes are level go into Mono3DRefer's layout, the others into those of MonoMulti3D and
    Rope3D. A folder ``FOLDER`` below ``DETECTRON2_DATASETS`` gives datasets such as
    ``FOLDER_monomulti3d_train``.

    Args:
        root: the folder.
        settings: what the dataset is made of.
        names: of the classes.

    Attributes:
        done: the dataset is there already and complete.

    Raises:
        FileExistsError: the folder holds anything else.
    """

    def __init__(self, root: str | Path, settings: Mapping[str, Any], names: Sequence[str]) -> None:
        self.root, self.names = Path(root), list(names)
        self.settings = json.loads(json.dumps(settings))  # as they are read again
        self.done = not claim(self.root, MARKER, self.settings)
        self._mono: dict[str, list[FrameRecord]] = {split: [] for split in SPLITS}
        self._multi: dict[str, list[FrameRecord]] = {split: [] for split in SPLITS}

    def add(
        self,
        split: str,
        picture: np.ndarray,
        objects: Sequence[Mapping[str, Any]],
        camera: Camera,
        ground: Tensor | None,
        level: bool,
        sentences: Sequence[Mapping[str, Any]] = (),
    ) -> str:
        """Write one picture.

        Args:
            split: "train", "val" or "test".
            picture: (H, W, 3) uint8 BGR.
            objects: annotations in the frame of the picture, with a 3D box.
            camera, ground: of the picture.
            level: boxes stand on the camera's x-z plane.
            sentences: as in dataset dicts; one is written where all its targets are among the objects.

        Returns:
            its name.
        """
        height, width = picture.shape[:2]
        plane = np.array(_LEVEL_GROUND if ground is None else ground.double().tolist())
        view = View(np.array(camera.P.double().tolist()), plane, width, height, tilted_boxes=not level)
        placed = [a for a in objects if a["has_3d"]]
        labels = [self._label(a, (height, width)) for a in placed]
        referrals = _referrals(sentences, [a["id"] for a in placed], one=level)
        kept = self._mono if level else self._multi
        number = sum(map(len, kept.values()))
        name = f"{number:06d}" if level else f"scene_{number:06d}"
        row = writer.kitti_row if level else writer.rope_row
        record = FrameRecord(name, labels, [row(label) for label in labels], referrals)
        if not number:
            writer.make_folders(self.root, mono=level, multi=not level)
        if level:
            writer.write_mono_frame(self.root, name, picture, view, record.rows)
        else:
            writer.write_multi_frame(self.root, split, picture, view, record)
        kept[split].append(record)
        return name

    def finish(self) -> None:
        """Write what is about all pictures, and that the dataset is complete."""
        if any(self._mono.values()):
            writer.write_mono_index(self.root, self._mono)
        if any(self._multi.values()):
            writer.write_rope_index(self.root, self._multi)
        write_settings(self.root, MARKER, self.settings, complete=True)

    def _label(self, a: Mapping[str, Any], size: tuple[int, int]) -> Label:
        x1, y1, x2, y2 = a["bbox"]
        at_border = (x1 <= 0, y1 <= 0, x2 >= size[1] - 1, y2 >= size[0] - 1)
        sides = tuple(s for s, cut in zip(("left", "top", "right", "bottom"), at_border, strict=True) if cut)
        level = min(max(int(a["occluded"]), 0), len(_HIDDEN) - 1)
        return Label(
            category=self.names[a["category_id"]],
            color=a.get("color") or NO_COLOR,
            size=tuple(a["dimensions"]),
            location=tuple(a["location"]),
            yaw=a["yaw"],
            alpha=a["alpha"],
            box=(x1, y1, x2, y2),
            truncated=max(min(float(a["truncated"]), 1.0), _CUT if sides else 0.0),
            hidden=_HIDDEN[level],
            border=sides,
        )


def _referrals(sentences: Sequence[Mapping[str, Any]], ids: Sequence[int], one: bool) -> list[Referral]:
    """``one``: only those of exactly one target."""
    index = {name: i for i, name in enumerate(ids)}
    found = []
    for sentence in sentences:
        targets = sentence["target_ids"]
        if targets is None or not index.keys() >= set(targets) or (one and len(targets) != 1):
            continue
        found.append(Referral(sentence["text"], [index[t] for t in targets], list(sentence["properties"])))
    return found
