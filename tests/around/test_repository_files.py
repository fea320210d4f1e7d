"""What stands around the code: the server's workflow, forms, the container's file, scripts and notebooks."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
FORMS = sorted(p for p in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml") if p.name != "config.yml")
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
DOCKERFILE = ROOT / "docker/Dockerfile"
PROJECT = (ROOT / "pyproject.toml").read_text()


def tool(name: str) -> str:
    """A program of the environment or of the machine; the test is skipped where there is none."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"no {name}")
    return found


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_is_whole(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    assert all(job["timeout-minutes"] <= 60 for job in workflow["jobs"].values())
    assert all(
        re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"]) for step in steps(workflow) if "uses" in step
    )
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = re.findall(r"\bmake ([a-z-]+)", path.read_text())
    assert called and set(called) <= targets
    named = re.findall(r"(?:-c|-f) (\S+)", " ".join(step.get("run", "") for step in steps(workflow)))
    assert named and all((ROOT / name).is_file() for name in named)


def test_the_workflow_runs_the_pythons_that_are_supported():
    matrix = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]["test"]["strategy"][
        "matrix"
    ]
    minors = [int(version.split(".")[1]) for version in matrix["python"]]
    lowest = int(re.search(r'requires-python = ">=3\.(\d+)"', PROJECT)[1])
    assert minors == list(range(lowest, lowest + len(minors))) and len(minors) >= 4


def test_actionlint_finds_nothing_in_the_workflows():
    done = subprocess.run(
        [tool("actionlint"), "-no-color", *map(str, WORKFLOWS)], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_a_form_has_what_githubs_schema_asks_for(path):
    form = yaml.safe_load(path.read_text())
    assert form["name"] and form["description"]
    names = [part["id"] for part in form["body"]]
    assert len(set(names)) == len(names) and all(part["attributes"]["label"] for part in form["body"])
    assert {part["type"] for part in form["body"]} <= {
        "textarea",
        "input",
        "dropdown",
        "checkboxes",
        "markdown",
    }


def test_hadolint_finds_nothing_in_the_dockerfile():
    done = subprocess.run([tool("hadolint"), str(DOCKERFILE)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_image_is_of_no_superuser_and_copies_what_is_there():
    text = DOCKERFILE.read_text()
    last = text.rpartition("\nFROM ")[2]
    user = re.search(r"^USER (\d+)$", last, re.MULTILINE)[1]
    assert int(user) >= 1000 and f"useradd --create-home --uid {user} " in last
    ignored = {line for line in (ROOT / ".dockerignore").read_text().split() if "*" not in line}
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        for name in source.split():
            assert (ROOT / name).exists() and name.partition("/")[0] not in ignored
    setup = (ROOT / "scripts/setup.sh").read_text()
    assert re.search(
        r'^DETECTRON2_WHEEL="\S+==\S+"$', setup, re.MULTILINE
    )  # which the Dockerfile reads there
    assert not ignored & {"d2ext", "d2ext_cli", "projects", "configs", "scripts", "README.md", "setup.py"}


def test_shellcheck_finds_no_errors_in_scripts():
    paths = sorted(p for p in ROOT.glob("**/*.sh") if not {".venv", ".git"} & set(p.parts))
    paths += [ROOT / ".ci/run"]
    done = subprocess.run(
        [tool("shellcheck"), "--severity=warning", *map(str, paths)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request) -> dict[str, Any]:
    return json.loads(request.param.read_text())


def code(notebook: dict[str, Any]) -> list[str]:
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_a_notebook_is_clean_and_each_cell_is_python(notebook):
    assert notebook["nbformat"] == 4 and notebook["cells"][0]["cell_type"] == "markdown"
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids) and all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in ids)
    for cell in notebook["cells"]:
        assert cell["cell_type"] != "code" or (cell["outputs"], cell["execution_count"]) == ([], None)
    for source in code(notebook):
        ast.parse(source)


def test_all_notebooks_begin_with_the_same_installation():
    first = {code(json.loads(path.read_text()))[0] for path in NOTEBOOKS}
    assert len(NOTEBOOKS) >= 5 and len(first) == 1


def test_the_first_cell_does_nothing_where_all_is_there(monkeypatch):
    (source,) = {code(json.loads(path.read_text()))[0] for path in NOTEBOOKS}
    calls: list[Any] = []
    monkeypatch.setattr(subprocess, "run", lambda *args, **_: calls.append(args))
    exec(source, {})
    assert calls == []


def test_the_first_cell_installs_what_is_missing(monkeypatch, tmp_path):
    import importlib.util

    (source,) = {code(json.loads(path.read_text()))[0] for path in NOTEBOOKS}
    calls: list[list[str]] = []
    monkeypatch.setattr(subprocess, "run", lambda command, **_: calls.append(command[5:]))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.delenv("D2EXT_SOURCE", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="put the wheel of d2ext beside this notebook"):
        exec(source, {})
    (tmp_path / "d2ext-0.1.0-py3-none-any.whl").touch()
    exec(source, {})
    assert [command[-1] for command in calls] == [
        "d2ext-0.1.0-py3-none-any.whl",
        "git+https://github.com/facebookresearch/detectron2",
    ]
