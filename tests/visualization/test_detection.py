from __future__ import annotations

import numpy as np
import pytest
import torch
from detectron2.structures import Instances

from d2ext.structures import Boxes3D, Camera
from d2ext.visualization import color_of, draw_detections, draw_steps

SIZE = (360, 640)
CAMERA = Camera([[400.0, 0, 320, 0], [0, 400, 120, 0], [0, 0, 1, 0]], SIZE)
IMAGE = np.full((*SIZE, 3), 90, np.uint8)


def found(*classes: int) -> Instances:
    count = len(classes)
    location = torch.tensor([[4.0 * i - 4, 3.0, 15 + 5.0 * i] for i in range(count)]).reshape(-1, 3)
    result = Instances(SIZE)
    size = torch.tensor([[1.5, 1.7, 4.2]]).expand(count, 3)
    result.pred_boxes3d = Boxes3D.from_kitti(location, size, torch.zeros(count))
    result.scores = torch.full((count,), 0.9)
    result.pred_classes = torch.tensor(classes, dtype=torch.long)
    return result


def amount(image: np.ndarray, color: tuple[int, int, int]) -> int:
    return int((np.abs(image.astype(int) - color).sum(axis=-1) < 30).sum())


def test_every_class_that_is_there_has_its_colour() -> None:
    picture = draw_detections(IMAGE, found(2, 0, 2), CAMERA, ["car", "van", "big_truck"])
    assert amount(picture, color_of(0)) > 100 and amount(picture, color_of(1)) > 100
    assert amount(picture, color_of(2)) == 0
    assert picture.shape[0] > draw_detections(IMAGE, found(0), CAMERA, ["car"]).shape[0]


def test_what_was_asked_for_and_not_found_is_listed_unless_it_is_much() -> None:
    names = ["car", "van", "red_bus"]
    asked, seen = (draw_detections(IMAGE, found(1), CAMERA, names, asked=x) for x in (True, False))
    assert asked.shape[0] > draw_detections(IMAGE, found(0), CAMERA, names[:2], asked=True).shape[0]
    assert asked.shape[0] > seen.shape[0]
    assert amount(asked, color_of(1)) > 100  # the second name's, wherever it stands among the found ones
    many = [f"name {i}" for i in range(13)]
    pictures = [draw_detections(IMAGE, found(1), CAMERA, many, asked=x) for x in (True, False)]
    assert np.array_equal(*pictures)


def test_an_image_without_objects_can_be_drawn() -> None:
    assert draw_detections(IMAGE, found(), CAMERA, ["car"]).shape[1] > 1100
    strip = draw_steps(IMAGE, [torch.zeros(0, 4)], [found()], CAMERA)
    assert strip.shape[1] == 640


def test_a_strip_shows_the_boxes_before_and_the_objects_after_each_step() -> None:
    before = [torch.tensor([[40.0, 40, 240, 200]]), torch.tensor([[400.0, 100, 600, 300]])]
    strip = draw_steps(IMAGE, before, [found(), found(3)], CAMERA, panel_width=320)
    width, bar = 320, (strip.shape[0] - 2 * 180) // 2
    assert 2 * width < strip.shape[1] < 2.1 * width
    first, second = strip[:, :width], strip[:, -width:]
    for panel, (x1, y1, x2, y2) in zip((first, second), (b[0].tolist() for b in before), strict=True):
        above = panel[bar : bar + 180]
        rows, columns = np.nonzero(np.abs(above.astype(int) - color_of(0)).sum(-1) < 30)
        drawn = columns.min(), rows.min(), columns.max(), rows.max()
        assert np.allclose(drawn, (x1 / 2, y1 / 2, x2 / 2, y2 / 2), atol=1.5)
    assert amount(first[bar + 180 :], color_of(3)) == 0 < amount(second[bar + 180 :], color_of(3))


def test_a_strip_wants_objects_for_every_set_of_boxes() -> None:
    with pytest.raises(ValueError, match="found: expected 2, one for each set of boxes, got 1"):
        draw_steps(IMAGE, [torch.zeros(1, 4)] * 2, [found()], CAMERA)
