"""scripts/evaluate_words.py: sentences with other words, and the table of what becomes of them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from project_scripts import ROOT

from d2ext.data.synthroad import refer, sentences_en
from d2ext.data.synthroad.labels import make_frame
from d2ext.data.synthroad.layout import CAR
from d2ext.structures.vocabulary import ROAD

HELD_OUT = ROOT / "tests/data/held_out_words.json"


@pytest.fixture
def words(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    from real_frames import words

    return words


def record() -> dict:
    """Two cars, one of them red, and a truck."""
    kinds = (("car", "red"), ("car", "blue"), ("truck", "red"))
    annotations = [
        {"id": i, "category_id": ROAD.names.index(name), "color": color}
        for i, (name, color) in enumerate(kinds)
    ]
    sentence = {"id": 0, "text": "Red cars.", "target_ids": [0], "properties": ["objectname : car"]}
    behind = {
        "id": 1,
        "text": "The truck behind the car.",
        "target_ids": [2],
        "properties": ["objectname : truck"],
    }
    return {"annotations": annotations, "sentences": [sentence, behind]}


def test_a_word_is_replaced_in_its_number_and_in_no_other_word(words):
    assert words.substitute("The car left of two Cars.", "car", "lorry") == "The lorry left of two lorries."
    assert words.substitute("Buses and a minibus.", "bus", "omnibus") == "omnibuses and a minibus."
    assert words.substitute("It is on the left.", "on the left", "over there") == "It is over there."
    assert words.substitute("The cart.", "car", "lorry") is None


def test_variants_keep_their_targets_and_say_what_they_are(words):
    chosen = words.Words({"car": ["automobile"], "red": ["scarlet"]}, ["a zebra"])
    (found,) = words.with_words([record()], chosen)
    told = {(s["text"], tuple(s["target_ids"]), *s["properties"]) for s in found["sentences"]}
    assert told == {
        ("All cars.", (0, 1), "car"),
        ("All automobiles.", (0, 1), "car > automobile"),
        ("Red cars.", (0,), "car"),
        ("Red automobiles.", (0,), "car > automobile"),
        ("All red objects.", (0, 2), "red"),
        ("All scarlet objects.", (0, 2), "red > scarlet"),
        ("Red cars.", (0,), "red"),
        ("scarlet cars.", (0,), "red > scarlet"),
        ("a zebra", (), "absent"),
    }  # the truck behind the car is no car
    assert [s["id"] for s in found["sentences"]] == list(range(len(found["sentences"])))


def test_ratios_are_of_the_known_word(words):
    chosen = words.Words({"car": ["automobile", "coupe"], "tram": ["streetcar"]}, [])
    lines, ratios = words.table(chosen, {"car": 80.0, "car > automobile": 60.0, "car > coupe": 80.0})
    assert ratios == [0.75, 1.0]
    assert lines[0] == ["car", "automobile", "80.0", "60.0", "0.75"] and lines[2][2:] == ["-"] * 3


@pytest.mark.parametrize(
    "content", ["[]", '{"same": []}', '{"same": {"car": "auto"}}', '{"same": {}, "absent": [1]}']
)
def test_other_files_are_refused(words, tmp_path, content):
    path = tmp_path / "words.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"words.json: .*expected a") as error:
        words.read_words(path)
    assert "\n" not in str(error.value)


def test_no_sentence_of_the_grammar_holds_a_word_that_is_kept_back(words):
    kept = {word.lower() for known in words.read_words(HELD_OUT).same.values() for word in known}
    rng = np.random.default_rng(0)
    texts = []
    for seed in range(3):
        labels = make_frame(CAR, np.random.default_rng(seed)).labels
        for _ in range(20):
            for chosen, targets in refer.multi_target(labels, (375, 1242), rng):
                texts += [
                    f(chosen, len(targets) < 2, rng)
                    for f in (sentences_en.describe_all, sentences_en.brief_all)
                ]
            for target in refer.referable(labels, rng):
                chosen = refer.single_target(labels, target, rng)
                if chosen:
                    texts += [f(chosen, rng) for f in (sentences_en.describe_one, sentences_en.brief_one)]
    said = " ".join(text.lower() for text in texts if text)
    assert len(said) > 10_000
    assert not [word for word in kept if f" {word} " in said or f" {word}s " in said]
    assert json.loads(HELD_OUT.read_text())["absent"]
