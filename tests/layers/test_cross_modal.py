from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from d2ext.layers import CrossModalSSM

VISUAL, TEXT, INNER, STATE, HEADS = 7, 6, 8, 5, 4
SENTENCE_TO_IMAGE = torch.tensor([1, 0, 1])


def make_model(bidirectional: bool = True) -> CrossModalSSM:
    model = CrossModalSSM(VISUAL, TEXT, INNER, STATE, HEADS, bidirectional)
    for parameter in model.parameters():  # away from ones and zeros, so that every parameter matters
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    return model.double()


def make_inputs(images: int = 2, words: int = 6) -> tuple[Tensor, Tensor, Tensor]:
    visual = torch.randn(images, VISUAL, 3, 4, dtype=torch.float64)
    text = torch.randn(3, words, TEXT, dtype=torch.float64)
    mask = torch.arange(words) < torch.tensor([[words], [words - 2], [1]])
    return visual, text, mask


def naive(model: CrossModalSSM, visual: Tensor, words: Tensor) -> np.ndarray:
    """One sentence (L, text) and one image (visual, H, W): loops over directions, heads, words and pixels."""
    p = {k: v.detach().numpy() for k, v in model.state_dict().items()}

    def rms_norm(v: np.ndarray, weight: np.ndarray) -> np.ndarray:
        return v / np.sqrt((v * v).mean() + 1e-5) * weight

    pixels = visual.flatten(1).T.numpy()
    head_dim = INNER // HEADS
    C = [rms_norm(p["C_proj.weight"][:, :, 0, 0] @ v + p["C_proj.bias"], p["C_norm.weight"]) for v in pixels]
    y = np.zeros((INNER, len(pixels)))
    for d, k in np.ndindex(model.num_directions, HEADS):
        channels, states = slice(k * head_dim, (k + 1) * head_dim), slice(d * STATE, (d + 1) * STATE)
        a = -np.exp(p["A_log"][d * HEADS + k])
        h = np.zeros((head_dim, STATE))
        for word in words.numpy()[:: 1 if d == 0 else -1]:
            e = rms_norm(word, p["text_norm.weight"])
            dt = np.log1p(np.exp(p["dt_proj.weight"][d * HEADS + k] @ e + p["dt_bias"][d * HEADS + k]))
            h = np.exp(dt * a) * h + dt * np.outer(
                p["value_proj.weight"][channels] @ e, p["B_proj.weight"][states] @ e
            )
        for v in range(len(pixels)):
            y[channels, v] += h @ C[v][states]
    return y.reshape(INNER, *visual.shape[1:])


@pytest.mark.parametrize("bidirectional", [False, True])
def test_equals_loops_over_words_and_pixels(bidirectional):
    model = make_model(bidirectional)
    visual, text, mask = make_inputs()
    y = model(visual, text, mask, SENTENCE_TO_IMAGE).detach().numpy()
    assert y.shape == (3, INNER, 3, 4)
    for s, image in enumerate(SENTENCE_TO_IMAGE):
        np.testing.assert_allclose(
            y[s], naive(model, visual[image], text[s, mask[s]]), rtol=1e-10, atol=1e-13
        )


@pytest.mark.parametrize("filling", [100.0, float("nan")])
def test_padding_and_batch_change_nothing(filling):
    model = make_model()
    visual, text, mask = make_inputs()
    y = model(visual, text, mask, SENTENCE_TO_IMAGE)
    padded = torch.full((3, 11, TEXT), filling, dtype=torch.float64)
    padded[:, 2:8][mask] = text[mask]  # more padding, on both sides
    padded_mask = torch.zeros(3, 11, dtype=torch.bool)
    padded_mask[:, 2:8] = mask
    torch.testing.assert_close(model(visual, padded, padded_mask, SENTENCE_TO_IMAGE), y)
    for s, image in enumerate(SENTENCE_TO_IMAGE):
        alone = model(visual[image][None], text[s, mask[s]][None], None, torch.tensor([0]))
        torch.testing.assert_close(alone[0], y[s])


def test_one_image_without_a_gather_equals_two_copies_of_it():
    model = make_model()
    visual, text, mask = make_inputs(images=1)
    y = model(visual, text, mask, torch.zeros(3, dtype=torch.long))
    copies = model(visual.expand(2, -1, -1, -1), text, mask, SENTENCE_TO_IMAGE)
    torch.testing.assert_close(y, copies)


