"""Commands of ``d2ext`` about a model: one of the zoo by its name, or a config of one's own.

What they do is done by scripts of the model's project; the words after the model are theirs.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple

from d2ext_cli import CommandParser
from d2ext_cli.scripts import run_script, script_path
from d2ext_cli.shipped import CONFIGS, SHIPPED
from d2ext_cli.zoo import PREFIX, figures, find_model, markdown, models, project_of

ROAD_WATCH = "RoadWatch/road_watch.yaml"
_BASE = re.compile(r"^_BASE_:\s*[\[\"']*([^\s\"',\]]+)", re.MULTILINE)
_MODEL = """

MODEL is a name of `d2ext zoo`, such as u2enet/tiny, or a config: a file, or a name below configs/ such as
U2ENet/u2enet_tiny_synthroad.yaml; --config-file FILE is the same. What follows are arguments of the model's
project: `d2ext {command} MODEL --help` lists them."""


class Chosen(NamedTuple):
    """A model that was asked for: its config, its project's folder, and its weights in the zoo or ""."""

    config: Path
    project: str
    weights: str


def choose(name: str, folder: str = "") -> Chosen:
    """What a word of the command line means.

    Args:
        name: of the zoo, of a config below ``configs/``, or a file.
        folder: of the project, where the file does not tell it.

    Raises:
        ValueError: none of these.
    """
    path = Path(name)
    if not path.suffix or name.startswith(PREFIX):
        key, entry = find_model(name)
        weights = PREFIX + key if entry.get("weights") else ""
        return Chosen(SHIPPED / CONFIGS / entry["config"], project_of(entry), weights)
    if not path.is_file():
        path = SHIPPED / CONFIGS / name
    if not path.is_file():
        raise ValueError(f"{name[:120]}: no such config, neither here nor below {CONFIGS}/")
    return Chosen(path, folder or project_of_config(path), "")


def project_of_config(path: Path) -> str:
    """The folder of the project that a config file belongs to: by its place, or that of its bases.

    Raises:
        ValueError: neither is in a folder of ``configs/``.
    """
    seen: set[Path] = set()
    file = path.resolve()
    while file not in seen and file.is_file():
        seen.add(file)
        if file.parent.parent.name == CONFIGS and (SHIPPED / "projects" / file.parent.name).is_dir():
            return file.parent.name
        text = file.read_text(encoding="utf-8", errors="replace")
        told = re.search(r"^# .*configs/(\w+)/", text)  # config.yaml of a run begins so
        if told:
            return told[1]
        base = _BASE.search(text)
        file = (file.parent / base[1]).resolve() if base else file
    raise ValueError(f"{path}: cannot tell of which project this config is: --project FOLDER of projects/")


def train(words: list[str]) -> None:
    """``d2ext train MODEL ...``: anew, from the start that its config names."""
    chosen, rest = _model("train", "Train a model.", words)
    run_script(f"projects/{chosen.project}/train_net.py", ["--config-file", str(chosen.config), *rest])


def evaluate(words: list[str]) -> None:
    """``d2ext evaluate MODEL ...``: its weights, or those that MODEL.WEIGHTS names."""
    chosen, rest = _model("evaluate", "Evaluate a model on DATASETS.TEST of its config.", words)
    if chosen.weights and "MODEL.WEIGHTS" not in rest:
        rest += ["MODEL.WEIGHTS", chosen.weights]
    words = ["--config-file", str(chosen.config), "--eval-only", *rest]
    run_script(f"projects/{chosen.project}/train_net.py", words)


def export(words: list[str]) -> None:
    """``d2ext export MODEL --output FOLDER``."""
    _with_weights("export", "Write a model as ONNX graphs.", "export_onnx.py", words)


def predict(words: list[str]) -> None:
    """``d2ext predict MODEL --list FILE --output FOLDER``."""
    _with_weights("predict", "Answer a list of images.", "batch_predict.py", words)


def watch(words: list[str]) -> None:
    """``d2ext watch --input VIDEO ...``."""
    run_script("projects/RoadWatch/watch.py", _road_watch(words))


def serve(words: list[str]) -> None:
    """``d2ext serve ...``."""
    run_script("projects/RoadWatch/serve.py", _road_watch(words))


def zoo(words: list[str]) -> None:
    """``d2ext zoo [NAME]``."""
    parser = CommandParser("List the models of the zoo, or tell all about one.", prog="d2ext zoo")
    parser.add_argument("name", nargs="?", help="such as u2enet/tiny")
    parser.add_argument("--markdown", action="store_true", help="the list as a Markdown table")
    args = parser.parse_args(words)
    if args.name:
        import yaml

        name, entry = _found(parser, args.name)
        print(yaml.safe_dump({name: entry}, sort_keys=False, allow_unicode=True, width=110), end="")
    elif args.markdown:
        print(markdown(), end="")
    else:
        width = max(map(len, models()))
        for name, entry in models().items():
            print(f"{name:{width}}  {entry['what']}\n{'':{width}}  {figures(entry)}")
        print("\npython -c 'import d2ext; print(d2ext.from_zoo(\"NAME\"))' and `d2ext zoo NAME` say more")


def _found(parser: CommandParser, name: str) -> tuple[str, dict]:
    try:
        return find_model(name)
    except ValueError as error:
        parser.error(str(error))


def _road_watch(words: list[str]) -> list[str]:
    """With the config that comes with the code where none is given."""
    if any(word.partition("=")[0] == "--config-file" for word in words):
        return words
    return ["--config-file", str(SHIPPED / CONFIGS / ROAD_WATCH), *words]


def _with_weights(command: str, what: str, script: str, words: list[str]) -> None:
    """Run a project's script on a model, with its weights where it is one of the zoo."""
    chosen, rest = _model(command, what, words)
    if chosen.weights and "MODEL.WEIGHTS" not in rest:
        rest += [*([] if "--opts" in rest else ["--opts"]), "MODEL.WEIGHTS", chosen.weights]
    run_script(f"projects/{chosen.project}/{script}", ["--config-file", str(chosen.config), *rest])


def _model(command: str, what: str, words: list[str]) -> tuple[Chosen, list[str]]:
    """The model that is asked for, and the other words; ends the program where there is none."""
    scripts = {"export": "export_onnx.py", "predict": "batch_predict.py"}
    script = scripts.get(command, "train_net.py")
    parser = CommandParser(
        what + _MODEL.format(command=command), prog=f"d2ext {command}", usage=f"d2ext {command} MODEL ..."
    )
    parser.add_argument("--project", default="", help="folder of projects/, where a config does not tell it")
    if not words or words[0] in ("-h", "--help"):
        if not words:
            parser.error("expected MODEL: a name of `d2ext zoo`, or a config")
        parser.print_help()
        sys.exit()
    words, folder = _take(words, "--project")
    words, file = _take(words, "--config-file")
    name = file or words.pop(0)
    try:
        chosen = choose(name, folder)
        script_path(f"projects/{chosen.project}/{script}")
    except ValueError as error:
        parser.error(str(error))
    return chosen, words


def _take(words: list[str], flag: str) -> tuple[list[str], str]:
    """The words without a flag and its value, and the value or ""."""
    for i, word in enumerate(words):
        if word == flag and i + 1 < len(words):
            return [*words[:i], *words[i + 2 :]], words[i + 1]
        if word.startswith(f"{flag}="):
            return [*words[:i], *words[i + 1 :]], word.partition("=")[2]
    return words, ""
