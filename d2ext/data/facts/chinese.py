"""What a Chinese sentence states: see :mod:`d2ext.data.facts.english`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from d2ext.data.facts.predicates import (
    Aside,
    AtEdge,
    Away,
    Beside,
    Colored,
    Count,
    Facing,
    InMiddle,
    Measures,
    Ranked,
    Side,
    Visible,
)
from d2ext.data.facts.reading import Read, Reader, digits_step
from d2ext.data.facts.words import COLORS_ZH, NAMES_ZH
from d2ext.data.synthroad import predicates as P
from d2ext.data.synthroad.truth import Predicate

_DIGITS = {sign: i for i, sign in enumerate("零一二三四五六七八九")} | {"两": 2}
_N = r"(?:\d+(?:\.\d+)?|[一二两三四五六七八九]?十[一二三四五六七八九]?|[一二两三四五六七八九])"
_ABOUT = r"(?:大约|大概|约为|约|差不多|近|是|为|有|在|度)*"
_M = r"(?:米|公尺|m)"
_NUMBER = rf"{_ABOUT}(?P<n>{_N})\s*{_M}(?:左右|上下)?"
_NAME = "(?P<noun>" + "|".join(sorted(NAMES_ZH, key=len, reverse=True)) + ")"
_COLOR = f"(?:{'|'.join(COLORS_ZH)})"
_SIDES = {"左": "left", "右": "right", "上": "top", "下": "bottom", "": "", None: ""}
_PICTURE = r"(?:图像|画面|图片|照片|图)(?:中|里)?的?"
_DIMENSION = {"高": "height", "宽": "width", "长": "length"}
_RELATIONS = {
    "behind": "后方|的?后面(?:更远的地方)?",
    "in_front": "前方|的?前面(?:更近的地方)?",
    "left_of": "的?左侧|的?左边(?:不远处)?",
    "right_of": "的?右侧|的?右边(?:不远处)?",
    "next_to": "的?旁边|附近|身边",
}
_RANKS = {"leftmost": "最左", "rightmost": "最右", "biggest": "最大", "nearest": "最近", "farthest": "最远"}
_LEVELS = (
    "完全可见|(?:没有|未|没)(?:被|任何|受到)*(?:遮挡|挡住|遮住)|清晰可见|无遮挡",
    "(?:有?一?小?部分|有些|稍微)(?:被|受到)?(?:遮挡|挡住|遮住)|被(?:遮住|挡住|遮挡)了?一部分|部分可见",
    "(?:绝?大部分|严重|大面积)(?:被|受到)?(?:遮挡|挡住|遮住)|被(?:遮住|挡住|遮挡)了?大半",
    "几乎看不见|几乎不可见|很难看见",
)
_DESCRIBED = r"(?P<before>[^，。；！？ ]{0,12}?)"


def _value(text: str) -> float:
    if "十" in text:
        tens, _, ones = text.partition("十")
        return 10.0 * _DIGITS.get(tens, 1) + _DIGITS.get(ones, 0)
    return float(_DIGITS[text]) if text in _DIGITS else float(text)


def _meters(match: re.Match[str]) -> tuple[float, float]:
    return _value(match["n"]), digits_step(match["n"])


def colors_in(text: str) -> tuple[str, ...]:
    """The colours that some characters name, in order."""
    found = [c for w in re.findall(rf"({_COLOR})(?:灰)?色", text) for c in COLORS_ZH[w]]
    return tuple(dict.fromkeys(found))


def _range(match: re.Match[str]) -> Predicate:
    return P.HeightBetween(_value(match["a"]), _value(match["b"]))


def _within(match: re.Match[str], beyond: bool) -> Predicate:
    return P.Within(round(_value(match["n"])), beyond)


class ChineseReader(Reader):
    """Reads facts off a text; what is read is blanked, so that no word is read twice."""

    def read(self) -> Iterator[Read]:
        """In order of what has to be taken first."""
        yield from self._numbers()
        for relation, places in _RELATIONS.items():
            yield from self.take(
                rf"(?:在|位于|处于)(?:那|这|一|某)?(?:辆|个|名|位|台)?{_DESCRIBED}{_NAME}(?:{places})",
                lambda m, r=relation: Beside(r, NAMES_ZH[m["noun"]], colors_in(m["before"])),  # type: ignore[misc]
            )
        yield from self._places()
        for level in (0, 2, 1, 3):
            yield from self.take(_LEVELS[level], lambda _, n=level: Visible(n))  # type: ignore[misc]
        yield from self._facing()
        yield from self._sides()
        yield from self._name()

    def _numbers(self) -> Iterator[Read]:
        yield from self.take(rf"高(?:度)?{_ABOUT}(?P<a>{_N}){_M}?(?:到|至|-|~|—)(?P<b>{_N}){_M}", _range)
        for sign, dimension in _DIMENSION.items():
            make = lambda m, d=dimension: Measures(d, *_meters(m))  # noqa: E731
            yield from self.take(rf"{sign}(?:度)?{_NUMBER}", make)
            yield from self.take(rf"{_NUMBER}{sign}", make)
        ends = "范围内|以内|之内|内"
        yield from self.take(rf"(?:不到|小于|不足|少于|不超过){_NUMBER}", lambda m: _within(m, False))
        yield from self.take(rf"{_NUMBER}(?:{ends})", lambda m: _within(m, False))
        yield from self.take(rf"(?:超过|大于|多于){_NUMBER}", lambda m: _within(m, True))
        yield from self.take(rf"{_NUMBER}(?:范围外|以外|之外|开外)", lambda m: _within(m, True))
        yield from self.take(
            rf"(?:横向)?偏?(?P<s>左|右)(?:侧|边|方|手边|面)?{_NUMBER}",
            lambda m: Aside(_value(m["n"]) * (-1 if m["s"] == "左" else 1), _meters(m)[1]),
        )
        yield from self.take(
            rf"(?:前方|前面|正前方|纵向距离){_NUMBER}", lambda m: Away(*_meters(m), forward=True)
        )
        yield from self.take(
            rf"(?:距离我?|离我?|距我?|相距|相隔)(?:的距离)?{_NUMBER}", lambda m: Away(*_meters(m))
        )
        yield from self.take(rf"{_NUMBER}(?:远|处|外)", lambda m: Away(*_meters(m)))

    def _places(self) -> Iterator[Read]:
        size = self.image_size
        edge = r"(?P<s>左|右|上|下)(?:侧|边|部)?(?:的)?(?:边缘|边界)"
        yield from self.take(edge, lambda m: AtEdge(_SIDES[m["s"]], size))
        yield from self.take(r"画面(?P<s>左|右|上|下)边没有拍全", lambda m: AtEdge(_SIDES[m["s"]], size))
        yield from self.take(rf"{_PICTURE}(?:正)?(?:中间|中央|中部)", lambda _: InMiddle(size))
        yield from self.take(
            rf"{_PICTURE}(?P<h>左|右)?(?P<v>上|下)?(?:半?部分|区域|半边|角|侧|边|方|部)",
            lambda m: P.InPlace(_SIDES[m["h"]], _SIDES[m["v"]], size) if m["h"] or m["v"] else None,
        )

    def _facing(self) -> Iterator[Read]:
        yield from self.take(
            r"车尾(?:朝向|朝着|对着|朝)我|背(?:对着?|朝着?|向着?)我?|背面", lambda _: Facing(("away",))
        )
        yield from self.take(
            r"(?:车头|面)?(?:朝向|朝着|朝|面向|面对|正对着?|对着)(?:着)?(?:我|镜头|相机|摄像头)|迎面",
            lambda _: Facing(("me",)),
        )
        yield from self.take(
            r"(?:车头|面)?(?:朝向|朝着|朝|面向)(?P<s>左|右)(?:侧|边|方|面)?",
            lambda m: Facing((_SIDES[m["s"]],)),
        )
        yield from self.take(r"侧面(?:对着?|朝着?)?我?|侧身", lambda _: Facing(("left", "right")))

    def _sides(self) -> Iterator[Read]:
        yield from self.take(r"(?:我的?)?正前方", lambda _: Side("ahead"))
        yield from self.take(
            r"(?<!图像的)(?<!画面的)(?<!最)(?P<s>左|右)(?:侧|边|前方|手边|方|面)(?!缘|界|有)",
            lambda m: Side(_SIDES[m["s"]]),
        )

    def _name(self) -> Iterator[Read]:
        """What is meant, with its colours; what belongs to a noun stands before it."""
        yield from self.take(
            rf"(?P<c>[两二三四五六七八九]|十[一二三四五六七八九]?|[2-9]\d?)(?:辆|个|名|位|台)(?P<before>[^，。；！？]{{0,8}}?){_NAME}",
            lambda m: Count(int(_value(m["c"])), NAMES_ZH[m["noun"]], colors_in(m["before"])),
            keep=True,
        )
        noun = re.search(_NAME, self.text) or re.search("(?P<noun>目标|物体|对象)", self.text)
        if noun is None:
            return
        name = NAMES_ZH.get(noun["noun"])
        if name is not None:
            yield self.fact(noun, name)
        before = self.text[: noun.start()]
        if name is not None and re.search("唯一|仅有|只有", before):
            yield self.fact(noun, Count(1, name, colors_in(before), whole=True))
        for rank, words in _RANKS.items():
            found = re.search(words, before)
            if found is not None and isinstance(name, P.IsCategory):
                yield self.fact(found, Ranked(name.category, rank))
        colored = re.search(
            rf"(?:深|浅|亮|暗)?{_COLOR}(?:灰)?色(?:上衣|衣服|外套)?[、的]*(?:\w{{0,4}}的)?$", before
        )
        said = re.search(rf"(?:车身|颜色|身)?(?:是|为|呈){_COLOR}色", self.text[noun.end() :])
        for match in (colored, said):
            if match is not None:
                yield Read(match.group(), match.start(), Colored(colors_in(match.group())))
