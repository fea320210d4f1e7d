"""TrajAD's commands on a folder in MVTec AD's layout and on a little traffic, and who sees which data."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from detectron2.data import DatasetCatalog, MetadataCatalog
from project_scripts import ROOT, call_script, load_script

from d2ext.data.builtin import register_dataset
from d2ext.data.synthtraffic.generate import generate
from d2ext.engine import load_config, read_checkpoint
from d2ext.projects.trajad import TrajADTrainer, add_trajad_config, distillation

WIDTH = 1 / 48
TOY = {
    "_BASE_": str(ROOT / "configs/TrajAD/Base-TrajAD.yaml"),
    "MODEL": {
        "DEVICE": "cpu",
        "EFFICIENT_AD": {"WIDTH": WIDTH, "BRANCH": {"DIM": 8, "DEPTH": 1, "ATTENTION_HEADS": 2}},
    },
    "INPUT": {"SIZE": [64, 64]},
    "DATASETS": {"TRAIN": ["toy_disc_train"], "TEST": ["toy_disc_test"], "HELD_OUT": 0.25},
    "DATALOADER": {"NUM_WORKERS": 0},
    "SOLVER": {"MAX_ITER": 3, "IMS_PER_BATCH": 2, "AMP": {"ENABLED": False}},
    "TEST": {"DTYPE": "float32"},
}
MASK = "ground_truth/scratch/000_mask.png"


def _draw(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image)


@pytest.fixture
def disc(tmp_path):
    """A category in MVTec AD's layout: grey discs, some of them scratched."""
    root, rng = tmp_path / "disc", np.random.default_rng(0)

    def image() -> np.ndarray:
        noise = rng.integers(0, 30, (80, 80, 3)).astype(np.uint8)
        return cv2.circle(noise, (40, 40), 30, (140, 150, 160), -1)

    for number in range(4):
        _draw(root / f"train/good/{number:03}.png", image())
    for number in range(2):
        _draw(root / f"test/good/{number:03}.png", image())
        start, end = (25, 30 + 5 * number), (55, 45)
        _draw(root / f"test/scratch/{number:03}.png", cv2.line(image(), start, end, (0, 0, 255), 4))
        mask = cv2.line(np.zeros((80, 80), np.uint8), start, end, 255, 4)
        _draw(root / f"ground_truth/scratch/{number:03}_mask.png", mask)
    names = {split: f"toy_disc_{split}" for split in ("train", "test")}
    for split, name in names.items():
        register_dataset(name, "mvtec_ad", root, split)
    yield root
    for name in names.values():
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)


@pytest.fixture(scope="module")
def traffic(tmp_path_factory):
    """Six recordings to train on, two for the maps, two to test: one normal, one of a stopped vehicle."""
    root = tmp_path_factory.mktemp("synthtraffic")
    generate(root, 4, 6, 2, 2, progress=False)
    for split in ("train", "val", "test"):
        register_dataset(f"toy_traffic_{split}", "trajectories", root / "trajectories", split)
    yield root
    for split in ("train", "val", "test"):
        DatasetCatalog.remove(f"toy_traffic_{split}")
        MetadataCatalog.remove(f"toy_traffic_{split}")


TRAFFIC = (
    *("DATASETS.TRAIN", "('toy_traffic_train',)", "DATASETS.NORMAL", "('toy_traffic_val',)"),
    *("DATASETS.TEST", "('toy_traffic_test',)", "MODEL.EFFICIENT_AD.PADDING", "True"),
)


@pytest.fixture
def distill():
    """Calls distill_teacher.py as a command; returns its exit status."""
    script = load_script("distill_teacher", "TrajAD")

    def call(*arguments) -> int:
        return call_script(script, *arguments)

    return call


@pytest.fixture
def teacher(distill, tmp_path) -> Path:
    path = tmp_path / "teacher.safetensors"
    assert distill("--source", "pdn", "--random", "--width", WIDTH, "--output", path) == 0
    return path


@pytest.fixture
def train_net(tmp_path, teacher):
    """Calls train_net.py with the toy configuration; returns what its main returns."""
    path = tmp_path / "toy.yaml"
    content = TOY | {"OUTPUT_DIR": str(tmp_path / "output")}
    content["MODEL"]["EFFICIENT_AD"]["TEACHER"] = str(teacher)
    path.write_text(yaml.safe_dump(content))
    script = load_script("train_net", "TrajAD")
    from detectron2.engine import default_argument_parser

    def call(*arguments):
        command = ["--config-file", str(path), *map(str, arguments)]
        return script.main(default_argument_parser().parse_args(command))

    return call


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    return read_checkpoint(folder / "model_final.pth")["model"]


