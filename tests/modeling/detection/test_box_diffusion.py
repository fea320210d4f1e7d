"""Diffusion of boxes against closed forms in float64."""

import math

import pytest
import torch

from d2ext.modeling.detection.diffusion import BoxDiffusion

T, SCALE = 1000, 2.0


def diffusion(sampler: str = "ddim", smallest: float = 0.0) -> BoxDiffusion:
    return BoxDiffusion(T, "squaredcos_cap_v2", SCALE, sampler, smallest)


def kept(time: int) -> float:
    """Share of the signal's variance that is left after the levels 0 ... time, of the cosine schedule."""

    def bar(share: float) -> float:
        return math.cos((share + 0.008) / 1.008 * math.pi / 2) ** 2

    share = 1.0
    for t in range(time + 1):
        share *= 1 - min(1 - bar((t + 1) / T) / bar(t / T), 0.999)
    return share


def test_noise_is_mixed_in_by_the_cosine_schedule():
    x0, noise = torch.randn(4, 5, 4), torch.randn(4, 5, 4)
    times = [0, 300, 700, 999]
    mixed = diffusion().add_noise(x0, noise, torch.tensor(times))
    for i, time in enumerate(times):
        expected = math.sqrt(kept(time)) * x0[i] + math.sqrt(1 - kept(time)) * noise[i]
        assert torch.allclose(mixed[i], expected, atol=1e-4)


def test_the_last_level_is_pure_noise():
    torch.manual_seed(0)
    x0 = diffusion().to_signal(torch.rand(1, 50000, 4))
    mixed = diffusion().add_noise(x0, torch.randn_like(x0), torch.tensor([T - 1]))
    assert abs(mixed.mean().item()) < 0.01 and abs(mixed.std().item() - 1) < 0.01
    assert abs((mixed * x0).mean().item()) < 0.02


def test_signals_span_the_scale_and_come_back_as_boxes():
    boxes = torch.tensor([[0.0, 0.25, 0.5, 1.0]])
    signal = diffusion().to_signal(boxes)
    assert signal.tolist() == [[-2.0, -1.0, 0.0, 2.0]]
    assert torch.allclose(diffusion().to_boxes(signal), boxes)
    assert diffusion().to_boxes(torch.tensor([-9.0, 9.0])).tolist() == [0.0, 1.0]


def test_signals_of_sides_may_be_their_logarithms():
    boxes = torch.tensor([[0.0, 1.0, 0.01, 1.0], [0.25, 0.5, 0.1, 0.001]])
    signal = diffusion(smallest=0.01).to_signal(boxes)
    assert torch.allclose(signal, torch.tensor([[-2.0, 2.0, -2.0, 2.0], [-1.0, 0.0, 0.0, -2.0]]), atol=1e-6)
    expected = boxes.clone()
    expected[1, 3] = 0.01  # nothing is smaller
    assert torch.allclose(diffusion(smallest=0.01).to_boxes(signal), expected, atol=1e-6)


