"""Rope3D: roadside images with 3D boxes on a tilted ground plane.

X. Ye et al., "Rope3D: The Roadside Perception Dataset for Autonomous Driving and Monocular 3D Object
Detection Task", CVPR 2022.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from d2ext.data.formats.rows import BrokenRows
from d2ext.reading import clear_errors
from d2ext.structures.vocabulary import ROAD, Vocabulary

from .frames import load_frames
from .kitti import read_ground


@clear_errors
def load_rope3d(
    root: str | Path, split: str, skip_broken: bool = False, vocabulary: Vocabulary = ROAD
) -> list[dict[str, Any]]:
    """Records of ``root/training``: {image_2,label_2,calib,denorm}/NAME.*, names from ``{split}.txt``.

    Args:
        root: the dataset's folder.
        split: "train" or "val".
        skip_broken: skip and count broken rows and images instead of raising.
        vocabulary: classes of the labels.

    Raises:
        FileNotFoundError, ValueError: one line that names the file and the line or field.
    """
    folder = Path(root) / "training"

    def ground(name: str, broken: BrokenRows) -> dict[str, Any]:
        return {"ground_plane": read_ground(folder / "denorm" / f"{name}.txt")}

    return load_frames(folder, folder / f"{split}.txt", skip_broken, ground, vocabulary)
