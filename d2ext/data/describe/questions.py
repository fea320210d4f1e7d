"""Questions about a scene with answers out of its labels; nothing is asked that a border leaves open.

An answer names the boxes that it rests on and then speaks: "[12 40 20 47] [55 41 60 45] There are two."
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from d2ext.data.describe.box_input import place_box, place_text
from d2ext.data.facts.predicates import Side
from d2ext.data.synthroad import predicates as P
from d2ext.data.synthroad.labels import Label
from d2ext.data.synthroad.nouns_en import NOUNS, PLURALS
from d2ext.data.synthroad.palette import COLORS
from d2ext.data.synthroad.units_en import spelt
from d2ext.data.synthroad.wording import is_person, pick

KINDS = ("count", "exist", "nearer", "where", "color", "speed")
LANGUAGES = ("en", "zh")
NOUNS_ZH = {
    "car": "轿车", "van": "面包车", "truck": "卡车", "bus": "公交车", "tram": "有轨电车",
    "pedestrian": "行人", "person_sitting": "坐着的人", "cyclist": "骑自行车的人",
    "motorcyclist": "骑摩托车的人", "tricyclist": "三轮车", "barrow": "手推车", "trafficcone": "锥桶",
}  # fmt: skip
COLORS_ZH = dict(zip(COLORS, ("白色", "黑色", "灰色", "红色", "蓝色", "绿色", "黄色", "棕色"), strict=True))
SIDES_ZH = {"left": "左侧", "right": "右侧", "ahead": "正前方"}
SIDES_EN = {"left": "on the left", "right": "on the right", "ahead": "straight ahead"}
_MOST = 9
_PLACE = re.compile(r"\[(\d{1,2}) (\d{1,2}) (\d{1,2}) (\d{1,2})\]")
_TRIES = 12


@dataclass(frozen=True)
class Question:
    """A question and its answer.

    Attributes:
        kind, text, language: one of KINDS; what is asked; "en" or "zh".
        short: the answer in a word: a number, yes, no, first, second, a side, a colour, m/s.
        spoken: the answer in words.
        boxes: which labels it rests on.
        phrases: what a model that grounds sentences is asked in its place.
    """

    kind: str
    text: str
    language: str
    short: str
    spoken: str
    boxes: tuple[int, ...]
    phrases: tuple[str, ...]

    def answer(self, labels: Sequence[Label], image_size: tuple[int, int]) -> str:
        """The whole answer, its boxes first."""
        return " ".join([*(place_text(labels[i].box, image_size) for i in self.boxes), self.spoken])


def read_places(text: str, image_size: tuple[int, int]) -> list[list[float]]:
    """The boxes (pixels) that an answer names."""
    return [place_box([int(n) for n in found], image_size) for found in _PLACE.findall(text)]


_SHORT = {
    "exist": {"yes": "yes|有", "no": "no|没有"},
    "nearer": {"first": "first|前者", "second": "second|后者"},
    "where": {"left": "left|左", "right": "right|右", "ahead": "ahead|前方"},
    "color": {name: f"{name}|{COLORS_ZH[name]}" for name in COLORS},
}


def read_short(kind: str, text: str) -> str:
    """The answer of a text in a word, "" where there is none."""
    text = _PLACE.sub("", text).lower()
    if kind in ("count", "speed"):
        words = {spelt(i): str(i) for i in range(1, _MOST + 1)} | {"none": "0", "no ": "0", "没有": "0"}
        found = re.search(r"\d+|" + "|".join(words), text)
        return words.get(found.group(), found.group()) if found else ""
    hits = [(m.start(), -len(m.group()), s) for s, p in _SHORT[kind].items() if (m := re.search(p, text))]
    return min(hits)[2] if hits else ""


def ask(
    labels: Sequence[Label],
    rng: np.random.Generator,
    count: int,
    language: str = "",
    speeds: Mapping[int, float] | None = None,
) -> list[Question]:
    """At most ``count`` different questions, the kinds by turns.

    Args:
        language: "en" or "zh"; either where empty.
        speeds: m/s by label, where tracks tell.
    """
    kinds = [kind for kind in KINDS if kind != "speed" or speeds]
    found: dict[str, Question] = {}
    for turn in range(_TRIES * count):
        if len(found) == count:
            break
        writer = _Writer(labels, language or pick(rng, LANGUAGES), speeds or {})
        kind = kinds[turn % len(kinds)] if turn < len(kinds) else pick(rng, kinds)
        question = _ASKED[kind](writer, rng)
        if question is not None:
            found.setdefault(question.text, question)
    order = rng.permutation(len(found)).tolist()
    return [list(found.values())[i] for i in order]


class _Writer:
    """Writes questions about the labels of one picture in one language."""

    def __init__(self, labels: Sequence[Label], language: str, speeds: Mapping[int, float]) -> None:
        self.labels, self.language, self.speeds = labels, language, speeds
        self.zh = language == "zh"

    def name(self, category: str, color: str, plural: bool = False) -> str:
        """A category, of a colour where that is not empty."""
        if self.zh:
            worn = f"穿{COLORS_ZH[color]}衣服的" if color and is_person(category) else ""
            return worn + NOUNS_ZH[category] if worn or not color else COLORS_ZH[color] + NOUNS_ZH[category]
        return _english(category, color, plural)

    def fitting(self, category: str, color: str) -> list[int] | None:
        """Labels of a category and colour; None where a reader may take one more for such."""
        predicates: list[P.Predicate] = [P.IsCategory(category, strict=False)]
        if color:
            if any(not label.color for label in self.labels if label.category == category):
                return None
            predicates.append(P.HasColor(color))
        truths = [P.fits(predicates, label, self.labels) for label in self.labels]
        return None if None in truths else [i for i, truth in enumerate(truths) if truth]

    def unique(self, rng: np.random.Generator, colored: bool = True) -> tuple[int, str, str] | None:
        """A label that its category, and colour, name alone."""
        for i in rng.permutation(len(self.labels)).tolist():
            label = self.labels[i]
            color = label.color if colored and label.color in COLORS and rng.random() < 0.7 else ""
            if label.category in NOUNS_ZH and self.fitting(label.category, color) == [i]:
                return i, label.category, color
        return None

    def make(
        self, kind: str, english: str, chinese: str, short: str, spoken: tuple[str, str],
        boxes: Sequence[int], phrases: Sequence[str],
    ) -> Question:  # fmt: skip
        """A question in the writer's language."""
        text, said = (chinese, spoken[1]) if self.zh else (english, spoken[0])
        return Question(kind, text, self.language, short, said, tuple(boxes), tuple(phrases))


