"""Tables of objects from KITTI text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from d2ext.evaluation.objects import ObjectTable


def table_of_texts(texts: Sequence[str]) -> ObjectTable:
    """Objects of KITTI label or prediction files, one text for each image; nothing is checked."""
    rows = [(i, *line.split()) for i, text in enumerate(texts) for line in text.splitlines() if line.strip()]
    numbers = np.array([row[2:16] for row in rows], dtype=np.float64).reshape(-1, 14)
    score = np.array([row[16] if len(row) > 16 else 0 for row in rows], dtype=np.float64)
    return ObjectTable(
        image=np.array([row[0] for row in rows], dtype=np.int64),
        kind=np.array([row[1].lower() for row in rows], dtype=np.str_),
        truncated=numbers[:, 0],
        occluded=numbers[:, 1],
        alpha=numbers[:, 2],
        bbox=numbers[:, 3:7],
        dimensions=numbers[:, 7:10],
        location=numbers[:, 10:13],
        yaw=numbers[:, 13],
        score=score,
        outside=np.zeros(len(rows), dtype=bool),
    )