def _same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("average", [False, True])
def test_an_image_folder_is_trained_on_and_eval_only_prints_the_same_table(
    train_net, disc, teacher, tmp_path, average
):
    train_net("SOLVER.EMA.ENABLED", average)
    folder = tmp_path / "output"
    trained = json.loads((folder / "inference/toy_disc_test/metrics.json").read_text())
    again = train_net(
        "--eval-only", "MODEL.WEIGHTS", folder / "model_final.pth", "MODEL.EFFICIENT_AD.TEACHER", "",
        "OUTPUT_DIR", tmp_path / "again",
    )  # fmt: skip
    assert json.loads(json.dumps(again)) == trained
    weights = _weights(folder)
    for name, value in read_checkpoint(teacher)["model"].items():
        assert torch.equal(weights[f"teacher.{name}"], value.float())
    assert weights["teacher_mean"].abs().sum() > 0
    for name in ("local_quantiles", "global_quantiles"):
        assert 0 < weights[name][0] < weights[name][1] != 0.1


@pytest.mark.parametrize("branch", ["autoencoder", "softmax", "linear", "gated_linear"])
def test_recordings_are_trained_on_and_eval_only_prints_the_same_table(train_net, traffic, tmp_path, branch):
    options = (*TRAFFIC, "MODEL.EFFICIENT_AD.BRANCH.NAME", branch, "SOLVER.MAX_ITER", 2)
    train_net(*options)
    folder = tmp_path / "output"
    trained = json.loads((folder / "inference/toy_traffic_test/metrics.json").read_text())
    again = train_net(
        "--eval-only", *options, "MODEL.WEIGHTS", folder / "model_final.pth", "OUTPUT_DIR", tmp_path / "again"
    )
    assert json.loads(json.dumps(again)) == trained


def test_an_evaluation_writes_heat_maps_when_asked(train_net, disc, tmp_path):
    train_net("TEST.HEAT_MAPS", True, "SOLVER.MAX_ITER", 1)
    folder = tmp_path / "output/inference/toy_disc_test/heat_maps"
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))
    assert names == ["good/000.png", "good/001.png", "scratch/000.png", "scratch/001.png"]
    assert cv2.imread(str(folder / names[0])).shape[1] > 2 * 64


def test_the_test_set_changes_no_weight_and_no_quantile(train_net, traffic, tmp_path):
    """Another test set, and none."""
    period = ("TEST.EVAL_PERIOD", 1)
    train_net(*TRAFFIC, *period, "OUTPUT_DIR", tmp_path / "abnormal")
    train_net(*TRAFFIC, *period, "DATASETS.TEST", "()", "OUTPUT_DIR", tmp_path / "none")
    assert _same(_weights(tmp_path / "abnormal"), _weights(tmp_path / "none"))


def test_resumed_training_ends_with_the_same_weights(train_net, disc, tmp_path):
    quiet = ("DATASETS.TEST", "()", "SOLVER.MAX_ITER", 4)
    train_net("OUTPUT_DIR", tmp_path / "whole", *quiet)
    parts = tmp_path / "parts"
    train_net("OUTPUT_DIR", parts, "SOLVER.CHECKPOINT_PERIOD", 2, *quiet)
    (parts / "model_final.pth").unlink()
    (parts / "model_0000003.pth").unlink()
    (parts / "last_checkpoint").write_text("model_0000001.pth")
    train_net("--resume", "OUTPUT_DIR", parts, *quiet)
    assert _same(_weights(tmp_path / "whole"), _weights(parts))


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda root: (root / MASK).unlink(), f"{MASK}: no mask for"),
        (lambda root: _draw(root / MASK, np.zeros((9, 8), np.uint8)), "size 80 x 80, got 8 x 9"),
        (
            lambda root: (root / "test/good/000.png").write_bytes(b"no"),
            "good/000.png: expected an image file",
        ),
        (lambda root: (root / "train/good/000.png").write_bytes(b"no"), "good/000.png: expected an image"),
        (lambda root: shutil.copytree(root / "test/scratch", root / "train/scratch"), "of normal images"),
    ],
)
def test_a_fault_in_the_folder_is_one_line_before_the_training(train_net, disc, tmp_path, damage, message):
    damage(disc)
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        train_net()
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "output").glob("*.pth"))