def _english(category: str, color: str, plural: bool = False) -> str:
    noun = (PLURALS if plural else NOUNS)[category][0]
    if not color:
        return noun
    return f"{noun} in {color}" if is_person(category) else f"{color} {noun}"


def _topic(writer: _Writer, rng: np.random.Generator, absent: bool) -> tuple[str, str, list[int]] | None:
    label = pick(rng, writer.labels) if len(writer.labels) else None
    category = pick(rng, tuple(NOUNS_ZH)) if absent or label is None else label.category
    known = label is not None and label.color in COLORS and rng.random() < 0.5
    color = (pick(rng, COLORS) if absent else label.color) if known and label is not None else ""
    found = writer.fitting(category, color) if category in NOUNS_ZH else None
    return None if found is None or len(found) > _MOST else (category, color, found)


def _count(writer: _Writer, rng: np.random.Generator) -> Question | None:
    topic = _topic(writer, rng, rng.random() < 0.15)
    if topic is None:
        return None
    category, color, found = topic
    n = len(found)
    spoken = (
        f"There {'is' if n == 1 else 'are'} {spelt(n) if n else 'none'}.",
        f"有{n}个。" if n else "没有。",
    )
    return writer.make(
        "count",
        f"How many {writer.name(category, color, True)} are there?",
        f"图中有多少{writer.name(category, color)}？",
        str(n), spoken, found, [f"All {_english(category, color, True)}."],
    )  # fmt: skip


