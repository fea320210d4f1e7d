"""Every sentence that SynthRoad writes is, mirrored, one that is true of the mirrored scene, or refused."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from d2ext.data.sentences import flip_sentence
from d2ext.data.synthroad import predicates as P
from d2ext.data.synthroad import refer, sentences_en, sentences_zh
from d2ext.data.synthroad.labels import Label
from d2ext.data.synthroad.palette import COLORS
from d2ext.structures.vocabulary import ROAD

SIZE = (360, 640)
OTHER = {
    "left": "right", "right": "left", "left_of": "right_of", "right_of": "left_of",
    "leftmost": "rightmost", "rightmost": "leftmost",
}  # fmt: skip
SHAPES = (
    "car/sedan",
    "car/hatchback",
    "car/taxi",
    "car/pickup",
    "pedestrian/child",
    "unknown_movable/animal",
)
CATEGORIES = ("car", "car", "van", "truck", *(name for name in ROAD.names))


def scene(rng: np.random.Generator) -> list[Label]:
    labels = []
    for _ in range(7):
        x, z, yaw = rng.uniform(-9, 9), rng.uniform(6, 60), rng.uniform(-3, 3)
        left, top = rng.uniform(0, 500), rng.uniform(0, 250)
        category = str(rng.choice(CATEGORIES))
        shapes = [shape.split("/")[1] for shape in SHAPES if shape.startswith(f"{category}/")]
        labels.append(
            Label(
                category=category,
                color=str(rng.choice(COLORS)),
                size=tuple(rng.uniform(1, 4, 3)),
                location=(x, 1.6, z),
                yaw=yaw,
                alpha=P.wrap_angle(yaw - math.atan2(x, z)),
                box=(left, top, left + 100, top + 80),
                truncated=float(rng.choice([0.0, 0.3])),
                hidden=float(rng.choice([0.0, 0.3, 0.7])),
                border=tuple(s for s in ("left", "right") if rng.random() < 0.3),
                shape=str(rng.choice(shapes)) if shapes else "",
            )
        )
    return labels


def mirror_label(label: Label) -> Label:
    (x, y, z), (x1, y1, x2, y2), last = label.location, label.box, SIZE[1] - 1
    return replace(
        label,
        location=(-x, y, z),
        yaw=P.wrap_angle(math.pi - label.yaw),
        alpha=P.wrap_angle(math.pi - label.alpha),
        box=(last - x2, y1, last - x1, y2),
        border=tuple(OTHER[side] for side in label.border),
    )


def mirror(said: P.Predicate, labels: list[Label], mirrored: list[Label]) -> P.Predicate:
    match said:
        case P.Lateral(meters):
            return P.Lateral(-meters)
        case P.OnSide(side):
            return P.OnSide(OTHER.get(side, side))
        case P.CutOff(side):
            return P.CutOff(OTHER[side])
        case P.Faces(direction):
            return P.Faces(OTHER.get(direction, direction))
        case P.InPlace(horizontal, vertical, size):
            return P.InPlace(OTHER.get(horizontal, ""), vertical, size)
        case P.Extreme(category, order):
            return P.Extreme(category, OTHER.get(order, order))
        case P.RelativeTo(relation, neighbour):
            index = next(i for i, label in enumerate(labels) if label is neighbour)
            return P.RelativeTo(OTHER.get(relation, relation), mirrored[index])
    return said


@pytest.mark.parametrize("language", [sentences_en, sentences_zh], ids=["en", "zh"])
def test_mirrored_sentences_are_true_of_the_mirrored_scene(language):
    """Said of the mirrored scene with the same draws, a description is the mirrored text; what is said is as
    true there as the description was here."""
    rng = np.random.default_rng(3)
    texts, changed, refused = 0, 0, []
    while texts < 600:
        labels = scene(rng)
        mirrored = [mirror_label(label) for label in labels]
        said = [(False, *pair) for pair in refer.multi_target(labels, SIZE, rng)]
        ones = [
            (i, refer.single_target(labels, i, rng, rng.random() < 0.4)) for i in refer.referable(labels, rng)
        ]
        said += [(True, chosen, [i]) for i, chosen in ones if chosen is not None]
        for one, chosen, targets in said:
            again = [mirror(p, labels, mirrored) for p in chosen]
            for i, (label, other) in enumerate(zip(labels, mirrored, strict=True)):
                truth = P.fits(again, other, mirrored)
                assert truth == P.fits(chosen, label, labels)
                assert (truth is True) == (i in targets)
            seed = int(rng.integers(1 << 30))
            brief = rng.random() < 0.4
            text, expected = (
                (language.brief_one if brief else language.describe_one)(which, np.random.default_rng(seed))
                if one
                else (language.brief_all if brief else language.describe_all)(
                    which, len(targets) == 1, np.random.default_rng(seed)
                )
                for which in (chosen, again)
            )
            if text is None:
                continue
            flipped = flip_sentence(text)
            texts += 1
            changed += text != expected
            refused += [text] if flipped is None else []
            assert flipped in (expected, None)
    assert changed > 200  # sides are spoken of
    assert len(refused) < 0.03 * texts, refused


def test_other_words_for_things_and_sides(shared_dir):
    """Words that no grammar holds: a side is swapped whatever it is called, and nothing else changes."""
    words = json.loads((shared_dir / "cases/words.json").read_text())
    for key, values in words["same"].items():
        for value in values:
            text = f"The white object {value}." if key.startswith("on ") else f"The {value} on the right."
            wanted = text.replace("left", "right") if key.startswith("on ") else text.replace("right", "left")
            assert flip_sentence(text) == wanted
    for text in words["absent"]:
        assert flip_sentence(text) == text