@pytest.mark.parametrize(
    "options, message",
    [
        (("TEACHER", ""), r"TEACHER is empty, expected a file of teacher weights; make one with .*distill"),
        (("TEACHER", "nowhere.safetensors"), r"nowhere.safetensors: no such file; make one with .*distill"),
        (("WIDTH", "0.03125"), r"teacher.safetensors: 0.bias has shape \(3,\), the model expects \(4,\)"),
    ],
)
def test_a_teacher_that_is_missing_or_does_not_fit_is_one_line(train_net, disc, options, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        train_net(f"MODEL.EFFICIENT_AD.{options[0]}", options[1])
    assert "\n" not in str(error.value)


def test_a_distillation_that_was_interrupted_ends_like_one_that_was_not(distill, disc, tmp_path, monkeypatch):
    common = ("--source", "resnet18", "--random", "--data", disc / "train", "--width", WIDTH, "--size", 40)
    short = ("--iterations", 5, "--batch", 2, "--device", "cpu", "--lr", 0.01)
    assert distill(*common, *short, "--output", tmp_path / "whole.safetensors") == 0

    monkeypatch.setattr(distillation, "SAVE_EVERY", 2)
    read, interrupt = distillation.Images.__getitem__, [True]

    def interrupted(self, number):
        if number == 3 and interrupt:
            interrupt.clear()
            raise KeyboardInterrupt
        return read(self, number)

    monkeypatch.setattr(distillation.Images, "__getitem__", interrupted)
    parts = tmp_path / "parts.safetensors"
    assert distill(*common, *short, "--output", parts) == 130
    assert not parts.exists()
    assert distill(*common, *short, "--output", parts) == 0
    whole, resumed = (read_checkpoint(tmp_path / f"{n}.safetensors")["model"] for n in ("whole", "parts"))
    assert _same(whole, resumed)
    assert not list(tmp_path.glob("*.resume.pth"))


@pytest.mark.parametrize("state", [{"a": torch.zeros(2)}, {"settings": 3}, {"settings": {}}, {1: 2}])
def test_the_state_of_something_else_is_no_distillation(distill, disc, tmp_path, capsys, state):
    common = ("--source", "resnet18", "--random", "--data", disc / "train", "--width", WIDTH, "--size", 40)
    torch.save(state, tmp_path / "t.safetensors.resume.pth")
    assert distill(*common, "--device", "cpu", "--output", tmp_path / "t.safetensors") == 1
    message = capsys.readouterr().err
    assert "t.safetensors.resume.pth: " in message and message.count("\n") == 1


@pytest.mark.parametrize(
    "arguments, status, message",
    [
        (
            ("--source", "resnet18", "--weights", "no.pth", "--data", "."),
            1,
            "--weights no.pth: no such file; where",
        ),
        (
            ("--source", "vgg99", "--random", "--data", "."),
            1,
            "--source vgg99: expected a name of torchvision",
        ),
        (("--random",), 2, "--data: expected a folder of images"),
        (("--source", "pdn", "--weights", "no.pth"), 2, "--source pdn: expected --random"),
        (("--source", "pdn", "--random", "--width", "0"), 2, "--width: expected a number greater than 0"),
    ],
)
def test_what_a_distillation_lacks_is_one_line(
    distill, disc, capsys, monkeypatch, arguments, status, message
):
    monkeypatch.chdir(disc)
    assert distill(*arguments, "--output", "teacher.safetensors") == status
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ") and message in error and "\n" not in error


def test_random_features_must_be_asked_for(distill, tmp_path, capsys):
    assert distill("--source", "resnet18", "--output", tmp_path / "teacher.safetensors") == 2
    assert "one of the arguments --weights --random --convert is required" in capsys.readouterr().err


def test_a_model_without_a_backbone_refuses_weights_for_one():
    config = str(ROOT / "configs/TrajAD/trajad_synthtraffic.yaml")
    cfg = load_config(add_trajad_config, config, ["MODEL.BACKBONE.WEIGHTS", "some.pth"])
    with pytest.raises(ValueError, match="MODEL.BACKBONE.WEIGHTS: expected '', EfficientAD has no backbone"):
        TrajADTrainer.build_model(cfg)
