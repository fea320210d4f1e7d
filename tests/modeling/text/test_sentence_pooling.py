"""The vector of a sentence: padding, numbers, precision."""

import torch

from d2ext.modeling.text.numbers import NUMBER_DIM, number_features
from d2ext.modeling.text.pooling import SentencePooling


def inputs(values: list[float], dim: int = 16):
    numbers = number_features(torch.tensor([values]))
    words = torch.randn(1, len(values), dim, generator=torch.Generator().manual_seed(0))
    return words, numbers, torch.ones(1, len(values), dtype=torch.bool)


def test_padding_changes_nothing():
    torch.manual_seed(0)
    pool = SentencePooling(16)
    words, numbers, mask = inputs([float("nan"), 12.0, 1.5])
    longer = [torch.cat([x, torch.ones_like(x[:, :2])], 1) for x in (words, numbers)]
    mask_longer = torch.cat([mask, ~mask[:, :2]], 1)
    assert torch.allclose(pool(words, numbers, mask), pool(*longer, mask_longer), atol=1e-6)


def test_a_head_that_attends_to_a_number_holds_exactly_that_number():
    torch.manual_seed(0)
    pool = SentencePooling(16, word_heads=4, number_heads=1)
    words, numbers, mask = inputs([float("nan"), 12.0, 1.5, float("nan")])
    words[0, :, 0] = torch.tensor([80.0, 40.0, -40.0, 80.0])
    with torch.no_grad():
        pool.score.weight[4].zero_()
        pool.score.weight[4, 0] = 1.0
        pool.score.bias[4] = 0.0
    assert torch.allclose(pool(words, numbers, mask)[0, 16:], numbers[0, 1], atol=1e-6)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.allclose(pool(words, numbers, mask)[0, 16:], numbers[0, 1], atol=1e-6)


def test_a_sentence_without_numbers_gives_zeros():
    torch.manual_seed(0)
    pool = SentencePooling(16, number_heads=2)
    out = pool(*inputs([float("nan")] * 3))
    assert out.shape == (1, pool.dim) == (1, 16 + 2 * NUMBER_DIM)
    assert (out[:, 16:] == 0).all() and out.isfinite().all()
