"""Captions of pictures, out of their labels, for pictures to be drawn of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from d2ext.data.describe.questions import COLORS_ZH, NOUNS_ZH
from d2ext.data.synthroad import predicates as P
from d2ext.data.synthroad.labels import Label
from d2ext.data.synthroad.nouns_en import NOUNS
from d2ext.data.synthroad.wording import is_person, pick

_FACING = {
    "me": "facing the camera",
    "away": "seen from behind",
    "left": "facing left",
    "right": "facing right",
}
_FACING_ZH = {"me": "正对镜头", "away": "背对镜头", "left": "朝左", "right": "朝右"}
_MOST = 3


def class_prompt(labels: Sequence[Label]) -> str:
    """The names of the largest objects alone."""
    named = [label for label in _largest(labels) if label.category in NOUNS_ZH]
    return ", ".join(NOUNS[label.category][0] for label in named) or "road"


def caption(labels: Sequence[Label], rng: np.random.Generator, chinese: bool) -> str:
    """A sentence about the largest objects of a picture."""
    parts = [_part(label, chinese) for label in _largest(labels) if label.category in NOUNS_ZH]
    if chinese:
        return "一条道路" + (f"，{'，'.join(parts)}。" if parts else "。")
    if not parts:
        return pick(rng, ("an empty road.", "a road without anything on it."))
    return " and ".join(parts) + pick(rng, (" on a road.", " on the road."))


def _largest(labels: Sequence[Label]) -> list[Label]:
    def area(label: Label) -> float:
        return (label.box[2] - label.box[0]) * (label.box[3] - label.box[1])

    return sorted(labels, key=area, reverse=True)[:_MOST]


def _part(label: Label, chinese: bool) -> str:
    facing = next((f for f in _FACING if P.Faces(f).holds(label, ()) is True), "")
    color = label.color if label.color in COLORS_ZH else ""
    if chinese:
        worn = "穿" if color and is_person(label.category) else ""
        tone = f"{worn}{COLORS_ZH[color]}{'衣服' if worn else ''}的" if color else ""
        return f"{_FACING_ZH.get(facing, '')}{'的' if facing else ''}{tone}{NOUNS_ZH[label.category]}"
    noun = NOUNS[label.category][0]
    name = f"{noun} in {color}" if color and is_person(label.category) else f"{color} {noun}".strip()
    return f"a {name} {_FACING.get(facing, '')}".strip()
