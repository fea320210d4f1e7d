from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from d2ext.layers import ssd
from d2ext.layers.ssd import A_log_init, dt_bias_init, ssd_final_state, ssd_scan


def make_inputs(
    batch: int = 2, length: int = 37, heads: int = 4, head_dim: int = 3, groups: int = 2, state: int = 5
) -> dict[str, Tensor]:
    """Random float64 input with the step sizes and decay rates of a freshly initialised Mamba-2."""
    dt = torch.exp(torch.empty(batch, length, heads, dtype=torch.float64).uniform_(-7, -1))
    return {
        "x": torch.randn(batch, length, heads, head_dim, dtype=torch.float64),
        "dt": dt,
        "A": -torch.empty(heads, dtype=torch.float64).uniform_(1, 16),
        "B": torch.randn(batch, length, groups, state, dtype=torch.float64),
        "C": torch.randn(batch, length, groups, state, dtype=torch.float64),
    }


def relative_error(value: Tensor, expected: Tensor) -> float:
    return float((value.detach().double() - expected).norm() / expected.norm())


@pytest.mark.parametrize("length", [1, 2, 63, 64, 65, 1000])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-4)])
def test_equals_the_recurrence(length, dtype, tolerance, recurrence):
    inputs = make_inputs(length=length)
    D = torch.randn(4, dtype=torch.float64)
    start = torch.randn(2, 4, 3, 5, dtype=torch.float64)
    expected_y, expected_h = recurrence(**inputs, D=D, initial_states=start)
    cast = {k: v.to(dtype) for k, v in inputs.items()}
    y, h = ssd_scan(**cast, D=D.to(dtype), initial_states=start.to(dtype), return_final_states=True)
    assert y.dtype == h.dtype == dtype
    assert relative_error(y, expected_y) < tolerance
    assert relative_error(h, expected_h) < tolerance
    del cast["C"]
    h = ssd_final_state(**cast, initial_states=start.to(dtype))
    assert h.dtype == dtype
    assert relative_error(h, expected_h) < tolerance


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("skip_shape", [(4,), (4, 3)])
def test_groups_and_skip_shapes(groups, skip_shape, recurrence):
    inputs = make_inputs(groups=groups)
    D = torch.randn(skip_shape, dtype=torch.float64)
    assert relative_error(ssd_scan(**inputs, D=D), recurrence(**inputs, D=D)[0]) < 1e-12


@pytest.mark.parametrize("chunk_size", [1, 2, 5, 16, 37, 64, 1000])
def test_chunk_size_changes_nothing(chunk_size):
    inputs = make_inputs()
    y, h = ssd_scan(**inputs, return_final_states=True)
    other_y, other_h = ssd_scan(**inputs, chunk_size=chunk_size, return_final_states=True)
    torch.testing.assert_close(other_y, y, rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(other_h, h, rtol=1e-11, atol=1e-12)


def test_constant_input_gives_the_geometric_series():
    """With constant input h_t = dt B x (1 - r^t) / (1 - r), r = exp(dt A)."""
    length, dt, A = 300, 0.05, -0.7
    ones = torch.ones(1, length, 1, 1, dtype=torch.float64)
    y, h = ssd_scan(
        3 * ones, dt * ones[..., 0], torch.tensor([A]).double(), 2 * ones, 5 * ones, return_final_states=True
    )
    ratio = torch.tensor(dt * A, dtype=torch.float64).exp()
    steps = torch.arange(1, length + 1, dtype=torch.float64)
    series = dt * 2 * 3 * (1 - ratio**steps) / (1 - ratio)
    torch.testing.assert_close(y.flatten(), 5 * series, rtol=1e-7, atol=0)
    torch.testing.assert_close(h.flatten(), series[-1:], rtol=1e-7, atol=0)


def test_two_halves_through_the_state_equal_the_whole():
    inputs = make_inputs(length=100)
    whole, final = ssd_scan(**inputs, return_final_states=True)
    parts, state = [], None
    for part in (slice(0, 41), slice(41, 100)):
        cut = {k: v if k == "A" else v[:, part] for k, v in inputs.items()}
        y, state = ssd_scan(**cut, initial_states=state, return_final_states=True)
        parts.append(y)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole)
    torch.testing.assert_close(state, final)


def test_gradients_agree_with_finite_differences():
    inputs = make_inputs(batch=2, length=7, heads=2, head_dim=2, groups=1, state=3)
    mask = torch.arange(7) < torch.tensor([[7], [4]])
    D = torch.randn(2, 2, dtype=torch.float64)
    start = torch.randn(2, 2, 2, 3, dtype=torch.float64)
    leaves = tuple(t.requires_grad_() for t in (*inputs.values(), D, start))

    def scan(x, dt, A, B, C, D, start):
        return ssd_scan(x, dt, A, B, C, D, 3, start, return_final_states=True, mask=mask)

    def final_state(x, dt, A, B, C, D, start):
        return ssd_final_state(x, dt, A, B, mask, start)

    assert torch.autograd.gradcheck(scan, leaves)
    assert torch.autograd.gradcheck(final_state, leaves)


