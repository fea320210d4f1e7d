"""Every command of the READMEs and docstrings is there, may be run, and knows its flags and config keys."""

import argparse
import importlib.util
import re
import runpy
import sys
from pathlib import Path

import pytest

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib
from readme_commands import ROOT, Call, documents, executable_files, one_line, run_in_stubs

import d2ext_cli.doctor
from d2ext.engine import load_config
from d2ext.projects.diffusion_det3d import add_diffusion_det3d_config
from d2ext.projects.janus import add_janus_config
from d2ext.projects.open_vocab3d import add_open_vocab3d_config
from d2ext.projects.road_watch import add_road_watch_config
from d2ext.projects.scene_sana import add_scene_sana_config
from d2ext.projects.trajad import add_trajad_config
from d2ext.projects.u2enet import add_u2enet_config
from d2ext_cli.main import COMMANDS

KEYS = {
    "U2ENet": add_u2enet_config,
    "DiffusionDet3D": add_diffusion_det3d_config,
    "TrajAD": add_trajad_config,
    "OpenVocab3D": add_open_vocab3d_config,
    "SceneSana": add_scene_sana_config,
    "RoadWatch": add_road_watch_config,
    "Janus": add_janus_config,
}
#: Scripts for a Python without the environment of `make setup`.
BARE = ("scripts/gpu_check.py",)
#: Folders of the repository: what a command names in them must be there, the rest is the user's.
OURS = ("configs", "d2ext", "projects", "scripts", "tests")
DOCUMENTS = documents()


class Parsed(Exception):
    """Raised in place of the command's work."""


def is_ours(text: str) -> bool:
    return Path(text).parts[:1] in [(name,) for name in OURS]


@pytest.fixture
def parse(monkeypatch):
    """Parses arguments with the script's own parser, as if the user's files were there."""

    def parsed(self, args=None, namespace=None):
        raise Parsed(parse_args(self, args, namespace))

    def users_path(check):
        return lambda text: check(text) if is_ours(text) else Path(text)

    parse_args = argparse.ArgumentParser.parse_args
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parsed)
    for name in ("existing_file", "existing_folder", "existing_path"):
        lenient = users_path(getattr(d2ext_cli, name))
        for module in (d2ext_cli, d2ext_cli.doctor):
            monkeypatch.setattr(module, name, lenient, raising=False)
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])  # d2ext puts a script there
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(ROOT)

    def call(script: str, arguments: list[str]) -> argparse.Namespace:
        monkeypatch.setattr(sys, "argv", [script, *arguments])
        sys.path.insert(0, str(Path(script).parent))  # as Python does for a script
        with pytest.raises(Parsed) as result:
            runpy.run_path(script, run_name="__main__")
        return result.value.args[0]

    return call


def check_config(args: argparse.Namespace) -> None:
    """Config keys and values of a command are those of its project."""
    config = getattr(args, "config_file", None)
    if config and Path(config).is_absolute() and Path(config).is_relative_to(ROOT):
        config = str(Path(config).relative_to(ROOT))
    if config and is_ours(config):
        load_config(KEYS[Path(config).parts[1]], config, getattr(args, "opts", ()))


def check_script(parse, arguments: list[str]) -> None:
    """A script of the repository and its arguments."""
    script, *rest = arguments
    assert (ROOT / script).is_file(), f"{script}: no such file"
    args = parse(script, rest)
    check_config(args)
    if script == "scripts/submit.py":
        check_script(parse, args.command)


def check_python(parse, arguments: list[str]) -> None:
    if arguments[0] == "-c":
        compile(arguments[1], "-c", "exec")
    elif arguments[0] == "-m" and arguments[1] in d2ext_cli.MODULES:
        with pytest.raises(Parsed):
            d2ext_cli.MODULES[arguments[1]]().parse_args(arguments[2:])
    elif arguments[0] == "-m":
        assert importlib.util.find_spec(arguments[1]), arguments[1]
    else:
        check_script(parse, arguments)


