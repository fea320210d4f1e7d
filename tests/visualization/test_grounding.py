from __future__ import annotations

import numpy as np
import pytest
import torch
from detectron2.structures import Instances

from d2ext.structures import Boxes3D, Camera
from d2ext.visualization import color_of, draw_grounding
from d2ext.visualization.grounding import _nest


def camera(height: int, width: int) -> Camera:
    return Camera(
        [[0.6 * width, 0, width / 2, 20], [0, 0.6 * width, height / 2, 1], [0, 0, 1, 0.0]], (height, width)
    )


def found(*places: tuple[float, float]) -> Instances:
    result = Instances((1, 1))
    count = len(places)
    location = torch.tensor([[x, 1.6, z] for x, z in places]).reshape(-1, 3)
    result.pred_boxes3d = Boxes3D.from_kitti(
        location, torch.tensor([[1.5, 1.7, 4.2]] * count), torch.zeros(count)
    )
    result.scores = torch.linspace(0.9, 0.5, count)
    result.pred_classes = torch.zeros(count, dtype=torch.long)
    return result


def amount(image: np.ndarray, color: tuple[int, int, int]) -> int:
    return int((np.abs(image.astype(int) - color).sum(axis=-1) < 30).sum())


@pytest.mark.parametrize("size", [(96, 320), (375, 1242), (1080, 1920), (1600, 2560)])
@pytest.mark.parametrize("count", [1, 6])
def test_each_sentence_has_its_colour_in_picture_list_and_plan(size: tuple[int, int], count: int) -> None:
    image = np.full((*size, 3), 90, dtype=np.uint8)
    predictions = [found((2.5 * k - 6, 14 + k)) for k in range(count)]
    sentences = ["the grey car on the left which is about 14 meters away and seen from the side"] * count
    drawn = draw_grounding(image, sentences, predictions, camera(*size), class_names=["car"])
    width = min(max(size[1], 1100), 1920)
    height = round(size[0] * width / size[1])
    assert drawn.dtype == np.uint8 and drawn.shape[0] > height and drawn.shape[1] > 1.25 * width
    for k in range(count):
        for part in (drawn[:height, :width], drawn[height:, :width], drawn[:, width:]):
            assert amount(part, color_of(k)) > 20
    unused = color_of(count)
    assert amount(drawn, unused) == 0


def test_sentence_without_object_is_answered_with_none() -> None:
    image = np.full((375, 1242, 3), 90, dtype=np.uint8)
    drawn = draw_grounding(image, ["a red bus"], [found()], camera(375, 1242))
    assert np.array_equal(drawn[:375, :1242], image)
    assert amount(drawn[375:, :1242], color_of(0)) > 20  # the number
    assert amount(drawn[375:, 1000:1242], color_of(0)) == 0  # the result is grey


def test_ground_truth_is_drawn_in_white() -> None:
    image = np.full((375, 1242, 3), 90, dtype=np.uint8)
    truth = [found((0, 12)).pred_boxes3d]
    drawn = draw_grounding(image, ["a car"], [found()], camera(375, 1242), ground_truth=truth)
    assert amount(drawn[:375, :1242], (255, 255, 255)) > 50


def test_wrong_arguments_are_one_line() -> None:
    image = np.zeros((375, 1242, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match="predictions: expected 2, one for each sentence, got 1"):
        draw_grounding(image, ["a", "b"], [found()], camera(375, 1242))
    with pytest.raises(ValueError, match="image: expected shape"):
        draw_grounding(image[:9], ["a"], [found()], camera(375, 1242))


def test_boxes_in_one_place_are_nested() -> None:
    same = found((0, 10), (0.1, 10), (5, 10), (0, 10.1)).pred_boxes3d
    sizes = _nest(same).size[:, 0] / 1.5
    assert sizes[0] == sizes[2] == 1 and 1 < sizes[1] < sizes[3]


def test_real_frames_are_drawn(shared_dir) -> None:
    from d2ext.data.formats import load_mono3drefer, load_monomulti3d

    cv2 = pytest.importorskip("cv2")
    data = shared_dir / "data"
    records = load_mono3drefer(data / "mono3drefer", "train") + load_monomulti3d(
        data / "monomulti3d", "train"
    )
    for record in records:
        image = cv2.imread(record["file_name"])
        rows = [a for a in record["annotations"] if a["has_3d"]]
        result = Instances(image.shape[:2])
        fields = ([a[key] for a in rows] for key in ("location", "dimensions", "yaw"))
        result.pred_boxes3d = Boxes3D.from_kitti(*fields, record["ground_plane"])
        result.scores = torch.ones(len(rows))
        view = Camera(record["camera"], image.shape[:2])
        drawn = draw_grounding(
            image, [record["sentences"][0]["text"]], [result], view, record["ground_plane"]
        )
        assert amount(drawn[: image.shape[0], : image.shape[1]], color_of(0)) > 100
