"""The command d2ext: which commands there are, what they pass on, and what they refuse."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest
from project_scripts import ROOT

from d2ext_cli import looking, main, models, scripts
from d2ext_cli.main import COMMANDS

#: Runs `d2ext COMMAND --help` of every command in one process; prints what each said and what was imported.
HELP = """
import contextlib, io, json, sys
from d2ext_cli.main import COMMANDS, main
found = {}
for name in [None, *COMMANDS]:
    text = io.StringIO()
    model = ["u2enet/tiny"] if name in ("train", "evaluate", "export", "predict") else []
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        main([name, *model, "--help"] if name else [])
    heavy = ("torch", "detectron2", "transformers", "d2ext", "numpy", "cv2")
    found[name] = [text.getvalue(), [module for module in heavy if module in sys.modules]]
print(json.dumps(found))
"""


def test_every_command_has_help_and_imports_no_library_for_it():
    done = subprocess.run([sys.executable, "-c", HELP], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert all(name in found["null"][0] for name in COMMANDS)
    for name, (text, heavy) in found.items():
        assert text.startswith("usage: ") and not heavy, name


@pytest.fixture
def ran(monkeypatch) -> list:
    """Scripts that would be run, with their words."""
    calls: list = []
    monkeypatch.setattr(models, "run_script", lambda name, words: calls.append((name, words)))
    return calls


TINY = str(ROOT / "configs/U2ENet/u2enet_tiny_synthroad.yaml")
WEIGHTS = "d2ext://diffusion_det3d/tiny"
DETECTION = str(ROOT / "configs/DiffusionDet3D/diffusion_tiny_synthroad.yaml")


@pytest.mark.parametrize(
    "line, script, words",
    [
        ("train u2enet/tiny A.B 1", "U2ENet/train_net.py", ["--config-file", TINY, "A.B", "1"]),
        (f"train --config-file {TINY} --resume", "U2ENet/train_net.py", ["--config-file", TINY, "--resume"]),
        (f"train --resume --config-file={TINY}", "U2ENet/train_net.py", ["--config-file", TINY, "--resume"]),
        (
            "evaluate DiffusionDet3D/diffusion_tiny_synthroad.yaml MODEL.WEIGHTS a.pth",
            "DiffusionDet3D/train_net.py",
            ["--config-file", DETECTION, "--eval-only", "MODEL.WEIGHTS", "a.pth"],
        ),
        (
            "evaluate d2ext://u2enet/tiny",
            "U2ENet/train_net.py",
            ["--config-file", TINY, "--eval-only", "MODEL.WEIGHTS", "d2ext://u2enet/tiny"],
        ),
        (
            "export diffusion_det3d/tiny --output onnx",
            "DiffusionDet3D/export_onnx.py",
            ["--config-file", DETECTION, "--output", "onnx", "--opts", "MODEL.WEIGHTS", WEIGHTS],
        ),
        (
            "predict u2enet/tiny --list a --output b --opts MODEL.WEIGHTS c.pth",
            "U2ENet/batch_predict.py",
            ["--config-file", TINY, *"--list a --output b --opts MODEL.WEIGHTS c.pth".split()],
        ),
    ],
)  # fmt: skip
def test_a_model_becomes_its_config_project_and_weights(line, script, words, ran):
    main.main(line.split())
    assert ran == [(f"projects/{script}", words)]


def test_watching_takes_the_config_that_comes_with_the_code_or_another(ran):
    main.main(["watch", "--input", "a.mp4"])
    main.main(["serve", "--config-file", "mine.yaml"])
    config = str(ROOT / "configs/RoadWatch/road_watch.yaml")
    assert ran == [
        ("projects/RoadWatch/watch.py", ["--config-file", config, "--input", "a.mp4"]),
        ("projects/RoadWatch/serve.py", ["--config-file", "mine.yaml"]),
    ]


def test_the_project_of_a_config_is_that_of_its_base_or_of_the_run_that_wrote_it(tmp_path):
    base = tmp_path / "base.yaml"
    base.write_text(f"_BASE_: {TINY}\n")
    mine = tmp_path / "mine.yaml"
    mine.write_text("_BASE_: base.yaml\nSEED: 1\n")
    assert models.project_of_config(mine) == "U2ENet"
    mine.write_text("# configs/TrajAD/trajad_synthtraffic.yaml\nSEED: 1\n")
    assert models.project_of_config(mine) == "TrajAD"
    mine.write_text("SEED: 1\n")
    with pytest.raises(ValueError, match="cannot tell of which project .* --project FOLDER"):
        models.project_of_config(mine)
    assert models.choose(str(mine), "Janus") == (mine, "Janus", "")
    base.write_text("_BASE_: mine.yaml\n")
    mine.write_text("_BASE_: base.yaml\n")
    with pytest.raises(ValueError, match="cannot tell"):  # and ends
        models.project_of_config(mine)


@pytest.mark.parametrize(
    "line, message",
    [
        ("trian", "trian: no such command, did you mean train?"),
        ("train", "expected MODEL: a name of `d2ext zoo`, or a config"),
        ("train u2enet/huge", "'u2enet/huge': no such model, did you mean u2enet/tiny?"),
        ("train no/such.yaml", "no/such.yaml: no such config, neither here nor below configs/"),
        ("predict trajad/small_quarter", "projects/TrajAD/batch_predict.py: does not come with this version"),
        ("zoo u2enet/huge", "'u2enet/huge': no such model"),
        ("ask nowhere.png cars", "argument IMAGE: nowhere.png: no such file or folder"),
        ("detect README.md --model u2enet/tiny", "argument --model: u2enet/tiny: expected a model of"),
        ("doctor nowhere", "argument dataset: nowhere: no such file or folder"),
    ],
)  # fmt: skip
def test_wrong_words_are_one_line_with_status_2(line, message, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit) as end:
        main.main(line.split())
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message}") and error.count("\n") == 1 and len(error) < 300


@pytest.fixture
def demo(monkeypatch) -> list:
    """What a demo would be given."""
    seen: list = []
    module = argparse.Namespace(main=seen.append)
    monkeypatch.setattr(looking, "load_script", lambda name: seen.append(name) or module)
    return seen


def test_ask_gives_a_demo_all_that_its_own_parser_gives(demo, tmp_path):
    image = tmp_path / "a.jpg"
    image.write_bytes(b"")
    main.main(
        ["ask", str(image), "the bus", "all cars", "--fov", "70", "--out", "o.png", "--opts", "A.B", "1"]
    )
    script, args = demo
    own = scripts.load_script(script).build_parser()
    words = ["--config-file", TINY, "--input", str(image), "--text", "the bus", "--text", "all cars"]
    weights = ["MODEL.WEIGHTS", "d2ext://u2enet/tiny"]
    theirs = own.parse_args([*words, "--fov", "70", "--output", "o.png", "--opts", *weights, "A.B", "1"])
    assert vars(theirs).items() <= vars(args).items()


def test_find_gives_a_demo_all_that_its_own_parser_gives(demo, tmp_path):
    (tmp_path / "c.jpg").write_bytes(b"")
    main.main(["find", str(tmp_path / "c.jpg"), "car", "van, minibus", "--focal", "900"])
    script, args = demo
    own = scripts.load_script(script).build_parser()
    config = str(scripts.SHIPPED / "configs/OpenVocab3D/openvocab_tiny_all_synthroad.yaml")
    words = ["--config-file", config, "--input", str(tmp_path / "c.jpg"), "--output", "c_found.png"]
    words += ["--prompts", "car; van, minibus", "--focal", "900"]
    theirs = own.parse_args([*words, "--opts", "MODEL.WEIGHTS", "d2ext://open_vocab3d/tiny"])
    assert vars(theirs).items() <= vars(args).items()


def test_detect_gives_a_demo_all_that_its_own_parser_gives(demo, tmp_path):
    (tmp_path / "b.jpg").write_bytes(b"")
    main.main(["detect", str(tmp_path / "b.jpg"), "--height", "7", "--pitch", "11"])
    script, args = demo
    own = scripts.load_script(script).build_parser()
    words = ["--config-file", DETECTION, "--input", str(tmp_path / "b.jpg"), "--output", "b_found.png"]
    weights = ["--opts", "MODEL.WEIGHTS", "d2ext://diffusion_det3d/tiny"]
    theirs = own.parse_args([*words, "--height", "7", "--pitch", "11", *weights])
    assert vars(theirs).items() <= vars(args).items()
    assert args.output == Path("b_found.png")


def test_a_script_runs_as_python_runs_it(tmp_path, monkeypatch):
    """With its folder to import from, as __main__, and with the words that it was given."""
    (tmp_path / "beside.py").write_text("VALUE = 3\n")
    (tmp_path / "script.py").write_text(
        "import sys, pathlib\nfrom beside import VALUE\nif __name__ == '__main__':\n"
        "    here = sys.modules['__main__'].__file__ == __file__\n"
        "    pathlib.Path(sys.argv[1]).write_text(f'{VALUE} {sys.argv[1:]} {here}')\n"
    )
    monkeypatch.setattr(scripts, "SHIPPED", tmp_path)
    for name in ("argv", "path"):
        monkeypatch.setattr(sys, name, list(getattr(sys, name)))
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    out = tmp_path / "out"
    scripts.run_script("script.py", [str(out)])
    assert out.read_text() == f"3 {[str(out)]} True"
