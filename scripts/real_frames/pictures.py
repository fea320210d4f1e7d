"""Each frame with its answers and labels, for people to judge."""

from __future__ import annotations

from pathlib import Path

from detectron2.config import CfgNode

import d2ext.gallery
from d2ext.visualization import write_picture


def draw_frames(cfg: CfgNode, dataset: str, folder: Path) -> int:
    """Write ``folder/DATASET/IMAGE-N.jpg`` for everything that the last evaluation on a dataset answered.

    Returns:
        how many pictures.
    """
    gallery = d2ext.gallery.open_gallery(cfg.OUTPUT_DIR, dataset, cfg)
    target = folder / dataset
    target.mkdir(parents=True, exist_ok=True)
    count, seen = 0, {}  # type: int, dict[str, int]
    for picture in () if gallery is None else gallery.pages():
        number = seen[picture.image_id] = seen.get(picture.image_id, 0) + 1
        write_picture(target / f"{picture.image_id}-{number}.jpg", picture.pixels)
        count += 1
    return count
