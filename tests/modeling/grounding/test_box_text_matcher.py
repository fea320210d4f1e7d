"""The second stage: what it knows of a box, and what its scores may depend on."""

import math

import pytest
import torch

from d2ext.modeling.box3d.objects import ObjectBoxes
from d2ext.modeling.grounding.matcher import BoxTextMatcher, box_geometry, geometry_dim
from d2ext.modeling.text.numbers import NUMBER_DIM, number_features, number_values

CLASSES, TEXT, VECTOR = 4, 12, 6


def boxes_at(center: torch.Tensor, box2d: torch.Tensor | None = None) -> ObjectBoxes:
    n = len(center)
    g = torch.Generator().manual_seed(1)
    corner = torch.rand(n, 2, generator=g) * 40
    return ObjectBoxes(
        classes=torch.arange(n) % CLASSES,
        class_scores=torch.full((n,), 0.9),
        box2d=torch.cat([corner, corner + 20], 1) if box2d is None else box2d,
        center=center,
        hwl=torch.rand(n, 3, generator=g) + 1,
        alpha=torch.rand(n, generator=g) * 6 - 3,
        depth=center[:, 2],
        log_scale=torch.zeros(n),
    )


@pytest.fixture
def matcher() -> BoxTextMatcher:
    torch.manual_seed(0)
    return BoxTextMatcher(8, TEXT, VECTOR, CLASSES, dim=16, num_layers=2, num_heads=2, pool_size=3).eval()


@pytest.fixture
def pairs() -> dict[str, torch.Tensor]:
    """Three sentences and five boxes each, the last two of which are none; words padded by two."""
    g = torch.Generator().manual_seed(0)
    valid = torch.ones(3, 5, dtype=torch.bool)
    mask = torch.ones(3, 7, dtype=torch.bool)
    valid[:, 3:] = mask[:, 5:] = False
    return {
        "boxes": torch.randn(3, 5, 16, generator=g),
        "valid": valid,
        "levels": [torch.randn(3, 7, TEXT, generator=g) for _ in range(2)],
        "mask": mask,
        "vectors": torch.randn(3, VECTOR, generator=g),
    }


def test_boxes_in_another_order_get_the_same_scores(matcher, pairs):
    order = torch.tensor([3, 0, 4, 2, 1])
    shuffled = pairs | {"boxes": pairs["boxes"][:, order], "valid": pairs["valid"][:, order]}
    expected = matcher(**pairs)[:, order][shuffled["valid"]]
    assert torch.allclose(matcher(**shuffled)[shuffled["valid"]], expected, atol=1e-5)


def test_padding_of_boxes_and_words_changes_nothing(matcher, pairs):
    cut = {
        "boxes": pairs["boxes"][:, :3],
        "valid": pairs["valid"][:, :3],
        "levels": [x[:, :5] for x in pairs["levels"]],
        "mask": pairs["mask"][:, :5],
        "vectors": pairs["vectors"],
    }
    assert torch.allclose(matcher(**pairs)[:, :3], matcher(**cut), atol=1e-5)


@pytest.mark.parametrize("name", ["boxes", "levels", "vectors"])
def test_a_score_depends_on_other_boxes_on_words_and_on_the_vector(matcher, pairs, name):
    before = matcher(**pairs)[:, 0]
    other = dict(pairs)
    if name == "boxes":
        other["boxes"] = pairs["boxes"].clone()
        other["boxes"][:, 2] *= -1
    elif name == "levels":
        other["levels"] = [x.flip(-1) for x in pairs["levels"]]
    else:
        other["vectors"] = pairs["vectors"] + 1.0
    assert not torch.isclose(matcher(**other)[:, 0], before, atol=1e-4).any()


def test_scores_are_the_same_under_autocast(matcher, pairs):
    with torch.autocast("cpu", torch.bfloat16):
        under_autocast = matcher(**pairs)
    assert torch.equal(under_autocast, matcher(**pairs))


def test_a_box_is_cut_from_where_it_lies_in_pixels(matcher):
    """The mean over a box of a map that holds its own pixel coordinates is the middle of the box."""
    stride, height, width = 8, 12, 20
    v, u = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    ramps = [(u + 0.5) * stride - 0.5, (v + 0.5) * stride - 0.5]
    maps = torch.zeros(2, 8, height, width)
    maps[0, :2] = torch.stack(ramps)
    maps[1, :2] = torch.stack(ramps) + 1000  # another image
    with torch.no_grad():
        for p in matcher.parameters():
            p.zero_()
        matcher.reduce.weight[:2, :2, 0, 0] = torch.eye(2)
        mean = matcher.visual.weight.view(16, 8, 9)
        mean[0, 0] = mean[1, 1] = 1 / 9
    box2d = torch.tensor([[20.0, 30, 52, 46], [60, 12, 131, 83], [8, 8, 24, 24], [40, 40, 43, 50]])
    encoded = matcher.encode_boxes(maps, stride, boxes_at(torch.ones(4, 3), box2d), torch.ones(2, 2))
    middle = (box2d[:, :2] + box2d[:, 2:]) / 2 + torch.tensor([[0.0], [0], [1000], [1000]])
    assert encoded.shape == (2, 2, 16)
    assert torch.allclose(encoded.flatten(0, 1)[:, :2], middle, atol=1e-3)


def test_a_box_codes_its_distance_as_a_sentence_does():
    boxes = boxes_at(torch.tensor([[3.0, 4.0, 12.0]]))
    geometry = box_geometry(boxes, torch.ones(1), CLASSES)
    assert geometry.shape == (1, geometry_dim(CLASSES))
    codes = geometry[0, -5 * NUMBER_DIM :].view(5, NUMBER_DIM)
    text = "12 or 13 meters"
    told = number_features(torch.from_numpy(number_values(text, [(0, 2), (6, 8)])))
    assert torch.allclose(codes[:2], told, atol=1e-5)


def test_geometry_of_boxes_out_of_all_bounds_is_finite():
    wild = torch.tensor([[1e30, -1e30, 1e30], [0.0, 0.0, math.inf], [0.0, 0.0, -5.0]])
    assert box_geometry(boxes_at(wild), torch.ones(3), CLASSES).isfinite().all()
