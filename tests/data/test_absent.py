"""Sentences that mean nothing in a picture."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from d2ext.data.absent import absent_sentence, letters, missing_classes
from d2ext.structures.vocabulary import ROAD

HELD_OUT = Path(__file__).parent / "held_out_words.json"


@pytest.mark.parametrize("chinese", [False, True])
def test_they_vary_and_name_nothing_of_a_road_whose_classes_are_unknown(chinese):
    rng = np.random.default_rng(0)
    texts = [absent_sentence(None, rng, chinese) for _ in range(1500)]
    assert len(set(texts)) > 250
    assert not any(re.search(r"\b(car|van|truck|bus|person|vehicle)s?\b|[车人]", text) for text in texts)


def test_only_classes_that_are_missing_are_named():
    rng = np.random.default_rng(0)
    assert missing_classes(ROAD.names) == []
    present = ["van", "cyclist"]
    missing = missing_classes(present)
    assert "pedestrian" in missing and "tram" in missing
    assert not {"car", "van", "truck", "bus", "cyclist", "motorcyclist", "tricyclist"} & {*missing}
    texts = [absent_sentence(present, rng) for _ in range(500)]
    assert any("pedestrian" in text for text in texts)
    assert not any(re.search(r"\b(car|van|truck|bus|cyclist)s?\b", text) for text in texts)


def test_letters_are_no_words_and_as_often_without_vowels_as_with():
    rng = np.random.default_rng(0)
    words = " ".join(letters(rng) for _ in range(400)).split()
    assert all(re.fullmatch("[a-z]{2,8}", word) for word in words) and len({*words}) > 700


def test_words_that_are_kept_back_are_not_in_them():
    rng = np.random.default_rng(0)
    said = {w for _ in range(5000) for w in absent_sentence([], rng).lower().split()}
    held_out = json.loads(HELD_OUT.read_text())
    words = [w for texts in held_out["absent"] for w in texts.lower().split()]
    common = {"a", "an", "the", "two", "all", "of", "you", "is", "to", "on", "do", "i", "how", "what", "time"}
    assert not {*words} - common - {"market", "very", "once", "it"} & said
