from __future__ import annotations

from types import SimpleNamespace

import pytest

from d2ext.structures.vocabulary import ROAD, Vocabulary


def test_order_is_fixed():
    names = (
        "car van truck bus tram pedestrian person_sitting cyclist motorcyclist tricyclist barrow trafficcone "
        "unknown_movable unknown_unmovable"
    )
    assert list(ROAD.names) == names.split()


@pytest.mark.parametrize("name", ["Car", "CAR", "Person_sitting", "Cyclist", "unknowns_movable"])
def test_names_are_case_insensitive(name):
    assert ROAD.names[ROAD.id_of(name)] == name.lower().replace("unknowns", "unknown")


def test_sizes_are_positive_and_vehicles_longer_than_wide():
    for name in ROAD.names:
        _, width, length = ROAD.sizes[name]
        assert min(ROAD.sizes[name]) > 0
        if name in ("car", "van", "truck", "bus", "tram", "cyclist", "motorcyclist"):
            assert length > width


def test_unknown_class():
    with pytest.raises(ValueError, match="unknown class 'spaceship', expected one of car, van"):
        ROAD.id_of("spaceship")


def test_own_classes_have_the_sizes_of_the_same_names_and_no_others():
    own = Vocabulary.of_names(["Forklift", "bus"])
    assert own.id_of("FORKLIFT") == 0 and own.id_of("Bus") == 1
    assert dict(own.sizes) == {"bus": (3.10, 2.65, 10.80)}


@pytest.mark.parametrize("names", [(), ("car", "car"), ("car", ""), ("car", 3)])
def test_classes_have_different_names(names):
    with pytest.raises(ValueError, match="classes: expected different names"):
        Vocabulary(names)


def test_classes_of_a_dataset_are_those_that_its_metadata_names():
    plain = SimpleNamespace(get=lambda key, default=None: {"thing_classes": ["crane"]}.get(key, default))
    nothing = SimpleNamespace(get=lambda key, default=None: default)
    assert Vocabulary.of_metadata(plain).names == ("crane",)
    assert Vocabulary.of_metadata(nothing) is None
