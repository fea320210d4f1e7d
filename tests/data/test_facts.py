"""Facts that sentences state: read, and compared with labels."""

import math

import numpy as np
import pytest

from d2ext.data.facts import also_fits, check_sentence, label_of, read_facts, wrong_facts
from d2ext.data.facts.datasets import check_records
from d2ext.data.facts.pictures import can_be
from d2ext.data.facts.predicates import Aside, Away, Measures, compatible
from d2ext.data.formats.mono3drefer import load_mono3drefer
from d2ext.data.synthroad import predicates as P
from d2ext.data.synthroad import refer, sentences_en, sentences_zh
from d2ext.data.synthroad.cameras import find_cameras
from d2ext.data.synthroad.labels import Label
from d2ext.data.synthroad.labels import label_of as scene_label
from d2ext.data.synthroad.layout import sample_scene
from d2ext.structures.vocabulary import ROAD

SIZE = (375, 1242)


def car(x: float = 2.0, z: float = 20.0, yaw: float = -math.pi / 2, category: str = "car", **more) -> Label:
    annotation = {
        "bbox": [620 + 700 * x / z, 150.0, 680 + 700 * x / z, 200.0],
        "category_id": ROAD.names.index(category),
        "truncated": 0.0, "occluded": 0, "has_3d": True, "location": [x, 1.6, z],
        "dimensions": [1.5, 1.7, 4.2], "yaw": yaw, "color": "red",
    }  # fmt: skip
    return label_of(annotation | more, ROAD.names, SIZE)


def truths(text: str, label: Label, *others: Label) -> list:
    return [finding.truth for finding in check_sentence(text, [label], [label, *others], SIZE)]


@pytest.fixture(scope="module")
def real(shared_dir) -> dict:
    """Records of the real frames by image."""
    root = shared_dir / "data/mono3drefer"
    return {r["image_id"]: r for split in ("train", "val", "test") for r in load_mono3drefer(root, split)}


def test_no_false_alarm_on_sentences_that_people_wrote(real):
    checked = list(check_records(real.values(), ROAD.names))
    assert len(checked) == 72
    assert [(c.text, c.wrong) for c in checked if c.wrong] == []
    assert min(len(c.findings) for c in checked) >= 5  # and it reads them


#: image, sentence, words, what is written in their place.
PLANTED = [
    ("000000", 5, "8 meters away", "18 meters away"),
    ("000000", 6, "1.8 meters to my right", "1.8 meters to my left"),
    ("000002", 7, "black car", "black bus"),
    ("000002", 8, "facing away from me", "facing me"),
    ("000003", 9, "1.6 meters high", "2.6 meters high"),
    ("000003", 10, "straight ahead", "on the left"),
    ("000007", 12, "distance of roughly 25 meters", "distance of roughly 25 feet"),
    ("000007", 13, "on the left", "on the right"),
    ("000007", 17, "fully visible", "largely occluded"),
    ("000008", 19, "red car", "green car"),
    ("000008", 21, "partly occluded", "fully visible"),
    ("000008", 28, "width of around 1.63 meters", "width of around 2.63 meters"),
    ("000008", 29, "2.5 meters long", "4.5 meters long"),
    ("000076", 31, "The woman", "The truck"),
    ("000076", 37, "facing me", "seen from behind"),
    ("000076", 44, "The object is seen from the side.", "It is in the right half of the image."),
    ("000142", 49, "right edge", "left edge"),
    ("000142", 55, "The black car", "The three black pedestrians"),
    ("000142", 65, "48 meters", "one hundred meters"),
    ("000142", 75, "The black car", "The farthest black car"),
]


@pytest.mark.parametrize("image, number, words, instead", PLANTED)
def test_planted_errors_are_found(real, image, number, words, instead):
    record = real[image]
    sentences = [
        {**s, "text": s["text"].replace(words, instead)} if s["id"] == number else s
        for s in record["sentences"]
    ]
    assert [s["text"] for s in sentences] != [s["text"] for s in record["sentences"]]
    checked = {c.sentence_id: c for c in check_records([{**record, "sentences": sentences}], ROAD.names)}
    assert checked[number].wrong


def test_as_many_planted_errors_as_the_acceptance_asks_for():
    assert len(set(PLANTED)) == 20


@pytest.fixture(scope="module")
def written() -> list:
    """Sentences of SynthRoad's grammars with their predicates, targets, labels and the picture's size."""
    rng = np.random.default_rng(3)
    found = []
    for kind in 10 * find_cameras("kitti,rope3d"):
        scene = sample_scene(kind, rng)
        labels = [scene_label(o, scene.view, float(rng.choice([0.0, 0.3, 0.7]))) for o in scene.objects]
        size = (scene.view.height, scene.view.width)
        if len(labels) < 2:
            continue
        for language in (sentences_en, sentences_zh):
            for target in refer.referable(labels, rng):
                chosen = refer.single_target(labels, target, rng)
                if text := chosen and language.describe_one(chosen, rng):
                    found.append((text, chosen, [target], labels, size))
            for chosen, targets in refer.multi_target(labels, size, rng):
                if text := language.describe_all(chosen, False, rng):
                    found.append((text, chosen, targets, labels, size))
    return found


