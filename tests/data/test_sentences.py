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
        "at 2 o’clock",
        "at two oclock",
        "on the driver’s side",
        "on the passenger side",
        "东边的车",
        "沿东西方向行驶的车",
        "位于两点钟方向",
        "驾驶员一侧的车",
        "靠近司机一侧的白车",
        "在乘客那边的车",
        "the car in the NE corner",
        "the truck going S",
        "the westernmost car",
        "the easterly lane",
        "on the r.h.s. of the road",
        "the RH lane",
        "the rt lane",
        "the l/r mirror",
        "on the side of the driver",
        "turning anti clockwise",
        "at your three",
        "at the 2:30 position",
        "on the port side, to port",
        "die linke Spur",
        "rechter Fahrstreifen",
    ],
)
def test_in_doubt_the_image_is_not_flipped(text):
    assert flip_sentence(text) is None


#: As people write: the sentence of the mirrored image, or None for an image that must stay as it is.
PEOPLE = {
    "The car on the right away from the camera": "The car on the left away from the camera",
    "The pedestrian on the right now crossing": "The pedestrian on the left now crossing",
    "the van parked on the left behind the tree": "the van parked on the right behind the tree",
    "second car from the left": "second car from the right",
    "the 3rd truck from right": "the 3rd truck from left",
    "car, left lane, closest": "car, right lane, closest",
    "all cars in the two left lanes": "all cars in the two right lanes",
    "the bus (left) next to the tram": "the bus (right) next to the tram",
    "white suv top left corner": "white suv top right corner",
    "everything left of the white line": "everything right of the white line",
    "is there a cyclist to the right of the bus?": "is there a cyclist to the left of the bus?",
    "the vehicle which is right of the median": "the vehicle which is left of the median",
    "leftside parked car": "rightside parked car",
    "the car at the left-hand side": "the car at the right-hand side",
    "the car on the right hand side about to turn left": "the car on the left hand side about to turn right",
    "the right-turning truck": "the left-turning truck",
    "All right-turning cars": "All left-turning cars",
    "the car that takes a left turn": "the car that takes a right turn",
    "the car signalling left": "the car signalling right",
    "car facing left, red": "car facing right, red",
    "the person walking from left to right": "the person walking from right to left",
    "the left and right trucks": "the right and left trucks",
    "the left and right cars, red and blue": "the right and left cars, red and blue",
    "cars in the LEFT LANE only": "cars in the RIGHT LANE only",
    "a bit further left than the bus": "a bit further right than the bus",
    "the man slightly right of center": "the man slightly left of center",
    "the truck on my left, 20 m": "the truck on my right, 20 m",
    "the bus's left headlight is broken": "the bus's right headlight is broken",
    "vehicle in right lane far away": "vehicle in left lane far away",
    "the far right car": "the far left car",
    "the car in the middle, left of the pole": "the car in the middle, right of the pole",
    "the front-right wheel of the truck": "the front-left wheel of the truck",
    "turning left at the crossing": "turning right at the crossing",
    "the cyclist going left": "the cyclist going right",
    "car in the bottom right": "car in the bottom left",
    "右边第二辆白色的车": "左边第二辆白色的车",
    "左转车道上的卡车": "右转车道上的卡车",
    "离我20米左右的行人": "离我20米左右的行人",
    "左前方30米左右、正在右转的车": "右前方30米左右、正在左转的车",
    "道路左右两侧的行人": "道路左右两侧的行人",
    # no direction
    "the bright red car": "the bright red car",
    "the van right in front of me": "the van right in front of me",
    "the car parked right at the corner": "the car parked right at the corner",
    "the bus that yields, as we have the right of way": "the bus that yields, as we have the right of way",
    "the truck standing at right angles to the road": "the truck standing at right angles to the road",
    "pedestrians right next to the zebra crossing": "pedestrians right next to the zebra crossing",
    "a person standing upright": "a person standing upright",
    "逆行的车": "逆行的车",
    # in doubt
    "the car that has left lane two": None,
    "the only cyclist left": None,
    "the car that just left the parking lot": None,
    "what is left of the wreck": None,
    "the pedestrian left behind": None,
    "turning right behind the bus": None,
    "the car indicating right in front of the bus": None,
    "the woman in a red top right behind the bus": None,
    "the car moving right now": None,
    "the pedestrian with the right to cross": None,
    "the car in the right place": None,
    "Right, find me the white car": None,
    "the passenger’s side of the van": None,
    "drivers' side door": None,
    "the truck at your 2 o`clock": None,
    "northbound traffic": None,
    "car facing south-east": None,
    "the car on the L side": None,
    "LHS vehicle": None,
    "the car on the rigth": None,
    "the lefty": None,
    "nearside lane": None,
    "bus turning anti-clockwise": None,
    "das Auto rechts": None,
    "la voiture à gauche": None,
    "машина слева": None,
    "ｌｅｆｔ lane": None,
    "the le\u200bft car": None,
    "南北走向的道路上的车": None,
    "副驾驶一侧的行人": None,
    "2点钟方向的卡车": None,
    "靠左右转的车": None,
}


@pytest.mark.parametrize("text", PEOPLE)
def test_sentences_of_people(text):
    assert flip_sentence(text) == PEOPLE[text]


def test_real_sentences_flip_twice_to_themselves(shared_dir):
    items = json.loads((shared_dir / "data/mono3drefer/Mono3DRefer.json").read_text())
    for text in (item["description"] for item in items):
        mirrored = flip_sentence(text)
        assert mirrored is not None and flip_sentence(mirrored) == text
        assert (mirrored != text) == ("left" in text or "right" in text)
