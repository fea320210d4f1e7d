"""What training asks: truths of prompts, what is held out, and files of looks."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from d2ext.data.looks import add_looks
from d2ext.data.open_vocab.protocol import BASE, DESCRIBED, GENERIC, SHAPES, UNSEEN_PAIRS, protocol_prompts
from d2ext.data.open_vocab.queries import Query, as_label
from d2ext.data.open_vocab.sampling import PromptSampler
from d2ext.data.open_vocab.splits import CLASSES, NOVEL_SHAPES, PAIRS, Novel
from d2ext.data.synthroad.labels import Label
from d2ext.data.synthroad.models import SHAPES as MODELS
from d2ext.structures import ROAD

SIZES = {
    "truck": (3.2, 2.5, 9.0),
    "car": (1.5, 1.7, 4.3),
    "pedestrian": (1.7, 0.6, 0.7),
    "bus": (3.1, 2.5, 11),
}
NOVEL = Novel(frozenset(CLASSES), frozenset(tuple(p.split()) for p in PAIRS), frozenset(NOVEL_SHAPES))


def thing(category: str, color: str = "white", shape: str = "") -> Label:
    size = SIZES.get(category, (1.6, 0.7, 1.7))
    return Label(category, color, size, (0, 1, 20), 0.0, 0.0, (0, 0, 9, 9), 0.0, 0.0, (), shape)


@pytest.mark.parametrize(
    ("query", "label", "truth"),
    [
        (Query("car"), thing("car"), True),
        (Query("car"), thing("van"), None),  # which a reader may take for one
        (Query("car"), thing("pedestrian"), False),
        (Query("truck", "red"), thing("truck", "red"), True),
        (Query("truck", "red"), thing("truck", "blue"), False),
        (Query("truck", "red"), thing("truck", ""), None),  # nobody has said its colour
        (Query("vehicle", sizes=("long",)), thing("truck"), True),
        (Query("vehicle", sizes=("long",)), thing("car"), False),
        (Query("", part="load bed"), thing("truck", shape="dropside"), True),
        (Query("", part="load bed"), thing("truck", shape="box"), False),
        (Query("", part="load bed"), thing("truck"), None),  # nobody has said its shape
        (Query("", part="load bed"), thing("pedestrian"), False),
        (Query("vehicle", "red", ("long",), "load bed"), thing("truck", "red", "dropside"), True),
        (Query("vehicle", "red", ("long",), "load bed"), thing("truck", "red", "tanker"), False),
        (Query("tractor"), thing("tractor"), True),  # a class of another dataset
        (Query("tractor"), thing("car"), False),
    ],
)
def test_a_prompt_is_true_false_or_in_doubt(query, label, truth):
    assert query.truth(label) is truth


def test_phrases_are_true_of_what_they_are_said_of_and_in_doubt_of_others():
    query = Query(phrase="the milk float")
    assert query.truth(thing("van"), ["the milk float"]) is True and query.truth(thing("van")) is None


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (Query("truck"), "truck"),
        (Query("person_sitting"), "sitting person"),
        (Query("vehicle", "red", ("long",), "load bed"), "long red vehicle with a flat load bed"),
        (Query("tractor", "green"), "green tractor"),
    ],
)
def test_prompts_are_plain_english(query, text):
    assert query.text() == text


def test_colours_of_people_are_those_of_their_clothes():
    assert Query("pedestrian", "red").text() == "pedestrian in red"


def street(rng: np.random.Generator) -> list[Label]:
    """Objects of all classes but those that have no labels in training."""
    kinds = [k for k in MODELS if k not in NOVEL.classes]
    out = []
    for kind in rng.permutation(kinds)[:6]:
        shape = str(rng.choice(list(MODELS[kind])))
        out.append(thing(kind, str(rng.choice(MODELS[kind][shape].colors)), shape))
    return out


@pytest.fixture(scope="module")
def drawn():
    """Objects and prompts of many training images."""
    sampler, rng, out = PromptSampler(ROAD.names, NOVEL, 8, 6, 6), np.random.default_rng(0), []
    for _ in range(150):
        labels = street(rng)
        out.append((labels, sampler(labels, [()] * len(labels), rng)))
    return out


def test_no_prompt_of_training_names_what_is_held_out(drawn):
    texts = {text.lower() for _, asked in drawn for text in asked.texts}
    assert len(texts) > 300
    words = ("bus", "motorcycl", "motorbike", "scooter", "sitting person", "seated pe", "barrow", "minibus")
    words += ("tipper", "dump truck", "pickup")
    assert not [text for text in texts for word in words if word in text.replace("busy", "")]
    pairs = [tuple(pair.split()) for pair in PAIRS]
    named = {
        "car": ("car", "sedan", "hatchback", "suv", "taxi", "cab", "wagon"),
        "truck": ("truck", "tanker"),
    }
    named |= {"van": ("van",), "pedestrian": ("pedestrian",), "cyclist": ("cyclist", "bicycle")}
    for color, kind in pairs:
        both = [t for t in texts if f"{color}" in t.split() and any(w in t.split() for w in named[kind])]
        assert not both, (color, kind)


def test_nothing_is_told_of_colours_and_shapes_that_are_held_out(drawn):
    looked = 0
    for labels, asked in drawn:
        for i, label in enumerate(labels):
            for text, truth in zip(asked.texts, asked.truth[i], strict=True):
                if (label.color, label.category) in NOVEL.pairs and label.color in text.split():
                    assert truth != 1
                    looked += 1
    assert looked > 20


def test_every_class_in_an_image_is_asked_for_and_truths_are_those_of_the_queries(drawn):
    for labels, asked in drawn:
        assert len(asked.texts) == asked.truth.shape[1] == len(set(asked.texts))
        for i, label in enumerate(labels):
            said = asked.told[i]
            assert said == -1 or asked.truth[i, said] == 1
            if label.category in ("car", "van", "truck", "tram", "cyclist", "pedestrian"):
                assert (asked.truth[i] == 1).any()
        assert not asked.truth[:, -1].any()  # a thing that no road has


def test_changed_prompts_differ_in_one_attribute():
    sampler, rng = PromptSampler(ROAD.names, NOVEL, 8, 6, 6), np.random.default_rng(0)
    query = Query("truck", "red", ("long",), "cargo box")
    seen = set()
    for _ in range(60):
        other = sampler.changed(query, rng)
        fields = ("head", "color", "sizes", "part")
        different = [f for f in fields if getattr(other, f) != getattr(query, f)]
        assert len(different) == 1
        seen |= set(different)
    assert seen == set(("head", "color", "sizes", "part"))


def test_the_protocol_asks_each_text_once_and_base_and_novel_apart():
    prompts = protocol_prompts(ROAD.names, NOVEL, "all", "object", looks=True)
    texts = [p.text for p in prompts]
    assert len(texts) == len(set(texts)) and prompts[-1].group == GENERIC
    base = {p.name for p in prompts if p.group == BASE}
    assert not base & NOVEL.classes and {p.name for p in prompts if p.group == DESCRIBED} == NOVEL.classes
    assert {p.name for p in prompts if p.group == UNSEEN_PAIRS} == set(PAIRS)
    only = protocol_prompts(ROAD.names, NOVEL, "base", "object", looks=True)
    assert not {p.group for p in only} & {DESCRIBED, UNSEEN_PAIRS, SHAPES, "novel"}


def test_a_described_shape_counts_only_that_shape():
    prompts = protocol_prompts(ROAD.names, NOVEL, "all", "object", looks=True)
    tipper = next(p for p in prompts if p.name == "truck/tipper")
    assert tipper.truth(thing("truck", shape="tipper")) is True
    assert tipper.truth(thing("truck", shape="dropside")) is None  # it has such a load bed, too
    assert tipper.truth(thing("truck", shape="tanker")) is False


def test_looks_are_found_by_their_boxes(tmp_path):
    boxes = [[1.0, 2.0, 30.004, 40.0], [5.0, 5.0, 9.0, 9.0], [50.0, 5.0, 90.0, 9.0]]
    objects = [{"bbox": [1, 2, 30, 40], "color": "red", "shape": "box"}]
    objects += [{"bbox": [50, 5, 90, 9], "color": "", "shape": "", "phrases": ["a milk float"]}]
    path = tmp_path / "looks.jsonl"
    path.write_text(json.dumps({"image": "a", "objects": objects}) + "\n")
    numbers = {"has_3d": False, "dimensions": [0] * 3, "location": [0] * 3, "yaw": 0, "alpha": 0}
    rows = [{"bbox": b, "category_id": 2, "color": None, **numbers} for b in boxes]
    add_looks([{"image_id": "a", "annotations": rows}, {"image_id": "b", "annotations": []}], path)
    assert rows[0]["color"] == "red" and rows[0]["shape"] == "box"
    assert rows[1]["color"] is None and "shape" not in rows[1]
    assert rows[2]["phrases"] == ["a milk float"]
    label = as_label(rows[0], ROAD.names)
    assert (label.category, label.color, label.shape) == ("truck", "red", "box")
    assert Query("vehicle", sizes=("long",)).truth(label) is None  # no 3D box tells its length


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"image": "a"}', "looks.jsonl:1: field 'objects': expected list, got nothing"),
        ('{"image": "a", "objects": [{"bbox": [1, 2]}]}', "objects[0]: field 'bbox': expected 4 numbers"),
        ('{"image": "a", "objects": [{"bbox": [1,2,3,4], "color": 3}]}', "field 'color': expected a text"),
        ('{"image": "a", "objects": [{"bbox": [1,2,3,4], "phrases": "x"}]}', "'phrases': expected a list"),
        ("{", "looks.jsonl:1: "),
    ],
)
def test_looks_that_are_none_are_told_in_one_line(tmp_path, line, message):
    path = tmp_path / "looks.jsonl"
    path.write_text(line)
    with pytest.raises(ValueError) as error:
        add_looks([], path)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_sides_of_sizes_are_in_doubt_between_their_borders():
    label = thing("truck")
    between = Label(**{**vars(label), "size": (2.4, 2.0, 6.0)})
    assert Query(sizes=("long",)).truth(between) is None and math.isclose(between.size[2], 6)


def test_of_what_nothing_is_known_nothing_is_asked():
    names = ["car", "dog", "zebra", "sofa", "object"]
    sampler, rng = PromptSampler(names, Novel(), 8, 6, 6), np.random.default_rng(0)
    labels = [thing("car"), thing("dog"), thing("object")]
    for _ in range(20):
        asked = sampler(labels, [(), (), ("a thing on wheels",)], rng, absent=["zebra"], partly=["dog"])
        assert {text.rstrip("s") for text in asked.texts} == {"car", "a thing on wheel", "zebra"}
        assert not asked.truth[:, -1].any()  # the zebra


def test_pictures_of_other_things_are_not_told_that_a_sofa_is_nowhere():
    rng = np.random.default_rng(0)
    known = {"dog", "dogs", "tree"}
    for _ in range(30):
        asked = PromptSampler(["dog", "tree"], Novel(), 0, 0, 2)([thing("dog")], [()], rng)
        assert set(asked.texts) <= known