def check_d2ext(arguments: list[str]) -> None:
    """A command of ``d2ext``; the arguments of what it runs are parsed by that."""
    name, *rest = arguments
    assert name in COMMANDS or name.startswith("-"), f"d2ext {name}: no such command"
    if name in COMMANDS and "--help" not in rest:
        with pytest.raises(Parsed) as result:
            COMMANDS[name][1](rest)
        check_config(result.value.args[0])


def check_torchrun(parse, arguments: list[str]) -> None:
    from torch.distributed.run import get_args_parser

    with pytest.raises(Parsed) as result:
        get_args_parser().parse_args(arguments)
    args = result.value.args[0]
    check_script(parse, [args.training_script, *args.training_script_args])


def check_make(arguments: list[str]) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {word for word in arguments if "=" not in word} <= set(targets)


def check_pip(arguments: list[str]) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    wanted = re.findall(r"\.\[([\w,]+)\]", " ".join(arguments))
    assert {name for names in wanted for name in names.split(",")} <= set(extras)


def check(parse, call: Call) -> None:
    if call.program == "python3":
        assert call.arguments[0] in BARE, f"{one_line(call)}: expected .venv/bin/python"
    if call.program in ("python3", ".venv/bin/python"):
        check_python(parse, call.arguments)
    elif call.program == ".venv/bin/torchrun":
        check_torchrun(parse, call.arguments)
    elif call.program == ".venv/bin/pip":
        check_pip(call.arguments)
    elif call.program in ("d2ext", ".venv/bin/d2ext"):
        check_d2ext(call.arguments)
    elif call.program == "make":
        check_make(call.arguments)
    elif call.program.endswith(".py"):
        check_script(parse, [call.program, *call.arguments])
    before = [call.program, *call.arguments]
    for word, flag in zip(call.arguments, before, strict=False):
        if is_ours(word) and flag not in ("--output", "OUTPUT_DIR"):
            assert (ROOT / word).exists(), f"{word}: not in the repository"


@pytest.mark.parametrize("name", [name for name, scripts in DOCUMENTS.items() if scripts])
def test_commands_of_a_document_run_as_typed(name, parse, tmp_path, capsys):
    for number, script in enumerate(DOCUMENTS[name]):
        folder = tmp_path / str(number)
        folder.mkdir()
        for call in run_in_stubs(script, folder):
            try:
                check(parse, call)
            except SystemExit:
                pytest.fail(f"{one_line(call)}\n{capsys.readouterr().err}")


def test_the_documents_hold_commands_of_all_kinds(tmp_path):
    """The test above would pass if no command were found."""
    scripts = DOCUMENTS["projects/U2ENet/README.md"]
    calls = [call for script in scripts for call in run_in_stubs(script, tmp_path)]
    programs = {call.program for call in calls}
    assert {".venv/bin/python", ".venv/bin/torchrun", ".venv/bin/tensorboard", "make"} <= programs
    assert len(calls) > 15
    (ablation,) = [call for call in calls if "projects/U2ENet/ablate.py" in call.arguments]
    assert ablation.arguments == ["projects/U2ENet/ablate.py", "--iterations", "600", "--seeds", "3"]
    loop = [
        call
        for script in DOCUMENTS["projects/TrajAD/README.md"]
        for call in run_in_stubs(script, tmp_path)
        if "MODEL.EFFICIENT_AD.BRANCH.NAME" in call.arguments
    ]
    assert [call.arguments[-1] for call in loop] == [
        f"output/trajad_{branch}" for branch in ("autoencoder", "softmax", "linear", "gated_linear")
    ]


@pytest.mark.parametrize(
    "script, message",
    [
        ("python scripts/report.py output", "python: command not found"),
        ("demo.py --help", "command not found"),
        ("for x in 1 2; do make help", "syntax error"),
    ],
)
def test_what_is_not_there_is_found(script, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        run_in_stubs(script, tmp_path)


def test_every_command_is_executable():
    commands = [*ROOT.glob("scripts/*.py"), *ROOT.glob("scripts/*.sh"), *ROOT.glob("projects/*/*.py")]
    assert {str(path.relative_to(ROOT)) for path in commands} <= set(executable_files())
