"""The pages of the documentation and the READMEs: their blocks of code, and how these are run.

A comment before a block says what is special about it: ``<!-- needs: image.jpg road.jpg=1280x720 -->`` names
files that a reader would have, and ``<!-- checked only: why -->`` that it is not run. Commands that are not
run are checked by ``tests/commands`` as those of READMEs are.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(
    r"^(?:<!-- (?P<word>needs|checked only): (?P<what>[^>]*?) -->\n)?```(?P<language>\w+)\n(?P<code>.*?)^```",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """A fenced block: what it is written in, what stands in it, and what the comment before it says."""

    language: str
    code: str
    needs: tuple[str, ...]
    is_run: bool


def documents() -> list[Path]:
    """Every page and README that people read."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")]
    return sorted([*pages, *ROOT.glob("projects/**/README.md"), *ROOT.glob("d2ext/**/README.md")])


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(text: str) -> list[Block]:
    found = []
    for match in BLOCK.finditer(text):
        needs = tuple(match["what"].split()) if match["word"] == "needs" else ()
        is_run = match["word"] != "checked only"
        found.append(Block(match["language"], textwrap.dedent(match["code"]), needs, is_run))
    return found


def run_commands(code: str, folder: Path, calls: list[tuple[str, list[str]]]) -> None:
    """The commands of a block, in ``folder``, with the variables that the block exports.

    Args:
        calls: programs and their arguments, as bash splits the block.

    Raises:
        AssertionError: one of them failed; the message is what it wrote.
    """
    told = dict(re.findall(r"^export (\w+)=(\S+)", code, re.MULTILINE))
    variables = {**os.environ, **told, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    for program, arguments in calls:
        if program.endswith("d2ext"):
            words = ["-c", "from d2ext_cli.main import main; main()", *arguments]
        else:
            words = [str(ROOT / word) if (ROOT / word).is_file() else word for word in arguments]
        done = subprocess.run(
            [sys.executable, "-W", "ignore", *words],
            cwd=folder,
            env=variables,
            capture_output=True,
            text=True,
        )
        assert not done.returncode, (
            f"{program} {' '.join(arguments)}\n{done.stdout[-500:]}{done.stderr[-2000:]}"
        )
