"""What READMEs and pages say is there: files, sections, messages; and the root README stays short."""

from __future__ import annotations

import ast
import re
import subprocess
import sys

import pytest
from pages import ROOT, documents, name_of

#: Code, or a link or picture: its target.
LINK = re.compile(
    r"^```.*?^```$|^(?:    [^\n]*\n)+|!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)\)|`[^`\n]+`",
    re.MULTILINE | re.DOTALL,
)
#: Where messages come from.
FOLDERS = ("d2ext", "d2ext_cli", "projects")
#: The order of the sections that several methods have.
SECTIONS = ("Method", "Train, evaluate, predict", "Serve with ONNX", "Compare")


def anchors(text: str) -> set[str]:
    """Of the headings, as GitHub and mkdocs make them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", documents(), ids=name_of)
def test_every_link_into_the_tree_leads_somewhere(path):
    missing = []
    for target in LINK.findall(path.read_text()):
        if not target or "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        if not file.exists() or (anchor and anchor not in anchors(file.read_text())):
            missing.append(target)
    assert not missing


def test_links_and_their_anchors_are_told_from_code():
    text = "# A `b` c, d\n[x](y.md#z) `[n](o)` ![p [q] r](s.jpg) [`v`](w)\n\n    [t](u)\n"
    assert [target for target in LINK.findall(text) if target] == ["y.md#z", "s.jpg", "w"]
    assert anchors(text) == {"a-b-c-d"}


def test_the_readme_is_short_and_names_every_method():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) < 120
    for folder in ROOT.glob("projects/*/README.md"):
        assert f"(projects/{folder.parent.name}/README.md)" in text
    assert "make demo" in text and "make test" in text


@pytest.mark.parametrize("path", sorted(ROOT.glob("projects/*/README.md")), ids=lambda p: p.parent.name)
def test_the_readmes_of_methods_have_their_common_sections_in_one_order(path):
    headings = re.findall(r"^## (.*)$", path.read_text(), re.MULTILINE)
    common = [heading for heading in headings if heading in SECTIONS]
    assert common[:2] == list(SECTIONS[:2])
    assert common == sorted(common, key=SECTIONS.index)


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text().partition("\nnav:")[2]
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in ROOT.glob("docs/**/*.md")}
    assert pages <= set(re.findall(r"(\S+\.md)$", navigation, re.MULTILINE))


def templates(source: str) -> list[str]:
    """The texts of a module, each as one string in which what is put in later is missing."""

    def text(node: ast.expr) -> str:
        if isinstance(node, ast.Constant):
            return str(node.value)
        values = node.values if isinstance(node, ast.JoinedStr) else []
        return "".join(str(v.value) if isinstance(v, ast.Constant) else "\0" for v in values)

    return [text(n) for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Constant | ast.JoinedStr)]


def test_the_messages_of_troubleshooting_are_those_of_the_code():
    table = (ROOT / "docs/troubleshooting.md").read_text()
    messages = re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)
    assert len(messages) > 30
    files = [path for folder in FOLDERS for path in sorted(ROOT.glob(f"{folder}/**/*.py"))]
    known = "\n".join(re.sub(r"\s+", " ", t) for path in files for t in templates(path.read_text()))
    # Pieces of fewer letters are in every text.
    pieces = {m: [p.strip() for p in m.split("…") if len(p.strip()) > 8] for m in messages}
    unknown = {message: [p for p in found if p not in known] for message, found in pieces.items()}
    assert {message: found for message, found in unknown.items() if found} == {}


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert not done.returncode, done.stderr[-3000:]
    pages = {p.relative_to(tmp_path / "site").as_posix() for p in tmp_path.glob("site/**/*.html")}
    assert {"index.html", "methods/u2enet.html", "reference/structures.html", "zoo.html"} <= pages
    fetched = re.compile(r"""(?:src|<link[^>]*href)=["']?(https?://[^"'> ]+)""")
    outside = {page: fetched.findall((tmp_path / "site" / page).read_text()) for page in pages}
    assert {page: found for page, found in outside.items() if found} == {}  # read without a network
