"""SynthRoad sentences are true and point to their targets: rechecked from the texts alone.

Nothing here uses the library's predicates: words are read with regular expressions and compared with labels.
"""

from __future__ import annotations

import ast
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

from d2ext.data.synthroad import generate, refer, sentences_en
from d2ext.data.synthroad.labels import Label, make_frame
from d2ext.data.synthroad.layout import CAR, POLE

COLORS = ("white", "black", "gray", "red", "blue", "green", "yellow", "brown")
# What a name may mean: categories, or shapes of them.
NOUNS = {
    r"cars?": "car",
    r"vans?": "van",
    r"trucks?": "truck",
    r"bus(es)?": "bus",
    r"trams?": "tram",
    r"pedestrians?|(person|people) on foot": "pedestrian",
    r"(sitting|seated) (person|people)": "person_sitting",
    r"cyclists?|(person|people) on (a )?bicycles?": "cyclist",
    r"motorcyclists?|motorcycles?|(person|people) on (a )?motorcycles?": "motorcyclist",
    r"tricycles?|tricyclists?": "tricyclist",
    r"(hand )?barrows?": "barrow",
    r"(traffic )?cones?": "trafficcone",
    r"sedans?": "car/sedan",
    r"hatchbacks?": "car/hatchback",
    r"estate cars?|station wagons?": "car/estate",
    r"suvs?|off-road cars?": "car/suv",
    r"taxis?|cabs?": "car/taxi",
    r"pickups?( trucks?)?": "car/pickup",
    r"minivans?": "van/minivan",
    r"(panel|delivery) vans?": "van/panel",
    r"minibus(es)?": "van/minibus",
    r"box trucks?": "truck/box",
    r"(tipper|dump) trucks?": "truck/tipper",
    r"tank trucks?|tankers?": "truck/tanker",
    r"flatbed trucks?": "truck/dropside",
    r"city bus(es)?": "bus/city",
    r"(person|people) with (an )?umbrellas?": "pedestrian/umbrella",
    r"child(ren)?|kids?": "pedestrian/child",
    r"scooters?|(person|people) on (a )?scooters?": "motorcyclist/scooter",
    r"motorbikes?": "motorcyclist/motorcycle",
    r"cargo tricycles?": "tricyclist/cargo",
    r"suitcases?": "unknown_movable/suitcase",
    r"dogs?": "unknown_movable/animal",
    r"vehicles?": "car van truck bus tram",
    r"person|people": "pedestrian person_sitting",
    r"two-wheelers?": "cyclist motorcyclist",
    r"riders?": "cyclist motorcyclist",
    r"trucks? (or|and) bus(es)?": "truck bus",
    r"(large|big) vehicles?": "truck bus tram",
    r"road users?": "car van truck bus tram pedestrian cyclist motorcyclist tricyclist",
}
NUMBER = r"([\d.]+) meters"
UNITS = {"feet": 0.3048, "ft": 0.3048, "yards": 0.9144, "m": 1.0, "metres": 1.0, "meters": 1.0}
WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
    " seventeen eighteen nineteen"
).split()
TENS = dict(
    zip("twenty thirty forty fifty sixty seventy eighty ninety".split(), range(20, 100, 10), strict=True)
)
NUMERALS = {word: i for i, word in enumerate(WORDS)} | TENS
NUMERALS |= {
    f"{ten}-{word}": value + i for ten, value in TENS.items() for i, word in enumerate(WORDS[:10]) if i
}


def metric(text: str) -> str:
    """The text with all its lengths in digits and meters."""
    for word in sorted(NUMERALS, key=len, reverse=True):
        text = re.sub(rf"\b{word} (?=met)", f"{NUMERALS[word]} ", text)
    unit = "|".join(UNITS)
    text = re.sub(  # two ends of a range
        rf"([\d.]+) (and|to) ([\d.]+) ({unit})\b",
        lambda m: f"{float(m[1]) * UNITS[m[4]]:.5f} {m[2]} {float(m[3]) * UNITS[m[4]]:.5f} meters",
        text,
    )
    return re.sub(
        rf"([\d.]+) ({unit})\b",
        lambda m: f"{float(m[1]) * UNITS[m[2]]:.5f} meters",
        text,
    )


def _angle(a: float, b: float) -> float:
    return abs((a - b + math.pi) % (2 * math.pi) - math.pi)


