"""Autoencoders: sizes, losses against closed forms, and which loss moves what."""

import math

import pytest
import torch
from detectron2.config import CfgNode
from detectron2.utils.events import EventStorage
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from d2ext.modeling.generation.autoencoder import AUTOENCODER_REGISTRY, drawn, kl_to_standard
from d2ext.modeling.generation.discriminator import PatchDiscriminator
from d2ext.modeling.generation.features import FrozenFeatures
from d2ext.modeling.generation.parts import byte_images, signed_images
from d2ext.modeling.meta_arch.deep_compression_autoencoder import DeepCompressionAutoencoder

LITE0 = ("tf_efficientnet_lite0", "d2ext://backbone/efficientnet_lite0")


def settings(widths, name="AutoencoderDC", channels=4):
    return CfgNode(
        {
            "NAME": name, "WIDTHS": widths, "LAYERS": [0] + [1] * (len(widths) - 1), "ATTENTION_STAGES": 1,
            "ATTENTION_HEAD_DIM": 8, "LATENT_CHANNELS": channels,
        }
    )  # fmt: skip


def build(widths, name="AutoencoderDC", channels=4):
    torch.manual_seed(0)
    return AUTOENCODER_REGISTRY.get(name)(settings(widths, name, channels))


@pytest.mark.parametrize("name", ["AutoencoderDC", "AutoencoderKL"])
@pytest.mark.parametrize("factor", [8, 16, 32])
def test_sides_shrink_by_the_factor_and_come_back(name, factor):
    autoencoder = build([8] * (int(math.log2(factor)) + 1), name)
    with torch.no_grad():
        latents = autoencoder.encode(torch.zeros(2, 3, 64, 96))
        assert latents.shape == (2, 4, 64 // factor, 96 // factor) and autoencoder.factor == factor
        assert autoencoder.decode(latents).shape == (2, 3, 64, 96)


def test_the_divergence_is_that_of_torch_distributions():
    mean, log_variance = torch.randn(3, 4, 2, 2), torch.randn(3, 4, 2, 2)
    gaussian = Normal(mean, (log_variance / 2).exp())
    expected = kl_divergence(gaussian, Normal(0.0, 1.0)).sum((1, 2, 3))
    assert torch.allclose(kl_to_standard(mean, log_variance), expected, rtol=1e-5)


def test_draws_have_mean_and_variance_and_pass_the_gradient():
    mean = torch.tensor([[1.0, -2.0]]).expand(20000, 2).clone().requires_grad_()
    log_variance = torch.tensor([[0.0, 1.0]]).expand(20000, 2).clone().requires_grad_()
    found = drawn(mean, log_variance)
    assert found.mean(0).tolist() == pytest.approx([1.0, -2.0], abs=0.05)
    assert found.var(0).tolist() == pytest.approx([1.0, math.e], rel=0.05)
    found.sum().backward()
    assert torch.equal(mean.grad, torch.ones_like(mean)) and log_variance.grad.abs().sum() > 0


def test_the_bound_of_a_linear_gaussian_model_is_its_evidence_where_the_posterior_is_exact():
    """x = W z + noise: log p(x) is known; the bound made with our divergence must reach it, not pass it."""
    scale, noise = torch.tensor([1.5, 0.5], dtype=torch.float64), 0.3
    x = torch.tensor([[0.7, -1.1]], dtype=torch.float64)
    evidence = MultivariateNormal(torch.zeros(2).double(), torch.diag(scale**2 + noise**2)).log_prob(x)
    precision = 1 + scale**2 / noise**2
    mean, log_variance = (scale / noise**2 / precision * x), -precision.log()[None]

    def bound(mean, log_variance):
        error = (x - scale * mean).square() + scale**2 * log_variance.exp()
        told = -(error / (2 * noise**2) + math.log(noise) + math.log(2 * math.pi) / 2).sum(1)
        return told - kl_to_standard(mean, log_variance)

    assert bound(mean, log_variance).item() == pytest.approx(evidence.item(), rel=1e-9)
    assert bound(mean + 0.1, log_variance) < evidence and bound(mean, log_variance + 0.3) < evidence


def test_each_adversarial_loss_moves_its_own_side_alone():
    judge, rebuilt = PatchDiscriminator(8), torch.rand(2, 3, 32, 32, requires_grad=True)
    hinge, fooled = judge.losses(torch.rand(2, 3, 32, 32), rebuilt)
    (by_hinge,) = torch.autograd.grad(hinge, [rebuilt], retain_graph=True, allow_unused=True)
    assert by_hinge is None
    moved = torch.autograd.grad(fooled, list(judge.parameters()), retain_graph=True, allow_unused=True)
    assert all(gradient is None for gradient in moved)
    assert torch.autograd.grad(fooled, [rebuilt], retain_graph=True)[0].abs().sum() > 0
    weights = [p for p in judge.parameters() if p.ndim > 1]
    assert all(g.abs().sum() > 0 for g in torch.autograd.grad(hinge, weights))


def test_frozen_features_are_no_part_of_the_model_and_move_with_it():
    torch.manual_seed(0)
    model = DeepCompressionAutoencoder(
        autoencoder=build([8, 8, 8]), features=FrozenFeatures(*LITE0), perceptual_weight=1.0
    )
    assert not any("backbone" in name for name in (*model.state_dict(), *dict(model.named_parameters())))
    model.double()
    assert next(model.features.backbone.module.parameters()).dtype == torch.float64
    assert not model.train().features.backbone.module.training


def test_the_perceptual_distance_is_zero_of_the_same_and_grows_with_blur():
    features, images = FrozenFeatures(*LITE0), torch.rand(2, 3, 64, 64) * 2 - 1
    blurred = [torch.nn.functional.avg_pool2d(images, k, 1, k // 2) for k in (3, 7)]
    near, far = (features.distance(other, images) for other in blurred)
    assert torch.equal(features.distance(images, images), torch.zeros(2)) and (0 < near).all()
    assert (near < far).all()
    flipped = FrozenFeatures(*LITE0, image_format="BGR")
    assert torch.allclose(flipped.distance(blurred[0].flip(1), images.flip(1)), near, rtol=1e-4)


@pytest.mark.parametrize("name", ["AutoencoderDC", "AutoencoderKL"])
def test_training_gives_the_losses_that_are_asked_for_and_inference_pictures(name):
    inputs = [{"image": torch.randint(0, 256, (3, 32, 32), dtype=torch.uint8)} for _ in range(2)]
    model = DeepCompressionAutoencoder(
        autoencoder=build([8, 8, 8], name), discriminator=PatchDiscriminator(8), kl_weight=1e-6,
        adversarial_weight=0.1, adversarial_start=5,
    )  # fmt: skip
    with EventStorage(4) as storage:
        early = model.train()(inputs)
        storage.iter = 5
        late = model(inputs)
    expected = {"loss_l1", "loss_discriminator", "loss_adversarial"} | (
        {"loss_kl"} if "KL" in name else set()
    )
    assert early.keys() == expected and early["loss_adversarial"] == 0 != late["loss_adversarial"]
    pictures = [x["image"] for x in model.eval()(inputs)]
    assert [(p.shape, p.dtype) for p in pictures] == [((3, 32, 32), torch.uint8)] * 2


def test_bytes_come_back_exactly_and_sizes_are_checked():
    image = torch.arange(256, dtype=torch.uint8).repeat(3, 1).view(3, 16, 16)
    device = torch.device("cpu")
    assert torch.equal(byte_images(signed_images([image], device))[0], image)
    assert byte_images(torch.full((1, 3, 1, 1), 1.7)).max() == 255
    for images, factor in (([image, image[:, :8]], 1), ([image], 32)):
        with pytest.raises(ValueError, match="images: expected one size, a multiple of"):
            signed_images(images, device, factor)
