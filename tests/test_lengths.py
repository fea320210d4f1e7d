"""Files and functions stay short enough to be read at a glance."""

import ast

import pytest
from project_scripts import ROOT

FILE, FUNCTION = 300, 60  # lines
FOLDERS = ("d2ext", "d2ext_cli", "projects", "scripts")
FILES = sorted(path for folder in FOLDERS for path in ROOT.glob(f"{folder}/**/*.py"))


def long_functions(source: str) -> list[str]:
    """Those of more lines than ``FUNCTION``, from ``def`` to the last, docstring included."""
    nodes = ast.walk(ast.parse(source))
    functions = [n for n in nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [f.name for f in functions if f.end_lineno - f.lineno + 1 > FUNCTION]


def test_no_file_is_long():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in FILES}
    assert len(lengths) > 200  # all were found
    assert {name: count for name, count in lengths.items() if count > FILE} == {}


def test_no_function_is_long():
    found = {str(path.relative_to(ROOT)): long_functions(path.read_text()) for path in FILES}
    assert {name: functions for name, functions in found.items() if functions} == {}


@pytest.mark.parametrize("lines, found", [(FUNCTION, []), (FUNCTION + 1, ["inner"])])
def test_a_function_inside_a_class_counts_from_its_def_to_its_end(lines, found):
    body = ['        """Text."""', *["        pass"] * (lines - 2)]
    source = ["class A:", "    @staticmethod", "    def inner():", *body, "x = 1"]
    assert long_functions("\n".join(source)) == found
