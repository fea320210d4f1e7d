"""Ways from data to noise: moments, targets, times, and chance that belongs to an image."""

import pytest
import torch
from diffusers import DDPMScheduler

from d2ext.modeling.generation.process import DDPM, TIMES, Flow, draw_noise, noised


def test_the_target_of_the_flow_is_the_derivative_of_its_way():
    data, noise, times = torch.randn(3, 2, 4, 4), torch.randn(3, 2, 4, 4), torch.tensor([100.0, 500.0, 900.0])
    flow, step = Flow(), 1.0
    slope = (noised(flow, data, noise, times + step) - noised(flow, data, noise, times)) * TIMES / step
    assert torch.allclose(slope, flow.target(data, noise), atol=2e-3)
    assert torch.equal(noised(flow, data, noise, torch.zeros(3)), data)
    assert torch.equal(noised(flow, data, noise, torch.full((3,), float(TIMES))), noise)


def test_ddpm_noises_as_the_scheduler_that_takes_its_predictions():
    data, noise, times = torch.randn(4, 2, 4, 4), torch.randn(4, 2, 4, 4), torch.tensor([0, 10, 500, 999])
    schedule = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
    expected = DDPMScheduler(TIMES, **schedule).add_noise(data, noise, times)
    assert torch.allclose(noised(DDPM(), data, noise, times.float()), expected, atol=1e-5)
    assert torch.equal(DDPM().target(data, noise), noise)


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_times_of_the_flow_are_shifted_logit_normal(shift):
    share = Flow(shift).times((torch.arange(4000) + 0.5) / 4000) / TIMES
    back = share / (shift - (shift - 1) * share)  # the inverse of the shift
    logit = torch.logit(back.double())
    assert logit.mean().abs() < 0.01 and abs(logit.std() - 1) < 0.01
    assert share.median() == pytest.approx(shift / (1 + shift), abs=1e-3)


def test_times_of_ddpm_are_all_whole_numbers_equally_often():
    times = DDPM().times((torch.arange(5000) + 0.5) / 5000)
    assert torch.equal(torch.bincount(times.long()), torch.full((TIMES,), 5))


def test_noise_of_an_image_depends_on_its_seed_alone():
    noise, uniform = draw_noise([3, 8, 5], (2, 4, 4))
    alone, drawn = draw_noise([8], (2, 4, 4))
    assert torch.equal(noise[1], alone[0]) and uniform[1] == drawn[0]
    assert not torch.equal(noise[0], noise[2])


def test_offset_noise_has_the_variance_of_the_sum_and_moves_whole_channels():
    noise, _ = draw_noise(list(range(600)), (2, 8, 8), offset=0.5)
    assert float(noise.var()) == pytest.approx(1 + 0.25, rel=0.05)
    assert float(noise.mean((2, 3)).var()) == pytest.approx(0.25 + 1 / 64, rel=0.15)
