"""KITTI's object benchmark: images from a car with 3D boxes.

A. Geiger et al., "Are we ready for autonomous driving? The KITTI vision benchmark suite", CVPR 2012.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from d2ext.data.formats.rows import BrokenRows
from d2ext.reading import clear_errors, exists
from d2ext.structures.vocabulary import ROAD, Vocabulary

from .frames import load_frames
from .kitti import read_ground, read_regions


@clear_errors
def load_kitti(
    root: str | Path, split: str, skip_broken: bool = False, vocabulary: Vocabulary = ROAD
) -> list[dict[str, Any]]:
    """Records of ``root/training/{image_2,label_2,calib}``, names from ``root/ImageSets/{split}.txt``.

    A record's ``ignored_boxes`` are the 2D boxes of its DontCare rows. The ground plane comes from
    ``training/planes/NAME.txt`` when there is one.

    Args:
        root: the dataset's folder.
        split: "train" or "val".
        skip_broken: skip and count broken rows and images instead of raising.
        vocabulary: classes of the labels.

    Raises:
        FileNotFoundError, ValueError: one line that names the file and the line or field.
    """
    folder = Path(root) / "training"

    def more(name: str, broken: BrokenRows) -> dict[str, Any]:
        plane = folder / "planes" / f"{name}.txt"
        return {
            "ground_plane": read_ground(plane) if exists(plane) else None,
            "level_boxes": True,  # boxes stand on the camera's x-z plane, whatever the ground
            "ignored_boxes": read_regions(folder / "label_2" / f"{name}.txt", broken),
        }

    return load_frames(folder, Path(root) / "ImageSets" / f"{split}.txt", skip_broken, more, vocabulary)