def _name_in(text: str) -> str | None:
    """What the name that comes first may mean; the longer one of two at the same place."""
    text = re.sub(
        r"(?i)^(the|which) (road users?|objects?)( that I mean| in this picture)? (is|are) (?=the |all )",
        "",
        text,
    )
    found = [
        (match.start(), -match.end(), meant)
        for noun, meant in NOUNS.items()
        if (match := re.search(rf"\b({noun})\b", text, re.I))
    ]
    return min(found)[2] if found else None


def _is_called(text: str, label: Label) -> bool:
    name = _name_in(text)
    return name is None or bool({label.category, f"{label.category}/{label.shape}"} & {*name.split()})


def _heading_in(text: str) -> float | None:
    if re.search(r"\b(facing|pointing) (towards )?me\b|facing the camera", text):
        return math.pi / 2
    if re.search(r"\b(facing away|pointing away|seen from behind)\b", text):
        return -math.pi / 2
    match = re.search(r"\b(?:facing|turned) (?:to the )?(left|right)\b", text)
    return None if match is None else (math.pi if match[1] == "left" else 0.0)


def _occlusion_in(text: str) -> int | None:
    words = (
        r"fully visible|not hidden|seen completely|not occluded",
        r"partly occluded|partially hidden|partly covered",
        r"largely occluded|mostly hidden|most part covered",
    )
    return next((level for level, pattern in enumerate(words) if re.search(pattern, text)), None)


def _side_in(text: str) -> str | None:
    match = re.search(
        r"\bon (?:the |my )?(left|right)(?: side)?\b(?! (?:of|edge))|meters to my (left|right)"
        r"|, (left|right)\b|, (left|right) side|(?:to|at) my (left|right)|off to the (left|right)",
        text,
    )
    return next((side for side in match.groups() if side), None) if match else None


def _sizes_in(text: str) -> dict[str, float]:
    words = {"h": ("high", "height"), "w": ("wide", "width"), "l": ("long", "length")}
    sizes = {}
    for key, (adjective, noun) in words.items():
        match = re.search(rf"{NUMBER} {adjective}|{noun} of \w+ {NUMBER}", text)
        if match:
            sizes[key] = float(match[1] or match[2])
    return sizes


def _number_before(text: str, words: str) -> float | None:
    match = re.search(rf"{NUMBER} (?:{words})", text)
    return float(match[1]) if match else None


def _one_holds(text: str, label: Label, slack: float) -> bool:
    """Whether what the text says of its object is true of the label; slack 1 is exact up to rounding."""
    x, _, z = label.location
    text = metric(text.lower())
    checks = [_is_called(text, label)]
    side = _side_in(text)
    if side:
        checks.append((x < 0) == (side == "left"))
    lateral = _number_before(text, "to my")
    if lateral is not None:
        checks.append(abs(abs(x) - lateral) < 0.06 * slack + 0.05)
    if re.search(r"(straight|directly) ahead|right in front of me|(?<!meters )ahead of me|, ahead\b", text):
        checks.append(abs(x) < 3)
    away = _number_before(text, "away|from me")
    if away is not None:
        checks.append(abs(math.hypot(x, z) - away) < 0.51 * slack + 0.46)
    ahead = _number_before(text, "ahead|in front of me")
    if ahead is not None:
        checks.append(abs(z - ahead) < 0.06 * slack + 0.05)
    for key, value in _sizes_in(text).items():
        checks.append(abs(label.size["hwl".index(key)] - value) < 0.06 * slack + 0.05)
    heading = _heading_in(text)
    if heading is not None:
        checks.append(_angle(label.alpha, heading) < math.pi / 4)
    occlusion = _occlusion_in(text)
    if occlusion is not None:
        checks.append(label.occluded == occlusion)
    cut = re.search(r"cut off by the (left|right)|at its (left|right) border", text)
    if cut:
        checks.append((cut[1] or cut[2]) in label.border and label.truncated > 0)
    return all(checks)


def _own_color(text: str) -> str | None:
    """The colour of the object itself; a neighbour's comes after a word of place."""
    own = re.split(r"\b(?:behind|in front of (?!me)|left of|right of|on the (?:left|right) of)\b", text)[0]
    found = [(match.start(), color) for color in COLORS if (match := re.search(rf"\b{color}\b", own, re.I))]
    return min(found)[1] if found else None


