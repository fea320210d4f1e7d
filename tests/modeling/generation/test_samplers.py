"""Samplers against closed forms: of a Gaussian the exact prediction and the exact way are known."""

import pytest
import torch

from d2ext.modeling.generation.process import DDPM, TIMES, Flow, noised
from d2ext.modeling.generation.sampling import SAMPLERS, Start, build_scheduler, guided, sample

MEAN, VARIANCE = torch.tensor([1.5, -0.7]).view(1, 2, 1, 1), torch.tensor([0.25, 2.0]).view(1, 2, 1, 1)
PROCESSES = {"flow": Flow(3.0), "ddpm": DDPM()}
STOCHASTIC = "DDPMScheduler"
EXACT_ODE = [(p, s) for p, names in SAMPLERS.items() for s in names if s != STOCHASTIC]


def exact(process):
    """What a perfect network predicts of Gaussian data: x_t is Gaussian with e and x_0."""

    def denoise(x, time):
        a, b = process.coefficients(time.view(1))
        share = a**2 * VARIANCE + b**2
        data = MEAN + a * VARIANCE / share * (x - a * MEAN)
        noise = b / share * (x - a * MEAN)
        return process.target(data, noise)

    return denoise


def along_the_ode(process, x, time):
    """Where the probability flow takes x_t: it keeps (x - mean_t) / deviation_t of a Gaussian."""
    a, b = (v.view(1, 1, 1, 1) for v in process.coefficients(torch.tensor([float(time)])))
    return MEAN + VARIANCE.sqrt() * (x - a * MEAN) / (a**2 * VARIANCE + b**2).sqrt()


@pytest.mark.parametrize("kind, name", EXACT_ODE)
def test_deterministic_samplers_follow_the_probability_flow_of_a_gaussian(kind, name):
    process, noise = PROCESSES[kind], torch.randn(50, 2, 2, 2, generator=torch.Generator().manual_seed(0))
    first = TIMES - 1 if kind == "ddpm" else TIMES
    goal = along_the_ode(process, noise, first)
    errors = [(sample(process, exact(process), noise, name, n) - goal).abs().mean() for n in (25, 100, 500)]
    assert errors[2] < 0.02 and errors[0] > 1.5 * errors[1] > 2 * errors[2]


@pytest.mark.parametrize("kind", PROCESSES)
def test_every_sampler_reaches_mean_and_variance_of_a_gaussian(kind):
    process, noise = PROCESSES[kind], torch.randn(1500, 2, 2, 2, generator=torch.Generator().manual_seed(1))
    for name in SAMPLERS[kind]:
        steps = 20 if name.startswith("DPM") else 125
        found = sample(
            process, exact(process), noise, name, steps, generator=torch.Generator().manual_seed(2)
        )
        assert found.mean((0, 2, 3)) == pytest.approx(MEAN.flatten(), abs=0.09), name
        assert found.var((0, 2, 3)) == pytest.approx(VARIANCE.flatten(), rel=0.2), name


def test_flow_dpm_solver_needs_fewer_steps_than_euler():
    process, noise = PROCESSES["flow"], torch.randn(50, 2, 2, 2)
    goal = along_the_ode(process, noise, TIMES)
    fast, slow = (
        (sample(process, exact(process), noise, name, 20) - goal).abs().mean() for name in SAMPLERS["flow"]
    )
    assert fast < 0.5 * slow


