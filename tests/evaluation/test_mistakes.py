from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from d2ext.evaluation import Answer, flatten_table, format_table, nest_table, read_answers, worst_answers


def box(x: float, score: float = 1.0, i: int = 0) -> dict[str, Any]:
    """A car at x; two with the same x overlap wholly, others not at all."""
    place = {"location": [x, 1.5, 20.0], "dimensions": [1.5, 1.7, 4.0], "yaw": 1.5}
    place |= {"category_id": 0, "truncated": 0.0, "occluded": 0}
    return place | {"id": i, "score": score, "has_3d": True}


def image(name: str, *sentences: tuple[list[float], list[tuple[float, float]]]) -> dict[int, Answer]:
    """Answers to sentences given as (x of the targets, (x, score) of the predictions)."""
    xs = [x for targets, _ in sentences for x in targets]
    objects = [box(x, i=i) for i, x in enumerate(xs)]
    ids = iter(range(len(xs)))
    targets = [[next(ids) for _ in targets] for targets, _ in sentences]
    rows = [{"id": i, "target_ids": t, "properties": []} for i, t in enumerate(targets)]
    record = {"image_id": name, "annotations": objects, "sentences": rows, "ground_plane": None}
    return {
        i: Answer(record, f"{name}{i}", [box(x, s) for x, s in found], [objects[t] for t in targets[i]])
        for i, (_, found) in enumerate(sentences)
    }


def test_single_target_mistakes_by_how_sure_they_are_one_of_an_image() -> None:
    images = [
        image("a", ([0], [(0, 0.99), (9, 0.98)]), ([30], [(9, 0.3), (30, 0.2)])),
        image("b", ([0], [(9, 0.5)]), ([30], [(9, 0.7)])),
        image("c", ([0], [(0, 0.9)])),  # right
        image("d", ([0], [])),
        image("e", ([0], [(9, 0.6)])),
    ]
    worst = worst_answers(images, single=True, count=9)
    assert [a.text for a in worst] == ["b1", "e0", "a1", "d0"]
    assert [len(a.predictions) for a in worst] == [1, 1, 1, 0]  # the answer is the best prediction
    assert [a.verdict for a in worst[:3]] == [f"IoU 0.00, score 0.{n}0" for n in (7, 6, 3)]
    assert worst[3].verdict == "no answer"
    assert [a.text for a in worst_answers(images, single=True, count=2)] == ["b1", "e0"]


def test_multi_target_mistakes_by_number_then_by_score() -> None:
    images = [
        image("a", ([0, 20], [(0, 0.9)])),
        image("b", ([0, 20], [(0, 0.9), (20, 0.8)])),  # right
        image("c", ([], [(0, 0.9)])),
        image("d", ([], [])),  # right
        image("e", ([0], [(0, 0.9), (0, 0.8), (20, 0.7)])),
    ]
    worst = worst_answers(images, single=False, count=9)
    assert [(a.text, a.verdict) for a in worst] == [
        ("e0", "2 false, 0 missed, 1 right"),  # the second box on one target is false too
        ("c0", "1 false, 0 missed, 0 right"),
        ("a0", "0 false, 1 missed, 1 right"),
    ]


def test_answers_are_read_with_their_targets(tmp_path: Path) -> None:
    (answer,) = image("a", ([0], [(9, 0.5)])).values()
    path = tmp_path / "predictions.json"
    rows = [{"id": 0, "text": "x", "predictions": [box(9, 0.5)]}]
    path.write_text(json.dumps([{"image_id": "a", "sentences": rows}]))
    other = {**answer.record, "image_id": "never predicted"}
    ((read,),) = (images.values() for images in read_answers(path, [answer.record, other], 14))
    assert (read.text, read.predictions, read.targets) == ("x", answer.predictions, answer.targets)


@pytest.mark.parametrize("text", ["", "[1]", '[{"image_id": "a"}]', '[{"image_id": "a", "sentences": [{}]}]'])
def test_other_files_are_one_line(tmp_path: Path, text: str) -> None:
    (answer,) = image("a", ([0], [])).values()
    (tmp_path / "predictions.json").write_text(text)
    with pytest.raises(ValueError, match="predictions.json:.* expected"):
        read_answers(tmp_path / "predictions.json", [answer.record], 14)


def test_flat_names_give_the_table_back() -> None:
    table = {"Overall": {"Acc": 1.0}, "Near": {"Acc": 2.0, "sentences": 3.0}, "kind=a/b": {"Acc": 4.0}}
    assert nest_table(flatten_table(table)) == table


def test_html_tables_escape_names() -> None:
    page = format_table("<i>", {"kind=<script>": {"<b>": 1.0}}, "html")
    assert not any(f"<{tag}>" in page for tag in ("i", "script", "b"))
