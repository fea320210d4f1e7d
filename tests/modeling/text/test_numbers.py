"""Numbers in sentences: which tokens carry them, and what the features are."""

import math
import re
import time

import numpy as np
import pytest
import torch

from d2ext.modeling.text.numbers import NUMBER_DIM, number_features, number_values

NAN = math.nan


def test_every_character_span_of_a_number_has_its_value():
    text = "at 3 m, 12.50 m (2.) or 7"
    spans = [(0, 2), (3, 4), (8, 10), (10, 11), (11, 13), (17, 18), (18, 19), (24, 25), (0, 0)]
    got = number_values(text, spans)
    nan = math.nan
    np.testing.assert_array_equal(got, np.float32([nan, 3, 12.5, 12.5, 12.5, 2, nan, 7, nan]))
    chinese = number_values("距我34.5米左右、高1米", [(0, 2), (2, 3), (3, 4), (4, 6), (6, 7), (11, 12)])
    np.testing.assert_array_equal(chinese, np.float32([nan, 34.5, 34.5, 34.5, nan, 1]))
    mixed = number_values("m3 5米8", [(0, 2), (2, 5), (2, 6), (0, 1), (4, 5)])
    np.testing.assert_array_equal(mixed, np.float32([3, 5, 8, nan, nan]))
    assert number_values("no tokens", []).shape == (0,)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("about 34,5 meters", [34.5] * 2),
        ("about 0,125 meters", [0.125] * 2),
        ("1,200 meters", [1200] * 2),
        ("1,200.5 or 1.200,5 meters", [1200.5] * 6),
        ("1.200.000 and 1,200,000", [1.2e6] * 6),
        ("1'200, 1’200, 1\u00a0200 and 1\u202f200 m", [1200] * 8),
        (".5 m, (.75 m)", [0.5, 0.75]),
        ("...5 meters away.", [5]),
        ("３５．５米，高１米", [35.5, 35.5, 1]),
        ("３４，５米", [34.5] * 2),
        ("距离30，高5米", [30, 5]),
        ("٣٤ m", [34]),
        ("between 30-40 m, 50–60 m, 30~40米, 30 -40", [30, 40, 50, 60, 30, 40, 30, 40]),
        ("2, 3 or 4 cars, 1.8m x 4m", [2, 3, 4, 1.8, 1.8, 4]),
        ("the 2nd car, 5.", [2, 5]),
        ("A-4, lane-2", [4, 2]),
        # one number cannot be told
        ("version 12.5.3", [NAN] * 3),
        ("at 12:30, 1/2 m, 3·5 m, 1_000 m, 1e3 m", [NAN] * 10),
        ("2½ m, 1,20,300 m, 3,4,5 m", [NAN] * 7),
        ("-5 m, \u22125 m, (–3 m), 约-2米", [NAN] * 4),
        ("1 200 m", [NAN] * 2),
        ("3 1/2 m, 3 ½ m", [NAN] * 4),
        ("34，5米, ٫5 m", [NAN] * 3),
        ("9" * 400 + " m", [NAN]),
    ],
)
def test_a_number_has_its_whole_value_or_none(text, values):
    """Whatever the digits, the decimal and the grouping sign: each of its pieces says the same."""
    pieces = [m.span() for m in re.finditer(r"\d+", text)]
    assert number_values(text, pieces).tolist() == pytest.approx(values, nan_ok=True)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("40 feet, 40 ft away and 40ft", [12.192] * 3),
        ("a 10-foot truck, 30 yards off, 5 yd", [3.048, 27.432, 4.572]),
        ("150 cm tall, 2 m, 0.5 kilometres, 60 inches", [1.5, 2, 500, 1.524]),
        ("between 30 and 40 feet, 10-20 yd, 5 to 6 m", [9.144, 12.192, 9.144, 18.288, 5, 6]),
        ("2 cars and 40 feet", [2, 12.192]),
        ("30 in front of the 3 cars, 12 metal posts, 7 footprints", [30, 3, 12, 7]),
    ],
)
def test_lengths_are_in_metres(text, values):
    pieces = [m.span() for m in re.finditer(r"[\d.]*\d", text)]
    assert number_values(text, pieces).tolist() == pytest.approx(values)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("twenty-five metres", 25),
        ("About a hundred and five m away", 105),
        ("one hundred twenty meters", 120),
        ("one point six metres", 1.6),
        ("twenty yards", 18.288),
        ("Nineteen feet", 5.7912),
        ("the one on the left", NAN),
        ("two cars", NAN),
        ("a metre and metres", NAN),
        ("tone metres", NAN),
    ],
)
def test_numbers_in_words_count_before_a_unit(text, value):
    words = [m.span() for m in re.finditer(r"\w+", text)]
    got = number_values(text, words)
    known = got[~np.isnan(got)].tolist()
    assert known == pytest.approx([value] * len(known)) and bool(known) == (not math.isnan(value))


def test_long_texts_take_no_longer_per_sign():
    for text in (
        "-1" * 50_000,
        "1," * 50_000,
        "1 200 " * 20_000,
        "." * 100_000,
        "one " * 25_000,
        "1 to " * 20_000,
    ):
        start = time.perf_counter()
        number_values(text, [(0, 1)])
        assert time.perf_counter() - start < 2


def test_features_equal_the_formula():
    values = [0.3, 1.62, 34.5, 150.0, 900.0, 0.0]
    got = number_features(torch.tensor([*values, math.nan], dtype=torch.float64))
    assert got.shape == (7, NUMBER_DIM) and (got[-1] == 0).all()
    low, high = math.log(0.3), math.log(150.0)
    step = (high - low) / (NUMBER_DIM - 3)
    for value, row in zip(values, got.tolist(), strict=False):
        log = math.log(min(max(value, 0.01), 1000.0))
        inside = min(max(log, low), high)
        bins = [math.exp(-0.5 * ((inside - low) / step - k) ** 2) for k in range(NUMBER_DIM - 2)]
        assert row == pytest.approx([1.0, log, *bins], abs=1e-6)


def test_features_tell_values_apart():
    """Two numbers 2 % apart differ by more than bfloat16 rounds, in the log or in the bins."""
    values = torch.logspace(math.log10(0.4), math.log10(100), 200)
    near = number_features(values), number_features(values * 1.02)
    assert ((near[0] - near[1]).abs().amax(1) > 2**-8).all()
