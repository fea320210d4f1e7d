"""Captions of layouts, and which one is drawn."""

import json

import numpy as np
import pytest
from toy_scenes import annotation, record

from d2ext.data.scenes.captions import caption_shares, captions_of, layout_captions, read_scores
from d2ext.structures import ROAD

RED, WHITE = annotation(0, "car", "red", -8.0, 20.0, 0.0), annotation(1, "car", "white", 0.0, 15.0, 0.0)
BUS = annotation(2, "bus", "none", 9.0, 30.0, 0.0)


def test_a_layout_is_told_at_three_lengths():
    assert layout_captions([RED, WHITE, BUS], ROAD.names) == [
        "two cars and a bus",
        "a road with a red car, a white car and a bus",
        "two cars and a bus: a white car 15 m away ahead; a red car 22 m away on the left; "
        "a bus 31 m away on the right",
    ]
    assert layout_captions([], ROAD.names) == ["an empty road"]
    assert layout_captions([BUS, BUS], ROAD.names)[0] == "two buses"


def test_sentences_count_where_all_they_mean_is_in_the_picture():
    found = record(1)
    told = captions_of(found, found["annotations"], ROAD.names)
    assert found["sentences"][0]["text"] in told and "nothing" not in told
    assert found["sentences"][0]["text"] not in captions_of(found, found["annotations"][1:], ROAD.names)


def test_mirrored_sentences_change_sides():
    found = record(0)
    told = captions_of(found, found["annotations"], ROAD.names, flipped=True)
    assert found["sentences"][0]["text"].replace("left", "right") in told


def test_shares_are_the_softmax_of_scores():
    shares = caption_shares(["a", "b", "c"], {"a": 1.0, "b": -1.0}, 0.5)
    assert shares == pytest.approx(np.exp([2.0, -2.0, 0.0]) / np.exp([2.0, -2.0, 0.0]).sum())
    assert caption_shares(["a", "b"], {}, 3.0) == pytest.approx([0.5, 0.5])
    with pytest.raises(ValueError, match="temperature: expected a positive number, got 0"):
        caption_shares(["a"], {}, 0)


def test_scores_are_read_and_other_files_are_one_line(tmp_path):
    path = tmp_path / "scores.json"
    path.write_text(json.dumps({"001": {"a car": 0.5}}))
    assert read_scores(path) == {"001": {"a car": 0.5}}
    for content in ([], {"001": 3}, {"001": {"a": "b"}}):
        path.write_text(json.dumps(content))
        with pytest.raises(ValueError, match="scores.json: expected {image: {caption: score}}"):
            read_scores(path)
