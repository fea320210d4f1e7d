"""Vectors of words: what a sentence encoder makes of them, moved towards what they are kinds of.

As retrofitting (M. Faruqui et al., "Retrofitting Word Vectors to Semantic Lexicons", NAACL 2015), in one pass
down the graph, so that "crimson" goes to "red" and "red" does not go to "crimson".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tiny_encoder.vocabulary import singulars, topics
from tiny_encoder.wordnet import Key, WordNet

#: Share of its meanings in a word's vector; of its own words in a meaning's, whose rest is what it is a kind
#: of.
OF_MEANINGS, OWN = 0.8, 0.5
#: How much more likely than in other texts a word means a vehicle, a traveller, clothes or a colour.
TOPICAL = 20.0


#: Meanings that are less likely than this are left out.
RARE = 0.1


def meanings_of(net: WordNet, topical: set[Key], word: str) -> dict[Key, float]:
    """How likely a word has each of its meanings; a plural has those of its singular too."""
    likely: dict[Key, float] = {}
    for name in (word, *singulars(word)):
        for key, count in net.senses.get(name, {}).items():
            likely[key] = count * (TOPICAL if key in topical else 1.0)
    total = sum(likely.values())
    return {key: weight / total for key, weight in likely.items() if weight >= RARE * total}


def with_parents(net: WordNet, topical: set[Key], words: Sequence[str]) -> set[Key]:
    """The meanings of some words, and what these are kinds of."""
    waiting = [key for word in words for key in meanings_of(net, topical, word)]
    found: set[Key] = set()
    while waiting:
        key = waiting.pop()
        if key not in found:
            found.add(key)
            waiting += net.meanings[key].parents
    return found


class Retrofit:
    """Vectors of words out of raw ones and WordNet.

    Args:
        net: WordNet.
        raw: vectors by word, that of every word of every meaning among them; centred, of length one.
    """

    def __init__(self, net: WordNet, raw: Mapping[str, np.ndarray]) -> None:
        self.net, self.raw = net, raw
        self.topical = topics(net)
        self._of: dict[Key, np.ndarray] = {}

    def of_meaning(self, key: Key) -> np.ndarray:
        """Half its words, half what it is a kind of, whose vector is made in the same way."""
        if key not in self._of:
            meaning = self.net.meanings[key]
            vector = unit(np.sum([self.raw[word] for word in meaning.words], axis=0))
            self._of[key] = vector  # for circles, of which WordNet has few
            if meaning.parents:
                above = unit(np.sum([self.of_meaning(parent) for parent in meaning.parents], axis=0))
                self._of[key] = unit(OWN * vector + (1 - OWN) * above)
        return self._of[key]

    def __call__(self, word: str) -> np.ndarray:
        """Of a word."""
        likely = meanings_of(self.net, self.topical, word)
        if not likely:
            return self.raw[word]
        meant = sum(weight * self.of_meaning(key) for key, weight in likely.items()) / sum(likely.values())
        return (1 - OF_MEANINGS) * self.raw[word] + OF_MEANINGS * meant


def unit(vector: np.ndarray) -> np.ndarray:
    """Of length one."""
    return vector / max(float(np.linalg.norm(vector)), 1e-9)
