"""Modules by their former names."""

import importlib

import pytest

import d2ext  # noqa: F401
from d2ext.moved_modules import MOVED


@pytest.mark.parametrize(("present", "former"), MOVED.items())
def test_a_former_name_is_the_same_module(present, former):
    assert importlib.import_module(f"d2ext.{former}") is importlib.import_module(f"d2ext.{present}")


def test_names_are_imported_from_it():
    from d2ext.modeling.numbers import number_values
    from d2ext.modeling.text import numbers

    assert number_values is numbers.number_values
