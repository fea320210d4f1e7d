"""Hooks of mkdocs: READMEs and the model zoo become pages, and links into the tree work on the site too.

A page links to files as they lie in the tree (``../projects/U2ENet/README.md``), so that it can be read where
it lies. On the site such a link leads to the page that is made of that file, or to the repository where
``repo_url`` is set, and is the file's name in the tree where it is not.
"""

from __future__ import annotations

import importlib.util
import logging
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
PICTURES = (".jpg", ".png", ".svg")
#: Code, which is left alone, or a link or picture: mark, text, target without its anchor, anchor.
LINK = re.compile(
    r"^```.*?^```$|^(?:    [^\n]*\n)+"
    r"|(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s#]+)(#[^)\s]*)?\)"
    r"|`[^`\n]+`",
    re.MULTILINE | re.DOTALL,
)
#: Sphinx's roles in docstrings, as mkdocstrings renders them.
ROLE = re.compile(r":(?:class|func|meth|mod|data|attr|exc|obj):<code>~?([\w.]+)</code>")
NO_ZOO = "The zoo is listed in `d2ext/zoo.yaml`.\n"

log = logging.getLogger("mkdocs.hooks.doc_pages")


def pages() -> dict[str, str]:
    """Files of the tree that become pages, and the pages' names."""
    found = {
        "CONTRIBUTING.md": "contributing.md",
        "CHANGELOG.md": "changelog.md",
        "d2ext/data/formats/README.md": "data/formats.md",
    }
    for path in sorted(ROOT.glob("projects/*/README.md")):
        project = path.parent.name
        found[f"projects/{project}/README.md"] = f"methods/{project.lower()}.md"
        for more in ("weights/README.md", "real_frames.md", "ablation/tables.md"):
            if (path.parent / more).is_file():
                name = more.split("/")[0].removesuffix(".md")
                found[f"projects/{project}/{more}"] = f"methods/{project.lower()}_{name}.md"
    return found


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages and the pictures that lie elsewhere."""
    for source, name in pages().items():
        text = (ROOT / source).read_text(encoding="utf-8")
        if not text.startswith("# "):  # a table alone
            text = f"# {source.removeprefix('projects/').removesuffix('.md')}\n\n{text}"
        files.append(File.generated(config, name, content=text))
    for path in sorted(ROOT.glob("projects/*/*")):
        if path.suffix in PICTURES:
            files.append(File.generated(config, picture_name(path), abs_src_path=str(path)))
    return files


def picture_name(path: Path) -> str:
    return f"pictures/{path.parent.name.lower()}_{path.name}"


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links of a page, and the table of the zoo."""
    name = page.file.src_uri
    of_page = {made: source for source, made in pages().items()}
    source = of_page.get(name, f"docs/{name}")
    if name == "zoo.md":
        markdown = markdown.replace("<!-- zoo -->", zoo_table(source))
    return LINK.sub(lambda match: link(match, source, name, config.repo_url), markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Names in docstrings as they are typed, without the roles."""
    return ROLE.sub(lambda match: f"<code>{match[1].rpartition('.')[2]}</code>", html)


def link(match: re.Match[str], source: str, name: str, repository: str | None) -> str:
    """A link of ``source``, a file of the tree, as the page ``name`` has it."""
    mark, text, target, anchor = match[1], match[2], match[3], match[4] or ""
    if not target or "://" in target:
        return match[0]
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
    made = pages()
    file = ROOT / path
    if path in made:
        goal = made[path]
    elif path.startswith("docs/") and path != "docs":
        goal = path.removeprefix("docs/")
    elif file.suffix in PICTURES and file.is_file():
        goal = picture_name(file)
    else:
        if not file.exists():
            log.warning("%s: link to %s, which is not there", source, target)
        if repository:
            return f"[{text}]({repository.rstrip('/')}/blob/main/{path})"
        is_name = text.strip("`/ ") in path or text.endswith(path[path.rindex(".") :] if "." in path else "/")
        return f"`{path}`" if is_name else f"{text} (`{path}`)"
    return f"{mark}[{text}]({posixpath.relpath(goal, posixpath.dirname(name) or '.')}{anchor})"


def zoo_table(source: str) -> str:
    """What ``d2ext zoo --markdown`` prints."""
    if importlib.util.find_spec("d2ext_cli.zoo") is None:
        return NO_ZOO
    from d2ext_cli.zoo import markdown

    return markdown(posixpath.relpath(".", posixpath.dirname(source)) + "/")
