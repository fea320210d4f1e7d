"""Names and colours that sentences call things by, beside those that SynthRoad writes."""

from __future__ import annotations

from d2ext.data.synthroad import predicates as P
from d2ext.data.synthroad.nouns_en import NOUNS, PLURALS

#: Further English words by the names of :mod:`d2ext.data.synthroad.naming`.
_MORE = {
    "car": "automobile auto coupe convertible jeep hatchback sedan SUV",
    "van": "people carrier|camper van|campervan",
    "truck": "lorry|semi|semi-trailer|articulated lorry|pickup lorry|garbage truck|fire truck",
    "bus": "coach|double-decker",
    "tram": "streetcar|trolley|trolley car|light rail train",
    "cyclist": "bicyclist|bicycle|bike|bicycle rider|bike rider",
    "motorcyclist": "motorbike rider|motorcycle rider|moped|moped rider|motorist on a motorcycle|e-bike",
    "tricyclist": "three-wheeler|rickshaw",
    "barrow": "handcart|pushcart|cart",
    "trafficcone": "road cone|pylon",
    "person": "man|woman|boy|girl|guy|lady|gentleman|human|walker|worker|someone|figure|adult|teenager",
    "rider": "biker",
    "road user": "traffic participant",
}
_IRREGULAR = {"man": "men", "woman": "women", "lady": "ladies", "lorry": "lorries", "bus": "buses"}
_ZH = {
    "car": "小轿车 轿车 小汽车 私家车 越野车",
    "van": "面包车 厢式车 商务车",
    "truck": "大卡车 卡车 货车 大货车",
    "bus": "公交车 大客车 巴士 公共汽车 客车",
    "tram": "有轨电车 电车",
    "pedestrian": "行人 路人",
    "person_sitting": "坐着的人",
    "cyclist": "骑自行车的人 骑行者 自行车 骑车人",
    "motorcyclist": "骑摩托车的人 摩托车 电动车",
    "tricyclist": "三轮车 骑三轮车的人",
    "barrow": "手推车",
    "trafficcone": "锥桶 交通锥 路锥",
    "car/taxi": "出租车 的士",
    "pedestrian/child": "小孩 孩子 儿童",
    "vehicle": "车辆 汽车 机动车 车",
    "person": "男人 女人 男子 女子 男孩 女孩 老人 人",
    "rider": "骑车的人",
    "large vehicle": "大型车",
    "road user": "交通参与者",
}


def _predicate(name: str) -> P.Named:
    if name in P.KINDS:
        return P.IsKind(name)
    return P.IsShape.of(name) if "/" in name else P.IsCategory(name, strict=False)


def _english() -> tuple[dict[str, P.Named], dict[str, P.Named]]:
    singular: dict[str, P.Named] = {}
    plural: dict[str, P.Named] = {}
    for name, words in NOUNS.items():
        if name:
            singular |= {word.lower(): _predicate(name) for word in words}
            plural |= {word.lower(): _predicate(name) for word in PLURALS[name]}
    for name, text in _MORE.items():
        for word in text.split("|") if "|" in text else text.split():
            singular.setdefault(word.lower(), _predicate(name))
            plural.setdefault(_IRREGULAR.get(word, f"{word}s").lower(), _predicate(name))
    return singular, plural


#: What a noun says, by the noun in small letters.
SINGULAR, PLURAL = _english()
NAMES_EN = SINGULAR | PLURAL
NAMES_ZH = {word: _predicate(name) for name, words in _ZH.items() for word in words.split()}
#: Colours by their words; of some words two, since people differ.
COLORS_EN = {
    **{name: (name,) for name in ("white", "black", "red", "blue", "green", "yellow", "brown", "orange")},
    **{name: (name,) for name in ("purple", "pink", "beige", "silver", "cyan")},
    **{word: ("gray",) for word in ("gray", "grey", "charcoal", "graphite")},
    **{word: ("gold",) for word in ("gold", "golden", "champagne")},
    **{word: ("red",) for word in ("crimson", "scarlet", "maroon", "burgundy", "reddish")},
    **{word: ("blue",) for word in ("navy", "azure", "bluish")},
    **{word: ("green",) for word in ("olive", "lime", "greenish")},
    **{word: ("brown",) for word in ("tan", "bronze", "brownish")},
    **{word: ("yellow",) for word in ("yellowish", "amber")},
    "violet": ("purple",), "cream": ("white", "beige"), "ivory": ("white", "beige"),
    "turquoise": ("cyan", "blue", "green"), "teal": ("cyan", "blue", "green"),
    "silvery": ("silver",), "whitish": ("white",), "blackish": ("black",), "greyish": ("gray",),
    "grayish": ("gray",), "snow-white": ("white",), "jet-black": ("black",),
}  # fmt: skip
COLORS_ZH = {
    "白": ("white",), "黑": ("black",), "灰": ("gray",), "银": ("silver",), "红": ("red",), "蓝": ("blue",),
    "绿": ("green",), "黄": ("yellow",), "棕": ("brown",), "褐": ("brown",), "咖啡": ("brown",),
    "橙": ("orange",), "橘": ("orange",), "紫": ("purple",), "粉": ("pink",), "金": ("gold",),
    "米": ("beige",), "青": ("cyan",),
}  # fmt: skip
