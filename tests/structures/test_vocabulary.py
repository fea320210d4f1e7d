from __future__ import annotations

import pytest

from d2ext.structures.vocabulary import CATEGORIES, category_id, thing_classes


def test_order_is_fixed():
    names = (
        "car van truck bus tram pedestrian person_sitting cyclist motorcyclist tricyclist barrow trafficcone "
        "unknown_movable unknown_unmovable"
    )
    assert thing_classes() == names.split()


@pytest.mark.parametrize("name", ["Car", "CAR", "Person_sitting", "Cyclist", "unknowns_movable"])
def test_names_are_case_insensitive(name):
    assert CATEGORIES[category_id(name)].name == name.lower().replace("unknowns", "unknown")


def test_sizes_are_positive_and_vehicles_longer_than_wide():
    for category in CATEGORIES:
        height, width, length = category.mean_size
        assert min(category.mean_size) > 0
        if category.name in ("car", "van", "truck", "bus", "tram", "cyclist", "motorcyclist"):
            assert length > width


def test_unknown_class():
    with pytest.raises(ValueError, match="unknown class 'spaceship', expected one of car, van"):
        category_id("spaceship")
