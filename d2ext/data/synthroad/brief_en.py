"""Short English texts, as people type them: search words, questions, orders, some without articles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from d2ext.data.synthroad import predicates as P
from d2ext.data.synthroad.nouns_en import bare_phrase
from d2ext.data.synthroad.phrases_en import ATTRIBUTES, attribute, capital, clause, group_phrase, listing
from d2ext.data.synthroad.units_en import length
from d2ext.data.synthroad.wording import Message, pick

#: {} is a phrase that begins with an article.
_ASKED = (
    "find {}", "find {}", "show me {}", "show {}", "track {}", "box {}", "draw a box around {}", "locate {}",
    "mark {}", "highlight {}", "detect {}", "point at {}", "select {}", "look for {}", "I mean {}",
    "I am looking for {}", "I want {}", "can you see {}?", "do you see {}?", "can you find {}?", "get {}",
    "please find {}", "please show me {}", "{}, please",
)  # fmt: skip
_WHERE = {True: ("where is {}?", "which one is {}?"), False: ("where are {}?", "which ones are {}?")}
_EVERY = ("all", "all the", "all", "the")


def brief_one(chosen: Sequence[P.Predicate], rng: np.random.Generator) -> str:
    """A short text that says exactly these predicates of one object."""
    said = Message.of(chosen, rng)
    if rng.random() < 0.2 and (words := _search_words(said, rng)):
        return words
    attached = [p for p in said.rest if isinstance(p, ATTRIBUTES)]
    attached.sort(key=lambda p: isinstance(p, P.RelativeTo))
    clauses = [clause(p, rng) for p in said.rest if not isinstance(p, ATTRIBUTES)]
    before = [f"that {listing(clauses)}", "and that is"][: 1 + bool(attached)] if clauses else []
    name = bare_phrase(said.category, said.color, said.order, True, rng)
    return _ask(" ".join([name, *before, *(attribute(p, rng) for p in attached)]), True, rng)


def brief_all(chosen: Sequence[P.Predicate], single: bool, rng: np.random.Generator) -> str:
    """A short text for all objects that fit; single: speak of one object."""
    said = Message.of(chosen, rng)
    before = " ".join(group_phrase(p, rng) for p in said.rest if isinstance(p, P.Occlusion))
    after = listing([group_phrase(p, rng) for p in said.rest if not isinstance(p, P.Occlusion)])
    name = bare_phrase(said.category, said.color, said.order, single, rng)
    return _ask(" ".join(part for part in (before, name, after) if part), single, rng)


def _ask(name: str, single: bool, rng: np.random.Generator) -> str:
    """A name without article as a search, a question or an order."""
    drawn = rng.random()
    article = pick(rng, ("the", "the", "the", "a")) if single else pick(rng, _EVERY)
    if drawn < 0.25:
        text = name
    elif drawn < 0.45:
        text = f"{article} {name}"
    elif drawn < 0.6:
        text = pick(rng, _WHERE[single]).format(f"the {name}")
    else:
        text = pick(rng, _ASKED).format(f"{article} {name}")
    text = capital(text) if rng.random() < 0.5 else text
    return text + ("." if rng.random() < 0.5 and text[-1] != "?" else "")


def _search_words(said: Message, rng: np.random.Generator) -> str | None:
    """As "red car, left, 20 m"; None where something cannot be said so."""
    words = [bare_phrase(said.category, said.color, said.order, True, rng)]
    for predicate in said.rest:
        match predicate:
            case P.OnSide(side="left" | "right" as side):
                words.append(pick(rng, (side, f"on {side}", f"{side} side")))
            case P.OnSide():
                words.append("ahead")
            case P.AtDistance(meters=meters):
                words.append(f"{length(meters, 0, rng)} away")
            case P.Faces():
                words.append(attribute(predicate, rng))
            case _:
                return None
    return ", ".join(words)
