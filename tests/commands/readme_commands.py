"""The commands of the READMEs and of the scripts' docstrings, as bash runs them in the repository's root.

Each block runs in an empty folder where every program that a fresh clone has after `make setup` is a stub
that only writes down how it was called; so variables, loops, quotes and continued lines are bash's own.
"""

import ast
import re
import shlex
import subprocess
import textwrap
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
#: What the environment of `make setup` holds, and programs that every machine has.
VENV_PROGRAMS = ("python", "pip", "torchrun", "tensorboard", "d2ext", "mkdocs")
#: `d2ext` and `pip` are on the path where the environment is active.
SYSTEM_PROGRAMS = ("make", "python3", "pip", "d2ext")
#: How a line of a block, or a span of code in a sentence, begins that is a command.
COMMAND = re.compile(
    r"(\.venv/bin/|(python3?|pip|torchrun|tensorboard|make) |d2ext (?!needs )"
    r"|(scripts|projects)/\S+\.(py|sh) |export |for \w+ in |\w+=\S)"
)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
RECORD = 'printf "%s\\0" "$#" "$0" "$@" >>"$CALLS"'


class Call(NamedTuple):
    """A program as it was typed, and its arguments."""

    program: str
    arguments: list[str]


def documents() -> dict[str, list[str]]:
    """Scripts of bash by the file that they are in."""
    found = {}
    pages = [
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("projects/**/README.md"),
        *ROOT.glob("d2ext/**/README.md"),
    ]
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(pages)]:
        text = path.read_text()
        found[str(path.relative_to(ROOT))] = blocks(text) + spans(text)
    for path in sorted([*ROOT.glob("projects/*/*.py"), *ROOT.glob("scripts/*.py")]):
        docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
        found[str(path.relative_to(ROOT))] = blocks(docstring)
    return found


def blocks(text: str) -> list[str]:
    """Blocks that are indented by four columns, or fenced as sh or bash, and are commands."""
    fenced = re.findall(r"^```(?:sh|bash|console)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    indented = re.findall(r"(?:\A|\n\n)((?:    .*\n?)+)", FENCE.sub("", text))
    return [
        block for block in fenced + [textwrap.dedent(block) for block in indented] if COMMAND.match(block)
    ]


def spans(text: str) -> list[str]:
    """`code` in sentences that is a command with arguments."""
    rest = re.sub(r"^    .*$", "", FENCE.sub("", text), flags=re.MULTILINE)
    found = (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", rest))
    named = re.compile(r"d2ext \S+$|.*…")  # a command without its arguments, or a message
    return [span for span in found if " " in span and COMMAND.match(span) and not named.match(span)]


def run_in_stubs(script: str, folder: Path) -> list[Call]:
    """What a block would run.

    Raises:
        ValueError: bash cannot run it; the message is bash's.
    """
    programs = [f".venv/bin/{name}" for name in VENV_PROGRAMS] + executable_files()
    for name in [*programs, *(f"bin/{name}" for name in SYSTEM_PROGRAMS)]:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/bash\n{RECORD}\n")
        path.chmod(0o755)
    record = folder / "calls"
    record.write_bytes(b"")
    done = subprocess.run(
        ["/bin/bash", "-e", "-c", script],
        cwd=folder,
        env={"PATH": str(folder / "bin"), "CALLS": str(record)},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise ValueError(f"{done.stderr.strip()} in: {script.strip()}")
    words = iter(record.read_bytes().decode().split("\0")[:-1])
    calls = []
    for count in words:
        program = next(words).removeprefix(f"{folder}/bin/")
        calls.append(Call(program, [next(words) for _ in range(int(count))]))
    return calls


def executable_files() -> list[str]:
    """Files of the repository that may be run as they are: mode 755 and a first line that says by what."""
    files = [*ROOT.glob("scripts/*"), *ROOT.glob("projects/*/*.py"), *ROOT.glob("projects/*/*.sh")]
    return [
        str(path.relative_to(ROOT))
        for path in files
        if path.is_file() and path.stat().st_mode & 0o100 and path.read_bytes().startswith(b"#!")
    ]


def one_line(call: Call) -> str:
    """The call as one line, for messages."""
    return shlex.join([call.program, *call.arguments])
