"""Whether sentences are true of what they are about, and of nothing else in the picture."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from d2ext.data.facts.chinese import ChineseReader
from d2ext.data.facts.english import EnglishReader
from d2ext.data.facts.predicates import Away, Colored, Count, Measures
from d2ext.data.facts.reading import Read
from d2ext.data.synthroad import predicates as P
from d2ext.data.synthroad.labels import Label
from d2ext.data.synthroad.truth import Truth, every

_CHINESE = re.compile(r"[\u3400-\u9fff]")


@lru_cache(maxsize=1 << 15)
def read_facts(text: str, image_size: tuple[int, int]) -> tuple[Read, ...]:
    """The facts that a text states about what it means, in order; English and Chinese.

    Args:
        image_size: height and width of the picture in pixels.
    """
    readers = [EnglishReader] if re.search("[A-Za-z]{2}", text) else []
    readers += [ChineseReader] if _CHINESE.search(text) else []  # type: ignore[list-item]
    found = {read.predicate: read for reader in readers for read in reader(text, image_size).read()}
    return tuple(sorted(found.values(), key=lambda read: read.start))


@dataclass(frozen=True)
class Finding:
    """A fact of a sentence and whether it is true of everything that the sentence means; ``seen`` says what
    the label has instead where it is not."""

    read: Read
    truth: Truth
    seen: str = ""

    def __str__(self) -> str:
        return f"says {self.read.words!r}" + (f", the label has {self.seen}" if self.seen else "")


def check_sentence(
    text: str, targets: Sequence[Label], labels: Sequence[Label], image_size: tuple[int, int]
) -> list[Finding]:
    """Every fact of a sentence with its truth.

    Args:
        targets: what the sentence means, of ``labels``; facts about nothing are true.
        labels: all labelled objects of the picture.
    """
    findings = []
    for read in read_facts(text, image_size):
        predicate = read.predicate
        truth = every(predicate.holds(target, labels) for target in targets)
        if isinstance(predicate, Count) and not predicate.whole and predicate.number == len(targets):
            truth = True
        first = next((t for t in targets if predicate.holds(t, labels) is False), None)
        findings.append(Finding(read, truth, describe(read, first) if truth is False and first else ""))
    return findings


def wrong_facts(findings: Sequence[Finding], doubtful: bool = False) -> list[Finding]:
    """Those that are false, or also those that are not surely true."""
    return [f for f in findings if f.truth is False or (doubtful and f.truth is None)]


def also_fits(
    text: str, targets: Sequence[Label], labels: Sequence[Label], image_size: tuple[int, int]
) -> list[Label]:
    """What a sentence does not mean and yet nothing in it is false of; what its borders leave open fits."""
    facts = [read.predicate for read in read_facts(text, image_size)]
    predicates = [fact for fact in facts if not isinstance(fact, Count) or fact.whole]
    rest = [label for label in labels if not any(label is target for target in targets)]
    return [label for label in rest if P.fits(predicates, label, labels) is not False]


def describe(read: Read, label: Label) -> str:
    """What a label has of the kind that a fact is about."""
    predicate = read.predicate
    match predicate:
        case P.Named():
            return label.category
        case Colored():
            return label.color
        case Away():
            low, high = predicate.span(label)
            return f"{low:.1f} to {high:.1f} m"
        case P.Within():
            return f"{label.distance:.1f} m"
        case Measures(what=what):
            return f"{what} {label.size[('height', 'width', 'length').index(what)]:.2f} m"
        case P.HeightBetween():
            return f"height {label.size[0]:.2f} m"
    if predicate.kind in ("side", "lateral"):
        return f"x {label.location[0]:.1f} m, z {label.location[2]:.1f} m"
    if predicate.kind == "occlusion":
        return f"{label.hidden:.0%} hidden, {label.truncated:.0%} outside"
    if predicate.kind == "facing_direction":
        return f"observation angle {label.alpha:.2f} rad"
    if predicate.kind == "place":
        return "the box " + " ".join(f"{value:.0f}" for value in label.box)
    return ""
