"""Sentences that nothing in a picture of a road answers to, so that a model learns to say so."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from d2ext.structures.vocabulary import ROAD

#: Classes that a reader may take for one another: one of them is not absent where another is present.
FAMILIES = (
    frozenset({"car", "van"}),
    frozenset({"truck", "van", "bus"}),
    frozenset({"bus", "tram", "truck"}),
    frozenset({"pedestrian", "person_sitting"}),
    frozenset({"cyclist", "motorcyclist", "tricyclist"}),
    frozenset({"barrow", "tricyclist", "unknown_movable"}),
    frozenset({"trafficcone", "unknown_unmovable", "unknown_movable"}),
)
#: Names of the classes whose like no scenery holds, as it may hold cones.
_NAMES = {
    "en": {
        "car": "car", "van": "van", "truck": "truck", "bus": "bus", "tram": "tram",
        "pedestrian": "pedestrian", "person_sitting": "sitting person", "cyclist": "cyclist",
        "motorcyclist": "motorcyclist", "tricyclist": "tricycle", "barrow": "barrow",
    },
    "zh": {
        "car": "轿车", "van": "面包车", "truck": "卡车", "bus": "公交车", "tram": "有轨电车",
        "pedestrian": "行人", "person_sitting": "坐着的人", "cyclist": "骑自行车的人",
        "motorcyclist": "骑摩托车的人", "tricyclist": "三轮车", "barrow": "手推车",
    },
}  # fmt: skip
#: Never on a road of these datasets; the lists leave most such things out, for tests.
_THINGS = (
    "elephant lion tiger monkey penguin dolphin whale shark spider snake turtle frog rabbit bear wolf"
    " kangaroo camel parrot eagle butterfly hippo koala sofa bed armchair bookshelf carpet mirror lamp oven"
    " bathtub pillow blanket toaster kettle fork spoon plate bottle guitar trumpet drum flute airplane rocket"
    " spaceship balloon ship canoe ferry yacht pizza banana apple sandwich cheese cake bread coffee salad"
    " tomato castle lighthouse pyramid volcano island waterfall beach telescope microscope keyboard laptop"
    " television telephone camera candle clock pencil book newspaper ring crown sword statue robot ghost"
    " mermaid unicorn wizard astronaut king queen snowman igloo cactus mushroom rose tulip football"
).split()
_OTHER_WORDS = (
    "music theory winter Tuesday economy freedom poem kitchen recipe history grammar oxygen marriage election"
    " dream silence mathematics justice novel garden ocean melody philosophy budget holiday courage science"
    " lawyer dentist chapter salary culture ancient quickly sing remember forget believe dance swim"
    " laugh whisper calculate translate delicious lonely political chemical invisible wonderful eleven never"
    " because although yesterday tomorrow morning"
).split()
_REMARKS = (
    "hello", "good morning", "hi there", "how are you", "see you later", "nice to meet you", "please help",
    "tell me a joke", "who won the match", "what is the capital of France", "the weather is fine",
    "write a poem about love", "I am hungry", "this is a test", "turn on the music", "open the door",
    "what does this word mean", "translate this text", "how old are you", "buy some milk", "no idea",
    "nothing at all", "the meeting starts at noon", "my sister plays chess", "two plus two is four",
)  # fmt: skip
_FRAMES = (
    "{}", "{}", "the {}", "the {}", "a {}", "find the {}", "find a {}", "where is the {}?", "show me the {}.",
    "The {} on the left.", "the {} on the right", "all {}s", "Please find the {} in the picture.",
    "The {} that is about 20 meters away.", "the {color} {}", "the {color} {} in front of me",
)  # fmt: skip
_COLORS = ("red", "blue", "white", "black", "green", "yellow", "gray", "brown")
_CHINESE_THINGS = (
    "大象",
    "老虎",
    "猫",
    "狗",
    "鱼",
    "鸟",
    "飞机",
    "船",
    "桌子",
    "椅子",
    "床",
    "书",
    "电视",
    "花",
    "马",
    "牛",
)
_CHINESE_REMARKS = (
    "你好",
    "谢谢",
    "今天天气很好",
    "几点了？",
    "你是谁",
    "我要吃饭",
    "早上好",
    "好的",
    "再见",
)
_CHINESE_FRAMES = ("{}", "那只{}", "请找到{}。", "所有的{}", "{}在哪里？", "左边的{}", "图中的{}。")
_SHORT = ("car", "cars", "van", "vans", "bus", "red", "man", "men", "taxi", "me", "on")
_CONSONANTS, _VOWELS = tuple("bcdfghjklmnpqrstvwxz"), tuple("aeiouy")


def absent_sentence(present: Collection[str] | None, rng: np.random.Generator, chinese: bool = False) -> str:
    """A sentence without meaning, about something else than roads, or about a class that is not there.

    Args:
        present: names of the classes in the picture; None where they are not known.
        rng: source of randomness.
        chinese: in Chinese, else in English.
    """
    kind = rng.choice(4, p=(0.3, 0.2, 0.25, 0.25))
    if kind == 0 and present is not None and (missing := missing_classes(present)):
        names = _NAMES["zh" if chinese else "en"]
        return _frame(names[_pick(rng, missing)], rng, chinese)
    if kind == 1:
        return letters(rng)
    if kind == 2:
        return _remark(rng, chinese)
    return _frame(_pick(rng, _CHINESE_THINGS if chinese else _THINGS), rng, chinese)


def absent_thing(rng: np.random.Generator) -> str:
    """A name of something that is on no road of these datasets."""
    return _pick(rng, _THINGS)


def missing_classes(present: Collection[str]) -> list[str]:
    """The classes of the road that are not in a picture, nor any that may be taken for them."""
    taken = {name for family in FAMILIES if not family.isdisjoint(present) for name in family} | {*present}
    return [name for name in ROAD.names if name in _NAMES["en"] and name not in taken]


def letters(rng: np.random.Generator) -> str:
    """One to four words that no language has."""
    words = []
    for _ in range(int(rng.integers(1, 5))):
        length = int(rng.integers(2, 9))
        spoken = rng.random() < 0.5  # with vowels in between
        sets = (_CONSONANTS, _VOWELS) if spoken else (_CONSONANTS + _VOWELS,) * 2
        words.append("".join(_pick(rng, sets[i % 2]) for i in range(length)))
    return " ".join(word for word in words if word not in _SHORT) or "xq"


def _remark(rng: np.random.Generator, chinese: bool) -> str:
    if chinese:
        return _pick(rng, _CHINESE_REMARKS)
    if rng.random() < 0.5:
        return _pick(rng, _REMARKS)
    count = int(rng.integers(1, 6))
    return " ".join(_pick(rng, _OTHER_WORDS) for _ in range(count))


def _frame(thing: str, rng: np.random.Generator, chinese: bool) -> str:
    frame = _pick(rng, _CHINESE_FRAMES if chinese else _FRAMES)
    return frame.format(thing, color=_pick(rng, _COLORS))


def _pick(rng: np.random.Generator, options: Sequence[str]) -> str:
    return options[int(rng.integers(len(options)))]