@pytest.fixture(scope="module", params=[False, True], ids=["long", "brief"])
def single(request) -> list[tuple[list[Label], int, str]]:
    """(labels of the frame, target, text)."""
    describe = sentences_en.brief_one if request.param else sentences_en.describe_one
    found = []
    for i in range(14):
        rng = np.random.default_rng([21, i])
        labels = make_frame(CAR, rng).labels
        for target in refer.referable(labels, rng):
            for _ in range(4):
                chosen = refer.single_target(labels, target, rng, request.param)
                text = describe(chosen, rng) if chosen else None
                if text:
                    found.append((labels, target, text))
    return found


def test_single_target_sentences_are_true(single) -> None:
    assert len(single) > 150
    for labels, target, text in single:
        assert _one_holds(text, labels[target], slack=1.0), (text, labels[target])
        assert _own_color(text) in (None, labels[target].color), (text, labels[target])


def test_single_target_sentences_fit_no_other_object(single) -> None:
    """Even with sloppy measures (slack 3) no other object of that colour and category fits."""
    checked = 0
    for labels, target, text in single:
        if re.search(rf"behind the|front of the|left of|right of|{RANKS}", text, re.I):
            continue
        for i, other in enumerate(labels):
            if i != target and _own_color(text) in (None, other.color):
                assert not _one_holds(text, other, slack=3.0), (text, other)
        checked += 1
    assert checked > 50


RANKS = "nearest|closest|farthest|most distant|leftmost|rightmost|biggest|largest"


def test_order_words_rank_among_all_of_a_category(single) -> None:
    ranked = [item for item in single if re.search(RANKS, item[2], re.I)]
    assert ranked
    for labels, target, text in ranked:
        peers = [label for label in labels if label.category == labels[target].category]
        word = re.search(RANKS, text, re.I)[0].lower()
        best = max(peers, key=lambda label: _rank(word, label.location, label.box, label.size))
        assert best is labels[target], text


def _rank(word: str, location, box, size) -> float:
    if word in ("leftmost", "rightmost"):
        return (box[0] + box[2]) * (1 if word == "rightmost" else -1)
    if word in ("biggest", "largest"):
        return math.prod(size)
    return math.hypot(location[0], location[2]) * (-1 if word in ("nearest", "closest") else 1)


def test_relations_hold_for_a_unique_neighbour(single) -> None:
    pattern = r"(behind|in front of|left of|right of) (the [^.,]*)"
    checked = 0
    for labels, target, text in single:
        match = re.search(pattern, text)
        if not match or match[2].startswith("the image"):
            continue
        color = next((c for c in COLORS if re.search(rf"\b{c}\b", match[2])), None)
        named = [o for o in labels if o.color == color and o.category == _name_in(match[2])]
        assert len(named) == 1, text
        dx, dz = (labels[target].location[k] - named[0].location[k] for k in (0, 2))
        holds = {"behind": dz > 0, "in front of": dz < 0, "left of": dx < 0, "right of": dx > 0}
        assert holds[match[1]], text
        checked += 1
    assert checked > 10


def test_single_target_sentences_have_20_to_50_words_or_are_brief(single, request) -> None:
    texts = [text for _, _, text in single]
    brief = request.node.callspec.params["single"]
    counts = [len(text.split()) for text in texts]
    assert (max(counts) <= 40 and np.median(counts) <= 15) if brief else all(20 <= n <= 50 for n in counts)
    assert len({re.sub(r"[\d.]+", "#", text) for text in texts}) > (0.7 if brief else 0.9) * len(texts)
    assert not any(re.search(r"  |,\.|\.\.|\bThey\b", text) for text in texts)