@pytest.mark.parametrize("garbage", [1e30, float("nan")])
def test_padding_changes_nothing(garbage, recurrence):
    inputs = make_inputs(batch=3, length=20)
    mask = torch.zeros(3, 20, dtype=torch.bool)
    mask[0, :13], mask[1, 9:], mask[2, 4:17] = True, True, True  # right, left, both
    D = torch.randn(4, dtype=torch.float64)
    expected_y, expected_h = recurrence(**inputs, D=D, mask=mask)
    for name in ("x", "dt", "B", "C"):
        inputs[name][~mask] = garbage
    y, h = ssd_scan(**inputs, D=D, chunk_size=8, mask=mask, return_final_states=True)
    torch.testing.assert_close(y, expected_y)
    torch.testing.assert_close(h, expected_h)
    assert torch.equal(y[~mask], torch.zeros_like(y[~mask]))
    del inputs["C"]
    torch.testing.assert_close(ssd_final_state(**inputs, mask=mask), expected_h)


def test_extreme_decay_stays_finite_with_finite_gradients(recurrence):
    inputs = make_inputs(length=130)
    inputs["dt"] = inputs["dt"] * 1000  # exponents far beyond the range of exp in float32
    cast = {k: v.float().requires_grad_() for k, v in inputs.items()}
    y, h = ssd_scan(**cast, return_final_states=True)
    assert relative_error(y, recurrence(**inputs)[0]) < 1e-4
    (y.square().sum() + h.square().sum()).backward()
    assert all(bool(t.grad.isfinite().all()) for t in cast.values())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(dtype):
    cast = {k: v.to(dtype) for k, v in make_inputs(length=100).items()}
    y, h = ssd_scan(**cast, return_final_states=True)
    exact_y, exact_h = ssd_scan(**{k: v.double() for k, v in cast.items()}, return_final_states=True)
    assert y.dtype == dtype and h.dtype == torch.float32
    assert relative_error(h, exact_h) < 1e-5
    assert relative_error(y, exact_y) < torch.finfo(dtype).eps


def test_autocast_does_not_reach_the_scan():
    cast = {k: v.float() for k, v in make_inputs().items()}
    y = ssd_scan(**cast)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(ssd_scan(**cast), y)


def test_no_steps_keep_the_state():
    inputs = make_inputs(length=0)
    start = torch.randn(2, 4, 3, 5, dtype=torch.float64)
    y, h = ssd_scan(**inputs, initial_states=start, return_final_states=True)
    assert y.shape == (2, 0, 4, 3)
    assert torch.equal(h, start)
    del inputs["C"]
    assert torch.equal(ssd_final_state(**inputs, initial_states=start), start)


def test_no_sequences_give_no_sequences():
    y, h = ssd_scan(**make_inputs(batch=0), return_final_states=True)
    assert y.shape == (0, 37, 4, 3) and h.shape == (0, 4, 3, 5)


def test_triton_kernel_gets_its_documented_arguments(monkeypatch, recurrence):
    """The scan through a stand-in with the signature of mamba_ssm's kernel equals the recurrence."""

    def kernel(x, dt, A, B, C, chunk_size, D=None, initial_states=None, return_final_states=False):
        assert A.dtype == torch.float32 and B.dtype == C.dtype == x.dtype and return_final_states
        y, final = recurrence(x, dt, A, B, C, D, initial_states)
        return y.to(x.dtype), final.float()

    monkeypatch.setattr(ssd, "_triton_kernel", lambda x: kernel)
    inputs = {k: v.float() for k, v in make_inputs(length=12).items()}
    mask = torch.arange(12) < torch.tensor([[12], [5]])
    extra = {"D": torch.randn(4), "initial_states": torch.randn(2, 4, 3, 5), "mask": mask}
    y, h = ssd_scan(**inputs, **extra, return_final_states=True)
    expected_y, expected_h = recurrence(**inputs, **extra)
    torch.testing.assert_close(y, expected_y.float())
    torch.testing.assert_close(h, expected_h.float())


def test_initial_step_sizes_and_decay_rates_are_in_range():
    dt = F.softplus(dt_bias_init(10_000))
    assert 0.999e-3 < dt.min() and dt.max() < 1.001e-1
    assert dt.log10().mean() == pytest.approx(-2, abs=0.05)  # the middle of a log-uniform distribution
    rate = A_log_init(10_000).exp()
    assert 0.999 < rate.min() and rate.max() < 16.001


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("x", (2, 37, 4), "x must be float"),
        ("dt", (2, 36, 4), "dt must have shape"),
        ("A", (3,), "A must have shape"),
        ("B", (2, 36, 2, 5), "B must have shape"),
        ("B", (2, 37, 3, 5), "groups of B must divide the 4 heads"),
        ("C", (2, 37, 2, 6), "C must have the shape of B"),
        ("D", (3,), "D must have shape"),
        ("initial_states", (2, 4, 5, 3), "initial_states must have shape"),
        ("mask", (2, 37), "mask must be bool"),
    ],
)
def test_wrong_shapes_are_named(name, shape, message):
    inputs = {**make_inputs(), name: torch.zeros(shape)}
    with pytest.raises(ValueError, match=message):
        ssd_scan(**inputs)


def test_chunk_size_must_be_positive():
    with pytest.raises(ValueError, match="chunk_size"):
        ssd_scan(**make_inputs(), chunk_size=0)
