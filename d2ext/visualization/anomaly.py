"""Anomaly maps over images and space-time graphs."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from d2ext.data.trajectories import SpaceTimeGraph
from d2ext.structures import Region

from .canvas import SHIFT, WHITE, chip_size, color_of, draw_chip, draw_text, fixed_point, text_width
from .draw3d import place_labels

BACKGROUND = (34, 29, 27)
TEXT = (190, 184, 180)
GRID = (96, 90, 86)
LABELLED = (255, 220, 90)  # outline of what is labelled abnormal: no colour of the heat map
PANEL_SIDE = 640  # pixels that the longer side of a panel is enlarged to, about, in whole multiples
STRIP = 256  # columns of a graph in one row of the picture
DIMMED = 0.6  # brightness of the image below the heat map
OPACITY = 0.75  # of the heat map where it is at least the threshold
GAP = 14  # pixels between panels
TEXT_SIZE = 13  # pixels
LEAST = 8 * TEXT_SIZE  # sides of a panel in pixels; beside a lower one there is no room for the colour bar


def heat_colours(values: np.ndarray, top: float) -> np.ndarray:
    """(H, W, 3) uint8 BGR: black for 0 over red to white for ``top``."""
    share = np.clip(values / top, 0, 1)
    return cv2.applyColorMap(np.round(share * 255).astype(np.uint8), cv2.COLORMAP_HOT)


def overlay(image: np.ndarray, heat_map: np.ndarray, threshold: float) -> np.ndarray:
    """The heat map (H, W) over the dimmed gray image (H, W, 3); what is below 0 does not show.

    The colours end at twice the threshold, or at the greatest value if that is more.
    """
    gray = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    opacity = OPACITY * np.clip(heat_map / threshold, 0, 1)[..., None]
    heat = heat_colours(heat_map, _top(heat_map, threshold))
    return np.round((1 - opacity) * DIMMED * gray + opacity * heat).astype(np.uint8)


def draw_anomalies(
    image: np.ndarray | SpaceTimeGraph,
    heat_map: np.ndarray,
    threshold: float,
    regions: Sequence[Region] = (),
    labels: Sequence[str] = (),
    title: str = "",
    mask: np.ndarray | None = None,
) -> np.ndarray:
    """An image or graph, and beside it its heat map with the regions in boxes.

    A graph has axes: time in s, position in m, and the lanes. A long one is drawn in strips below each other.

    Args:
        image: (H, W, 3) uint8 BGR, or a graph.
        heat_map: (H, W).
        threshold: positive; from there on the heat map hides the image.
        regions: of the heat map.
        labels: a text for each region.
        title: a line above.
        mask: (H, W) bool, what is labelled abnormal: outlined in both.

    Returns:
        uint8 BGR.
    """
    graph = image if isinstance(image, SpaceTimeGraph) else None
    pixels = image.image if isinstance(image, SpaceTimeGraph) else image
    height, width = pixels.shape[:2]
    heat = overlay(pixels, heat_map, threshold)
    strip = width if graph is None else min(width, STRIP)
    scale = max(1, round(PANEL_SIDE / max(height, strip)))
    rows = []
    for start in range(0, width, strip):
        columns = slice(start, start + strip)
        panels = [_enlarge(p[:, columns], strip, scale) for p in (pixels, heat)]
        if mask is not None:
            for panel in panels:
                _outline(panel, mask[:, columns], scale)
        _draw_regions(panels[1], regions, labels, start, scale)
        if graph is not None:
            panels = [_with_axes(panel, graph, start, scale) for panel in panels]
        bar = _colour_bar(panels[1].shape[0], _top(heat_map, threshold), threshold)
        gap = np.full((len(bar), GAP, 3), BACKGROUND, np.uint8)
        rows += [np.hstack([gap, panels[0], gap, panels[1], gap, bar, gap])]
        rows += [np.full((GAP, rows[-1].shape[1], 3), BACKGROUND, np.uint8)]
    head = np.full((3 * TEXT_SIZE, rows[0].shape[1], 3), BACKGROUND, np.uint8)
    draw_text(head, title, GAP, 2 * TEXT_SIZE, TEXT_SIZE + 3, WHITE, bold=True)
    return np.vstack([head, *rows])


def _top(heat_map: np.ndarray, threshold: float) -> float:
    return max(float(heat_map.max()), 2 * threshold)


def _enlarge(panel: np.ndarray, width: int, scale: int) -> np.ndarray:
    """At ``scale``, filled up to ``width`` columns and to ``LEAST`` pixels."""
    size = (max(panel.shape[0] * scale, LEAST), max(width * scale, LEAST), 3)
    out = np.full(size, BACKGROUND, np.uint8)
    large = cv2.resize(panel, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)
    out[: large.shape[0], : large.shape[1]] = large
    return out


def _outline(panel: np.ndarray, mask: np.ndarray, scale: int) -> None:
    large = cv2.resize(mask.astype(np.uint8), None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)
    contours, _ = cv2.findContours(large, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(panel, contours, -1, LABELLED, 2, cv2.LINE_AA)


def _draw_regions(
    panel: np.ndarray, regions: Sequence[Region], labels: Sequence[str], start: int, scale: int
) -> None:
    """Boxes, and labels where a region begins; ``start``: the column at the left edge."""
    size = (panel.shape[0], panel.shape[1])
    boxes = [(np.array(r.box, float) - [start, 0, start, 0]) * scale for r in regions]
    shown = [i for i, box in enumerate(boxes) if box[2] > 0 and box[0] < size[1]]
    for i in shown:
        x0, y0, x1, y1 = boxes[i]
        corners = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)]) - 0.5
        cv2.polylines(panel, [fixed_point(corners)], True, color_of(i), 2, cv2.LINE_AA, SHIFT)
    named = [i for i in shown if i < len(labels) and labels[i] and boxes[i][0] >= 0]
    if named:
        extents = np.array([boxes[i] for i in named])
        places = place_labels([chip_size(labels[i], TEXT_SIZE) for i in named], extents, size)
        for i, (x, y) in zip(named, places, strict=True):
            draw_chip(panel, labels[i], x, y, TEXT_SIZE, color_of(i))


def _with_axes(panel: np.ndarray, graph: SpaceTimeGraph, start: int, scale: int) -> np.ndarray:
    """Positions and lanes on the left, times below."""
    spec = graph.spec
    left, below = 6 * TEXT_SIZE, 3 * TEXT_SIZE
    height, width = panel.shape[:2]
    out = np.full((height + below, width + left, 3), BACKGROUND, np.uint8)
    out[:height, left:] = panel
    tall = spec.panel_height * scale
    step = _step((spec.end - spec.start) * 3 * TEXT_SIZE / tall)
    for number, lane in enumerate(spec.lanes):
        bottom = number * (tall + spec.separator * scale) + tall
        for metres in np.arange(np.ceil(spec.start / step) * step, spec.end + 1e-6, step):
            y = bottom - (metres - spec.start) / spec.metres_per_pixel * scale
            cv2.line(out, (left - 5, round(y)), (left - 1, round(y)), GRID, 1)
            y = min(max(y, bottom - tall + TEXT_SIZE * 0.5), bottom - TEXT_SIZE * 0.5)
            _right_text(out, f"{metres:g}", left - 8, y + TEXT_SIZE * 0.36)
        draw_chip(out, f"lane {lane}", left + 5, bottom - tall + 5, TEXT_SIZE - 2, GRID)
    draw_text(out, "m", 4, TEXT_SIZE * 1.3, TEXT_SIZE, TEXT)
    seconds = spec.seconds_per_pixel
    first = (graph.first_column + start) * seconds
    step = _step(6 * TEXT_SIZE * seconds / scale)
    last = first + width / scale * seconds
    for time in np.arange(np.ceil(first / step) * step, last + 1e-6, step):
        x = left + (time - first) / seconds * scale
        cv2.line(out, (round(x), height), (round(x), height + 4), GRID, 1)
        text = f"{time:g} s"
        x = min(x - text_width(text, TEXT_SIZE) / 2, out.shape[1] - text_width(text, TEXT_SIZE))
        draw_text(out, text, x, height + 2 * TEXT_SIZE, TEXT_SIZE, TEXT)
    return out


def _colour_bar(height: int, top: float, threshold: float) -> np.ndarray:
    """What the colours of the heat map mean."""
    long = min(height - 2 * TEXT_SIZE, 16 * TEXT_SIZE)
    bar = np.full((height, 5 * TEXT_SIZE, 3), BACKGROUND, np.uint8)
    values = np.linspace(top, 0, long)[:, None].repeat(TEXT_SIZE, 1)
    bar[TEXT_SIZE : TEXT_SIZE + long, :TEXT_SIZE] = heat_colours(values, top)
    for value in (0.0, threshold, top):
        y = TEXT_SIZE + (1 - value / top) * long
        cv2.line(bar, (TEXT_SIZE, round(y)), (TEXT_SIZE + 4, round(y)), TEXT, 1)
        draw_text(bar, f"{value:.2f}", TEXT_SIZE + 7, y + TEXT_SIZE * 0.36, TEXT_SIZE, TEXT)
    return bar


def _right_text(image: np.ndarray, text: str, right: float, baseline: float) -> None:
    draw_text(image, text, right - text_width(text, TEXT_SIZE), baseline, TEXT_SIZE, TEXT)


def _step(least: float) -> float:
    """The least of 1, 2, 5 times a power of ten that is at least ``least``."""
    power = 10.0 ** np.floor(np.log10(least))
    return float(power * next(factor for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9)))
