"""What all commands share: a light start, arguments that are checked at once, errors of one line."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from detectron2.engine import default_argument_parser
from project_scripts import ROOT

import d2ext_cli
from d2ext.data.synthroad.generate import LANGUAGES
from d2ext.data.trajectories import COLUMN_MAPS

COMMANDS = sorted(
    str(path.relative_to(ROOT)) for path in [*ROOT.glob("projects/*/*.py"), *ROOT.glob("scripts/*.py")]
)
HEAVY = ("torch", "detectron2", "transformers", "d2ext", "numpy", "cv2")
#: Runs each command with --help in one process and prints what it printed and which of HEAVY it imported.
HELP = """
import contextlib, io, json, runpy, sys
found = {}
for script in sys.argv[2:]:
    sys.argv, text = [script, "--help"], io.StringIO()
    sys.path.insert(0, script.rpartition("/")[0])
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        runpy.run_path(script, run_name="__main__")
    found[script] = [text.getvalue(), [name for name in HEAVY if name in sys.modules]]
    sys.path.pop(0)
print(json.dumps(found))
""".replace("HEAVY", str(HEAVY))


def python(*arguments: object, cwd: Path = ROOT, **variables: str) -> subprocess.CompletedProcess:
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=os.environ | variables)


def test_help_imports_none_of_the_libraries():
    done = python("-c", HELP, "-", *COMMANDS)
    assert done.returncode == 0, done.stderr
    for command, (text, imported) in json.loads(done.stdout).items():
        assert text.startswith("usage:"), command
        assert not imported, command


@pytest.mark.parametrize("module", d2ext_cli.MODULES)
@pytest.mark.parametrize(
    "arguments, status, message", [(["--help"], 0, "--root"), (["--root", "x", "--seed", "one"], 2, "--seed")]
)
def test_modules_answer_before_the_packages_above_them_import_anything(module, arguments, status, message):
    done = python("-X", "importtime", "-m", module, *arguments, PYTHONPATH=str(ROOT))
    assert done.returncode == status
    lines = done.stderr.splitlines()
    imported = {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}
    assert "d2ext_cli" in imported and not {"d2ext.quiet", "torch", "detectron2", "numpy"} & imported
    errors = [line for line in lines if not line.startswith("import time:")]
    assert message in done.stdout if status == 0 else len(errors) == 1 and message in errors[0]


def test_a_command_runs_from_any_folder(tmp_path):
    done = python(ROOT / "scripts/report.py", "nowhere", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: argument folder: nowhere: no such folder\n"


@pytest.mark.parametrize("command", ["scripts/report.py", "scripts/build_tiny_encoder.py"])
def test_a_python_without_the_libraries_says_what_to_do(command, tmp_path):
    arguments = ["--output", tmp_path] if "build" in command else [tmp_path]
    done = python("-I", "-S", command, *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert "no torch: run `make setup` in" in done.stderr


def test_the_training_flags_are_detectron2s(tmp_path):
    config = tmp_path / "a.yaml"
    config.write_text("")
    lines = [
        [],
        ["--resume", "--eval-only", "MODEL.WEIGHTS", "a.pth"],
        ["--num-gpus", 3, "--num-machines", 2, "--machine-rank", 1, "--dist-url", "x"],
    ]
    for line in lines:
        words = [str(word) for word in ("--config-file", config, *line)]
        ours, theirs = d2ext_cli.training_parser("", "U2ENet"), default_argument_parser()
        assert vars(ours.parse_args(words)) == vars(theirs.parse_args(words))


def test_choices_that_are_repeated_without_the_imports_are_those_of_the_package():
    (language,) = [a for a in d2ext_cli.synthroad_parser()._actions if a.dest == "language"]
    assert set(language.choices) == set(LANGUAGES)
    assert set(d2ext_cli.LAYOUTS) == set(COLUMN_MAPS)


@pytest.mark.parametrize(
    "type_, text, message",
    [
        (d2ext_cli.integer(1), "0", "expected a whole number of at least 1, got '0'"),
        (d2ext_cli.integer(0), "1.5", "expected a whole number of at least 0, got '1.5'"),
        (d2ext_cli.number(0, 1), "1.01", "expected a number at least 0 and at most 1, got '1.01'"),
        (d2ext_cli.number(above=0), "0", "expected a number greater than 0, got '0'"),
        (d2ext_cli.number(), "inf", "expected a number, got 'inf'"),
        (d2ext_cli.number(), "many", "expected a number, got 'many'"),
        (d2ext_cli.existing_file, "no.txt", "no.txt: no such file"),
        (d2ext_cli.existing_file, ".", ".: a folder, no file"),
        (d2ext_cli.existing_folder, "file", "file: a file, no folder"),
        (d2ext_cli.output_file, "file/out.png", "file: file is a file, expected a folder"),
        (d2ext_cli.output_file, ".", ".: a folder, expected the name of a file to write"),
        (d2ext_cli.output_folder, "file/a/b", "file/a/b: file is a file, expected a folder"),
    ],
)
def test_a_value_of_the_wrong_kind_is_one_line(type_, text, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    parser = d2ext_cli.CommandParser("")
    parser.add_argument("--value", type=type_)
    with pytest.raises(SystemExit) as end:
        parser.parse_args(["--value", text])
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: argument --value: {message}") and error.count("\n") == 1


def test_good_values_pass(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    assert d2ext_cli.integer(0)("0") == 0 and d2ext_cli.number(0, 1)("1") == 1.0
    assert d2ext_cli.existing_file("file") == Path("file") and d2ext_cli.existing_folder(".") == Path(".")
    assert d2ext_cli.output_file("file") == Path("file")  # written anew
    assert d2ext_cli.output_folder("a/b") == Path("a/b")


@pytest.mark.parametrize(
    "words, message",
    [
        (["A.B", "1", "C.D"], "expected config keys and values in turn, C.D has no value"),
        (["A.B", "1", "--resume"], "--resume: flags go before config keys and values"),
    ],
)
def test_config_keys_without_values_and_flags_after_them_are_found(words, message, capsys):
    parser = d2ext_cli.CommandParser("")
    d2ext_cli.add_options(parser, "opts")
    with pytest.raises(SystemExit):
        parser.parse_args(words)
    assert capsys.readouterr().err == f"error: {message}\n"


def test_checks_of_subcommands_are_asked():
    def refuse(args: argparse.Namespace) -> None:
        raise ValueError("a and b do not go together")

    parser = d2ext_cli.CommandParser("")
    parser.add_subparsers().add_parser("go").add_check(refuse)
    with pytest.raises(SystemExit) as end:
        parser.parse_args(["go"])
    assert end.value.code == 2
