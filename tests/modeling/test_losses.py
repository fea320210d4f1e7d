"""Heat maps and losses against naive float64 loops."""

import math

import pytest
import torch

from d2ext.modeling.losses import gaussian_heatmaps, heatmap_focal_loss, laplace_nll, selection_loss


def test_heatmaps_equal_a_loop_over_cells():
    centers = torch.tensor([[3, 2], [5, 2], [0, 0]])
    sizes = torch.tensor([[20.0, 4.0], [8.0, 30.0], [2.0, 2.0]])
    owner = torch.tensor([1, 1, 2])
    got = gaussian_heatmaps(centers, sizes, owner, 4, 6, 9)
    for m in range(4):
        for y in range(6):
            for x in range(9):
                values = [0.0]
                for (cx, cy), (w, h), o in zip(centers.tolist(), sizes.tolist(), owner.tolist(), strict=True):
                    if o == m:
                        sx, sy = max(0.1 * w, 0.7), max(0.1 * h, 0.7)
                        values.append(math.exp(-((x - cx) ** 2) / (2 * sx**2) - (y - cy) ** 2 / (2 * sy**2)))
                assert got[m, y, x].item() == pytest.approx(max(values), abs=1e-6)
    assert got[1, 2, 3] == 1 and got[1, 2, 5] == 1 and got[2, 0, 0] == 1


def test_focal_loss_equals_the_formula():
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 4) * 4
    target = torch.rand(2, 3, 4)
    target[0, 1, 1] = target[1, 2, 3] = 1.0
    valid = torch.rand(2, 3, 4) > 0.2
    got = heatmap_focal_loss(logits, target, valid)
    for s in range(2):
        total = 0.0
        for x, t, v in zip(
            logits[s].flatten().tolist(),
            target[s].flatten().tolist(),
            valid[s].flatten().tolist(),
            strict=True,
        ):
            p = 1 / (1 + math.exp(-x))
            loss = -((1 - p) ** 2) * math.log(p) if t == 1 else -((1 - t) ** 4) * p**2 * math.log(1 - p)
            total += loss * v
        assert got[s].item() == pytest.approx(total, rel=1e-4)


def test_laplace_nll_is_least_at_the_error():
    error = torch.tensor(0.37, dtype=torch.float64)
    scales = torch.linspace(0.05, 2.0, 4000, dtype=torch.float64)
    best = scales[laplace_nll(error, scales.log(), beta=0.0).argmin()]
    assert best.item() == pytest.approx(0.37, abs=1e-3)


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0])
def test_laplace_nll_is_as_steep_as_a_power_of_the_scale(beta: float):
    error = torch.tensor([0.3, -0.3, 0.02], dtype=torch.float64, requires_grad=True)
    log_scale = torch.tensor([0.02, 2.0, 0.02], dtype=torch.float64).log().requires_grad_()
    laplace_nll(error, log_scale, beta).sum().backward()
    expected = error.detach().sign() * log_scale.detach().exp() ** (beta - 1)
    torch.testing.assert_close(error.grad, expected)
    assert log_scale.grad[0] < 0 < log_scale.grad[1] and log_scale.grad[2].abs() < 1e-12


def test_selection_loss_equals_a_loop_over_targets():
    torch.manual_seed(0)
    target, other = torch.randn(5, dtype=torch.float64) * 5, torch.randn(6, dtype=torch.float64) * 30
    target_owner, other_owner = torch.tensor([0, 0, 2, 3, 4]), torch.tensor([0, 2, 2, 2, 1, 4])
    got = selection_loss(target.float(), target_owner, other.float(), other_owner, 5)
    each = []
    for logit, group in zip(target.tolist(), target_owner.tolist(), strict=True):
        rivals = [o for o, g in zip(other.tolist(), other_owner.tolist(), strict=True) if g == group]
        each.append(math.log(1 + sum(math.exp(r - logit) for r in rivals)))
    assert each[3] == 0.0  # a group without others
    assert got.tolist() == pytest.approx(each, rel=1e-5)


def test_selection_loss_has_finite_gradients_and_none_without_targets():
    logits = torch.tensor([200.0, -200.0, 3.0], requires_grad=True)
    none = torch.zeros(0, dtype=torch.long)
    selection_loss(logits[:2], torch.tensor([0, 1]), logits[2:], torch.tensor([0]), 3).sum().backward()
    assert logits.grad.isfinite().all()
    for others, owners in ((logits[2:], torch.tensor([0])), (logits[:0], none)):
        assert selection_loss(logits[:0], none, others, owners, 1).sum().item() == 0.0
