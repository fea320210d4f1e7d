"""The baselines of the fusion against loops and against another library."""

import torch
from torch import nn

from d2ext.layers.cross_modal_baselines import MeanWordConcat, WordAttention

OWNER = torch.tensor([1, 0, 1])


def inputs():
    g = torch.Generator().manual_seed(0)
    visual = torch.randn(2, 7, 3, 4, generator=g, dtype=torch.float64)
    text = torch.randn(3, 5, 6, generator=g, dtype=torch.float64)
    mask = torch.arange(5) < torch.tensor([[5], [3], [1]])
    return visual, text, mask


def test_cross_attention_equals_multihead_attention():
    torch.manual_seed(0)
    ours = WordAttention(7, 6, 8, 2).double()
    theirs = nn.MultiheadAttention(8, 2, kdim=6, vdim=6, batch_first=True, dtype=torch.float64)
    visual, text, mask = inputs()
    with torch.no_grad():
        theirs.q_proj_weight.copy_(torch.eye(8))
        theirs.k_proj_weight.copy_(ours.key_value.weight[:8])
        theirs.v_proj_weight.copy_(ours.key_value.weight[8:])
        theirs.in_proj_bias.copy_(torch.cat([torch.zeros(8), ours.key_value.bias]))
        theirs.out_proj.weight.copy_(torch.eye(8))
        theirs.out_proj.bias.zero_()
    query = ours.query(visual)[OWNER].flatten(2).transpose(1, 2)
    expected, _ = theirs(query, text, text, key_padding_mask=~mask)
    got = ours(visual, text, mask, OWNER)
    assert torch.allclose(got, expected.transpose(1, 2).view(3, 8, 3, 4), atol=1e-12)


def test_concatenation_equals_a_linear_layer_per_pixel():
    torch.manual_seed(0)
    model = MeanWordConcat(7, 6, 8).double()
    visual, text, mask = inputs()
    got = model(visual, text, mask, OWNER)
    weight = torch.cat([model.of_pixel.weight[:, :, 0, 0], model.of_word.weight], 1)
    for s, image in enumerate(OWNER.tolist()):
        mean = text[s, mask[s]].mean(0)
        for row in range(3):
            for column in range(4):
                both = torch.cat([visual[image, :, row, column], mean])
                expected = weight @ both + model.of_pixel.bias
                assert torch.allclose(got[s, :, row, column], expected, atol=1e-12)
