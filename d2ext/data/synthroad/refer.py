"""Choosing what to say: predicate sets that single out one object, or that fit none, one or several."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from d2ext.data.synthroad import predicates as P
from d2ext.data.synthroad.labels import Label
from d2ext.data.synthroad.layout import MIN_BOX_HEIGHT
from d2ext.data.synthroad.naming import COLORLESS, KINDS, NAMELESS, ORDERS, SHAPES
from d2ext.data.synthroad.palette import COLORS
from d2ext.data.synthroad.wording import pick
from d2ext.structures.vocabulary import ROAD

MAX_REFERRED = 5
DESCRIPTIONS_PER_OBJECT = (4, 5)
DESCRIPTIONS_PER_IMAGE = 6
# How often a multi-target description fits 0, 1, 2-3, 4 or more objects.
_COUNT_WEIGHTS = (0.15, 0.295, 0.34, 0.215)
_TRIES = 30


def referable(labels: Sequence[Label], rng: np.random.Generator) -> list[int]:
    """Indices of the objects, at most MAX_REFERRED, that get single-target descriptions."""
    large = [
        i
        for i, label in enumerate(labels)
        if label.box_height >= MIN_BOX_HEIGHT and label.truncated < 0.6 and _nameable(label)
    ]
    order = rng.permutation(len(large)).tolist()
    return sorted(large[i] for i in order[:MAX_REFERRED])


def single_target(
    labels: Sequence[Label], target: int, rng: np.random.Generator, brief: bool = False
) -> list[P.Predicate] | None:
    """Predicates that fit labels[target] and surely no other, few where brief; None when no try succeeds."""
    label = labels[target]
    optional = _true_predicates(labels, target, rng)
    for _ in range(_TRIES):
        name = _name(label, rng)
        chosen: list[P.Predicate] = [name]
        if rng.random() < (0.6 if brief else 0.92) and name.name not in COLORLESS:
            chosen.append(P.HasColor(label.color))
        count = int(rng.integers(0, 3)) if brief else int(rng.integers(3, 6))
        order = rng.permutation(len(optional)).tolist()
        chosen += [optional[i] for i in order[:count]]
        # An order is one among a category.
        if sum(isinstance(p, P.Extreme) for p in chosen) <= isinstance(name, P.IsCategory) and _singles_out(
            chosen, labels, target
        ):
            return chosen
    return None


def _nameable(label: Label) -> bool:
    return label.category not in NAMELESS or f"{label.category}/{label.shape}" in SHAPES


def _any_name(rng: np.random.Generator) -> P.Named:
    """A category or a shape, whatever is in the picture."""
    if rng.random() < 0.3:
        return P.IsShape.of(pick(rng, tuple(SHAPES)))
    return P.IsCategory(pick(rng, [name for name in ROAD.names if name not in NAMELESS]))


def _name(label: Label, rng: np.random.Generator, strict: bool = False) -> P.Named:
    """What the object may be called: mostly its category, sometimes its shape or a wider word."""
    shape, drawn = f"{label.category}/{label.shape}", rng.random()
    if shape in SHAPES and (drawn < 0.2 or label.category in NAMELESS):
        return P.IsShape(label.category, label.shape)
    kinds = [kind for kind, (sure, _) in KINDS.items() if label.category in sure]
    if drawn > 0.82 and kinds:
        return P.IsKind(pick(rng, kinds))
    return P.IsCategory(label.category, strict)


def _singles_out(chosen: Sequence[P.Predicate], labels: Sequence[Label], target: int) -> bool:
    return all(P.fits(chosen, label, labels) is (i == target) for i, label in enumerate(labels))


def _true_predicates(labels: Sequence[Label], target: int, rng: np.random.Generator) -> list[P.Predicate]:
    """Everything that may be said of the target besides category and colour, one predicate a kind."""
    label = labels[target]
    x, _, z = label.location
    height, width, length = (round(value, 1) for value in label.size)
    size = pick(
        rng,
        [
            P.HasSize(height, None, length),
            P.HasSize(height, width, None),
            P.HasSize(height, width, length),
            P.HasSize(None, width, length),
            P.HasSize(height),
        ],
    )
    options: list[P.Predicate] = [size]
    options.append(P.AtDistance(round(label.distance)) if rng.random() < 0.65 else P.AtDepth(round(z, 1)))
    if abs(x) > 0.3 and rng.random() < 0.5:
        options.append(P.Lateral(round(x, 1)))
    else:
        options += [P.OnSide(side) for side in ("left", "right", "ahead")]
    options += [P.Faces(direction) for direction in P.FACING_ANGLES]
    options += [P.Occlusion(level) for level in (0, 1, 2)]
    options += [P.CutOff(side) for side in ("left", "right")]
    options += [P.Extreme(label.category, order) for order in ORDERS]
    options += _relations(labels, target, rng)
    return [option for option in options if option.holds(label, labels) is True]


def _relations(labels: Sequence[Label], target: int, rng: np.random.Generator) -> list[P.Predicate]:
    """At most one true relation to a neighbour that category and colour name without doubt."""
    found: list[P.Predicate] = []
    for i, neighbour in enumerate(labels):
        named = [P.IsCategory(neighbour.category, strict=False), P.HasColor(neighbour.color)]
        nameless = neighbour.category in NAMELESS
        if i == target or nameless or neighbour.hidden > 0.5 or not _singles_out(named, labels, i):
            continue
        relations = [P.RelativeTo(name, neighbour) for name in ("behind", "in_front", "left_of", "right_of")]
        found += [relation for relation in relations if relation.holds(labels[target], labels) is True]
    return [pick(rng, found)] if found else []


def multi_target(
    labels: Sequence[Label], image_size: tuple[int, int], rng: np.random.Generator
) -> list[tuple[list[P.Predicate], list[int]]]:
    """Up to DESCRIPTIONS_PER_IMAGE predicate sets, each with the indices of all objects it fits."""
    chosen: list[tuple[list[P.Predicate], list[int]]] = []
    used: set[str] = set()
    for _ in range(DESCRIPTIONS_PER_IMAGE):
        bucket = int(rng.choice(4, p=_COUNT_WEIGHTS))
        for _ in range(6 * _TRIES):
            candidate = _candidate(labels, image_size, bucket == 0, rng)
            truths = [P.fits(candidate, label, labels) for label in labels]
            if None in truths or repr(candidate) in used:
                continue
            targets = [i for i, truth in enumerate(truths) if truth]
            if _bucket(len(targets)) == bucket:
                used.add(repr(candidate))
                chosen.append((candidate, targets))
                break
    return chosen


def _bucket(count: int) -> int:
    return 0 if count == 0 else (1 if count == 1 else (2 if count <= 3 else 3))


def _candidate(
    labels: Sequence[Label], image_size: tuple[int, int], absent: bool, rng: np.random.Generator
) -> list[P.Predicate]:
    """One to four predicates about a random object; for absent ones about two objects, mixed up."""
    label = pick(rng, labels)
    other = pick(rng, labels) if absent else label
    chosen: list[P.Predicate] = []
    if rng.random() < 0.8 and _nameable(label):
        name = _any_name(rng) if absent and rng.random() < 0.35 else _name(label, rng, strict=True)
        chosen.append(name)
        if isinstance(name, P.IsCategory) and rng.random() < 0.12:
            chosen.append(P.Extreme(name.category, pick(rng, ORDERS)))
    colored = not (chosen and isinstance(chosen[0], P.IsKind) and chosen[0].word in COLORLESS)
    if colored and rng.random() < (0.8 if absent else 0.5):
        unseen = absent and rng.random() < 0.25
        chosen.append(P.HasColor(pick(rng, COLORS) if unseen else other.color))
    extra = [
        _distance(other, rng),
        _height(label, rng),
        _place(other, image_size, rng),
        _occlusion(other),
        _facing(other),
    ]
    weights = np.array([0.30, 0.12, 0.26, 0.14, 0.18])
    count = int(rng.choice(3, p=(0.25, 0.55, 0.20)))
    order = rng.choice(len(extra), size=count, replace=False, p=weights).tolist()
    chosen += [extra[i] for i in order]
    return chosen if chosen else [P.HasColor(label.color)]


def _distance(label: Label, rng: np.random.Generator) -> P.Predicate:
    steps = 5 * np.arange(4, 24)
    gap = int(rng.integers(3, 30))
    if rng.random() < 0.65:
        return P.Within(int(steps[np.argmin(np.abs(steps - (label.distance + gap)))]))
    return P.Within(int(steps[np.argmin(np.abs(steps - (label.distance - gap)))]), beyond=True)


def _height(label: Label, rng: np.random.Generator) -> P.Predicate:
    low = round(label.size[0] - float(rng.uniform(0.04, 0.25)), 2)
    return P.HeightBetween(low, round(low + float(pick(rng, (0.2, 0.3, 0.4, 0.5))), 2))


def _place(label: Label, image_size: tuple[int, int], rng: np.random.Generator) -> P.Predicate:
    horizontal = "left" if label.box[0] + label.box[2] < image_size[1] - 1 else "right"
    vertical = "top" if label.box[1] + label.box[3] < image_size[0] - 1 else "bottom"
    kept = rng.random()
    return P.InPlace(horizontal if kept < 0.8 else "", vertical if kept > 0.45 else "", image_size)


def _occlusion(label: Label) -> P.Predicate:
    return P.Occlusion(label.occluded)


def _facing(label: Label) -> P.Predicate:
    nearest = min(P.FACING_ANGLES, key=lambda name: abs(P.wrap_angle(label.alpha - P.FACING_ANGLES[name])))
    return P.Faces(nearest)
