"""Questions about scenes: true by the labels, and read back from their answers."""

import numpy as np
import pytest

from d2ext.data.describe.box_input import (
    crop_square,
    inside_square,
    numbers_text,
    outline,
    place_box,
    place_text,
    square,
)
from d2ext.data.describe.captions import caption, class_prompt
from d2ext.data.describe.questions import KINDS, ask, read_places, read_short
from d2ext.data.synthroad.cameras import find_cameras
from d2ext.data.synthroad.labels import Label
from d2ext.data.synthroad.labels import label_of as scene_label
from d2ext.data.synthroad.layout import sample_scene

SIZE = (375, 1242)


@pytest.fixture(scope="module")
def scenes() -> list[tuple[list[Label], tuple[int, int]]]:
    rng, found = np.random.default_rng(1), []
    for kind in 12 * find_cameras("kitti,rope3d"):
        scene = sample_scene(kind, rng)
        labels = [scene_label(o, scene.view, 0.0) for o in scene.objects]
        found.append((labels, (scene.view.height, scene.view.width)))
    return found


def test_answers_are_true_and_read_back(scenes):
    rng, kinds, languages = np.random.default_rng(0), set(), set()
    for labels, size in scenes:
        speeds = {i: 3.0 + i for i in range(len(labels))}
        for question in ask(labels, rng, 8, speeds=speeds):
            kinds.add(question.kind)
            languages.add(question.language)
            answer = question.answer(labels, size)
            assert read_short(question.kind, answer) == question.short, answer
            named = read_places(answer, size)
            assert len(named) == len(question.boxes)
            for box, i in zip(named, question.boxes, strict=True):
                inside = np.clip(labels[i].box, 0, [size[1], size[0]] * 2)
                assert np.abs(np.array(box) - inside).max() <= 0.0101 * max(size)
            check(question, labels)
    assert kinds == set(KINDS) and languages == {"en", "zh"}


def check(question, labels: list[Label]) -> None:
    """By a plain look at the labels."""
    meant = [labels[i] for i in question.boxes]
    if question.kind == "count":
        assert question.short == str(len(meant)) and len({label.category for label in meant}) <= 1
    elif question.kind == "exist":
        assert question.short == ("yes" if meant else "no")
    elif question.kind == "nearer":
        nearest = min(meant, key=lambda label: label.distance)
        assert question.short == ("first" if nearest is meant[0] else "second")
    elif question.kind == "where":
        x = meant[0].location[0]
        assert question.short == "ahead" or (question.short == "left") == (x < 0)
    elif question.kind == "color":
        assert question.short == meant[0].color
        assert sum(label.category == meant[0].category for label in labels) == 1
    else:
        assert question.short == str(round(3.0 + question.boxes[0]))


def test_every_object_of_a_counted_name_is_counted(scenes):
    rng = np.random.default_rng(2)
    counted = 0
    for labels, _ in scenes:
        for question in ask(labels, rng, 8, "en"):
            if question.kind == "count" and question.boxes:
                first = labels[question.boxes[0]]
                colored = first.color in question.text
                same = [
                    i for i, label in enumerate(labels)
                    if label.category == first.category and (not colored or label.color == first.color)
                ]  # fmt: skip
                assert list(question.boxes) == same
                counted += 1
    assert counted > 5


def test_the_same_generator_asks_the_same(scenes):
    labels, _ = scenes[0]
    a, b = (ask(labels, np.random.default_rng(5), 6) for _ in range(2))
    assert a == b and len({question.text for question in a}) == len(a)


def test_nothing_is_asked_of_an_empty_scene_that_needs_objects():
    kinds = {question.kind for question in ask([], np.random.default_rng(0), 6)}
    assert kinds <= {"count", "exist"}


@pytest.mark.parametrize(
    "kind, text, short",
    [
        ("count", "[12 10 30 40] There are three.", "3"),
        ("count", "There are none.", "0"),
        ("count", "没有。", "0"),
        ("exist", "No.", "no"),
        ("exist", "没有。", "no"),
        ("exist", "[1 2 3 4] 有。", "yes"),
        ("nearer", "后者。", "second"),
        ("where", "It is straight ahead.", "ahead"),
        ("color", "是蓝色。", "blue"),
        ("color", "", ""),
        ("speed", "About 12 m/s.", "12"),
    ],
)
def test_short_answers(kind, text, short):
    assert read_short(kind, text) == short


def test_a_place_is_kept_to_a_hundredth_of_the_longer_side():
    box = (100.0, 50.0, 300.0, 350.0)
    text = place_text(box, SIZE)
    numbers = [int(n) for n in text[1:-1].split()]
    # By hand: the square is 1242 wide, the picture begins at (1242 - 375) / 2 from its top.
    assert numbers == [8, 39, 24, 63]
    assert np.abs(np.array(place_box(numbers, SIZE)) - box).max() <= 6.21


def test_a_picture_lies_in_the_middle_of_a_grey_square():
    image = np.full((50, 100, 3), 255, np.uint8)
    fitted = square(image, 40)
    assert (fitted[10:30] == 255).all() and (fitted[:10] == 127).all() and (fitted[30:] == 127).all()


def test_a_crop_is_grey_where_the_picture_ends_and_an_outline_changes_nothing_inside():
    image = np.arange(60 * 90 * 3, dtype=np.uint32).reshape(60, 90, 3).astype(np.uint8)
    crop = crop_square(image, [(0.0, 0.0, 20.0, 10.0)], 2.0)
    assert crop.shape == (40, 40, 3)
    assert (crop[:15] == 127).all() and (crop[:, :10] == 127).all()
    np.testing.assert_array_equal(crop[15:, 10:], image[:25, :30])
    marked = outline(image, [(20.0, 20.0, 40.0, 40.0)], 90)
    assert (marked[21:39, 21:39] == image[21:39, 21:39]).all() and (marked[19, 25] == (255, 0, 255)).all()
    assert inside_square([(0.0, 0.0, 20.0, 10.0)], [(5, 5, 9, 9), (70, 40, 80, 50)], 2.0) == [0]


def test_numbers_and_captions_say_what_the_label_has(scenes):
    labels, _ = scenes[0]
    label = labels[0]
    text = numbers_text(label)
    assert text.startswith(f"{label.category}: x {label.location[0]:.1f} z {label.location[2]:.1f} ")
    rng = np.random.default_rng(0)
    assert caption([label], rng, False).startswith("a ") and class_prompt([]) == "road"
    assert caption([], rng, True) == "一条道路。"
