"""train_all.sh of the projects: stages that are done once in a time that they share, whatever fails.

The interpreter is a stub that writes down its arguments and leaves the files that the command would.
"""

import os
import subprocess
from pathlib import Path

import pytest
from readme_commands import RECORD, ROOT
from test_readme_commands import check_python, parse  # noqa: F401  (a fixture)

PROJECTS = ("OpenVocab3D", "SceneSana", "Janus", "RoadWatch")
STUB = rf"""#!/bin/bash
{RECORD}
value() {{
    local key=$1
    shift
    while [ $# -gt 0 ]; do [ "$1" = "$key" ] && echo "$2" && return; shift; done
}}
leave() {{ mkdir -p "$(dirname "$1")" && echo '{{"complete": true}}' >"$1"; }}
[ -n "$FAILING" ] && [[ "$*" == *$FAILING* ]] && {{ echo "error: told to fail"; exit 1; }}
root=$(value --root "$@") folder=$(value OUTPUT_DIR "$@") output=$(value --output "$@")
data=$(value DATASETS.TEST "$@")
data=${{data//[\'(),]/}} data=${{data:-synthroad_mono3drefer_test}}
if [ -n "$root" ]; then
    leave "$root/scenes.json"
elif [[ "$*" == *--eval-only* ]]; then
    leave "$folder/inference/$data/metrics.json"
    leave "$folder/inference/$data/predictions.json"
elif [ -n "$folder" ]; then
    leave "$folder/model_final.pth"
elif [[ "$output" == *.* ]]; then
    leave "$output"
elif [ -n "$output" ]; then
    for name in model_final.pth results.jsonl metrics.json model.safetensors table.md review/index.html \
        video/00000000.mp4; do leave "$output/$name"; done
fi
json=$(value --json "$@")
[ -z "$json" ] || leave "$json"
"""


@pytest.fixture
def train_all(tmp_path):
    """Calls a script with MINUTES and variables; returns status, errors, and the interpreter's arguments."""
    stub, record = tmp_path / "python", tmp_path / "calls"
    stub.write_text(STUB)
    stub.chmod(0o755)

    def call(project: str, minutes: str, **variables: str) -> tuple[int, str, list[list[str]]]:
        record.write_bytes(b"")
        folder = variables.pop("FOLDER", "out")
        known = {"PYTHON": str(stub), "CALLS": str(record), "FAILING": "", "REAL": str(tmp_path / "no")}
        done = subprocess.run(
            ["/bin/bash", str(ROOT / f"projects/{project}/train_all.sh"), str(tmp_path / folder), minutes],
            env=os.environ | known | variables, capture_output=True, text=True, cwd=tmp_path,
        )  # fmt: skip
        words, calls = iter(record.read_bytes().decode().split("\0")[:-1]), []
        for count in words:
            next(words)  # the interpreter
            calls.append([next(words) for _ in range(int(count))])
        return done.returncode, done.stderr, calls

    return call


@pytest.mark.parametrize("project", PROJECTS)
@pytest.mark.parametrize("minutes", ["60", "0"])
def test_every_stage_has_a_command_that_is_understood_and_is_done_once(train_all, parse, project, minutes):  # noqa: F811
    status, said, calls = train_all(project, minutes)
    assert (status, said) == (0, "") and len(calls) > 7
    for call in calls:
        check_python(parse, call)
    status, said, again = train_all(project, minutes)
    tables = [call for call in calls if "--tables" in call]
    assert (status, said, again) == (0, "", tables)


@pytest.mark.parametrize("project", PROJECTS)
def test_trainings_share_the_time(train_all, project):
    limits = {}
    for minutes in ("60", "600", "0"):
        calls = train_all(project, minutes, SEEDS="0", FOLDER=minutes)[2]
        trainings = [dict(zip(call, call[1:], strict=False)) for call in calls if "SOLVER.MAX_ITER" in call]
        assert trainings
        limits[minutes] = [float(t["SOLVER.MAX_MINUTES"]) for t in trainings if "SOLVER.MAX_MINUTES" in t]
    assert 10 < sum(limits["60"]) < 60 and not limits["0"]
    assert limits["600"] == pytest.approx([10 * limit for limit in limits["60"]])


@pytest.mark.parametrize(
    "failing, least, told",
    [
        ("open0/model_final", 1, "open0 failed: error: told to fail"),
        ("closed0", 15, "closed0"),
        ("shuffled", 15, "shuffled"),
    ],
)
def test_what_nothing_else_needs_may_fail(train_all, failing, least, told):
    status, said, calls = train_all("OpenVocab3D", "60", FAILING=failing)
    assert status == 1 and told in said and least <= len(calls)
    assert "Traceback" not in said
    assert train_all("OpenVocab3D", "60")[0] == 0  # goes on


@pytest.mark.parametrize(
    "arguments, status, told",
    [([], 2, "MINUTES"), (["out", "soon"], 2, "soon"), (["out", "60"], 1, "no/python")],
)
@pytest.mark.parametrize("project", PROJECTS)
def test_wrong_arguments_are_one_line(tmp_path, project, arguments, status, told):
    command = ["/bin/bash", str(ROOT / f"projects/{project}/train_all.sh"), *arguments]
    environment = os.environ | {"PYTHON": "no/python"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == status and len(done.stderr.splitlines()) == 1 and told in done.stderr


def stages(script: str, folder: Path) -> str:
    """What a script says that has scripts/stages.sh, and an hour for DIR."""
    text = f"set -eu; PYTHON=true; . scripts/stages.sh; begin {folder} 60; {script}"
    return subprocess.run(
        ["/bin/bash", "-c", text], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout


def test_what_a_killed_training_has_taken_is_not_given_again(tmp_path):
    """Half of an hour; ten minutes to the last checkpoint of the first attempt, two of the second."""
    folder = tmp_path / "training"
    assert "SOLVER.MAX_MINUTES 30.000 " in stages("length training 50 100", tmp_path)
    for minutes, left in ((10, "20.000"), (2, "18.000")):
        began = int((folder / ".began").read_text())
        (folder / "last_checkpoint").write_text("model_0000099.pth")
        os.utime(folder / "last_checkpoint", (0, began + 60 * minutes))
        assert f"SOLVER.MAX_MINUTES {left} " in stages("length training 50 100", tmp_path)
    os.utime(folder / "last_checkpoint", (0, began - 1))  # of the attempt before: this one has left none
    assert "SOLVER.MAX_MINUTES 18.000 " in stages("length training 50 100", tmp_path)


def test_iterations_can_be_limited_and_counts_are_kept(tmp_path):
    assert "SOLVER.MAX_ITER 3 " in stages("MOST=3 length training 50 100", tmp_path)
    assert stages("fit 10 1 5 1000; fit 10 1 5 100; fit 10 900 5 100", tmp_path).split() == [
        "360",
        "100",
        "5",
    ]
    assert stages("kept count 7; kept count 9", tmp_path).split() == ["7", "7"]