@pytest.mark.parametrize("kind, name", EXACT_ODE)
def test_a_start_at_a_strength_follows_the_flow_from_the_noised_data(kind, name):
    process, steps = PROCESSES[kind], 500
    data, noise = torch.randn(20, 2, 2, 2) * VARIANCE.sqrt() + MEAN, torch.randn(20, 2, 2, 2)
    found = sample(process, exact(process), noise, name, steps, Start(data, 0.5))
    scheduler = build_scheduler(process, name)
    scheduler.set_timesteps(steps)
    middle = scheduler.sigmas[steps // 2] * TIMES if kind == "flow" else scheduler.timesteps[steps // 2]
    start = noised(process, data, noise, torch.full((20,), float(middle)))
    assert (found - along_the_ode(process, start, middle)).abs().mean() < 0.02


def test_a_small_strength_keeps_the_data_nearly():
    data, noise = torch.randn(20, 2, 2, 2) * VARIANCE.sqrt() + MEAN, torch.randn(20, 2, 2, 2)
    for kind, names in SAMPLERS.items():
        found = sample(PROCESSES[kind], exact(PROCESSES[kind]), noise, names[0], 50, Start(data, 0.04))
        assert (found - data).abs().mean() < 0.25


def test_after_each_step_what_is_given_back_goes_on():
    seen = []

    def after(done, x, time):
        seen.append((done, time))
        return torch.zeros_like(x) if time == 0 else x

    flow, noise = PROCESSES["flow"], torch.randn(2, 2, 2, 2)
    found = sample(flow, exact(flow), noise, SAMPLERS["flow"][1], 5, after=after)
    assert [n for n, _ in seen] == [1, 2, 3, 4, 5] and not found.any()
    times = [t for _, t in seen]
    assert times == sorted(times, reverse=True) and times[-1] == 0


def test_guidance_of_one_gives_the_prediction_and_scales_count_apart():
    both, layout, neither = torch.randn(3, 1, 2, 2, 2).unbind()
    assert torch.allclose(guided(both, layout, neither, 1.0, 1.0), both, atol=1e-6)
    assert torch.allclose(guided(both, layout, neither, 0.0, 1.0), layout, atol=1e-6)
    assert torch.allclose(guided(both, layout, neither, 0.0, 0.0), neither)
    more = guided(both, layout, neither, 3.0, 1.0) - both
    assert torch.allclose(more, 2 * (both - layout), atol=1e-5)


def test_a_sampler_of_the_other_process_is_one_line():
    with pytest.raises(ValueError, match="MODEL.SCENE.SAMPLER 'DDIMScheduler': expected one of DPMSolver"):
        sample(PROCESSES["flow"], exact(PROCESSES["flow"]), torch.zeros(1, 2, 2, 2), "DDIMScheduler", 2)


def test_steps_that_ddim_cannot_take_are_one_line():
    with pytest.raises(ValueError, match="MODEL.SCENE.STEPS: of DDIMScheduler expected a divisor of 1000"):
        sample(PROCESSES["ddpm"], exact(PROCESSES["ddpm"]), torch.zeros(1, 2, 2, 2), "DDIMScheduler", 14)


@pytest.mark.parametrize("kind, name", EXACT_ODE)
def test_what_is_put_back_on_the_way_is_x_t(kind, name):
    """Of data of mean 0 and variance 1 it has the variance a^2 + b^2, whatever a sampler counts in."""
    process, seen = PROCESSES[kind], []

    def denoise(x, time):
        a, b = process.coefficients(time.view(1))
        share = x / (a**2 + b**2)
        return process.target(a * share, b * share)

    def after(_, x, time):
        a, b = process.coefficients(torch.tensor([max(time, 0.0)]))
        seen.append(float(x.var() / (a**2 + b**2)) if time > 0 else 1.0)
        return x

    noise = torch.randn(300, 2, 2, 2, generator=torch.Generator().manual_seed(3))
    sample(process, denoise, noise, name, 100, after=after)
    assert len(seen) == 100 and max(abs(v - 1) for v in seen) < 0.15, seen


@pytest.mark.parametrize("kind, name", EXACT_ODE)
def test_a_sampler_takes_as_many_steps_as_there_are_times(kind, name):
    process, noise = PROCESSES[kind], torch.randn(20, 2, 2, 2, generator=torch.Generator().manual_seed(0))
    goal = along_the_ode(process, noise, TIMES - 1 if kind == "ddpm" else TIMES)
    assert (sample(process, exact(process), noise, name, TIMES) - goal).abs().mean() < 0.02
