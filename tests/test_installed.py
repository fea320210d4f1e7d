"""What a wheel installs, without the tree it was built from."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from d2ext.shipped import SHIPPED, get_config_file
from d2ext_cli.zoo import read_zoo

ROOT = Path(__file__).resolve().parents[1]
TREE = (
    "d2ext",
    "projects",
    "configs",
    "scripts",
    "d2ext_cli",
    "pyproject.toml",
    "setup.py",
    "README.md",
    "LICENSE",
)
#: Prints what the three shipped models see in one rendered image.
PREDICTIONS = """
import json, os
import numpy as np
from d2ext.data.synthroad.labels import make_frame
from d2ext.data.synthroad.layout import POLE
from d2ext.engine import get_config_file, load_config
from d2ext.projects.diffusion_det3d import Detection3DPredictor, add_diffusion_det3d_config
from d2ext.projects.trajad import TrajADPredictor, add_trajad_config
from d2ext.projects.u2enet import U2ENetPredictor, add_u2enet_config
from d2ext.structures import Camera

def config(add_keys, name, weights):
    options = ["MODEL.WEIGHTS", f"d2ext://{weights}", "MODEL.DEVICE", "cpu", "TEST.DTYPE", "float32"]
    return load_config(add_keys, get_config_file(name), options)

frame = make_frame(POLE, np.random.default_rng([5, 1]))
image, view = frame.rendering.image, frame.scene.view
camera = Camera(view.projection.tolist(), image.shape[:2])
u2enet = U2ENetPredictor(config(add_u2enet_config, "U2ENet/u2enet_tiny_synthroad.yaml", "u2enet/tiny"))
diffusion = Detection3DPredictor(config(
    add_diffusion_det3d_config, "DiffusionDet3D/diffusion_tiny_synthroad.yaml", "diffusion_det3d/tiny"))
trajad = TrajADPredictor(config(add_trajad_config, "TrajAD/trajad_synthtraffic.yaml", "trajad/small_quarter"))
found = [*u2enet(image, ["All cars.", "The bus."], camera), diffusion(image, camera)]
print(json.dumps({
    "boxes": [x.pred_boxes3d.corners().flatten().tolist() for x in found],
    "scores": [x.scores.tolist() for x in found] + [float(trajad(image[:256, :256])["score"])],
}))
"""
MODULES = """
import importlib, json, pkgutil, sys
import d2ext
for module in pkgutil.walk_packages(d2ext.__path__, "d2ext."):
    importlib.import_module(module.name)
named = {name: m.__file__ for name, m in sys.modules.items() if name.split(".")[0] == "d2ext"}
print(json.dumps({name: file for name, file in named.items() if file}))
"""


def run(python: Path | str, program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A program in a folder that has none of our modules."""
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [str(python), "-W", "ignore", "-c", program]
    return subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True)


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """An interpreter that has the wheel, the libraries of this one, and no way to the tree."""
    folder = tmp_path_factory.mktemp("wheel")
    (folder / "tree").mkdir()
    for name in TREE:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / "tree" / name)
    pip = [sys.executable, "-m", "pip", "--quiet"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, folder / "tree"]
    subprocess.run([*pip, *build], check=True)
    shutil.rmtree(folder / "tree")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    python = folder / "venv/bin/python"
    (wheel,) = folder.glob("*.whl")
    subprocess.run([*pip, "--python", python, "install", "--no-deps", wheel], check=True)
    (site,) = folder.glob("venv/lib/*/site-packages")
    # The folder only: a .pth file inside it, which leads to a tree, is not read.
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    return python


@pytest.mark.slow
def test_every_module_of_a_wheel_imports_and_is_its_own(python, tmp_path):
    done = run(python, MODULES, tmp_path)
    assert not done.returncode, done.stderr
    files = json.loads(done.stdout.splitlines()[-1])
    assert all(Path(file).is_relative_to(python.parents[1]) for file in files.values())
    package = Path(files["d2ext"]).parent
    ours, wheels = (
        {path.relative_to(folder) for path in folder.rglob("*.py")} for folder in (ROOT / "d2ext", package)
    )
    assert ours <= wheels
    assert {"d2ext.projects." + p.parent.name for p in ROOT.glob("projects/*/*/__init__.py")} <= files.keys()
    assert (package / "py.typed").is_file()


@pytest.mark.slow
def test_the_models_of_a_wheel_answer_as_those_of_the_checkout(python, tmp_path):
    here, there = (run(p, PREDICTIONS, folder) for p, folder in ((sys.executable, ROOT), (python, tmp_path)))
    assert not here.returncode and not there.returncode, here.stderr + there.stderr
    expected, got = (json.loads(done.stdout.splitlines()[-1]) for done in (here, there))
    assert sum(map(len, expected["boxes"])) > 0
    assert got == expected


