from __future__ import annotations

from d2ext.data.known import exhaustive_classes, known_classes


def test_a_dataset_that_names_no_absent_class_is_labelled_throughout():
    record = {"annotations": [{"category_id": 2}]}
    assert known_classes(record, 4) == exhaustive_classes(record, 4) == [0, 1, 2, 3]


def test_of_others_only_what_is_there_or_named_as_absent_is_known():
    record = {
        "annotations": [{"category_id": 5}, {"category_id": 2}],
        "neg_category_ids": [7, 0],
        "not_exhaustive_category_ids": [2],
    }
    assert known_classes(record, 9) == [0, 2, 5, 7]
    assert exhaustive_classes(record, 9) == [0, 5, 7]
    assert known_classes({"annotations": [], "neg_category_ids": []}, 9) == []