def test_sentences_of_the_grammars_are_true(written):
    assert len(written) > 150
    for text, _, targets, labels, size in written:
        findings = check_sentence(text, [labels[i] for i in targets], labels, size)
        assert not wrong_facts(findings), (text, [str(f) for f in wrong_facts(findings)])


def test_almost_everything_that_the_grammars_say_is_read(written):
    said = read = 0
    for text, chosen, _, _, size in written:
        kinds = {fact.predicate.kind for fact in read_facts(text, size)}
        for predicate in chosen:
            kind = {"depth": "distance", "truncation": "place"}.get(predicate.kind, predicate.kind)
            said += 1
            read += kind in kinds
    assert read / said > 0.97


def test_sentences_of_other_objects_are_mostly_found_out(written):
    """A sentence singles out its target, so of nearly every other object something in it is false."""
    found = total = 0
    for text, _, targets, labels, size in written:
        if len(targets) == 1 and len(read_facts(text, size)) > 3:
            others = [label for i, label in enumerate(labels) if i not in targets]
            found += len(others) - len(also_fits(text, [labels[targets[0]]], labels, size))
            total += len(others)
    assert found / total > 0.9


def test_numbers_are_right_within_rounding_and_wrong_from_a_step_and_five_percent():
    label = car(x=0.0, z=20.0)
    assert Away(20, 1).holds(label, [label]) is True
    assert Away(20.5, 0.1, forward=True).holds(label, [label]) is None
    assert Away(23, 1).holds(label, [label]) is False
    assert Measures("height", 1.5, 0.1).holds(label, [label]) is True
    assert Measures("height", 1.7, 0.1).holds(label, [label]) is False
    assert Aside(-1.0, 0.1).holds(car(x=1.0), []) is False


def test_a_distance_may_be_along_the_view_along_the_ground_or_straight():
    label = car(x=15.0, z=20.0)  # 25 m along the ground
    assert {Away(m, 1).holds(label, []) for m in (20, 22, 25)} == {True}
    assert Away(20, 1, forward=True).holds(label, []) is True
    assert Away(25, 1, forward=True).holds(label, []) is False


@pytest.mark.parametrize("unit, number", [("m", 20), ("feet", 66), ("yards", 22), ("metres", "twenty")])
def test_units_and_numbers_in_words(unit, number):
    assert truths(f"The car {number} {unit} away from me.", car(x=0.0)) == [True, True]
    assert truths(f"The car {number} {unit} away from me.", car(x=0.0, z=60.0)) == [True, False]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("The bus behind the red car.", False),
        ("The car behind the red car.", False),  # there is one more, and it is not behind that
        ("The car behind the bus.", None),
        ("The three cars on this road.", False),
        ("The only car in the picture.", False),
        ("The nearest car.", True),
        ("The farthest car.", False),
        ("The height of this car is about 1.5 meters, its length 4.2 m.", True),
        ("The height of this car is about 2.5 meters.", False),
        ("A car whose distance from me is 20 meters.", True),
        ("A car parked at 30 m.", False),
        ("The car with its back to me.", True),
        ("The car whose rear is facing the camera.", True),
        ("The oncoming car.", False),
        ("红色轿车在我右侧约2.0米处。", True),
        ("红色轿车在我左侧约2.0米处。", False),
        ("那辆白色的轿车。", False),
        ("距离我约二十米、背对着我的轿车。", True),
        ("车头朝向我的红色轿车。", False),
        ("高约2.5米的轿车。", False),
        ("在图像的左上部分的轿车。", False),
        ("两辆红色的轿车。", True),
    ],
)
def test_single_facts(text, expected):
    label, other = car(), car(x=-6.0, z=40.0)
    found = truths(text, label, other)
    assert (False in found, None in found) == (expected is False, expected is None), found


def test_what_a_label_does_not_know_is_open():
    label = car(has_3d=False, color="unknown", occluded=3)
    text = "The blue car 20 meters away, 5.0 meters high, to my left, facing me and partly occluded."
    assert set(truths(text, label)) == {True, None}  # that it is a car


def test_words_that_are_no_statements_state_nothing():
    assert read_facts("Which one do you mean?", SIZE) == ()
    assert [r.predicate for r in read_facts("Left of the bus lane there is something.", SIZE)] == []


def test_another_object_that_fits_is_found():
    label, twin, bus = car(), car(z=21.0), car(category="bus")
    assert also_fits("The red car.", [label], [label, twin, bus], SIZE) == [twin]
    assert also_fits("The red car 20.0 meters ahead.", [label], [label, car(z=40.0), bus], SIZE) == []


def test_colours_that_people_mix_up_contradict_nothing():
    assert compatible(("silver",), ("gray",)) is None
    assert compatible(("red",), ("green",)) is False
    assert compatible(("dark", "red"), ("red",)) is None  # not a colour


def test_a_picture_without_a_colour_speaks_against_it():
    image = np.full((60, 90, 3), 128, np.uint8)
    image[20:40, 30:60] = (30, 30, 200)
    assert can_be(("red",), image, (25, 15, 65, 45))
    assert not can_be(("green",), image, (25, 15, 65, 45))
    assert can_be(("gray",), image, (0, 0, 20, 20)) and can_be(("green",), image, (0, 0, 4, 4))


def test_kitti_levels_are_shares_of_synthroad():
    for level in (0, 1, 2):
        assert P.Occlusion(level).holds(car(occluded=level), []) is True
