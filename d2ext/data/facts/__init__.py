"""Facts that sentences state, and whether they agree with labels: for sentences of people and of models."""

from d2ext.data.facts.check import Finding, also_fits, check_sentence, describe, read_facts, wrong_facts
from d2ext.data.facts.labels import label_of
from d2ext.data.facts.reading import Read

__all__ = [
    "Finding",
    "Read",
    "also_fits",
    "check_sentence",
    "describe",
    "label_of",
    "read_facts",
    "wrong_facts",
]
