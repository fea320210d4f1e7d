"""Chinese SynthRoad sentences are true and point to their targets: rechecked from the texts alone.

Nothing here uses the library's predicates: words are read with regular expressions and compared with labels.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

from d2ext.data.formats import load_mono3drefer, load_monomulti3d
from d2ext.data.sentences import flip_sentence
from d2ext.data.synthroad import generate, refer, sentences_zh
from d2ext.data.synthroad.labels import Label, make_frame
from d2ext.data.synthroad.layout import CAR

COLORS = dict(
    zip(
        "白黑灰红蓝绿黄棕", ("white", "black", "gray", "red", "blue", "green", "yellow", "brown"), strict=True
    )
)
# What a name may mean: categories, or shapes of them.
NOUNS = {
    "小轿车|轿车|小汽车": "car",
    "面包车": "van",
    "卡车|货车": "truck",
    "公交车|大客车": "bus",
    "有轨电车": "tram",
    "行人|路人": "pedestrian",
    "坐着的人": "person_sitting",
    "骑自行车的人|骑行者": "cyclist",
    "骑摩托车的人|摩托车": "motorcyclist",
    "骑三轮车的人|三轮车": "tricyclist",
    "手推车": "barrow",
    "锥桶|交通锥": "trafficcone",
    "出租车": "car/taxi",
    "小孩": "pedestrian/child",
    "车(?![头尾])": "car van truck bus tram",
    "人": "pedestrian person_sitting",
    "骑车的人": "cyclist motorcyclist",
    "大型车": "truck bus tram",
    "交通参与者": "car van truck bus tram pedestrian cyclist motorcyclist tricyclist",
}
RANKS = "最[近远左右大]"
ANY_NOUN = "|".join(sorted("|".join(NOUNS).split("|"), key=len, reverse=True))
METERS = r"(?:约|大约|大概)?([\d.]+)米"
SIDE = rf"(?:在|位于)(?:我的?)?([左右])(?:侧|边|前方|手边)(?!{METERS})"
AWAY = rf"(?:距离我|离我|距我|与我相距){METERS}"
AHEAD = rf"(?:前方|前面|纵向距离){METERS}"
RELATION = re.compile(
    rf"(?:在|位于)(?:那[辆名位个])?(?P<name>(?:身?穿着?)?[{''.join(COLORS)}]色(?:上衣|衣服)?[、的]?(?:{ANY_NOUN}))"
    r"的?(?P<place>后方|后面|前方|前面|左侧|左边|右侧|右边)"
)


def _angle(a: float, b: float) -> float:
    return abs((a - b + math.pi) % (2 * math.pi) - math.pi)


def _number(text: str, pattern: str) -> float | None:
    match = re.search(pattern, text)
    return None if match is None else float(next(group for group in match.groups() if group))


def _name_in(text: str) -> str | None:
    """What the name that comes first may mean; the longer one of two at the same place."""
    found = [
        (match.start(), -match.end(), meant)
        for noun, meant in NOUNS.items()
        if (match := re.search(noun, text))
    ]
    return min(found)[2] if found else None


def _color_in(text: str) -> str | None:
    match = re.search(rf"([{''.join(COLORS)}])色", text)
    return COLORS[match[1]] if match else None


def _heading_in(text: str) -> float | None:
    if re.search(r"背对着?我|背朝我|车尾朝向我", text):
        return -math.pi / 2
    if re.search(r"朝[向着]我|正对着我", text):
        return math.pi / 2
    match = re.search(r"朝向?([左右])", text)
    return None if match is None else (math.pi if match[1] == "左" else 0.0)


def _occlusion_in(text: str) -> int | None:
    words = (r"完全可见|没有", r"一部分被遮|遮住了一部分|(?<!大)部分被挡", r"大部分被|遮住了大半")
    return next((level for level in (2, 1, 0) if re.search(words[level], text.replace("没有拍全", ""))), None)


def _own(text: str) -> str:
    """What is said of the object itself."""
    return RELATION.sub("", text)


def _one_holds(text: str, label: Label, slack: float) -> bool:
    """Whether what the text says of its object is true of the label; slack 1 is exact up to rounding."""
    text = _own(text)
    x, _, z = label.location
    called = {label.category, f"{label.category}/{label.shape}"} & {*(_name_in(text) or "").split()}
    checks = [bool(called), _color_in(text) in (None, label.color)]
    side = re.search(SIDE, text)
    if side:
        checks.append((x < -1) if side[1] == "左" else (x > 1))
    lateral = re.search(rf"([左右])[侧边]?{METERS}", text)
    if lateral:
        checks.append(abs(x - float(lateral[2]) * (-1 if lateral[1] == "左" else 1)) < 0.06 * slack)
    if "正前方" in text:
        checks.append(abs(x) < 3)
    away = _number(text, AWAY)
    if away is not None:
        checks.append(abs(math.hypot(x, z) - away) < 0.51 * slack)
    ahead = _number(text, AHEAD)
    if ahead is not None:
        checks.append(abs(z - ahead) < 0.06 * slack)
    for name, size in zip("高宽长", label.size, strict=True):
        value = _number(text, rf"{name}度?(?:约为|大约是)?{METERS}|([\d.]+)米{name}")
        if value is not None:
            checks.append(abs(size - value) < 0.06 * slack)
    heading = _heading_in(text)
    if heading is not None:
        checks.append(_angle(label.alpha, heading) < math.pi / 4)
    occlusion = _occlusion_in(text)
    if occlusion is not None:
        checks.append(label.occluded == occlusion)
    cut = re.search(r"([左右])(?:边缘截断|边界|边没有拍全)", text)
    if cut:
        checks.append({"左": "left", "右": "right"}[cut[1]] in label.border and label.truncated > 0)
    return all(checks)


def _multi_holds(text: str, fields: list[str]) -> bool:
    """Truth of a multi-target text for one written row (15 fields and a colour), without margins."""
    numbers = [float(value) for value in fields[3:15]]
    alpha, (x1, y1, x2, y2), height, x, z = numbers[0], numbers[1:5], numbers[5], numbers[8], numbers[10]
    meant = [name.split("/")[0] for name in (_name_in(text) or fields[0]).split()]
    checks = [fields[0] in meant, _color_in(text) in (None, fields[15])]
    near = _number(text, r"(?:不到|小于)(\d+)米|(\d+)米(?:范围内|以内)")
    if near is not None:
        checks.append(math.hypot(x, z) < near)
    far = _number(text, r"(?:超过|大于)(\d+)米|(\d+)米(?:范围外|以外)")
    if far is not None:
        checks.append(math.hypot(x, z) > far)
    between = re.search(r"高(?:度在|度为)?([\d.]+)米?[到至]([\d.]+)米", text)
    if between:
        checks.append(float(between[1]) <= height <= float(between[2]))
    place = re.search(r"(?:图像|画面)的?([左右]?)([上下]?)(?:半部分|半边|部分|区域)", text)
    if place:
        center_x, center_y = (x1 + x2) / 2, (y1 + y2) / 2
        checks += [(center_x < 479.5) == (place[1] == "左")] if place[1] else []
        checks += [(center_y < 269.5) == (place[2] == "上")] if place[2] else []
    heading = _heading_in(text)
    if heading is not None:
        checks.append(_angle(alpha, heading) < math.pi / 4)
    occlusion = _occlusion_in(text)
    if occlusion is not None:
        checks.append(int(fields[2]) == occlusion)
    return all(checks)


@pytest.fixture(scope="module")
def single() -> list[tuple[list[Label], int, str, set[str]]]:
    """(labels of the frame, target, text, kinds of what it should say)."""
    found = []
    for i in range(14):
        rng = np.random.default_rng([22, i])
        labels = make_frame(CAR, rng).labels
        for target in refer.referable(labels, rng):
            for _ in range(4):
                chosen = refer.single_target(labels, target, rng)
                text = sentences_zh.describe_one(chosen, rng) if chosen else None
                if chosen and text:
                    found.append((labels, target, text, {predicate.kind for predicate in chosen}))
    return found


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zh") / "data"
    generate(folder, 9, 12, 0, 1, progress=False, language="zh")
    return folder


def _about_roads(root: Path) -> list[str]:
    items = [item for _, items in _multi_texts(root) for item in items]
    return [item["public_description"] for item in items if item["public_properties"]]


def _multi_texts(root: Path) -> list[tuple[Path, list[dict]]]:
    paths = sorted((root / "monomulti3d/train/jsons").glob("*.json"))
    return [(path, json.loads(path.read_text(encoding="utf-8"))) for path in paths]


def test_single_target_sentences_are_true(single) -> None:
    assert len(single) > 150
    for labels, target, text, _ in single:
        assert _one_holds(text, labels[target], slack=1.0), (text, labels[target])


def test_nothing_that_should_be_said_is_missing(single) -> None:
    words = {
        "appearance": f"[{''.join(COLORS)}]色",
        "distance": AWAY,
        "depth": AHEAD,
        "lateral": rf"[左右][侧边]?{METERS}",
        "side": f"正前方|{SIDE}",
        "size": r"[高宽长]度?(?:约|大约|为|是)*[\d.]+米|[\d.]+米[高宽长]",
        "facing_direction": "[朝对][向着]?(?:我|左|右)",
        "occlusion": "可见|遮|挡",
        "truncation": "截断|超出|没有拍全",
        "order": RANKS,
    }
    for _, _, text, kinds in single:
        said = {kind for kind, pattern in words.items() if re.search(pattern, _own(text))}
        assert said | {"objectname"} | ({"relation"} if RELATION.search(text) else set()) == kinds, text


def test_single_target_sentences_fit_no_other_object(single) -> None:
    """Even with sloppy measures (slack 3) no other object of that colour and category fits."""
    checked = 0
    for labels, target, text, _ in single:
        if RELATION.search(text) or re.search(RANKS, text):
            continue
        for i, other in enumerate(labels):
            assert i == target or not _one_holds(text, other, slack=3.0), (text, other)
        checked += 1
    assert checked > 50


def test_order_words_rank_among_all_of_a_category(single) -> None:
    ranked = [item for item in single if re.search(RANKS, item[2])]
    assert ranked
    for labels, target, text, _ in ranked:
        peers = [label for label in labels if label.category == labels[target].category]
        word = re.search(RANKS, text)[0]
        assert max(peers, key=lambda o: _rank(word, o.location, o.box, o.size)) is labels[target], text


def _rank(word: str, location, box, size) -> float:
    if word in ("最左", "最右"):
        return (box[0] + box[2]) * (1 if word == "最右" else -1)
    if word == "最大":
        return math.prod(size)
    return math.hypot(location[0], location[2]) * (-1 if word == "最近" else 1)


def test_relations_hold_for_a_unique_neighbour(single) -> None:
    checked = 0
    for labels, target, text, _ in single:
        match = RELATION.search(text)
        if not match:
            continue
        category, color = _name_in(match["name"]), _color_in(match["name"])
        named = [o for o in labels if (o.category, o.color) == (category, color)]
        assert len(named) == 1, text
        dx, dz = (labels[target].location[k] - named[0].location[k] for k in (0, 2))
        assert {"后": dz > 0, "前": dz < 0, "左": dx < 0, "右": dx > 0}[match["place"][0]], text
        checked += 1
    assert checked > 10


def test_single_target_sentences_have_30_to_90_characters_and_vary(single) -> None:
    texts = [text for _, _, text, _ in single]
    assert all(30 <= len(text) <= 90 for text in texts)
    assert len({re.sub(r"[\d.]+", "#", text) for text in texts}) > 0.9 * len(texts)


def test_multi_target_flags_agree_with_the_texts(root: Path) -> None:
    checked = 0
    for path, items in _multi_texts(root):
        lines = (root / "monomulti3d/train/labels" / f"{path.stem}.txt").read_text().splitlines()
        rows = [line.split() for line in lines]
        for k, item in enumerate(items):
            text = item["public_description"]
            flagged = [row for row in rows if row[16 + k] == "1"]
            assert len(text) <= 60
            if not item["public_properties"]:
                assert not flagged  # it has nothing to do with roads
                continue
            fits = [row for row in rows if _multi_holds(text, row[:16])]
            if rank := re.search(RANKS, text):
                assert len(flagged) <= 1 and all(row in fits for row in flagged)
                for row in flagged:
                    peers = [other for other in rows if other[0] == row[0]]
                    assert max(peers, key=lambda other: _row_rank(rank[0], other)) == row, text
            elif "/" in (_name_in(text) or ""):
                assert all(row in fits for row in flagged)  # the rows do not tell shapes
            else:
                assert fits == flagged, (path.name, text)
            checked += 1
    assert checked > 50


def _row_rank(word: str, row: list[str]) -> float:
    numbers = [float(value) for value in row[4:14]]
    return _rank(word, numbers[7:10], numbers[:4], numbers[4:7])


def test_wording(single, root: Path) -> None:
    """Chinese only, classifiers that suit the nouns, nothing doubled."""
    texts = [text for _, _, text, _ in single]
    texts += _about_roads(root)
    named = rf"(?:身?穿着?)?(?:\w色)?(?:上衣|衣服)?[的、]?({ANY_NOUN}|目标|对象)"
    for text in texts:
        assert re.fullmatch(r"[\u4e00-\u9fff\d.，、。？]+", text), text
        assert not re.search(r"([^\d车])\1|[的、，][的、，。]", text), text
        for match in re.finditer(r"[那一这]([辆名位个])", text):
            noun = re.match(named, text[match.end() :])
            assert noun, text
            fitting = "辆" if noun[1].endswith("车") else "名位个" if noun[1][-1] in "人者" else "个"
            assert match[1] in fitting, text


def test_mirroring_swaps_left_and_right_and_never_refuses(single, root: Path) -> None:
    texts = [text for _, _, text, _ in single]
    texts += _about_roads(root)
    swap = str.maketrans("左右", "右左")
    for text in texts:
        parts = text.split("米左右")
        assert flip_sentence(text) == "米左右".join(part.translate(swap) for part in parts), text


def test_both_languages_share_every_image(tmp_path: Path) -> None:
    generate(tmp_path / "data", 4, 5, 0, 0, progress=False, language="both")
    records = load_mono3drefer(str(tmp_path / "data/mono3drefer"), "train")
    records += load_monomulti3d(str(tmp_path / "data/monomulti3d"), "train")
    count = {False: 0, True: 0}
    for record in records:
        chinese = [not sentence["text"].isascii() for sentence in record["sentences"]]
        assert len(set(chinese)) == 2
        for flag in chinese:
            count[flag] += 1
    assert abs(count[True] - count[False]) < 0.15 * sum(count.values())


def test_pictures_and_labels_are_those_of_the_english_dataset(tmp_path: Path) -> None:
    for language in ("en", "zh"):
        generate(tmp_path / language, 4, 1, 0, 0, progress=False, language=language)
    for name in ("images/000000.png", "label_2/000000.txt"):
        files = [tmp_path / language / "mono3drefer" / name for language in ("en", "zh")]
        assert files[0].read_bytes() == files[1].read_bytes()
