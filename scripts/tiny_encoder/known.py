"""Words beside the ones that training holds: a lorry by a truck, since it is one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np

from tiny_encoder.meanings import meanings_of, unit
from tiny_encoder.vocabulary import topics
from tiny_encoder.wordnet import Key, WordNet

#: How far a word moves, if all that it means is a kind of what is known: vehicles, travellers, clothes and
#: colours, and whatever else, of which persons are the most.
STEP, OTHER_STEP = 0.7, 0.4
#: Least likelihood of a meaning by which a known word stands for it.
MEANT = 0.1


def move_to_known(
    table: np.ndarray, ids: Mapping[str, int], net: WordNet, known: Iterable[str]
) -> np.ndarray:
    """Vectors (words, width) of which those that are not known have moved towards the known words for the
    nearest things that they are kinds of; their lengths stay.

    Args:
        table: vectors.
        ids: row of each word.
        net: WordNet.
        known: words that training sentences hold; they stay.
    """
    topical, stay = topics(net), {word for word in known if word in ids}
    unit_table = table / np.linalg.norm(table, axis=1, keepdims=True)
    hubs: dict[Key, list[int]] = defaultdict(list)
    for word in sorted(stay):
        for key, likely in meanings_of(net, topical, word).items():
            if likely >= MEANT:
                hubs[key].append(ids[word])
    moved = table.copy()
    for word, row in ids.items():
        if word in stay or len(word) < 2:
            continue
        goals = [
            (likely * (STEP if key in topical else OTHER_STEP), goal)
            for key, likely in meanings_of(net, topical, word).items()
            if (goal := nearest_hub(net, hubs, key, unit_table)) is not None
        ]
        share = sum(weight for weight, _ in goals)
        if goals:
            goal = unit(np.sum([weight * goal for weight, goal in goals], axis=0))
            direction = unit((1 - share) * unit_table[row] + share * goal)
            moved[row] = np.linalg.norm(table[row]) * direction
    return moved


def nearest_hub(
    net: WordNet, hubs: Mapping[Key, list[int]], key: Key, unit_table: np.ndarray
) -> np.ndarray | None:
    """The mean vector of the known words for a meaning, or for the first above it that has such; or None."""
    level, seen = [key], {key}
    while level:
        found = [row for k in level for row in hubs.get(k, ())]
        if found:
            return unit(unit_table[found].mean(0))
        level = [p for k in level for p in net.meanings[k].parents if p not in seen]
        seen.update(level)
    return None
