"""PatchCore's patch features against loops over places and channels in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from d2ext.projects.trajad.patch_features import LAYER_CHANNELS, PatchFeatures, patch_features


def _parts(values: np.ndarray, count: int) -> np.ndarray:
    """Means over ``count`` equal parts, which overlap where the length does not divide."""
    bounds = [(i * len(values) // count, -(-(i + 1) * len(values) // count)) for i in range(count)]
    return np.array([values[a:b].mean() for a, b in bounds])


def test_one_map_equals_the_loop():
    x = torch.randn(2, 5, 4, 3, dtype=torch.float64)
    padded = np.pad(x.numpy(), ((0, 0), (0, 0), (1, 1), (1, 1)))
    out = patch_features([x], 7)
    assert out.shape == (2, 7, 4, 3)
    for b, i, j in np.ndindex(2, 4, 3):
        patch = padded[b, :, i : i + 3, j : j + 3].reshape(-1)
        expected = _parts(_parts(patch, LAYER_CHANNELS), 7)
        np.testing.assert_allclose(out[b, :, i, j].numpy(), expected, atol=1e-12)


def test_layers_share_the_channels_evenly_at_the_first_ones_resolution():
    fine, coarse = torch.full((1, 4, 16, 16), 1.0), torch.full((1, 8, 8, 8), 2.0)
    out = patch_features([fine, coarse], 10)[0, :, 7:9, 7:9]  # away from the border's zeros
    assert out.shape == (10, 2, 2)
    assert (out[:5] == 1).all() and (out[5:] == 2).all()


def test_features_are_those_of_the_named_layers():
    network = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 6, 3, 2, 1))
    image = torch.randn(1, 3, 16, 16)
    with torch.no_grad():
        first = network[0](image).relu()
        expected = patch_features([first, network[2](first)], 12)
    assert torch.equal(PatchFeatures(network, ["1", "2"], 12)(image), expected)
    with pytest.raises(ValueError, match="layer 'layer9': Sequential has no such part, but 0, 1, 2"):
        PatchFeatures(network, ["layer9"])
