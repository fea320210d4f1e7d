"""Numbers in sentences: which tokens carry them, and what the features are."""

import math

import numpy as np
import pytest
import torch

from d2ext.modeling.numbers import NUMBER_DIM, number_features, number_values


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