def _multi_holds(text: str, fields: list[str]) -> bool:
    """Truth of a multi-target text for one written row (15 fields and a colour), without margins."""
    numbers = [float(value) for value in fields[3:15]]
    alpha, (x1, y1, x2, y2), height, x, z = numbers[0], numbers[1:5], numbers[5], numbers[8], numbers[10]
    checks = []
    text = metric(text.lower())
    if name := _name_in(text):
        checks.append(fields[0] in {meant.split("/")[0] for meant in name.split()})
    color = _own_color(text)
    if color:
        checks.append(fields[15] == color)
    near = re.search(r"(?:within|less than|closer than) ([\d.]+) meters", text)
    if near:
        checks.append(math.hypot(x, z) < float(near[1]))
    far = re.search(r"(?:beyond|more than|farther than) ([\d.]+) meters", text)
    if far:
        checks.append(math.hypot(x, z) > float(far[1]))
    between = re.search(r"([\d.]+) (?:and|to) ([\d.]+) meters (?:high|in height|tall)", text)
    if between:
        checks.append(float(between[1]) <= height <= float(between[2]))
    place = re.search(r"in the (top|bottom)? ?(left|right)? ?(?:of the image|quarter|half|part)", text)
    if place:
        center_x, center_y = (x1 + x2) / 2, (y1 + y2) / 2
        checks += [(center_x < 479.5) == (place[2] == "left")] if place[2] else []
        checks += [(center_y < 269.5) == (place[1] == "top")] if place[1] else []
    heading = _heading_in(text)
    if heading is not None:
        checks.append(_angle(alpha, heading) < math.pi / 4)
    occlusion = _occlusion_in(text)
    if occlusion is not None:
        checks.append(int(fields[2]) == occlusion)
    return all(checks)


@pytest.fixture(scope="module")
def multi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("multi") / "data"
    generate(root, 8, 12, 0, 1, progress=False)
    return root / "monomulti3d" / "train"


def test_multi_target_flags_agree_with_the_texts(multi: Path) -> None:
    checked = ranked = meaningless = 0
    for path in sorted((multi / "jsons").glob("*.json")):
        items = json.loads(path.read_text())
        rows = [line.split() for line in (multi / "labels" / f"{path.stem}.txt").read_text().splitlines()]
        for k, item in enumerate(items):
            text = item["public_description"]
            flagged = [row for row in rows if row[16 + k] == "1"]
            referred = [ast.literal_eval(line) for line in item["label_3"]]
            assert referred == [row[:16] for row in flagged]
            assert len(text.split()) <= 24
            if not item["public_properties"]:
                assert not flagged
                meaningless += 1
                continue
            fits = [row for row in rows if _multi_holds(text, row[:16])]
            if rank := re.search(RANKS, text, re.I):
                assert len(flagged) <= 1 and all(row in fits for row in flagged)
                for row in flagged:
                    peers = [other for other in rows if other[0] == row[0]]
                    assert max(peers, key=lambda other: _row_rank(rank[0].lower(), other)) == row, text
                ranked += 1
            elif "/" in (_name_in(text) or ""):
                assert all(row in fits for row in flagged)  # the rows do not tell shapes
            else:
                assert fits == flagged, (path.name, text)
            checked += 1
    assert checked > 50 and meaningless > 2 and ranked


def _row_rank(word: str, row: list[str]) -> float:
    numbers = [float(value) for value in row[4:14]]
    return _rank(word, numbers[7:10], numbers[:4], numbers[4:7])


def test_none_fits_about_an_eighth_of_the_sentences() -> None:
    counts = []
    for i in range(60):
        rng = np.random.default_rng([5, i])
        labels = _random_labels(rng)
        counts += [len(targets) for _, targets in refer.multi_target(labels, POLE.sizes[0][::-1], rng)]
    assert len(counts) > 300
    assert 0.08 < np.mean(np.array(counts) == 0) < 0.19
    for low, high in ((1, 1), (2, 3), (4, 20)):
        assert np.mean([low <= count <= high for count in counts]) > 0.12


def _random_labels(rng: np.random.Generator) -> list[Label]:
    """Labels without a picture: the choice of sentences needs nothing else."""
    labels = []
    for _ in range(int(rng.integers(8, 17))):
        x, z = rng.uniform(-20, 20), rng.uniform(20, 110)
        u, v = rng.uniform(20, 900), rng.uniform(20, 500)
        alpha = float(rng.choice([math.pi / 2, -math.pi / 2, 0.0, 3.1])) + rng.normal(0, 0.1)
        category = str(rng.choice(["car", "car", "car", "van", "truck", "bus", "pedestrian", "cyclist"]))
        hidden = float(rng.choice([0.0, 0.3, 0.7], p=[0.7, 0.2, 0.1]))
        labels.append(
            Label(category, str(rng.choice(COLORS)), (float(rng.uniform(1.4, 1.8)), 1.7, 4.2), (x, 3.0, z),
                  alpha, alpha, (u, v, u + 30, v + 20), 0.0, hidden, ())
        )  # fmt: skip
    return labels
