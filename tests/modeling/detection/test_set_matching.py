"""Matching of boxes and objects against brute force."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch.nn.utils.rnn import pad_sequence
from torchvision.ops import generalized_box_iou, sigmoid_focal_loss

from d2ext.modeling.detection.matching import (
    OUTSIDE,
    SetMatcher,
    dynamic_k,
    focal_cost,
    hungarian,
    share_rest,
)

COSTS = {"class": 2.0, "l1": 5.0, "giou": 2.0, "center": 3.0}
EXTENT = torch.tensor([160.0, 96.0, 160.0, 96.0])


def random_boxes(n: int, generator: torch.Generator) -> torch.Tensor:
    low = torch.rand(n, 2, generator=generator) * torch.tensor([100.0, 60.0])
    return torch.cat([low, low + 5 + torch.rand(n, 2, generator=generator) * 30], 1)


def least_pairs(cost) -> set[tuple[int, int]]:
    """Pairs of least total cost, by trying all of them; at most as many columns as rows."""
    rows, columns = cost.shape
    tries = itertools.permutations(range(rows), columns)
    best = min(tries, key=lambda order: sum(cost[r, c].item() for c, r in enumerate(order)))
    return {(r, c) for c, r in enumerate(best)}


@pytest.mark.parametrize("seed", range(10))
def test_hungarian_is_the_best_of_all_permutations(seed):
    cost = torch.rand(6, 3, generator=torch.Generator().manual_seed(seed))
    assert set(zip(*(x.tolist() for x in hungarian(cost)), strict=True)) == least_pairs(cost)


def naive_dynamic_k(cost, iou) -> set[tuple[int, int]]:
    """SimOTA one object and one box at a time."""
    rows, columns = cost.shape
    wanted: dict[int, list[int]] = {r: [] for r in range(rows)}
    for c in range(columns):
        k = max(1, int(sum(sorted(iou[:, c].tolist(), reverse=True)[:5])))
        for r in sorted(range(rows), key=lambda r: cost[r, c].item())[:k]:
            wanted[r].append(c)
    pairs = {(r, min(cs, key=lambda c: cost[r, c].item())) for r, cs in wanted.items() if cs}
    free = [r for r in range(rows) if not wanted[r]]
    alone = [c for c in range(columns) if c not in {c for _, c in pairs}]
    rest = least_pairs(cost[free][:, alone]) if alone else set()
    return pairs | {(free[r], alone[c]) for r, c in rest}


def pairs_of_dynamic_k(cost, iou) -> list[tuple[int, int]]:
    return [tuple(p) for p in share_rest(dynamic_k(cost, iou)[None], cost[None])[0].nonzero().tolist()]


@pytest.mark.parametrize("seed", range(20))
def test_dynamic_k_equals_naive_loops(seed):
    g = torch.Generator().manual_seed(seed)
    cost, iou = torch.rand(8, 4, generator=g), torch.rand(8, 4, generator=g)
    if seed % 2:  # objects that all want the same boxes
        cost += torch.rand(8, 1, generator=g) * 10
    pairs = pairs_of_dynamic_k(cost, iou)
    assert len(pairs) == len(set(pairs)) and set(pairs) == naive_dynamic_k(cost, iou)


@pytest.mark.parametrize(("rows", "columns"), [(50, 20), (10, 10), (5, 20)])
def test_a_box_learns_one_object_and_no_object_goes_without_while_a_box_is_free(rows, columns):
    g = torch.Generator().manual_seed(0)
    pairs = pairs_of_dynamic_k(torch.rand(rows, columns, generator=g), torch.rand(rows, columns, generator=g))
    row, column = zip(*pairs, strict=True)
    assert len(set(row)) == len(row)
    assert len(set(column)) == columns or len(row) == rows


def test_class_cost_is_the_change_of_the_focal_loss():
    logits, classes = torch.randn(5, 4), torch.tensor([2, 0, 2])
    cost = focal_cost(logits, classes)
    for r, c in itertools.product(range(5), range(3)):
        nothing, one = torch.zeros(4), F.one_hot(classes[c], 4).float()
        loss = [sigmoid_focal_loss(logits[r], t, 0.25, 2.0, "sum") for t in (one, nothing)]
        assert cost[r, c].item() == pytest.approx((loss[0] - loss[1]).item(), abs=1e-5)


@pytest.mark.parametrize("method", ["hungarian", "dynamic_k"])
def test_costs_of_a_pair_are_those_of_its_parts(method):
    g = torch.Generator().manual_seed(1)
    boxes, objects = random_boxes(6, g), random_boxes(3, g)
    logits, classes = torch.randn(6, 4, generator=g), torch.tensor([1, 3, 0])
    centers, goals = torch.rand(6, 2, generator=g) * 90, torch.rand(3, 2, generator=g) * 90
    goals[1] = torch.nan
    cost = SetMatcher(method, COSTS).cost((logits, boxes, centers), (classes, objects, goals), EXTENT)
    for r, c in itertools.product(range(6), range(3)):
        b, o = boxes[r], objects[c]
        l1 = ((b - o).abs() / EXTENT).sum()
        away = 0.0 if c == 1 else ((centers[r] - goals[c]).abs() / EXTENT[:2]).sum()
        expected = 2 * focal_cost(logits[r : r + 1], classes[c : c + 1])[0, 0] + 5 * l1 + 3 * away
        expected = expected + 2 * (1 - generalized_box_iou(b[None], o[None])[0, 0])
        middle = (b[:2] + b[2:]) / 2
        if method == "dynamic_k" and not ((middle >= o[:2]) & (middle <= o[2:])).all():
            expected = expected + OUTSIDE
        assert cost[r, c].item() == pytest.approx(float(expected), abs=1e-4)


@pytest.mark.parametrize("method", ["hungarian", "dynamic_k"])
def test_every_head_and_image_is_matched_as_if_alone(method):
    """Three heads, images of 2, 0 and 5 objects: padding and neighbours change nothing."""
    g = torch.Generator().manual_seed(2)
    heads, counts, boxes = 3, [2, 0, 5], 8
    shape = (heads, len(counts), boxes)
    predicted = (
        torch.randn(*shape, 4, generator=g),
        random_boxes(72, g).view(*shape, 4),
        torch.rand(*shape, 2, generator=g) * 90,
    )
    labels = [
        (torch.randint(4, (n,), generator=g), random_boxes(n, g), torch.rand(n, 2, generator=g))
        for n in counts
    ]
    padded = [pad_sequence(x, True, 1) for x in zip(*labels, strict=True)]
    extent = torch.stack([EXTENT, EXTENT / 2, EXTENT * 2])
    matcher = SetMatcher(method, COSTS)
    together = matcher(predicted, padded, counts, extent)
    alone = set()
    for head, image in itertools.product(range(heads), range(len(counts))):
        of_one = [x[head, image][None, None] for x in predicted]
        label = [x[None] for x in labels[image]]
        rows, columns = matcher(of_one, label, counts[image : image + 1], extent[image : image + 1])
        first = (head * len(counts) + image) * boxes
        alone |= {
            (first + r, sum(counts[:image]) + c) for r, c in zip(rows.tolist(), columns.tolist(), strict=True)
        }
    assert set(zip(*(x.tolist() for x in together), strict=True)) == alone
    assert {c for _, c in alone} == set(range(7))


@pytest.mark.parametrize("method", ["hungarian", "dynamic_k"])
def test_predictions_that_are_no_numbers_still_get_their_share(method):
    broken = [torch.full((1, 1, 8, n), torch.nan) for n in (4, 4, 2)]
    boxes = random_boxes(2, torch.Generator().manual_seed(3))
    labels = [torch.tensor([[0, 3]]), boxes[None], torch.rand(1, 2, 2)]
    _, columns = SetMatcher(method, COSTS)(broken, labels, [2], EXTENT[None])
    assert set(columns.tolist()) == {0, 1}


def test_unknown_matcher_is_one_clear_line():
    with pytest.raises(ValueError, match="DETECTION3D.MATCHER 'greedy': expected one of hungarian, dyn"):
        SetMatcher("greedy", COSTS)
