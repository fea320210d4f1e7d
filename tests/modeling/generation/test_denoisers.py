"""Denoising networks under one signature, and linear attention beside that of diffusers."""

import pytest
import torch
from detectron2.config import CfgNode

from d2ext.layers.linear_attention import linear_attention
from d2ext.modeling.generation.denoisers import DENOISER_REGISTRY, LinearAttentionProcessor

SETTINGS = CfgNode(
    {"WIDTH": 32, "HEADS": 4, "CROSS_HEADS": 2, "DEPTH": 2, "FFN_RATIO": 2.0, "UNET_WIDTHS": [16, 32]}
)


def build(name):
    torch.manual_seed(0)
    return DENOISER_REGISTRY.get(name)(SETTINGS, 7, 4, 12).eval()


def inputs(tokens=5):
    torch.manual_seed(1)
    mask = torch.ones(2, tokens, dtype=torch.bool)
    mask[1, 3:] = False
    return torch.randn(2, 7, 4, 8), torch.tensor([10.0, 700.0]), torch.randn(2, tokens, 12), mask


@pytest.mark.parametrize("name", ["Sana", "DiT", "LDM"])
@torch.no_grad()
def test_networks_take_latents_that_are_not_square_and_heed_time_text_and_no_padding(name):
    network, (x, times, text, mask) = build(name), inputs()
    found = network(x, times, text, mask)
    assert found.shape == (2, 4, 4, 8)
    other = text.clone()
    other[1, 3:] = 99.0
    assert torch.allclose(network(x, times, other, mask), found, atol=1e-4)
    other[:, 0] += 3.0
    assert not torch.allclose(network(x, times, other, mask), found, atol=1e-3)
    assert not torch.allclose(network(x, times + 200, text, mask), found, atol=1e-4)


def test_our_linear_attention_in_sana_gives_the_outputs_and_gradients_of_diffusers():
    network, (x, times, text, mask) = build("Sana"), inputs()
    expected = network(x, times, text, mask)
    gradients = torch.autograd.grad(expected.square().sum(), list(network.parameters()))
    for block in network.network.transformer_blocks:
        block.attn1.set_processor(LinearAttentionProcessor())
    found = network(x, times, text, mask)
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-5)
    again = torch.autograd.grad(found.square().sum(), list(network.parameters()))
    assert all(torch.allclose(a, b, rtol=1e-3, atol=1e-3) for a, b in zip(again, gradients, strict=True))


def test_linear_attention_with_relu_is_the_normalised_sum():
    query, key, value = torch.randn(3, 1, 2, 6, 4, dtype=torch.float64).unbind()
    weights = torch.relu(query) @ torch.relu(key).transpose(-1, -2)
    expected = weights @ value / weights.sum(-1, keepdim=True)
    found = linear_attention(query, key, value, features=torch.relu)
    assert torch.allclose(found[weights.sum(-1) > 0], expected[weights.sum(-1) > 0])
    assert not linear_attention(-query.abs(), key, value, features=torch.relu).any()  # attends to nothing
