"""Evaluation of prompts against cases that are made by hand."""

from __future__ import annotations

import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog

from d2ext.data.builtin import register_dataset
from d2ext.data.open_vocab.protocol import ABSENT, BASE, GENERIC, NOVEL, AskedPrompt
from d2ext.data.open_vocab.queries import Query
from d2ext.evaluation.open_vocab import OpenVocabEvaluator, harmonic_mean
from d2ext.structures import ROAD

CAR, VAN, BUS = (ROAD.id_of(name) for name in ("car", "van", "bus"))
PROMPTS = [
    AskedPrompt(BASE, "car", "car", Query("car")),
    AskedPrompt(NOVEL, "bus", "bus", Query("bus")),
    AskedPrompt(ABSENT, "giraffe", "giraffe", Query()),
    AskedPrompt(GENERIC, "object", "object", Query()),
]


def box(kind: int, column: float, **more: object) -> dict:
    """A box in the column of a picture, and at so many metres to the right."""
    place = {"bbox": [100 * column, 100, 100 * column + 50, 150], "location": [5.0 * column, 1.5, 20.0]}
    size = {"dimensions": [1.5, 1.6, 4.0], "yaw": 0.0, "alpha": 0.0, "has_3d": True}
    return place | size | {"category_id": kind, "occluded": 0, "truncated": 0.0, "id": int(column)} | more


def found(prompt: int, column: float, score: float) -> dict:
    return {**box(prompt, column), "score": score}


@pytest.fixture
def evaluate():
    """From annotations and predictions of images to tables."""

    def call(labels: list[list[dict]], answers: list[list[dict]], **settings: object) -> dict:
        records = [
            {"image_id": str(i), "annotations": a, "ground_plane": [0.0, -1.0, 0.0, 1.5]}
            for i, a in enumerate(labels)
        ]
        register_dataset("by_hand", lambda: records, evaluator_type="rope3d")
        evaluator = OpenVocabEvaluator("by_hand", PROMPTS, ["bus"], **settings)
        rows = {str(i): {"image_id": str(i), "predictions": a} for i, a in enumerate(answers)}
        return evaluator.compare(records, rows)

    yield call
    DatasetCatalog.remove("by_hand")
    MetadataCatalog.remove("by_hand")


def test_answers_count_for_their_own_prompt_only(evaluate):
    tables = evaluate(
        [[box(CAR, 0), box(BUS, 1)]],
        [[found(0, 0, 0.9), found(0, 1, 0.8), found(1, 1, 0.7)]],
    )
    assert tables["base"]["car"]["3d@0.5"] == 100  # the false one comes after the right one
    assert tables["novel"]["bus"]["3d@0.5"] == 100 and tables["novel"]["bus"]["2D AP"] == pytest.approx(100)
    assert tables["harmonic"]["Overall"]["3d@0.5"] == 100


def test_a_false_answer_with_a_better_score_halves_the_precision(evaluate):
    tables = evaluate([[box(CAR, 0)]], [[found(0, 3, 0.9), found(0, 0, 0.8)]])
    assert tables["base"]["car"]["bev@0.5"] == 50
    assert "novel" not in tables  # there is no bus to find


def test_what_may_be_taken_for_it_counts_neither_as_found_nor_as_missed(evaluate):
    tables = evaluate([[box(CAR, 0), box(VAN, 1)]], [[found(0, 1, 0.9), found(0, 0, 0.8)]])
    assert tables["base"]["car"]["3d@0.5"] == 100 and tables["base"]["car"]["2D AP"] == pytest.approx(100)


def test_target_aware_leaves_out_images_without_any(evaluate):
    labels = [[box(CAR, 0)], [box(BUS, 0)]]
    tables = evaluate(labels, [[found(0, 0, 0.8)], [found(0, 3, 0.9)]])
    assert tables["base"]["car"]["3d@0.5"] == 50
    assert tables["target-aware base"]["car"]["3d@0.5"] == 100


def test_false_boxes_of_absent_prompts_are_counted_from_the_threshold_on(evaluate):
    labels = [[box(CAR, 0)], [box(BUS, 0)]]
    answers = [[found(1, 2, 0.9), found(1, 3, 0.4)], [found(0, 2, 0.6), found(0, 3, 0.7), found(2, 3, 0.8)]]
    absent = evaluate(labels, answers)["absent"]["Overall"]
    # absent: bus in the first, car in the second, giraffe in both
    assert absent == {"boxes a picture and name": 4 / 4, "boxes a picture": 4 / 2}
    stricter = evaluate_again(labels, answers, 0.75)
    assert stricter == {"boxes a picture and name": 2 / 4, "boxes a picture": 2 / 2}


def evaluate_again(labels: list[list[dict]], answers: list[list[dict]], threshold: float) -> dict[str, float]:
    """With another threshold, on the dataset that is registered."""
    evaluator = OpenVocabEvaluator("by_hand", PROMPTS, ["bus"], threshold=threshold)
    rows = {str(i): {"image_id": str(i), "predictions": a} for i, a in enumerate(answers)}
    scores = evaluator.absent_scores(rows)
    assert sorted(len(s) for s in scores["giraffe"]) == [0, 1]
    return evaluator.compare(evaluator.records, rows)["absent"]["Overall"]


def test_recall_is_of_any_class_by_the_prompt_for_every_object(evaluate):
    labels = [[box(CAR, 0), box(CAR, 1), box(BUS, 2), box(BUS, 3)]]
    answers = [[found(3, 0, 0.1), found(3, 2, 0.2), found(3, 3, 0.3), found(0, 1, 0.9)]]
    recall = evaluate(labels, answers)["recall"]
    assert recall["base"] == {"bbox@0.5": 50, "3d@0.25": 50, "3d@0.5": 50}
    assert recall["novel"] == {"bbox@0.5": 100, "3d@0.25": 100, "3d@0.5": 100}


def test_recall_looks_at_the_hundred_best_boxes_only(evaluate):
    wrong = [found(3, 9 + i, 0.9) for i in range(100)]
    recall = evaluate([[box(CAR, 0)]], [[*wrong, found(3, 0, 0.5)]])["recall"]
    assert recall["base"]["bbox@0.5"] == 0


def test_forgetting_is_what_base_had_more_before(evaluate):
    earlier = {"base": {"3d@0.5": 80.0, "car/3d@0.5": 1.0}}
    tables = evaluate([[box(CAR, 0)]], [[found(0, 3, 0.9), found(0, 0, 0.8)]], earlier=earlier)
    assert tables["forgetting"] == {"Overall": {"3d@0.5": 30.0}}


@pytest.mark.parametrize(("a", "b", "mean"), [(0, 0, 0), (60, 0, 0), (30, 60, 40), (50, 50, 50)])
def test_the_harmonic_mean_is_that_of_school(a, b, mean):
    assert harmonic_mean(a, b) == pytest.approx(mean)
