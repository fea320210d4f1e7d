from __future__ import annotations

import json

import pytest

from d2ext.data.sentences import flip_sentence


@pytest.mark.parametrize(
    ("text", "mirrored"),
    [
        ("The car on the left.", "The car on the right."),
        ("1.8 meters to my right, facing me", "1.8 meters to my left, facing me"),
        ("the leftmost car in the RIGHT lane", "the rightmost car in the LEFT lane"),
        ("Left lane, rightmost", "Right lane, leftmost"),
        ("in the right-hand lane", "in the left-hand lane"),
        ("from left to right", "from right to left"),
        ("the front-left wheel", "the front-right wheel"),
        ("left of the truck", "right of the truck"),
        ("the camera's left", "the camera's right"),
        ("on the right in front of the bus", "on the left in front of the bus"),
        ("place : top left", "place : top right"),
        ("place : left", "place : right"),
        ("left", "right"),
        ("turning clockwise", "turning counterclockwise"),
        ("左边的汽车，距离30米左右", "右边的汽车，距离30米左右"),
        ("右侧车道", "左侧车道"),
        ("在我左前方30米左右，向右转", "在我右前方30米左右，向左转"),
    ],
)
def test_swaps_both_ways(text, mirrored):
    assert flip_sentence(text) == mirrored
    assert flip_sentence(mirrored) == text


@pytest.mark.parametrize(
    "text",
    [
        "The white car 20 meters ahead.",
        "the bright upright copyright",
        "the van right in front of the bus",
        "parked right next to it",
        "it's right behind the truck",
        "waiting for the right of way",
        "that is all right",
        "距离30米左右",
        "被其他东西遮挡的车",
        "正在驾驶的人",
    ],
)
def test_no_direction_no_change(text):
    assert flip_sentence(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "The van has left the lane",
        "The only car left",
        "turning right behind the bus",
        "its front faces southeast",
        "heading west on the left",
        "at 2 o'clock",
        "on the passenger side",
        "东边的车",
        "沿东西方向行驶的车",
        "位于两点钟方向",
        "驾驶员一侧的车",
    ],
)
def test_in_doubt_the_image_is_not_flipped(text):
    assert flip_sentence(text) is None


def test_real_sentences_flip_twice_to_themselves(shared_dir):
    items = json.loads((shared_dir / "data/mono3drefer/Mono3DRefer.json").read_text())
    for text in (item["description"] for item in items):
        mirrored = flip_sentence(text)
        assert mirrored is not None and flip_sentence(mirrored) == text
        assert (mirrored != text) == ("left" in text or "right" in text)
