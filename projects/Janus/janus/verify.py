"""Which of the sentences that a model wrote are kept, and why the others are not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from detectron2.structures import Instances

from d2ext.data.facts import also_fits, check_sentence, read_facts, wrong_facts
from d2ext.data.facts.pictures import can_be
from d2ext.data.facts.predicates import Colored
from d2ext.data.synthroad.labels import Label
from d2ext.projects.janus.grounder import SAME, leads_back, record_boxes

Ground = Callable[[Sequence[str], bool], list[Instances]]
_LENGTHS = (4, 600)  # characters


@dataclass
class Candidate:
    """A sentence for some objects of an image; ``reason``: why it is dropped, empty where it is kept."""

    text: str
    targets: list[int]
    reason: str = ""


def verify(
    candidates: Sequence[Candidate],
    record: Mapping[str, Any],
    labels: Mapping[int, Label],
    ground: Ground,
    image: np.ndarray | None = None,
) -> list[Candidate]:
    """Candidates with the reasons of those that are dropped, in the order of the checks: written before, no
    sentence, a false fact, no fact at all, another labelled object that fits, not led back to its boxes.

    Args:
        candidates: of one image.
        record: the image's dataset dict.
        labels: all of its objects, by id.
        ground: answers sentences about the image.
        image: (H, W, 3) BGR, where colours are looked for that no label has.
    """
    seen: set[tuple[str, tuple[int, ...]]] = set()
    size = (record["height"], record["width"])
    for candidate in candidates:
        key = (candidate.text, tuple(candidate.targets))
        candidate.reason = "written before" if key in seen else _said(candidate, labels, size)
        if not candidate.reason and image is not None:
            candidate.reason = _shown(candidate, labels, image)
        seen.add(key)
    for single in (True, False):
        left = [c for c in candidates if not c.reason and (len(c.targets) == 1) is single]
        for candidate, answer in zip(left, ground([c.text for c in left], single), strict=True):
            good, iou = leads_back(answer, record_boxes(record, candidate.targets), single)
            if not good:
                many = f"{len(answer)} boxes, " if not single else ""
                candidate.reason = f"not led back: {many}IoU {iou:.2f}, expected {SAME} of each"
    return list(candidates)


def _shown(candidate: Candidate, labels: Mapping[int, Label], image: np.ndarray) -> str:
    for fact in (read.predicate for read in read_facts(candidate.text, image.shape[:2])):
        if isinstance(fact, Colored):
            unknown = [labels[i] for i in candidate.targets if not labels[i].color]
            if not all(can_be(fact.colors, image, label.box) for label in unknown):
                return f"says {' '.join(fact.colors)!r}, the picture shows nothing of that colour"
    return ""


def _said(candidate: Candidate, labels: Mapping[int, Label], size: tuple[int, int]) -> str:
    text = candidate.text
    if not _LENGTHS[0] <= len(text) <= _LENGTHS[1]:
        return "no sentence"
    targets, everything = [labels[i] for i in candidate.targets], list(labels.values())
    findings = check_sentence(text, targets, everything, size)
    wrong = wrong_facts(findings)
    if wrong:
        return "; ".join(map(str, wrong))
    if not any(finding.truth for finding in findings):
        return "states nothing that can be checked"
    others = also_fits(text, targets, everything, size)
    if others:
        return f"{len(others)} more fit, such as a {others[0].category} {others[0].distance:.0f} m away"
    return ""
