"""English texts of predicate sets. A language has describe_one and describe_all, brief_one and brief_all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from d2ext.data.synthroad import predicates as P
from d2ext.data.synthroad.brief_en import brief_all, brief_one
from d2ext.data.synthroad.nouns_en import bare_phrase, noun_phrase, things
from d2ext.data.synthroad.phrases_en import ATTRIBUTES, attribute, capital, clause, group_phrase, listing
from d2ext.data.synthroad.wording import Message, fitting, is_person, pick

__all__ = ["brief_all", "brief_one", "describe_all", "describe_one"]

ONE_WORDS = (20, 50)
ALL_WORDS = (8, 20)
_OPENERS = (
    "I am talking about {}.", "Look for {}.", "Please find {}.", "The object I mean is {}.",
    "There is {}.", "I am looking for {}.", "Show me {}.",
    "Find {} in the picture.", "Please locate {}.",
)  # fmt: skip
_GROUP_INTROS = (
    "{group}.", "Find {group}.", "Find {group} on this road.", "I am looking for {group}.",
    "Show me {group}.", "Please mark {group} for me.", "In this image, find {group}.",
    "Show me {group}, please.",
)  # fmt: skip
# These name the kind of object in their second half.
_CATEGORY_INTROS = (
    *_GROUP_INTROS, "The {things} {be} {group}.", "The {things} that I mean {be} {group}.",
    "Which {things} in this picture {be} {group}?",
)  # fmt: skip


def _words(text: str) -> int:
    return len(text.split())


def describe_one(chosen: Sequence[P.Predicate], rng: np.random.Generator) -> str | None:
    """A text of 20 to 50 words that says exactly these predicates; None when no try has a fitting length."""
    return fitting(lambda: _compose_one(chosen, rng), _words, ONE_WORDS)


def _compose_one(chosen: Sequence[P.Predicate], rng: np.random.Generator) -> str:
    said = Message.of(chosen, rng)
    rest = said.rest
    # Up to two attributes go with the noun, a relation last (what follows it would speak of the neighbour).
    attached = [p for p in rest if isinstance(p, ATTRIBUTES)][: int(rng.integers(0, 3))]
    attached.sort(key=lambda p: isinstance(p, P.RelativeTo))
    clauses = [clause(p, rng) for p in rest if p not in attached]
    subject = " ".join(
        [noun_phrase(said.category, said.color, said.order, rng), *(attribute(p, rng) for p in attached)]
    )
    return _join(subject, clauses, is_person(said.category), rng)


def _join(subject: str, clauses: list[str], person: bool, rng: np.random.Generator) -> str:
    """One to three sentences; the subject opens the first."""
    if not clauses or rng.random() < 0.4:
        sentences = [pick(rng, _OPENERS).format(subject)]
    else:
        count = min(len(clauses), int(rng.integers(1, 3)))
        sentences = [f"{subject} {listing(clauses[:count])}."]
        clauses = clauses[count:]
    pronoun = pick(rng, ("This person", "The person") if person else ("It", "It", "This vehicle"))
    if len(clauses) > 2 and rng.random() < 0.6:
        sentences.append(f"{pronoun} {listing(clauses[:-1])}.")
        clauses = clauses[-1:]
    if clauses:
        sentences.append(f"{pronoun} {listing(clauses)}.")
    return " ".join(capital(sentence) for sentence in sentences)


def describe_all(chosen: Sequence[P.Predicate], single: bool, rng: np.random.Generator) -> str | None:
    """A text of 8 to 20 words for all objects that fit; single: speak of one object."""
    return fitting(lambda: _compose_all(chosen, single, rng), _words, ALL_WORDS)


def _compose_all(chosen: Sequence[P.Predicate], single: bool, rng: np.random.Generator) -> str:
    said = Message.of(chosen, rng)
    rest = said.rest
    name = bare_phrase(said.category, said.color, said.order, single, rng)
    be = "is" if single else "are"
    every = "the" if single else pick(rng, ("the", "all the", "all", "the"))
    if rest and rng.random() < 0.4:
        phrases = listing([group_phrase(p, rng) for p in rest])
        return capital(f"{every} {name} {pick(rng, ('that', 'which'))} {be} {phrases}.")
    # Without a relative clause, how visible an object is stands before its noun.
    before = " ".join(group_phrase(p, rng) for p in rest if isinstance(p, P.Occlusion))
    phrases = listing([group_phrase(p, rng) for p in rest if not isinstance(p, P.Occlusion)])
    group = " ".join(part for part in (every, before, name, phrases) if part)
    what = things(said.category, rng) + ("" if single else "s")
    intro = pick(rng, _CATEGORY_INTROS if said.category else _GROUP_INTROS)
    return capital(intro.format(group=group, things=what, be=be))
