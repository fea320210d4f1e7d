"""BLEU and CIDEr against what they are by hand."""

import math

import pytest

from d2ext.evaluation.captions import bleu, cider, tokens


def test_tokens_are_words_numbers_and_characters():
    assert tokens("The red-car, 3.5m 在左侧") == ["the", "red", "car", "3.5", "m", "在", "左", "侧"]


def test_bleu_of_the_reference_itself_is_one_and_of_other_words_zero():
    text = "the red car on the left side"
    assert bleu([text], [[text, "a bus"]]) == pytest.approx(1.0)
    assert bleu(["a b c d e"], [["f g h i j"]]) == 0.0


def test_bleu_by_hand():
    # 6 words, the reference has 7; hits 5/6, 3/5, 2/4, 1/3: brevity exp(1 - 7/6).
    written, reference = "a b c d x e", "a b c d e f g"
    expected = (5 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25 * math.exp(1 - 7 / 6)
    assert bleu([written], [[reference]]) == pytest.approx(expected)


def test_a_word_counts_as_often_as_one_reference_has_it():
    # "the" once in either reference: of four only one counts, and no longer gram hits.
    assert bleu(["the the the the"], [["the cat", "the dog"]]) == 0.0


def test_cider_of_the_references_themselves_is_ten_and_of_others_zero():
    texts = ["the red car on the left", "a blue bus far ahead of me"]
    assert cider(texts, [[text] for text in texts]) == pytest.approx(10.0)
    assert cider(texts[::-1], [[text] for text in texts]) == 0.0


def test_cider_by_hand():
    """One-word grams alone differ: two images, references "a b" and "c d", written "a c" and "c d"."""
    # Order 1: every word is in one image, weights log 2 / 2 each; cos("a c", "a b") = 1/2.
    # Order 2: "a c" is in no reference; "c d" is itself. Orders 3 and 4: nothing.
    expected = 10 * ((0.5 + 0) / 4 + (1 + 1) / 4) / 2
    assert cider(["a c", "c d"], [["a b"], ["c d"]]) == pytest.approx(expected)