@pytest.mark.parametrize("steps", [1, 2, 4, 8])
def test_ddim_with_the_true_signal_runs_along_the_closed_form_and_ends_there(steps):
    x0, noise = torch.rand(2, 6, 4) * 4 - 2, torch.randn(2, 6, 4)
    first = kept(T - 1)
    eps = (noise - math.sqrt(first) * x0) / math.sqrt(1 - first)
    seen = []

    def truth(signal, time):
        seen.append(time)
        expected = math.sqrt(kept(time)) * x0 + math.sqrt(1 - kept(time)) * eps
        assert torch.allclose(signal, expected, atol=1e-3)
        return x0, torch.ones(2, 6, dtype=torch.bool)

    end = diffusion().sample(noise, torch.zeros(steps - 1, 6, 4), truth)
    assert torch.allclose(end, x0, atol=1e-5)
    assert seen == [T - 1 - i * T // steps for i in range(steps)]


@pytest.mark.parametrize("steps", [1, 2, 4, 8])
def test_dpm_solver_with_the_true_signal_ends_there(steps):
    x0, noise = torch.rand(2, 6, 4) * 4 - 2, torch.randn(2, 6, 4)
    keep = torch.ones(2, 6, dtype=torch.bool)
    end = diffusion("dpm_solver++").sample(noise, torch.zeros(steps - 1, 6, 4), lambda x, t: (x0, keep))
    assert torch.allclose(end, x0, atol=1e-5)


def test_ddim_equals_a_naive_loop_when_the_prediction_follows_the_signal():
    noise = torch.randn(1, 3, 4, dtype=torch.float64)
    keep = torch.ones(1, 3, dtype=torch.bool)
    end = diffusion().sample(noise, torch.zeros(3, 3, 4), lambda x, t: (0.5 * x.tanh(), keep))

    x = noise
    for time in (999, 749, 499, 249):
        a, b = kept(time), kept(time - 250) if time > 250 else 1.0
        x0 = 0.5 * x.tanh()
        eps = (x - math.sqrt(a) * x0) / math.sqrt(1 - a)
        x = math.sqrt(b) * x0 + math.sqrt(1 - b) * eps
    assert torch.allclose(end, x, atol=1e-4)


@pytest.mark.parametrize("sampler", ["ddim", "dpm_solver++"])
def test_what_happens_to_an_image_depends_on_that_image_only(sampler):
    noise, renewal = torch.randn(3, 7, 4), torch.randn(3, 7, 4)

    def predict(x, t):
        return 0.5 * x.tanh(), x[..., 0] > 0

    together = diffusion(sampler).sample(noise, renewal, predict)
    alone = [diffusion(sampler).sample(n[None], renewal, predict)[0] for n in noise]
    assert torch.allclose(together, torch.stack(alone), atol=1e-6)


def test_boxes_that_are_not_kept_start_again_from_noise():
    noise, renewal = torch.randn(1, 4, 4), torch.randn(1, 4, 4)
    keep = torch.tensor([[True, False, True, False]])
    seen = []

    def predict(x, t):
        seen.append(x)
        return torch.zeros_like(x), keep

    diffusion().sample(noise, renewal, predict)
    assert torch.equal(seen[1][0, [1, 3]], renewal[0, [1, 3]])
    assert not torch.isclose(seen[1][0, [0, 2]], renewal[0, [0, 2]]).any()


def test_a_renewed_box_has_no_past_for_the_second_order():
    """First order is DDIM, so with all boxes new in every step both samplers agree."""
    noise, renewal = torch.randn(1, 4, 4), torch.randn(3, 4, 4)
    never = torch.zeros(1, 4, dtype=torch.bool)
    ends = [
        diffusion(s).sample(noise, renewal, lambda x, t: (0.5 * x.tanh(), never))
        for s in ("ddim", "dpm_solver++")
    ]
    assert torch.allclose(*ends, atol=1e-4)


def test_padding_keeps_the_labelled_boxes_and_fills_up_with_random_ones():
    labelled = [torch.rand(n, 4) * 2 * SCALE - SCALE for n in (3, 0, 20)]
    padded = diffusion().pad(labelled, 10)
    assert padded.shape == (3, 10, 4)
    assert torch.equal(padded[0, :3], labelled[0])
    assert (padded.abs() <= SCALE).all() and len(padded[:2, 3:].reshape(-1, 4).unique(dim=0)) == 14
    chosen = (padded[2][:, None] == labelled[2]).all(2)
    assert (chosen.sum(1) == 1).all() and (chosen.sum(0) <= 1).all()


def test_unknown_names_and_too_many_steps_are_one_clear_line():
    with pytest.raises(ValueError, match="MODEL.DIFFUSION.SAMPLER 'euler': expected one of ddim, dpm_"):
        diffusion("euler")
    with pytest.raises(ValueError, match=r"MODEL.DIFFUSION.SMALLEST 1.0: expected a number in \[0, 1\)"):
        diffusion(smallest=1.0)
    with pytest.raises(ValueError, match="MODEL.DIFFUSION.SCHEDULE cosine: expected"):
        BoxDiffusion(T, "cosine", SCALE, "ddim", 0.0)
    with pytest.raises(ValueError, match="steps 11: expected at most MODEL.DIFFUSION.TIMESTEPS 10"):
        BoxDiffusion(10, "linear", SCALE, "ddim", 0.0).sample(
            torch.zeros(1, 1, 4), torch.zeros(10, 1, 4), None
        )
