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
NOUNS = {
    "car": r"\b(cars?|automobiles?)\b",
    "van": r"\bvans?\b",
    "truck": r"\b(trucks?|lorry|lorries)\b",
    "bus": r"\bbus(es)?\b",
    "cyclist": r"\b(cyclists?|(person|people) on (a )?bicycles?)\b",
    "pedestrian": r"\b(pedestrians?|people on foot|person(?! on a bicycle))\b",
}
NUMBER = r"([\d.]+) meters"


def _angle(a: float, b: float) -> float:
    return abs((a - b + math.pi) % (2 * math.pi) - math.pi)


def _category_in(text: str) -> str | None:
    """The category named first."""
    found = [(match.start(), name) for name, noun in NOUNS.items() if (match := re.search(noun, text, re.I))]
    return min(found)[1] if found else None


def _heading_in(text: str) -> float | None:
    if re.search(r"\b(facing|pointing) (towards )?me\b", text):
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
        r"\bon (?:the|my) (left|right)(?: side)?\b(?! (?:of|edge))|meters to my (left|right)", text
    )
    return (match[1] or match[2]) if match else None


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
    checks = [_category_in(text) == label.category]
    side = _side_in(text)
    if side:
        checks.append((x < 0) == (side == "left"))
    lateral = _number_before(text, "to my")
    if lateral is not None:
        checks.append(abs(abs(x) - lateral) < 0.06 * slack)
    if "straight ahead" in text:
        checks.append(abs(x) < 3)
    away = _number_before(text, "away|from me")
    if away is not None:
        checks.append(abs(math.hypot(x, z) - away) < 0.51 * slack)
    ahead = _number_before(text, "ahead|in front of me")
    if ahead is not None:
        checks.append(abs(z - ahead) < 0.06 * slack)
    for key, value in _sizes_in(text).items():
        checks.append(abs(label.size["hwl".index(key)] - value) < 0.06 * slack)
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
    found = [(match.start(), color) for color in COLORS if (match := re.search(rf"\b{color}\b", own))]
    return min(found)[1] if found else None


@pytest.fixture(scope="module")
def single() -> list[tuple[list[Label], int, str]]:
    """(labels of the frame, target, text)."""
    found = []
    for i in range(14):
        rng = np.random.default_rng([21, i])
        labels = make_frame(CAR, rng).labels
        for target in refer.referable(labels, rng):
            for _ in range(4):
                chosen = refer.single_target(labels, target, rng)
                text = sentences_en.describe_one(chosen, rng) if chosen else None
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
        if re.search(r"behind the|front of the|left of|right of|nearest|closest|farthest|distant", text):
            continue
        for i, other in enumerate(labels):
            if i != target and _own_color(text) in (None, other.color):
                assert not _one_holds(text, other, slack=3.0), (text, other)
        checked += 1
    assert checked > 50


def test_order_words_rank_by_distance(single) -> None:
    ranked = [item for item in single if re.search(r"nearest|closest|farthest|most distant", item[2])]
    assert ranked
    for labels, target, text in ranked:
        peers = [label.distance for label in labels if label.category == labels[target].category]
        best = min(peers) if re.search("nearest|closest", text) else max(peers)
        assert labels[target].distance == best, text


def test_relations_hold_for_a_unique_neighbour(single) -> None:
    pattern = r"(behind|in front of|left of|right of) (the [^.,]*)"
    checked = 0
    for labels, target, text in single:
        match = re.search(pattern, text)
        if not match or match[2].startswith("the image"):
            continue
        color = next((c for c in COLORS if re.search(rf"\b{c}\b", match[2])), None)
        named = [o for o in labels if o.color == color and o.category == _category_in(match[2])]
        assert len(named) == 1, text
        dx, dz = (labels[target].location[k] - named[0].location[k] for k in (0, 2))
        holds = {"behind": dz > 0, "in front of": dz < 0, "left of": dx < 0, "right of": dx > 0}
        assert holds[match[1]], text
        checked += 1
    assert checked > 10


def test_single_target_sentences_have_20_to_50_words_and_vary(single) -> None:
    texts = [text for _, _, text in single]
    assert all(20 <= len(text.split()) <= 50 for text in texts)
    assert len({re.sub(r"[\d.]+", "#", text) for text in texts}) > 0.9 * len(texts)
    assert not any(re.search(r"  |,\.|\.\.|\bThey\b", text) for text in texts)


def _multi_holds(text: str, fields: list[str]) -> bool:
    """Truth of a multi-target text for one written row (15 fields and a colour), without margins."""
    numbers = [float(value) for value in fields[3:15]]
    alpha, (x1, y1, x2, y2), height, x, z = numbers[0], numbers[1:5], numbers[5], numbers[8], numbers[10]
    checks = []
    category = _category_in(text)
    if category:
        checks.append(fields[0] == category)
    color = _own_color(text)
    if color:
        checks.append(fields[15] == color)
    near = re.search(r"(?:within|less than|closer than) (\d+) meters", text)
    if near:
        checks.append(math.hypot(x, z) < int(near[1]))
    far = re.search(r"(?:beyond|more than|farther than) (\d+) meters", text)
    if far:
        checks.append(math.hypot(x, z) > int(far[1]))
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
    checked = 0
    for path in sorted((multi / "jsons").glob("*.json")):
        items = json.loads(path.read_text())
        rows = [line.split() for line in (multi / "labels" / f"{path.stem}.txt").read_text().splitlines()]
        for k, item in enumerate(items):
            text = item["public_description"]
            for row in rows:
                assert _multi_holds(text, row[:16]) == (row[16 + k] == "1"), (path.name, text, row)
            referred = [ast.literal_eval(line) for line in item["label_3"]]
            assert referred == [row[:16] for row in rows if row[16 + k] == "1"]
            assert 8 <= len(text.split()) <= 20
            checked += 1
    assert checked > 60


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
