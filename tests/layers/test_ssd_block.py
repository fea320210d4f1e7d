from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from d2ext.layers import SSDBlock

DIM, LENGTHS, LONGEST = 16, (11, 4, 1), 11


def make_block(bidirectional: bool = True, **kwargs) -> SSDBlock:
    block = SSDBlock(
        DIM, state_dim=5, head_dim=8, num_groups=2, bidirectional=bidirectional, chunk_size=4, **kwargs
    )
    for parameter in block.parameters():  # away from ones and zeros, so that every parameter matters
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    return block.double()


def make_batch(left: int = 0, right: int = 0, filling: float = 0.0) -> tuple[Tensor, Tensor]:
    """Sentences of LENGTHS words, padded to the longest and by ``left`` and ``right`` more."""
    generator = torch.Generator().manual_seed(1)
    x = torch.full((len(LENGTHS), left + LONGEST + right, DIM), filling, dtype=torch.float64)
    mask = torch.zeros(x.shape[:2], dtype=torch.bool)
    for i, length in enumerate(LENGTHS):
        x[i, left : left + length] = torch.randn(length, DIM, generator=generator, dtype=torch.float64)
        mask[i, left : left + length] = True
    return x, mask


def naive_block(block: SSDBlock, u: Tensor, recurrence) -> Tensor:
    """The formulas of Mamba-2 on one unpadded sentence (L, dim), convolution and recurrence step by step."""

    def rms_norm(v: Tensor, weight: Tensor) -> Tensor:
        return v / (v.square().mean(-1, keepdim=True) + 1e-5).sqrt() * weight

    inner, conv_dim, heads = block.split_sizes
    z, xBC, dt = (rms_norm(u, block.norm.weight) @ block.in_proj.weight.T).split(block.split_sizes, dim=-1)
    y = torch.zeros(len(u), inner, dtype=u.dtype)
    for scan, order in zip(block.scans, (1, -1), strict=False):
        steps = list(range(len(u)))[::order]
        taps = scan.conv.weight[:, 0]  # (channels, kernel), the last tap at the present step
        mixed = []
        for i in range(len(steps)):
            value = scan.conv.bias.clone()
            for k in range(taps.shape[1]):
                j = i - (taps.shape[1] - 1) + k
                if j >= 0:
                    value = value + taps[:, k] * xBC[steps[j]]
            mixed.append(value * torch.sigmoid(value))
        x, B, C = torch.stack(mixed).split(scan.split_sizes, dim=-1)
        y_scan, _ = recurrence(
            x.reshape(1, len(u), heads, -1),
            torch.log1p(torch.exp(dt[steps] + scan.dt_bias))[None],
            -scan.A_log.exp(),
            B.reshape(1, len(u), scan.num_groups, -1),
            C.reshape(1, len(u), scan.num_groups, -1),
            D=scan.D,
        )
        y[steps] += y_scan[0].flatten(1)
    return u + rms_norm(y * F.silu(z), block.out_norm.weight) @ block.out_proj.weight.T


@pytest.mark.parametrize("bidirectional", [False, True])
def test_equals_the_formulas_on_every_sentence(bidirectional, recurrence):
    block = make_block(bidirectional)
    x, mask = make_batch()
    with torch.no_grad():
        y = block(x, mask)
        for i, length in enumerate(LENGTHS):
            torch.testing.assert_close(y[i, :length], naive_block(block, x[i, :length], recurrence))


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("left", "right"), [(0, 0), (0, 9), (6, 0), (3, 2)])
@pytest.mark.parametrize("filling", [0.0, 100.0, float("nan")])
def test_padding_and_batch_do_not_leak(bidirectional, left, right, filling):
    block = make_block(bidirectional)
    x, mask = make_batch(left, right, filling)
    y = block(x, mask)
    for i, length in enumerate(LENGTHS):
        words = slice(left, left + length)
        torch.testing.assert_close(y[i, words], block(x[i : i + 1, words])[0])
    assert torch.equal(y[~mask].nan_to_num(-1), x[~mask].nan_to_num(-1))


def test_one_direction_is_causal_and_two_are_not():
    x, _ = make_batch()
    changed = x.clone()
    changed[:, 6] += 1
    for bidirectional in (False, True):
        block = make_block(bidirectional)
        difference = (block(changed) - block(x)).abs().amax(dim=(0, 2))
        assert bool((difference[6:] > 1e-6).all())
        assert bool((difference[:6] > 1e-6).all()) == bidirectional


def test_reversing_the_sentence_swaps_the_directions():
    block = make_block()
    x, mask = make_batch(right=3)
    y = block(x, mask)
    block.scans[0].load_state_dict({k: v.clone() for k, v in block.scans[1].state_dict().items()})
    same = block(x, mask)
    torch.testing.assert_close(block(x.flip(1), mask.flip(1)).flip(1), same)
    assert not torch.allclose(same, y)


def test_gradients_reach_every_parameter_and_no_padding():
    block = make_block()
    x, mask = make_batch(right=2, filling=1.0)
    x.requires_grad_()
    block(x, mask)[mask].square().sum().backward()
    assert all(bool((p.grad != 0).any()) for p in block.parameters())
    assert torch.equal(x.grad[~mask], torch.zeros_like(x.grad[~mask]))


def test_a_second_direction_costs_few_parameters():
    one, two = (
        sum(p.numel() for p in SSDBlock(768, bidirectional=bidirectional).parameters())
        for bidirectional in (False, True)
    )
    assert two < 1.003 * one


@pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight")
def test_bfloat16_autocast_stays_close_to_float32():
    block = make_block().float()
    x, mask = make_batch()
    exact = block(x.float(), mask)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = block(x.float(), mask)
    assert (y - exact).norm() < 0.02 * exact.norm()


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="head_dim must divide"):
        SSDBlock(DIM, head_dim=5)
    with pytest.raises(ValueError, match="num_groups must divide"):
        SSDBlock(DIM, head_dim=8, num_groups=3)
    block = make_block().float()
    with pytest.raises(ValueError, match="x must have shape"):
        block(torch.zeros(2, 3, DIM + 1))
    with pytest.raises(ValueError, match="mask must be bool"):
        block(torch.zeros(2, 3, DIM), torch.ones(2, 3))
