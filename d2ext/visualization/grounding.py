"""One picture that answers several sentences: boxes, bird's-eye view, and the sentences in their colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from detectron2.structures import Instances

from d2ext.structures import Boxes3D, Camera

from .bev import BACKGROUND, TEXT, draw_bev
from .canvas import (
    WHITE,
    Color,
    chip_size,
    color_of,
    draw_chip,
    draw_text,
    mix,
    text_width,
    wrap_text,
)
from .draw3d import draw_boxes3d

MIN_WIDTH, MAX_WIDTH = 1100, 1920  # of the picture, in pixels; smaller and larger ones are resized
NESTED_WITHIN = 0.5  # metres: boxes of several sentences that are closer are drawn one inside the other
NESTING = 0.07
FULL_LABELS = 8  # with more boxes than this the labels hold the sentence's number only


def draw_grounding(
    image: np.ndarray,
    sentences: Sequence[str],
    predictions: Sequence[Instances],
    camera: Camera,
    ground_plane: Any = None,
    ground_truth: Sequence[Boxes3D] | None = None,
    class_names: Sequence[str] | None = None,
    colors: Sequence[Color] | None = None,
) -> np.ndarray:
    """Draw what was found for each sentence.

    Args:
        image: (H, W, 3) uint8 BGR.
        sentences: K texts.
        predictions: for each sentence Instances with ``pred_boxes3d`` (Boxes3D), with ``scores`` where the
            boxes have any, and with ``pred_classes`` if ``class_names`` is given.
        camera: camera of ``image``.
        ground_plane: (4,) ground plane of a tilted camera, or None.
        ground_truth: for each sentence its targets, drawn in white.
        class_names: names of the classes, for the labels.
        colors: BGR of each sentence, by default one after the other from the palette.

    Returns:
        uint8 BGR: the picture, below it the sentences with their results, on the right the view from above.

    Raises:
        ValueError: the lists are of different lengths, or the image is not the camera's.
    """
    lists = (("predictions", predictions), ("ground_truth", ground_truth), ("colors", colors))
    for name, items in lists:
        if items is not None and len(items) != len(sentences):
            raise ValueError(f"{name}: expected {len(sentences)}, one for each sentence, got {len(items)}")
    picture, camera = fit_picture(image, camera)
    owners = [k for k, found in enumerate(predictions) for _ in range(len(found))]
    boxes = _cat([found.pred_boxes3d for found in predictions])
    truth = None if ground_truth is None else _cat(ground_truth)
    sentence_colors = colors or [color_of(k) for k in range(len(sentences))]
    box_colors = [sentence_colors[k] for k in owners]
    numbers = [str(k + 1) for k in owners]
    labels = numbers
    if class_names is not None and len(boxes) <= FULL_LABELS:
        labels = _name(numbers, predictions, class_names)

    if truth is not None:
        picture = draw_boxes3d(picture, truth, camera, colors=[WHITE] * len(truth), dashed=True)
    picture = draw_boxes3d(picture, _nest(boxes), camera, labels, box_colors)
    results = [_result(found) for found in predictions]
    below = _draw_sentences(sentences, results, sentence_colors, picture.shape[1], truth is not None)
    column = np.concatenate((picture, below))
    return beside_bev(column, camera, boxes, numbers, box_colors, ground_plane, truth)


def beside_bev(
    column: np.ndarray,
    camera: Camera,
    boxes: Boxes3D,
    numbers: Sequence[str],
    colors: Sequence[Color],
    ground_plane: Any = None,
    truth: Boxes3D | None = None,
) -> np.ndarray:
    """A picture with the view from above on its right; the rest as :func:`draw_bev` has it."""
    width = round(max(0.30 * column.shape[1], min(0.62 * column.shape[0], 0.42 * column.shape[1])))
    size = column.shape[0], width
    panel = draw_bev(boxes, numbers, colors, size, ground=ground_plane, camera=camera, ground_truth=truth)
    line = np.full((len(column), 2, 3), mix(BACKGROUND, WHITE, 0.25), np.uint8)
    return np.concatenate((column, line, panel), 1)


def _name(numbers: Sequence[str], predictions: Sequence[Instances], class_names: Sequence[str]) -> list[str]:
    """The numbers of boxes with their classes."""
    classes = [int(c) for found in predictions for c in found.pred_classes]
    return [f"{number} {class_names[c]}" for number, c in zip(numbers, classes, strict=True)]


def fit_picture(image: np.ndarray, camera: Camera) -> tuple[np.ndarray, Camera]:
    """Resize small and large pictures, so that lines and text are equally readable on all."""
    if image.shape != (*camera.image_size, 3):
        raise ValueError(f"image: expected shape {(*camera.image_size, 3)} of its camera, got {image.shape}")
    height, width = camera.image_size
    new_width = int(np.clip(width, MIN_WIDTH, MAX_WIDTH))
    if new_width == width:
        return image, camera
    size = (round(height * new_width / width), new_width)
    interpolation = cv2.INTER_AREA if new_width < width else cv2.INTER_CUBIC
    return cv2.resize(image, size[::-1], interpolation=interpolation), camera.resize(size)


def _cat(boxes: Sequence[Boxes3D]) -> Boxes3D:
    boxes = [b.to("cpu", torch.float64) for b in boxes if len(b)]
    if boxes:
        return Boxes3D.cat(boxes)
    return Boxes3D(torch.zeros(0, 3), torch.zeros(0, 3), torch.zeros(0, 3, 3)).to("cpu", torch.float64)


def _nest(boxes: Boxes3D) -> Boxes3D:
    """Widen each box by how many earlier ones share its place, so that all wireframes can be seen."""
    if len(boxes) == 0:
        return boxes
    near = torch.cdist(boxes.center, boxes.center) < NESTED_WITHIN
    earlier = near.tril(-1).sum(dim=1, keepdim=True)
    return Boxes3D(boxes.center, boxes.size * (1 + NESTING * earlier), boxes.rotation)


def _result(found: Instances) -> str:
    if not len(found):
        return "none"
    distances = found.pred_boxes3d.center.norm(dim=1).tolist()
    if len(found) > 2:
        return f"{len(found)} objects, {min(distances):.0f} to {max(distances):.0f} m"
    texts = [f"{d:.1f} m" for d in distances]
    if found.has("scores"):
        texts = [f"{text}, score {s:.2f}" for text, s in zip(texts, found.scores.tolist(), strict=True)]
    return "   ".join(texts)


def _draw_sentences(
    sentences: Sequence[str],
    results: Sequence[str],
    colors: Sequence[Color],
    width: int,
    with_ground_truth: bool,
) -> np.ndarray:
    """(height, width, 3): for each sentence its number in its colour, the wrapped text and the result."""
    size = max(13, round(width / 80))
    line, pad = round(size * 1.5), round(size * 0.9)
    chip = chip_size(str(len(sentences)), size)[0]
    text_left = pad + chip + round(0.7 * size)
    result_width = max([text_width(r, size, bold=True) for r in results], default=0)
    text_room = width - text_left - result_width - 3 * pad
    wrapped = [wrap_text(sentence, size, text_room) for sentence in sentences]
    note = "white: ground truth" if with_ground_truth else ""
    height = 2 * pad + sum(len(lines) * line + pad // 2 for lines in wrapped) + (line if note else 0)
    panel = np.full((height, width, 3), BACKGROUND, dtype=np.uint8)

    top = pad
    for k, (lines, result) in enumerate(zip(wrapped, results, strict=True)):
        color = colors[k]
        draw_chip(panel, str(k + 1), pad, top + (line - chip_size("1", size)[1]) / 2, size, color)
        for row, text in enumerate(lines):
            draw_text(
                panel, text, text_left, top + row * line + line * 0.5 + size * 0.36, size, (225, 225, 225)
            )
        shown: Color = TEXT if result == "none" else color
        left = width - pad - text_width(result, size, bold=True)
        draw_text(panel, result, left, top + line * 0.5 + size * 0.36, size, shown, bold=True)
        top += len(lines) * line + pad // 2
    if note:
        draw_text(panel, note, text_left, top + line * 0.5 + size * 0.36, size, TEXT)
    return panel
