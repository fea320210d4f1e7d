"""What the files of annotation tools have in common: turned boxes, and what people write of an object.

A tool knows shapes with a label and attributes of each shape. Those that mean something here are written and
read under these names: ``color``, ``occlusion`` (KITTI's level), ``truncation``, and ``phrases``, one a line,
which say in words what the object is, as ODVG's do. All others are kept as ``attributes`` of an annotation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from d2ext.data.formats.kitti import LABEL_LIMITS, parse_floats
from d2ext.data.formats.listing import flat_annotation
from d2ext.data.formats.rows import sentence_text
from d2ext.reading import found_value
from d2ext.structures.vocabulary import Vocabulary

#: Attributes that are fields of an annotation.
KNOWN = ("color", "occlusion", "truncation", "phrases")


def turned_hull(
    box: Sequence[float], degrees: float, pivot: tuple[float, float] | None = None
) -> list[float]:
    """The upright box (x1, y1, x2, y2) around one that was turned clockwise.

    Args:
        box: x1, y1, x2, y2 before the turn, pixels.
        pivot: point that stays; None: the middle.
    """
    x1, y1, x2, y2 = box
    px, py = pivot or ((x1 + x2) / 2, (y1 + y2) / 2)
    if not degrees:
        return [x1, y1, x2, y2]
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    corners = [(x - px, y - py) for x in (x1, x2) for y in (y1, y2)]
    us = [px + cos * x - sin * y for x, y in corners]
    vs = [py + sin * x + cos * y for x, y in corners]
    return [min(us), min(vs), max(us), max(vs)]


def drawn_annotation(
    number: int, box: Sequence[float], name: str, attributes: Mapping[str, str], hidden: bool, where: str
) -> dict[str, Any]:
    """An annotation whose class is settled later (:func:`settle_classes`).

    Args:
        number: its ``id``.
        box: x1, y1, x2, y2, pixels.
        attributes: text by name.
        hidden: occluded, where no attribute tells the level.

    Raises:
        ValueError: names the attribute.
    """
    annotation = flat_annotation(number, box, -1, name)
    annotation["occluded"] = int(hidden)
    if attributes.get("occlusion"):
        level = attributes["occlusion"]
        if not (level.isascii() and level.isdigit() and int(level[:9]) <= LABEL_LIMITS[1]):
            raise ValueError(f"{where}: field 'occlusion': expected a level from 0, got {found_value(level)}")
        annotation["occluded"] = int(level)
    if attributes.get("truncation"):
        (share,) = parse_floats([attributes["truncation"]], ("truncation",), where)
        if not 0 <= share <= LABEL_LIMITS[0]:
            raise ValueError(f"{where}: field 'truncation': expected a number from 0 on, got {share:g}")
        annotation["truncated"] = share
    annotation["color"] = attributes.get("color") or None
    lines = attributes.get("phrases", "").split("\n")
    phrases = [sentence_text(line, f"{where}: field 'phrases'") for line in lines if line.strip()]
    more: dict[str, Any] = {"phrases": list(dict.fromkeys(phrases))} if phrases else {}
    others = {key: value for key, value in attributes.items() if key not in KNOWN}
    return annotation | more | ({"attributes": others} if others else {})


def attributes_of(annotation: Mapping[str, Any], phrases: Sequence[str]) -> dict[str, str]:
    """The attributes of an annotation that are not as they are by default, as text by name: the inverse of
    :func:`drawn_annotation`."""
    found = dict(annotation.get("attributes", {}))
    if annotation["color"]:
        found["color"] = annotation["color"]
    if annotation["occluded"]:
        found["occlusion"] = str(annotation["occluded"])
    if annotation["truncated"]:
        found["truncation"] = f"{annotation['truncated']:.12g}"
    if phrases:
        found["phrases"] = "\n".join(" ".join(phrase.split()) for phrase in phrases)
    return found


def phrases_by_object(record: Mapping[str, Any]) -> dict[Any, list[str]]:
    """Sentences that name the objects they mean, by these, and their own phrases."""
    found = {a["id"]: dict.fromkeys(a.get("phrases", ())) for a in record["annotations"]}
    for sentence in record["sentences"]:
        for target in sentence["target_ids"] or ():
            found[target][sentence["text"]] = None
    return {number: list(phrases) for number, phrases in found.items()}


def sentences_of(annotations: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The phrases of annotations as sentences, each with all the objects that have it."""
    targets: dict[str, list[Any]] = {}
    for annotation in annotations:
        for phrase in annotation.get("phrases", ()):
            targets.setdefault(phrase, []).append(annotation["id"])
    return [
        {"id": number, "text": text, "target_ids": found, "properties": []}
        for number, (text, found) in enumerate(targets.items())
    ]


def settle_classes(
    records: Sequence[dict[str, Any]], known: Sequence[str], vocabulary: Vocabulary | None, where: str
) -> Vocabulary:
    """Give every annotation its class, leave out those of none, and make sentences of what is left.

    Args:
        known: names that the file lists, in order; none: those of its objects, sorted.
        vocabulary: classes to keep, None for all.

    Raises:
        ValueError: there is no name at all, or no object of a class.
    """
    there = {a["name"] for record in records for a in record["annotations"]}
    if vocabulary is None:
        names = list(dict.fromkeys(known)) or sorted(there)
        if not names:
            raise ValueError(f"{where}: expected objects with labels, or a list of labels")
        vocabulary = Vocabulary.of_names(names)
    classes = {}
    for name in there:
        try:
            classes[name] = vocabulary.id_of(name)
        except ValueError:
            continue
    if there and not classes:
        raise ValueError(f"{where}: no object is one of {', '.join(vocabulary.names)}")
    for record in records:
        record["annotations"] = [
            a | {"category_id": classes[a["name"]]} for a in record["annotations"] if a["name"] in classes
        ]
        record["sentences"] = sentences_of(record["annotations"])
    return vocabulary
