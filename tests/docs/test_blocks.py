"""The code of READMEs and pages runs: each page from top to bottom, in a folder of its own."""

from __future__ import annotations

import ast
import importlib

import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog
from pages import ROOT, blocks, documents, name_of, run_commands
from readme_commands import run_in_stubs

PAGES = [path for path in documents() if blocks(path.read_text())]
#: What a block is to be told in a file of this kind.
ALLOWED = {"python", "bash", "yaml", "json"}


def imports_of(code: str) -> list[tuple[str, str]]:
    """Modules and the names that are taken from them."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom):
            found += [(node.module or "", alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            found += [(alias.name, "") for alias in node.names]
    return found


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_blocks_are_of_a_known_language_and_import_what_is_there(path):
    for block in blocks(path.read_text()):
        assert block.language in ALLOWED
        for module, name in imports_of(block.code) if block.language == "python" else ():
            found = importlib.import_module(module)
            assert not name or hasattr(found, name) or importlib.import_module(f"{module}.{name}")


def is_cheap(path) -> bool:
    """Whether a page runs no command, which takes a process and its imports."""
    return not any(block.language == "bash" and block.is_run for block in blocks(path.read_text()))


@pytest.mark.parametrize(
    "path", [pytest.param(p, marks=[] if is_cheap(p) else pytest.mark.slow) for p in PAGES], ids=name_of
)
def test_a_page_runs_from_top_to_bottom(path, tmp_path, monkeypatch, give, known_to, request):
    (tmp_path / "page").mkdir()
    (tmp_path / "stubs").mkdir()
    monkeypatch.chdir(tmp_path / "page")
    monkeypatch.syspath_prepend(str(ROOT))  # tests.own_method, as from the root of a checkout
    names = known_to(name_of(path), tmp_path)
    for folder in ("configs", "projects"):  # as in the root of a checkout
        (tmp_path / "page" / folder).symlink_to(ROOT / folder)
    catalogs = [(catalog, set(catalog.list())) for catalog in (DatasetCatalog, MetadataCatalog)]
    request.addfinalizer(lambda: [c.remove(n) for c, old in catalogs for n in set(c.list()) - old])
    for number, block in enumerate(blocks(path.read_text())):
        for wanted in block.needs:
            give(wanted, tmp_path / "page")
        if block.language == "python" and block.is_run:
            exec(compile(block.code, f"{name_of(path)}, block {number + 1}", "exec"), names)
        elif block.language == "bash" and block.is_run:
            run_commands(block.code, tmp_path / "page", run_in_stubs(block.code, tmp_path / "stubs"))