def test_empty_sentences_and_no_sentences_read_zero():
    model = make_model()
    visual, text, mask = make_inputs()
    y = model(visual, text, torch.zeros_like(mask), SENTENCE_TO_IMAGE)
    assert torch.equal(y, torch.zeros_like(y))
    for images in (1, 2):
        none = model(visual[:images], text[:0], mask[:0], SENTENCE_TO_IMAGE[:0])
        assert none.shape == (0, INNER, 3, 4)


def count_flops(words: int, pixels: int, sentences: int = 2, images: int = 1) -> int:
    model = CrossModalSSM(32, 24, 16, 8, 4)
    visual = torch.randn(images, 32, 8, pixels // 8)
    text = torch.randn(sentences, words, 24)
    with FlopCounterMode(display=False) as counter:
        model(visual, text, torch.ones(sentences, words, dtype=torch.bool), torch.arange(sentences) % images)
    return counter.get_total_flops()


@pytest.mark.parametrize("images", [1, 2])
def test_cost_is_linear_in_words_plus_pixels(images):
    base = count_flops(16, 64, images=images)
    per_word = (count_flops(32, 64, images=images) - base) / 16
    per_pixel = (count_flops(16, 128, images=images) - base) / 64
    assert per_word > 0 and per_pixel > 0
    assert base == 16 * per_word + 64 * per_pixel  # nothing constant, no words x pixels
    for words, pixels in ((64, 64), (16, 256), (64, 256)):
        assert count_flops(words, pixels, images=images) == words * per_word + pixels * per_pixel


def test_the_state_depends_on_text_only_and_C_on_vision_only():
    model = make_model()
    visual, text, mask = make_inputs()
    text.requires_grad_()
    visual.requires_grad_()
    states, C = model.encode_text(text, mask), model.encode_visual(visual)
    assert states.shape == (3, HEADS, INNER // HEADS, model.state_total)
    assert C.shape == (2, model.state_total, 3, 4)
    assert torch.autograd.grad(states.sum(), (text, visual), allow_unused=True, retain_graph=True)[1] is None
    assert torch.autograd.grad(C.sum(), (text, visual), allow_unused=True, retain_graph=True)[0] is None
    states, C = states.detach(), C.detach()
    y = model.read(states, C, SENTENCE_TO_IMAGE)
    # One pixel's vision changes the reading there and nowhere else.
    moved = visual.detach().clone()
    moved[:, :, 1, 2] += 1
    difference = (
        (model.read(states, model.encode_visual(moved), SENTENCE_TO_IMAGE) - y).abs().amax(dim=(0, 1))
    )
    assert difference[1, 2] > 1e-6
    difference[1, 2] = 0
    assert difference.max() == 0


def test_gradients_reach_every_parameter():
    model = make_model()
    visual, text, mask = make_inputs()
    model(visual, text, mask, SENTENCE_TO_IMAGE).square().sum().backward()
    assert all(bool((p.grad != 0).any()) for p in model.parameters())


def test_scale_of_vision_does_not_scale_the_reading():
    model = make_model()
    visual, text, mask = make_inputs()
    model.C_proj.bias.data.zero_()
    visual = visual * 100
    y = model(visual, text, mask, SENTENCE_TO_IMAGE)
    torch.testing.assert_close(model(100 * visual, text, mask, SENTENCE_TO_IMAGE), y, rtol=1e-5, atol=0)


@pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight")
def test_bfloat16_autocast_stays_close_to_float32():
    model = make_model().float()
    visual, text, mask = make_inputs()
    exact = model(visual.float(), text.float(), mask, SENTENCE_TO_IMAGE)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = model(visual.float(), text.float(), mask, SENTENCE_TO_IMAGE)
    assert (y - exact).norm() < 0.03 * exact.norm()


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="num_heads must divide"):
        CrossModalSSM(VISUAL, TEXT, INNER, STATE, 3)
    model = make_model()
    visual, text, mask = make_inputs()
    with pytest.raises(ValueError, match="visual must be"):
        model.encode_visual(visual[:, :-1])
    with pytest.raises(ValueError, match="text must have shape"):
        model.encode_text(text[..., :-1])
    with pytest.raises(ValueError, match="mask must be bool"):
        model.encode_text(text, mask[:, :-1])
    with pytest.raises(ValueError, match="sentence_to_image must have shape"):
        model(visual, text, mask, SENTENCE_TO_IMAGE[:2])