@pytest.mark.slow
def test_every_config_and_weight_of_the_checkout_is_in_a_wheel(python, tmp_path):
    names = sorted(p.relative_to(ROOT / "configs").as_posix() for p in (ROOT / "configs").rglob("*.yaml"))
    shipped = sorted(
        name for name, entry in read_zoo().items() if "weights" in entry and "fetch" not in entry
    )
    program = f"""
from d2ext.shipped import get_config_file
from d2ext.weights import resolve
print([open(get_config_file(name)).read() for name in {names}])
print([resolve("d2ext://" + name) for name in {shipped}])
print(resolve("d2ext://text/tiny"))
"""
    done = run(python, program, tmp_path)
    assert not done.returncode, done.stderr
    configs, weights, encoder = done.stdout.splitlines()[-3:]
    assert configs == str([(ROOT / "configs" / name).read_text() for name in names])
    site = str(python.parents[1])
    assert weights.count(site) == len(shipped) and encoder.startswith(site)


def d2ext(python: Path, folder: Path, *words: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """The installed command, in a folder that has none of our modules."""
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | variables
    command = [str(python.parent / "d2ext"), *map(str, words)]
    return subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True)


@pytest.fixture(scope="module")
def scenes(python, tmp_path_factory) -> Path:
    """Three pictures that the installed command has rendered."""
    root = tmp_path_factory.mktemp("datasets")
    counts = ("--train", 2, "--val", 1, "--test", 1)
    done = d2ext(python, root, "synthroad", "--root", root / "synthroad", "--seed", 5, *counts)
    assert not done.returncode, done.stderr
    return root


@pytest.mark.slow
def test_the_installed_doctor_says_what_is_here_and_reads_datasets(python, scenes, tmp_path):
    done = d2ext(python, tmp_path, "doctor")
    site = str(python.parents[1])
    assert f"{site}/" in done.stdout and "(installed)" in done.stdout
    for name in ("torch", "Detectron2: ", "bfloat16: ", "d2ext://u2enet/tiny: "):
        assert name in done.stdout
    assert done.returncode == int("FAULT" in done.stdout)
    done = d2ext(python, tmp_path, "doctor", scenes, "--sheet", tmp_path / "sheet.jpg")
    assert not done.returncode and "all can be read" in done.stdout, done.stdout + done.stderr
    assert (tmp_path / "sheet.jpg").stat().st_size > 10_000


@pytest.mark.slow
def test_the_installed_command_answers_a_sentence_about_a_picture(python, scenes, tmp_path):
    (image,) = scenes.glob("synthroad/monomulti3d/test/images/*")
    words = ("ask", image, "all cars", "--fov", 70, "--out", "o.png", "--json", "o.json")
    done = d2ext(python, tmp_path, *words, "--opts", "MODEL.DEVICE", "cpu")
    assert not done.returncode, done.stderr
    (answer,) = json.loads((tmp_path / "o.json").read_text())["sentences"]
    assert answer["text"] == "all cars" and f"{len(answer['objects'])} object" in done.stdout
    assert (tmp_path / "o.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_installed_command_trains_for_ten_iterations(python, scenes, tmp_path):
    tiny = ("INPUT.SIZE", "(64, 96)", "SOLVER.IMS_PER_BATCH", "1", "DATALOADER.NUM_WORKERS", "0")
    tests = ("DATASETS.TRAIN", "('synthroad_monomulti3d_train',)", "DATASETS.TEST", "()")
    words = ("train", "u2enet/tiny", "SOLVER.MAX_ITER", 10, *tiny, *tests, "MODEL.DEVICE", "cpu")
    done = d2ext(python, tmp_path, *words, "OUTPUT_DIR", "out", DETECTRON2_DATASETS=str(scenes))
    assert not done.returncode, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "out/metrics.json").read_text().splitlines()]
    assert max(line["iteration"] for line in lines) == 9
    assert (tmp_path / "out/model_final.pth").is_file()


@pytest.mark.slow
def test_a_wheel_without_detectron2_says_how_to_get_it(python, tmp_path):
    done = run(python, "import sys; sys.modules['detectron2'] = None; import d2ext", tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("ImportError: d2ext needs detectron2: pip install ")
    command = ["-m", "d2ext.data.synthroad", "--help"]
    assert subprocess.run([python, *command], cwd=tmp_path, capture_output=True).returncode == 0


def test_without_detectron2_the_package_says_how_to_get_it():
    done = run(sys.executable, "import sys; sys.modules['detectron2'] = None; import d2ext", ROOT)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: d2ext needs detectron2: run `make setup` in ") and len(last) < 300


def test_configs_by_name():
    for path in sorted(SHIPPED.glob("configs/*/*.yaml")):
        assert get_config_file(f"{path.parent.name}/{path.name}") == str(path)
    for name in ("", "U2ENet", "u2enet_tiny_synthroad.yaml", "../configs/U2ENet/Base-U2ENet.yaml", "x" * 500):
        with pytest.raises(ValueError, match="no such config, expected one such as .*yaml") as error:
            get_config_file(name)
        assert len(str(error.value)) < 300 and "\n" not in str(error.value)
    with pytest.raises(ValueError, match="such as U2ENet/u2enet_tiny_synthroad.yaml,"):
        get_config_file("U2ENet/u2enet_tiny_syntroad.yaml")
