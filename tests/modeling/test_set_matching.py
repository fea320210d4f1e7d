"""Matching of boxes and objects against brute force."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from torchvision.ops import generalized_box_iou, sigmoid_focal_loss

from d2ext.modeling.set_matching import OUTSIDE, SetMatcher, dynamic_k, focal_cost, hungarian

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


@pytest.mark.parametrize("seed", range(20))
def test_dynamic_k_equals_naive_loops(seed):
    g = torch.Generator().manual_seed(seed)
    cost, iou = torch.rand(8, 4, generator=g), torch.rand(8, 4, generator=g)
    if seed % 2:  # objects that all want the same boxes
        cost += torch.rand(8, 1, generator=g) * 10
    pairs = [tuple(p) for p in torch.stack(dynamic_k(cost, iou), 1).tolist()]
    assert len(pairs) == len(set(pairs)) and set(pairs) == naive_dynamic_k(cost, iou)


@pytest.mark.parametrize(("rows", "columns"), [(50, 20), (10, 10), (5, 20)])
def test_a_box_learns_one_object_and_no_object_goes_without_while_a_box_is_free(rows, columns):
    g = torch.Generator().manual_seed(0)
    row, column = dynamic_k(torch.rand(rows, columns, generator=g), torch.rand(rows, columns, generator=g))
    assert len(row.unique()) == len(row)
    assert len(column.unique()) == columns or len(row) == rows


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
def test_heads_are_matched_one_by_one(method):
    g = torch.Generator().manual_seed(2)
    heads = [
        (torch.randn(8, 4, generator=g), random_boxes(8, g), torch.rand(8, 2, generator=g)) for _ in "abc"
    ]
    labels = (torch.tensor([0, 3]), random_boxes(2, g), torch.rand(2, 2, generator=g))
    matcher = SetMatcher(method, COSTS)
    rows, columns = matcher([torch.cat(x) for x in zip(*heads, strict=True)], labels, EXTENT, 3)
    alone = [matcher(h, labels, EXTENT, 1) for h in heads]
    assert torch.equal(rows, torch.cat([r + 8 * i for i, (r, _) in enumerate(alone)]))
    assert torch.equal(columns, torch.cat([c for _, c in alone]))


@pytest.mark.parametrize("method", ["hungarian", "dynamic_k"])
def test_predictions_that_are_no_numbers_still_get_their_share(method):
    g = torch.Generator().manual_seed(3)
    broken = (torch.full((8, 4), torch.nan), torch.full((8, 4), torch.nan), torch.full((8, 2), torch.nan))
    labels = (torch.tensor([0, 3]), random_boxes(2, g), torch.rand(2, 2, generator=g))
    _, columns = SetMatcher(method, COSTS)(broken, labels, EXTENT, 1)
    assert set(columns.tolist()) == {0, 1}


def test_unknown_matcher_is_one_clear_line():
    with pytest.raises(ValueError, match="MODEL.DETECTION3D.MATCHER greedy: expected one of dynamic_k, hung"):
        SetMatcher("greedy", COSTS)
