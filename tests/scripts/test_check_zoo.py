"""scripts/check_zoo.py: figures of the zoo measured anew, compared and written."""

import hashlib
import json
import subprocess
import sys

import pytest
import yaml
from project_scripts import ROOT, call_script, load_script

from d2ext_cli import zoo

TEXT = """# explains
a/small:
  what: image -> boxes
  package: u2enet
  config: U2ENet/u2enet_tiny_synthroad.yaml
  weights: a.safetensors
  sha256: aa00
  licence: Apache-2.0
  data: x
  command: x
  scenes:
    - d2ext.data.synthroad --root {datasets}/synthroad --seed 1
  synthetic: true
  tolerance: 0.5
  figures:
    - {name: "one, Acc@0.5", dataset: d_test, section: exact, metric: "Acc@0.5", value: 70.0}
    - {name: AP, dataset: d_test, section: exact, metric: AP, value: null}
  date: null
  commit: null
b/other:
  what: x
  weights: b.safetensors
  sha256: bb11
  licence: Apache-2.0
"""


@pytest.fixture
def script(tmp_path, monkeypatch):
    """The script on a zoo of its own, whose evaluations find 70.4 and 33.33."""
    module = load_script("check_zoo", "")
    for place in (zoo, module):
        monkeypatch.setattr(place, "ZOO", tmp_path / "zoo.yaml")
    monkeypatch.setattr(module, "SHIPPED", tmp_path)
    zoo.ZOO.write_text(TEXT)
    (tmp_path / "a.safetensors").write_bytes(b"weights")
    module.ran = []

    def run(words, datasets):
        module.ran.append(words)
        if "--eval-only" in words:
            file = words[words.index("OUTPUT_DIR") + 1] + "/inference/d_test/metrics.json"
            module.Path(file).parent.mkdir(parents=True)
            module.Path(file).write_text(json.dumps({"exact": {"Acc@0.5": 70.4, "AP": 33.33}}))

    monkeypatch.setattr(module, "run", run)
    return module


def test_a_figure_that_is_not_told_does_not_hold_and_after_write_all_do(script, tmp_path, capsys):
    output = ("--output", tmp_path / "out")
    assert call_script(script, *output) == 1
    said = capsys.readouterr()
    assert "error: 1 of 2 figures do not hold: a/small: AP" in said.err and "70.4" in said.out
    assert call_script(script, *output, "--write") == 0
    entry = yaml.safe_load(zoo.ZOO.read_text())["a/small"]
    assert [figure["value"] for figure in entry["figures"]] == [70.4, 33.3]
    assert entry["sha256"] == hashlib.sha256(b"weights").hexdigest()
    assert entry["date"] and entry["commit"] is not None
    assert call_script(script, *output) == 0  # 33.33 is told as 33.3


def test_a_figure_beyond_the_tolerance_does_not_hold(script, tmp_path):
    zoo.ZOO.write_text(TEXT.replace("value: 70.0", "value: 69.8").replace("value: null", "value: 33.3"))
    assert call_script(script, "--output", tmp_path / "out") == 1
    zoo.ZOO.write_text(TEXT.replace("value: 70.0", "value: 70.9").replace("value: null", "value: 33.3"))
    assert call_script(script, "--output", tmp_path / "out") == 0


def test_what_was_evaluated_is_not_evaluated_again_but_other_weights_are(script, tmp_path):
    call_script(script, "--output", tmp_path / "out")
    call_script(script, "--output", tmp_path / "out")
    evaluations = [words for words in script.ran if "--eval-only" in words]
    assert len(evaluations) == 1
    zoo.ZOO.write_text(TEXT.replace("sha256: aa00", "sha256: cc22"))
    call_script(script, "--output", tmp_path / "out")
    assert sum("--eval-only" in words for words in script.ran) == 2


def test_figures_with_options_are_evaluated_apart_on_the_same_scenes(script, tmp_path, capsys):
    other = "metric: AP, options: TEST.DROP_PLANE True, table: false, value: 33.3}"
    zoo.ZOO.write_text(TEXT.replace("metric: AP, value: null}", other))
    assert call_script(script, "--output", tmp_path / "out") == 0
    evaluations = [words for words in script.ran if "--eval-only" in words]
    assert [words[-4:-2] == ["TEST.DROP_PLANE", "True"] for words in evaluations] == [False, True]
    assert len({words[-1] for words in evaluations}) == 2 and len(script.ran) == 3
    assert zoo.figures(zoo.models()["a/small"]) == "one, Acc@0.5 70 (synthetic data only)"
    call_script(script, "--list")
    assert capsys.readouterr().out.count("--eval-only") == 2


def test_scenes_are_made_by_modules_and_by_scripts(script, tmp_path):
    line = "    - d2ext.data.synthroad --root {datasets}/synthroad --seed 1\n"
    zoo.ZOO.write_text(TEXT.replace(line, line + "    - projects/cut.py --root {datasets}/crops\n"))
    call_script(script, "--output", tmp_path / "out", "--workers", 3)
    module, made, _ = script.ran
    assert module[1:3] == ["-m", "d2ext.data.synthroad"] and module[-2:] == ["--workers", "3"]
    assert made[:2] == [sys.executable, str(tmp_path / "projects/cut.py")] and "--workers" not in made
    assert made[2] == "--root" and made[3].startswith(str(tmp_path / "out")) and made[3].endswith("/crops")


def test_writing_changes_nothing_but_the_values_told(script):
    new = script.rewritten(TEXT, "a/small", {"date": "2020-01-02"}, {"AP": 1.26})
    changed = [(a, b) for a, b in zip(TEXT.splitlines(), new.splitlines(), strict=True) if a != b]
    assert [b.strip() for _, b in changed] == [
        "- {name: AP, dataset: d_test, section: exact, metric: AP, value: 1.3}",
        "date: 2020-01-02",
    ]


def test_sums_are_written_without_an_evaluation(script):
    assert call_script(script, "--sums") == 0
    content = yaml.safe_load(zoo.ZOO.read_text())
    assert content["a/small"]["sha256"] == hashlib.sha256(b"weights").hexdigest()
    assert content["b/other"]["sha256"] == "bb11" and not script.ran


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, entry in zoo.models().items() if entry.get("figures")])
def test_shipped_weights_reach_what_the_zoo_tells(name, tmp_path):
    command = [sys.executable, "scripts/check_zoo.py", "--only", name, "--output", tmp_path]
    assert subprocess.run(command, cwd=ROOT).returncode == 0
