"""Objects are found by numbers that agree, not by numbers that are equal."""

from __future__ import annotations

import math

import pytest

from d2ext.data.formats.kitti import parse_label
from d2ext.data.formats.matching import find_object, same_object

ROW = "Car 0 0 -1.5 600.25 150.75 650.5 190.125 1.4321 1.8765 4.2468 -1.3579 5.0246 30.8642 -1.5708".split()


def annotation(**changes: str) -> dict:
    names = "type truncated occluded alpha x1 y1 x2 y2 h w l x y z ry".split()
    found = parse_label([changes.get(n, v) for n, v in zip(names, ROW, strict=True)], "here")
    assert found is not None
    return found


@pytest.mark.parametrize(
    "changes",
    [
        {"x1": "600.3", "y2": "190.1"},
        {"x": "-1.36", "z": "30.9", "l": "4.25"},
        {"alpha": "-10"},
        {"ry": str(-1.5708 + 2 * math.pi)},
        {"occluded": "1", "truncated": "0.2"},
    ],
)
def test_the_same_object_written_otherwise(changes):
    assert same_object(annotation(), annotation(**changes))
    assert find_object(annotation(**changes), [annotation(x1="300"), annotation()]) == annotation()


@pytest.mark.parametrize("changes", [{"x1": "602"}, {"z": "31.2"}, {"w": "2.1"}, {"ry": "1.57"}])
def test_another_object(changes):
    assert not same_object(annotation(), annotation(**changes))
    assert find_object(annotation(**changes), [annotation()]) is None


def test_the_closest_of_several_and_of_its_class():
    near, nearer = annotation(x="-1.39"), annotation(x="-1.37")
    assert find_object(annotation(), [near, nearer]) is nearer
    assert find_object(annotation(), [annotation(type="van")]) is None
