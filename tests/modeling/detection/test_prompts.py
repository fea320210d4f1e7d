"""Class logits by prompts in the decoder: the seam for vocabularies that are given as words."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from d2ext.layers import RegionMaps
from d2ext.modeling.box3d.head import Box3DHead
from d2ext.modeling.box3d.images import VIEW_DIM, EncodedImages
from d2ext.modeling.detection.decoder import BoxDecoder, DecoderHead, DynamicInteraction, PromptClassifier

DIM, PROMPT_DIM = 16, 12


@pytest.fixture
def decoder() -> BoxDecoder:
    torch.manual_seed(0)
    heads = [
        DecoderHead(
            DynamicInteraction(DIM, 4, 2),
            Box3DHead(DIM + VIEW_DIM, 16, torch.tensor([[1.5, 1.6, 4.0]])),
            DIM,
            num_heads=2,
            ffn_dim=16,
            classifier=PromptClassifier(DIM, PROMPT_DIM, bias=-2.0),
        )
        for _ in range(2)
    ]
    return BoxDecoder(heads)


@pytest.fixture
def inputs() -> tuple[EncodedImages, torch.Tensor, torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(1)
    features = RegionMaps.of([torch.randn(2, DIM, 12, 16, generator=g)], [8])
    P = torch.tensor([[[60.0, 0, 64, 0], [0, 60, 48, 0], [0, 0, 1, 0]]]).repeat(2, 1, 1)
    frames = EncodedImages(
        features, P, torch.tensor([[0.0, -1, 0, 1.6]] * 2), torch.tensor([[96, 128]] * 2), []
    )
    low = torch.rand(2, 5, 2, generator=g) * 40
    boxes = torch.cat([low, low + 30], -1)
    return frames, boxes, torch.randn(2, 5, DIM, generator=g), torch.randn(2, 3, PROMPT_DIM, generator=g)


def test_logits_are_scaled_cosines_as_numpy_computes_them():
    torch.manual_seed(0)
    classifier = PromptClassifier(DIM, PROMPT_DIM, bias=-2.0)
    objects, prompts = torch.randn(2, 5, DIM), torch.randn(2, 3, PROMPT_DIM)
    logits = classifier(objects, prompts).detach().double().numpy()
    weight, bias = (p.detach().double().numpy() for p in (classifier.project.weight, classifier.project.bias))
    for b, n, k in np.ndindex(2, 5, 3):
        a = weight @ objects[b, n].double().numpy() + bias
        w = prompts[b, k].double().numpy()
        cosine = a @ w / math.sqrt((a @ a) * (w @ w))
        assert logits[b, n, k] == pytest.approx(cosine / 0.07 - 2.0, abs=1e-4)


def test_there_are_as_many_classes_as_prompts_in_their_order(decoder, inputs):
    frames, boxes, objects, prompts = inputs
    outputs = decoder(frames, boxes, objects, prompts=prompts)
    other = decoder(frames, boxes, objects, prompts=prompts[:, [2, 0, 1]])
    for one, moved in zip(outputs, other, strict=True):
        assert one.raw["classes"].shape == (10, 3)
        assert torch.allclose(one.raw["classes"][:, [2, 0, 1]], moved.raw["classes"], atol=1e-5)
    found = decoder.decode(outputs[-1])
    assert found.classes.max() < 3 and torch.isfinite(found.center).all() and (found.hwl > 0).all()


def test_prompts_of_an_image_are_its_own(decoder, inputs):
    frames, boxes, objects, prompts = inputs
    changed = torch.stack([prompts[0], -prompts[1]])
    a, b = (decoder(frames, boxes, objects, prompts=p)[-1].raw["classes"] for p in (prompts, changed))
    assert torch.equal(a[:5], b[:5]) and not torch.allclose(a[5:], b[5:])


def test_the_loss_of_the_classes_reaches_the_prompts(decoder, inputs):
    frames, boxes, objects, prompts = inputs
    prompts.requires_grad_()
    logits = decoder(frames, boxes, objects, prompts=prompts)[-1].raw["classes"]
    torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.ones_like(logits)).backward()
    assert prompts.grad is not None and prompts.grad.abs().sum() > 0