def _exist(writer: _Writer, rng: np.random.Generator) -> Question | None:
    topic = _topic(writer, rng, rng.random() < 0.5)
    if topic is None:
        return None
    category, color, found = topic
    return writer.make(
        "exist",
        f"Is there any {writer.name(category, color)}?",
        f"图中有{writer.name(category, color)}吗？",
        "yes" if found else "no",
        ("Yes.", "有。") if found else ("No.", "没有。"),
        found, [f"All {_english(category, color, True)}."],
    )  # fmt: skip


def _nearer(writer: _Writer, rng: np.random.Generator) -> Question | None:
    first, second = writer.unique(rng), writer.unique(rng)
    if first is None or second is None or first[0] == second[0]:
        return None
    a, b = (writer.labels[found[0]].distance for found in (first, second))
    if not abs(a - b) > max(2.0, 0.1 * min(a, b)):
        return None
    names = [writer.name(*found[1:]) for found in (first, second)]
    nearest = int(b < a)
    return writer.make(
        "nearer",
        f"Which is nearer, the first or the second: the {names[0]} or the {names[1]}?",
        f"前者和后者哪个更近：{names[0]}还是{names[1]}？",
        ("first", "second")[nearest],
        (f"The {('first', 'second')[nearest]}.", f"{('前者', '后者')[nearest]}。"),
        [first[0], second[0]], [f"The {_english(*found[1:])}." for found in (first, second)],
    )  # fmt: skip


def _where(writer: _Writer, rng: np.random.Generator) -> Question | None:
    found = writer.unique(rng)
    if found is None:
        return None
    label = writer.labels[found[0]]
    sides = {side: Side(side).holds(label, writer.labels) for side in SIDES_EN}
    sure = [side for side, truth in sides.items() if truth is True]
    if len(sure) != 1:
        return None
    return writer.make(
        "where",
        f"Where is the {writer.name(*found[1:])}?",
        f"{writer.name(*found[1:])}在哪里？",
        sure[0],
        (f"It is {SIDES_EN[sure[0]]}.", f"在{SIDES_ZH[sure[0]]}。"),
        [found[0]], [f"The {_english(*found[1:])}."],
    )  # fmt: skip


def _color(writer: _Writer, rng: np.random.Generator) -> Question | None:
    found = writer.unique(rng, colored=False)
    if found is None or writer.labels[found[0]].color not in COLORS:
        return None
    color = writer.labels[found[0]].color
    worn = is_person(found[1])
    name = writer.name(found[1], "")
    return writer.make(
        "color",
        f"What colour does the {name} wear?" if worn else f"What colour is the {name}?",
        f"{name}穿什么颜色？" if worn else f"{name}是什么颜色？",
        color,
        (f"It is {color}.", f"是{COLORS_ZH[color]}。"),
        [found[0]], [f"The {_english(found[1], c)}." for c in COLORS],
    )  # fmt: skip


def _speed(writer: _Writer, rng: np.random.Generator) -> Question | None:
    found = writer.unique(rng)
    if found is None or found[0] not in writer.speeds:
        return None
    speed = round(writer.speeds[found[0]])
    return writer.make(
        "speed",
        f"How fast is the {writer.name(*found[1:])}, in metres per second?",
        f"{writer.name(*found[1:])}的速度是多少米每秒？",
        str(speed),
        (f"About {speed} m/s.", f"约{speed}米每秒。"),
        [found[0]], [f"The {_english(*found[1:])}."],
    )  # fmt: skip


_ASKED: dict[str, Callable[[_Writer, np.random.Generator], Question | None]] = {
    "count": _count, "exist": _exist, "nearer": _nearer, "where": _where, "color": _color, "speed": _speed,
}  # fmt: skip
