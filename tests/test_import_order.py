"""The order of the layers, from the imports: a part of d2ext imports those before it only."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import d2ext

PACKAGE = Path(d2ext.__file__).resolve().parent
ORDER = (
    "", "structures", "tracking", "layers", "modeling", "data", "evaluation", "visualization", "engine",
    "gallery", "predictor", "zoo", "doctor",
)  # fmt: skip
MODELING = (
    "losses", "backbone", "text", "box3d", "detection", "grounding", "anomaly", "generation", "describe",
    "meta_arch", "fold",
)  # fmt: skip
#: Puts the collection together.
ROOT = "__init__"


def imported(path: Path) -> set[str]:
    """Modules of d2ext that a file imports, dotted, also inside of functions."""
    package = (PACKAGE.name, *path.relative_to(PACKAGE).parent.parts)
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            found |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.startswith("d2ext.")}


def part_of(name: str) -> str:
    """The layer of a module; the files at the top of the package are the first."""
    part = name.split(".")[1]
    return part if part in ORDER else ""


FILES = [p for p in sorted(PACKAGE.rglob("*.py")) if "projects" not in p.relative_to(PACKAGE).parts]


@pytest.mark.parametrize("layer", ORDER)
def test_a_layer_imports_those_before_it_only(layer):
    wrong = []
    for path in FILES:
        parts = path.relative_to(PACKAGE).parts
        own = parts[0].removesuffix(".py")
        own = own if own in ORDER else ""
        if own != layer or path == PACKAGE / "__init__.py":
            continue
        later = {name for name in imported(path) if ORDER.index(part_of(name)) > ORDER.index(own)}
        wrong += [f"{'/'.join(parts)} imports {name}" for name in sorted(later)]
    assert not wrong


def test_parts_of_models_import_those_before_them_only():
    wrong = []
    for path in sorted((PACKAGE / "modeling").rglob("*.py")):
        own = path.relative_to(PACKAGE / "modeling").parts[0].removesuffix(".py")
        if own == "__init__":
            continue
        for name in imported(path):
            parts = name.split(".")
            if parts[1] == "modeling" and len(parts) > 2 and parts[2] in MODELING:
                if MODELING.index(parts[2]) > MODELING.index(own):
                    wrong.append(f"{path.name} of {own} imports {name}")
                elif parts[2] != own and {parts[2], own} == {"detection", "grounding"}:
                    wrong.append(f"{path.name} of {own} imports {name}")  # two tasks
    assert not wrong


def test_meta_arch_holds_registered_models_only():
    for path in sorted((PACKAGE / "modeling/meta_arch").glob("*.py")):
        classes = [n for n in ast.parse(path.read_text()).body if isinstance(n, ast.ClassDef)]
        names = {c.name for c in classes}
        registered = {c.name for c in classes for d in c.decorator_list if "META_ARCH" in ast.unparse(d)}
        assert len(names) == len(registered) == (path.name != "__init__.py"), path.name


def test_no_project_imports_another():
    for path in sorted((PACKAGE.parent / "projects").rglob("*.py")):
        own = path.relative_to(PACKAGE.parent / "projects").parts[0]
        packages = {p.parent.name for p in (PACKAGE.parent / "projects" / own).glob("*/__init__.py")}
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("d2ext.projects."):
                assert node.module.split(".")[2] in packages, f"{path} imports {node.module}"
