"""A sheet of pictures with their captions."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from d2ext.visualization.canvas import INK, WHITE, draw_text, wrap_text

COLUMNS, WIDTH, TEXT, MARGIN = 4, 320, 13, 6
_LINES = 3  # of a caption


def draw_sheet(tiles: Sequence[tuple[str, np.ndarray]], columns: int = COLUMNS) -> np.ndarray:
    """Pictures (H, W, 3) uint8 BGR with captions below, row by row.

    Returns:
        (H, W, 3) uint8 BGR; without a picture a white one.
    """
    if not tiles:
        return np.full((WIDTH, WIDTH, 3), 255, np.uint8)
    heights = [round(picture.shape[0] * WIDTH / picture.shape[1]) for _, picture in tiles]
    cell_height, cell_width = max(heights) + _LINES * (TEXT + 3) + 2 * MARGIN, WIDTH + MARGIN
    rows = -(-len(tiles) // columns)
    sheet = np.full((rows * cell_height, columns * cell_width, 3), WHITE, np.uint8)
    for i, ((caption, picture), height) in enumerate(zip(tiles, heights, strict=True)):
        top, left = i // columns * cell_height, i % columns * cell_width
        larger = height > picture.shape[0]
        way = cv2.INTER_NEAREST if larger else cv2.INTER_AREA
        sheet[top : top + height, left : left + WIDTH] = cv2.resize(
            picture, (WIDTH, height), interpolation=way
        )
        for n, line in enumerate(wrap_text(caption, TEXT, WIDTH)[:_LINES]):
            draw_text(sheet, line, left, top + height + (n + 1) * (TEXT + 3), TEXT, INK)
    return sheet
