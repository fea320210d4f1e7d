"""Chinese texts of predicate sets: see sentences_en. What belongs to a noun stands before it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from d2ext.data.synthroad import predicates as P
from d2ext.data.synthroad.wording import Message, fitting, is_person, pick

ONE_CHARACTERS = (30, 90)
ALL_CHARACTERS = (8, 36)

_NOUNS = {
    "car": ("小轿车", "轿车", "小汽车"),
    "van": ("面包车",),
    "truck": ("卡车", "卡车", "货车"),
    "bus": ("公交车", "公交车", "大客车"),
    "tram": ("有轨电车",),
    "pedestrian": ("行人", "行人", "路人"),
    "person_sitting": ("坐着的人",),
    "cyclist": ("骑自行车的人", "骑行者"),
    "motorcyclist": ("骑摩托车的人", "摩托车"),
    "tricyclist": ("三轮车", "骑三轮车的人"),
    "barrow": ("手推车",),
    "trafficcone": ("锥桶", "交通锥"),
    "car/taxi": ("出租车",),
    "pedestrian/child": ("小孩",),
    "vehicle": ("车",),
    "person": ("人",),
    "rider": ("骑车的人",),
    "large vehicle": ("大型车",),
    "road user": ("交通参与者",),
}
_COLORS = {
    "white": "白色",
    "black": "黑色",
    "gray": "灰色",
    "red": "红色",
    "blue": "蓝色",
    "green": "绿色",
    "yellow": "黄色",
    "brown": "棕色",
}
_SIDES = {"left": "左", "right": "右", "top": "上", "bottom": "下", "": ""}
_THINGS = ("目标", "对象")
_DRIVEN = ("car", "van", "truck", "bus", "tram", "vehicle", "large vehicle")
#: In the picture, and from me.
_RANKS = {
    "leftmost": "最左边",
    "rightmost": "最右边",
    "biggest": "最大",
    "nearest": "最近",
    "farthest": "最远",
}
_OPENERS = (
    "我说的是{}。", "请找到{}。", "请在图中找出{}。", "我要找的是{}。", "目标是{}。", "请标出{}。",
    "请看{}。",
)  # fmt: skip
_GROUP_INTROS = (
    "{}。", "请找出{}。", "找到图中{}。", "请帮我标出{}。", "我要找的是{}。", "把{}找出来。", "{}在哪里？",
)  # fmt: skip
# What stands before a noun as it is.
_ATTRIBUTES = (P.OnSide, P.AtDistance, P.RelativeTo, P.Faces)


def describe_one(chosen: Sequence[P.Predicate], rng: np.random.Generator) -> str | None:
    """A text of 30 to 90 characters that says exactly these predicates; None when no try fits that, or where
    something has no Chinese name."""
    if not _can_name(chosen):
        return None
    return fitting(lambda: _compose_one(chosen, rng), len, ONE_CHARACTERS)


def _compose_one(chosen: Sequence[P.Predicate], rng: np.random.Generator) -> str:
    said = Message.of(chosen, rng)
    attached = [p for p in said.rest if isinstance(p, _ATTRIBUTES)][: int(rng.integers(0, 3))]
    clauses = [_phrase(p, said.category, rng) for p in said.rest if p not in attached]
    before = [_phrase(p, said.category, rng) for p in attached]
    if said.order is not None:
        before.append(_rank(said.order, rng))
    subject = _noun_phrase(before, pick(rng, ("那", "一")), said.category, said.color, rng)
    return _join(subject, clauses, said.category, rng)


def _join(subject: str, clauses: list[str], category: str, rng: np.random.Generator) -> str:
    """One to three sentences; the subject opens the first."""
    if not clauses or rng.random() < 0.4:
        sentences = [pick(rng, _OPENERS).format(subject)]
    else:
        count = min(len(clauses), int(rng.integers(1, 3)))
        # A pause parts a subject with its own phrases from what is said of it.
        comma = pick(rng, ("", "，")) if len(subject) < 12 else "，"
        sentences = [f"{subject}{comma}{'，'.join(clauses[:count])}。"]
        clauses = clauses[count:]
    pronoun = pick(rng, ("这个人", "此人") if is_person(category) else _PRONOUNS[_drives(category)])
    if len(clauses) > 2 and rng.random() < 0.6:
        sentences.append(f"{pronoun}{'，'.join(clauses[:-1])}。")
        clauses = clauses[-1:]
        pronoun = pick(rng, ("另外，", "")) + pronoun
    if clauses:
        sentences.append(f"{pronoun}{'，'.join(clauses)}。")
    return "".join(sentences)


def _rank(order: P.Extreme, rng: np.random.Generator) -> str:
    of_me = order.order in ("nearest", "farthest")
    return (pick(rng, ("离我", "距离我", "距我")) if of_me else "") + _RANKS[order.order]


def _classifier(noun: str, rng: np.random.Generator) -> str:
    if noun[-1] in "人者":
        return pick(rng, ("名", "位", "个"))
    return "辆" if noun[-1] == "车" else "个"


_PRONOUNS = {True: ("它", "它", "这辆车", "该车"), False: ("它",)}


def _drives(category: str) -> bool:
    return category.split("/")[0] in _DRIVEN


def _can_name(chosen: Sequence[P.Predicate]) -> bool:
    return all(p.name in _NOUNS for p in chosen if isinstance(p, P.Named))


def _noun_phrase(
    before: Sequence[str], determiner: str, category: str, color: str, rng: np.random.Generator
) -> str:
    """在左侧、离我最近的那辆白色小轿车. determiner: 那, 一, 这, or "" for none, which needs no classifier."""
    noun = pick(rng, _NOUNS[category]) if category else pick(rng, _THINGS)
    classifier = _classifier(noun, rng)
    if not color:
        name = noun
    elif is_person(category):
        dress = pick(rng, ("穿{}上衣", "身穿{}上衣", "穿着{}衣服")).format(_COLORS[color])
        name = f"{dress}{'、' if '的' in noun else '的'}{noun}"
    else:
        name = _COLORS[color] + pick(rng, ("", "的")) + noun
    phrases = "、".join(before) + ("的" if before else "")
    return phrases + (determiner + classifier if determiner else "") + name


def _about(value: float | str, rng: np.random.Generator) -> str:
    return pick(rng, ("约{}米", "大约{}米", "{}米左右", "大概{}米")).format(value)


def _phrase(predicate: P.Predicate, category: str, rng: np.random.Generator) -> str:
    """A verb phrase of the object, which stands before its noun with 的 too."""
    match predicate:
        case P.OnSide(side="ahead"):
            return pick(rng, ("在我正前方", "位于正前方", "就在我的正前方"))
        case P.OnSide(side=side):
            place = pick(rng, ("在{}侧", "位于我的{}侧", "在我{}边", "位于{}前方", "在我的{}手边"))
            return place.format(_SIDES[side])
        case P.AtDistance(meters=meters):
            return pick(rng, ("距离我", "离我", "距我", "与我相距")) + _about(meters, rng)
        case P.AtDepth(meters=meters):
            place = pick(rng, ("在我前方{}处", "位于前方{}的位置", "在我前面{}的地方", "与我的纵向距离{}"))
            return place.format(_about(f"{meters:.1f}", rng))
        case P.Lateral(meters=meters):
            place = pick(rng, ("在我{}侧{}处", "位于我{}边{}的位置", "横向偏{}{}"))
            return place.format(_SIDES["left" if meters < 0 else "right"], _about(f"{abs(meters):.1f}", rng))
        case P.RelativeTo():
            return _relation(predicate, rng)
        case P.HasSize():
            return _size(predicate, rng)
        case P.Faces(direction=direction):
            return _facing(direction, category, rng)
        case P.Occlusion(level=level):
            phrases = (
                ("完全可见", "没有被遮挡", "没有任何遮挡"),
                ("有一部分被遮挡", "被遮住了一部分", "部分被挡住"),
                ("大部分被遮挡", "被遮住了大半", "绝大部分被挡住"),
            )[level]
            return pick(rng, phrases)
        case P.CutOff(side=side):
            phrase = pick(rng, ("被图像的{}边缘截断", "有一部分超出了画面{}边界", "在画面{}边没有拍全"))
            return phrase.format(_SIDES[side])
        case P.Within(meters=meters, beyond=False):
            return pick(rng, ("离我不到{}米", "距离我小于{}米", "在我{}米范围内", "在{}米以内")).format(
                meters
            )
        case P.Within(meters=meters):
            return pick(rng, ("离我超过{}米", "距离我大于{}米", "在我{}米范围外", "在{}米以外")).format(
                meters
            )
        case P.HeightBetween(low=low, high=high):
            phrase = pick(rng, ("高度在{}到{}米之间", "高度为{}至{}米", "高{}米到{}米"))
            return phrase.format(f"{low:.2f}", f"{high:.2f}")
        case P.InPlace(horizontal=horizontal, vertical=vertical):
            parts = ("部分", "区域") if horizontal and vertical else ("半部分", "半边")
            where = _SIDES[horizontal] + _SIDES[vertical] + pick(rng, parts)
            return pick(rng, ("在图像的", "位于图像", "在画面的", "位于画面")) + where
    raise ValueError(f"no phrase for {type(predicate).__name__}")


def _relation(predicate: P.RelativeTo, rng: np.random.Generator) -> str:
    neighbour = predicate.neighbour
    name = _noun_phrase((), pick(rng, ("", "那")), neighbour.category, neighbour.color, rng)
    places = {
        "behind": ("后方", "的后面", "后面更远的地方"),
        "in_front": ("前方", "的前面", "前面更近的地方"),
        "left_of": ("左侧", "的左边", "左边不远处"),
        "right_of": ("右侧", "的右边", "右边不远处"),
    }
    return pick(rng, ("在", "位于")) + name + pick(rng, places[predicate.relation])


def _facing(direction: str, category: str, rng: np.random.Generator) -> str:
    front = "面" if is_person(category) else ("车头" if _drives(category) else "")
    phrases = {
        "me": (f"{front}朝向我", f"{front}朝着我", "正对着我"),
        "away": ("背对着我", "背对我", "车尾朝向我" if _drives(category) else "背朝我"),
    }
    if direction in phrases:
        return pick(rng, phrases[direction])
    side = _SIDES[direction]
    return pick(rng, (f"{front}朝{side}", f"{front}朝向{side}侧", f"{front}朝向{side}边"))


def _size(predicate: P.HasSize, rng: np.random.Generator) -> str:
    said = (("高", predicate.height), ("宽", predicate.width), ("长", predicate.length))
    known = [(name, f"{value:.1f}") for name, value in said if value is not None]
    each = ("{}约{}米", "{}大约{}米", "{}{}米左右", "{}度约为{}米", "{}度大约是{}米")
    if rng.random() < 0.7:
        phrase = pick(rng, each)
        return "、".join(phrase.format(name, value) for name, value in known)
    return pick(rng, ("大约", "约有")) + "、".join(f"{value}米{name}" for name, value in known)


def describe_all(chosen: Sequence[P.Predicate], single: bool, rng: np.random.Generator) -> str | None:
    """A text of 8 to 36 characters for all objects that fit; single: speak of one object; None as
    :func:`describe_one`."""
    if not _can_name(chosen):
        return None
    return fitting(lambda: _compose_all(chosen, single, rng), len, ALL_CHARACTERS)


def _compose_all(chosen: Sequence[P.Predicate], single: bool, rng: np.random.Generator) -> str:
    said = Message.of(chosen, rng)
    phrases = [_phrase(p, said.category, rng) for p in said.rest]
    if said.order is not None:
        phrases.append(_rank(said.order, rng))
    elif phrases and rng.random() < 0.3:
        # A statement: 这些白色的轿车都在60米以内，车头朝向我。
        name = _noun_phrase((), "这" if single else "", said.category, said.color, rng)
        listed = "，".join(phrases)
        return f"{name}{listed}。" if single else f"这些{name}都{listed}。"
    if single:
        return pick(rng, _GROUP_INTROS).format(
            _noun_phrase(phrases, pick(rng, ("那", "这")), said.category, said.color, rng)
        )
    every = pick(rng, ("所有", "全部", "所有", "那些"))
    group = _noun_phrase(phrases, "", said.category, said.color, rng)
    return pick(rng, _GROUP_INTROS).format(every + group)


def brief_one(chosen: Sequence[P.Predicate], rng: np.random.Generator) -> str | None:
    """A short text that says exactly these predicates of one object; None as :func:`describe_one`."""
    return _brief(chosen, pick(rng, ("那", "那", "")), rng)


def brief_all(chosen: Sequence[P.Predicate], single: bool, rng: np.random.Generator) -> str | None:
    """The same for all objects that fit; single: speak of one object."""
    return _brief(chosen, pick(rng, ("那", "")) if single else "", rng, "" if single else "所有")


def _brief(
    chosen: Sequence[P.Predicate], determiner: str, rng: np.random.Generator, every: str = ""
) -> str | None:
    if not _can_name(chosen):
        return None
    said = Message.of(chosen, rng)
    phrases = [_phrase(p, said.category, rng) for p in said.rest]
    phrases += [] if said.order is None else [_rank(said.order, rng)]
    name = _noun_phrase(phrases, determiner, said.category, said.color, rng)
    text = pick(rng, (*_GROUP_INTROS, "{}", "{}")).format(pick(rng, (every, "")) + name)
    return text if len(text) <= ONE_CHARACTERS[1] else None
