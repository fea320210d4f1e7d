"""U2ENetPredictor: what it takes for sentences, and which of them it warns of."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from detectron2.config import get_cfg
from detectron2.utils import logger

from d2ext.modeling.text.tokenizer import SentenceTokenizer
from d2ext.projects.u2enet import U2ENetPredictor, U2ENetTrainer, add_u2enet_config
from d2ext.structures import Camera
from tests.toy_backbone import NARROW_OPTIONS

ROOT = Path(__file__).resolve().parents[2]
IMAGE = np.zeros((96, 160, 3), np.uint8)
CAMERA = Camera([[150.0, 0, 80], [0, 150, 48], [0, 0, 1]], (96, 160))


@pytest.fixture(scope="module")
def predictor():
    cfg = get_cfg()
    add_u2enet_config(cfg)
    cfg.merge_from_file(str(ROOT / "configs/U2ENet/Base-U2ENet-tiny.yaml"))
    cfg.merge_from_list(NARROW_OPTIONS)
    cfg.merge_from_list(["MODEL.DEVICE", "cpu", "INPUT.SIZE", [96, 160]])
    return U2ENetPredictor(cfg, U2ENetTrainer.build_model(cfg).eval())


@pytest.mark.parametrize(
    "texts", ["All cars.", None, 3, [None], ["All cars.", 7], [""], ["  "], ["a \ud800"]], ids=ascii
)
def test_what_are_no_sentences_is_one_clear_line(predictor, texts):
    with pytest.raises(ValueError, match="sentence|half a character") as error:
        predictor(IMAGE, texts, CAMERA)
    assert "\n" not in str(error.value) and len(str(error.value)) < 300


def test_any_collection_of_sentences_is_answered(predictor):
    texts = ["All cars.", "The van."]
    for given in (texts, tuple(texts), iter(texts), np.array(texts)):
        assert len(predictor(IMAGE, given, CAMERA)) == 2
    assert predictor(IMAGE, [], CAMERA) == []


def test_sentences_of_unknown_words_are_warned_of_once(predictor, caplog):
    logger._LOG_COUNTER.clear()
    plane = [0.0, -1.0, 0.0, 1.6]
    for _ in range(2):
        predictor(IMAGE, ["asdf qwer zxcv", "All white cars on the left within 34.5 meters."], CAMERA, plane)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "asdf" in record.getMessage() and len(record.getMessage()) < 300


def test_no_words_are_warned_of(predictor, caplog):
    logger._LOG_COUNTER.clear()
    predictor(IMAGE, ["\U0001f697", "\u200b"], CAMERA)
    assert len({r.getMessage() for r in caplog.records if "has no words" in r.getMessage()}) == 2


def test_words_are_known_or_not(shared_dir):
    tiny = SentenceTokenizer("d2ext://text/tiny")
    assert tiny.unknown_words("asdf qwer zxcv") == (["asdf", "qwer", "zxcv"], 3)
    assert tiny.unknown_words("Where is the dog?") == (["Where", "dog"], 4)
    assert tiny.unknown_words("The farthest pedestrian, 12.50 meters") == ([], 4)
    assert tiny.unknown_words("左侧的白色面包车，马") == (["马"], 9)
    assert tiny.unknown_words("") == tiny.unknown_words("12.5 !?") == ([], 0)
    assert len(tiny.unknown_words("qwer " * 40_000)[0]) == 40_000
    roberta = SentenceTokenizer(str(shared_dir / "data/roberta-base"))
    assert roberta.unknown_words("asdf qwer zxcv")[0] and not roberta.unknown_words("Where is the dog?")[0]
    assert len(roberta.unknown_words("白色的车")[0]) == 3  # it has three of the four as bytes only


def test_real_sentences_are_known(shared_dir):
    import json

    tiny = SentenceTokenizer("d2ext://text/tiny")
    for folder in ("data", "data/plain"):
        items = json.loads((shared_dir / folder / "mono3drefer/Mono3DRefer.json").read_text())
        for unknown, words in (tiny.unknown_words(item["description"]) for item in items):
            assert 2 * len(unknown) < words
