"""train_all.py on small categories of several layouts, one of them broken."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.modeling import build_model
from project_scripts import ROOT, call_script, load_script

from d2ext.data.builtin import register_all
from d2ext.engine import load_config, read_checkpoint, write_safetensors
from d2ext.engine.batch import why
from d2ext.projects.trajad import add_trajad_config
from d2ext.projects.trajad.categories import Summary

FIGURES = ("image AUROC", "pixel AUROC", "AUPRO", "original pixel AUROC", "original AUPRO", "F1", "fixed F1")


def _disc(path: Path, rng: np.random.Generator, size: int, scratch: bool = False) -> None:
    """A gray disc, perhaps with a scratch of one pixel's width, and then its mask in ground_truth."""
    image = rng.integers(0, 30, (size, size, 3)).astype(np.uint8)
    cv2.circle(image, (size // 2, size // 2), size // 3, (140, 150, 160), -1)
    path.parent.mkdir(parents=True, exist_ok=True)
    if scratch:
        line = ((size // 3, size // 2), (size // 2, size // 2 + 3), (0, 0, 255), 1)
        cv2.line(image, *line)
        mask = path.parents[2] / "ground_truth/scratch" / f"{path.stem}_mask.png"
        mask.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(mask), cv2.line(np.zeros((size, size), np.uint8), *line[:2], 255, 1))
    cv2.imwrite(str(path), image)


def _category(root: Path, size: int, validation: int = 0) -> None:
    rng = np.random.default_rng(size)
    for number in range(4):
        _disc(root / f"train/good/{number}.png", rng, size)
    for number in range(validation):
        _disc(root / f"validation/good/{number}.png", rng, size)
    for number in range(2):
        _disc(root / f"test/good/{number}.png", rng, size)
        _disc(root / f"test/scratch/{number}.png", rng, size, scratch=True)


@pytest.fixture
def datasets(tmp_path) -> Path:
    """Categories a, b and c, of which b has lost a mask."""
    root = tmp_path / "datasets"
    _category(root / "toy_parts/a", 80)
    _category(root / "toy_parts/b", 64)
    _category(root / "toy_parts/c", 200, validation=3)
    (root / "toy_parts/b/ground_truth/scratch/1_mask.png").unlink()
    before = set(DatasetCatalog.list())
    register_all(root)
    yield root
    for name in set(DatasetCatalog.list()) - before:
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)


@pytest.fixture
def config(tmp_path) -> Path:
    """A network of toy width with its teacher."""
    model = {
        "DEVICE": "cpu",
        "EFFICIENT_AD": {"WIDTH": 1 / 48, "BRANCH": {"DIM": 8, "DEPTH": 1, "ATTENTION_HEADS": 2}},
    }
    content = {
        "_BASE_": str(ROOT / "configs/TrajAD/Base-TrajAD.yaml"),
        "MODEL": model,
        "INPUT": {"SIZE": [64, 64]},
        "DATASETS": {"TRAIN": ["mvtec_ad/bottle_train"], "TEST": ["mvtec_ad/bottle_test"], "HELD_OUT": 0.25},
        "DATALOADER": {"NUM_WORKERS": 0},
        "SOLVER": {"MAX_ITER": 2, "IMS_PER_BATCH": 1, "AMP": {"ENABLED": False}},
        "TEST": {"DTYPE": "float32"},
        "OUTPUT_DIR": str(tmp_path / "output"),
    }
    path = tmp_path / "toy.yaml"
    path.write_text(yaml.safe_dump(content))
    teacher = tmp_path / "teacher.safetensors"
    write_safetensors(build_model(load_config(add_trajad_config, str(path))).teacher.state_dict(), teacher)
    model["EFFICIENT_AD"]["TEACHER"] = str(teacher)
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture
def train_all(config, datasets, monkeypatch):
    """Calls train_all.py, whose trainings run in this process; returns its status and what was run."""
    script, train_net = load_script("train_all", "TrajAD"), load_script("train_net", "TrajAD")
    done: list[list[str]] = []

    def run(command) -> str:
        words = [str(word) for word in command[1:]]
        done.append(words)
        try:
            train_net.main(train_net.build_parser().parse_args(words))
        except (ValueError, OSError) as error:
            return why(error)
        return ""

    monkeypatch.setattr("d2ext.engine.run_script", run)

    def call(*arguments) -> tuple[int, list[list[str]]]:
        done.clear()
        status = call_script(script, "--config-file", config, "--data", "toy_parts", *arguments)
        return status, [list(words) for words in done]

    return call


def _summary(folder: Path) -> dict:
    return json.loads((folder / "summary.json").read_text())


def test_a_broken_category_stops_no_other_and_resume_does_what_is_left(train_all, datasets, tmp_path, capsys):
    output = tmp_path / "output"
    status, done = train_all()
    out, err = capsys.readouterr()
    assert status == 1 and len(done) == 3
    assert "[2/3] b: training in" in out and err.endswith("error: 1 of 3 categories failed: b\n")
    summary = _summary(output)
    assert list(summary["categories"]) == ["a", "c"] and list(summary["errors"]) == ["b"]
    assert "1_mask.png: no mask for" in summary["errors"]["b"] and "\n" not in summary["errors"]["b"]
    for name, row in summary["categories"].items():
        path = output / f"{name}/inference/toy_parts/{name}_test/metrics.json"
        whole = json.loads(path.read_text())["anomaly"]
        assert set(FIGURES) <= row.keys() and row == {k: v for k, v in whole.items() if "/" not in k}
    for figure in FIGURES:
        expected = sum(row[figure] for row in summary["categories"].values()) / 2
        assert summary["mean"][figure] == pytest.approx(expected)
    assert "threshold" not in summary["mean"]
    text = (output / "summary.md").read_text()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if "|" in line]
    assert [row[0] for row in rows] == ["category", rows[1][0], "a", "c", "mean of 2"]
    assert rows[2][rows[0].index("image AUROC")] == f"{summary['categories']['a']['image AUROC']:.2f}"
    assert text in out and "- b: " in text

    shutil.copy(
        datasets / "toy_parts/b/ground_truth/scratch/0_mask.png",
        datasets / "toy_parts/b/ground_truth/scratch/1_mask.png",
    )
    (output / "c/inference/toy_parts/c_test/metrics.json").unlink()  # as killed before it was written
    before = (output / "c/model_final.pth").read_bytes()
    status, done = train_all("--resume")
    assert status == 0 and len(done) == 2 and all("--resume" in words for words in done)
    assert "[1/3] a: finished before" in capsys.readouterr().out
    again = _summary(output)
    assert list(again["categories"]) == ["a", "b", "c"] and not again["errors"]
    assert again["categories"]["a"] == summary["categories"]["a"]
    assert again["categories"]["c"] == pytest.approx(summary["categories"]["c"])
    assert (output / "c/model_final.pth").read_bytes() == before  # evaluated, not trained again


def test_held_out_images_are_those_of_the_validation_folder(train_all, tmp_path):
    assert train_all("--categories", "c", "a")[0] == 0
    for name, expected in (("a", []), ("c", ["toy_parts/c_val"])):
        cfg = yaml.safe_load((tmp_path / f"output/{name}/config.yaml").read_text())
        assert cfg["DATASETS"]["NORMAL"] == expected
        assert cfg["DATASETS"]["TRAIN"] == [f"toy_parts/{name}_train"]
    thresholds = {
        name: float(
            read_checkpoint(tmp_path / f"output/{name}/model_final.pth")["model"]["measured_threshold"]
        )
        for name in ("a", "c")
    }
    rows = _summary(tmp_path / "output")["categories"]
    assert {name: row["fixed threshold"] for name, row in rows.items()} == pytest.approx(thresholds)
    assert list(rows) == ["c", "a"]  # in the order that was asked for
    predictions = tmp_path / "output/c/inference/toy_parts/c_test/predictions.json"
    assert {row["threshold"] for row in json.loads(predictions.read_text())} == {rows["c"]["fixed threshold"]}


def test_eval_only_gives_the_table_of_the_training(train_all, tmp_path):
    assert train_all("--categories", "a", "c")[0] == 0
    trained = _summary(tmp_path / "output")
    shutil.rmtree(tmp_path / "output/c")
    status, done = train_all("--eval-only", "--categories", "a", "c")
    assert status == 1 and len(done) == 1 and "--eval-only" in done[0]
    again = _summary(tmp_path / "output")
    assert again["categories"] == {"a": trained["categories"]["a"]}
    assert "model_final.pth: no such file, train before --eval-only" in again["errors"]["c"]


def test_a_category_without_masks_has_a_report_and_no_pixel_figures(train_all, datasets, tmp_path):
    shutil.rmtree(datasets / "toy_parts/a/ground_truth")
    assert train_all("--categories", "a", "SOLVER.MAX_ITER", 1)[0] == 0
    row = _summary(tmp_path / "output")["categories"]["a"]
    assert {"image AUROC", "F1", "fixed F1"} <= row.keys() and not [
        n for n in row if "pixel" in n or "PRO" in n
    ]
    assert (tmp_path / "output/a/report.html").read_text().count("<img") >= 4  # its mistakes are drawn


def test_visa_as_it_is_released_is_a_folder_of_categories(train_all, datasets, tmp_path):
    rows = ["object,split,label,image,mask"]
    rng = np.random.default_rng(9)
    for split, kind, number in [("train", "normal", n) for n in range(4)] + [
        *(("test", "normal", 4), ("test", "anomaly", 5))
    ]:
        name = f"toy_candle/Data/Images/{number}.JPG"
        _disc(datasets / "visa" / name, rng, 90)
        mask = ""
        if kind == "anomaly":
            mask = "toy_candle/Data/Masks/5.png"
            (datasets / "visa" / mask).parent.mkdir()
            marked = np.zeros((90, 90), np.uint8)
            marked[40, 41] = 1
            cv2.imwrite(str(datasets / "visa" / mask), marked)
        rows.append(f"toy_candle,{split},{kind},{name},{mask}")
    (datasets / "visa/split_csv").mkdir()
    (datasets / "visa/split_csv/1cls.csv").write_text("\n".join(rows))
    register_all(datasets)
    status, _ = train_all("--data", "visa", "--categories", "toy_candle", "SOLVER.MAX_ITER", 1)
    assert status == 0
    row = _summary(tmp_path / "output")["categories"]["toy_candle"]
    assert {"AUPRO", "original AUPRO"} <= row.keys()


@pytest.mark.parametrize(
    "words, message",
    [
        (("--categories", "a", "bottel"), "--categories: no 'bottel' in toy_parts, which has a, b, c"),
        (("--data", "nowhere"), "--data nowhere: no category; expected nowhere/CATEGORY/train/good"),
        (("INPUT.PENALTY_FOLDER", "nowhere"), "INPUT.PENALTY_FOLDER nowhere: no such folder"),
        (("MODEL.EFFICIENT_AD.TEACHER", ""), "MODEL.EFFICIENT_AD.TEACHER is empty"),
        (("MODEL.DEVICE", "cuda:99"), "MODEL.DEVICE: expected one of this machine"),
        (("SOLVER.MAX_ITERS", "3"), "SOLVER.MAX_ITERS"),
        (("--categories", "a", "SOLVER.MAX_ITER"), "in turn, SOLVER.MAX_ITER has no value"),
        (("--categories", "a", "SOLVER.MAX_ITER", "many"), "SOLVER.MAX_ITER"),
    ],
)
def test_what_would_fail_everywhere_is_one_line_before_the_first_category(train_all, capsys, words, message):
    assert train_all(*words) == (1, [])
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and error.count("\n") == 1


def test_the_mean_is_over_the_categories_that_have_the_figure():
    rows = {"a|b": {"AUPRO": 50.0, "threshold": 2.0}, "c": {"AUPRO": 70.0, "F1": 10.0}}
    summary = Summary(rows, {"d": "no"})
    assert summary.mean() == {"AUPRO": 60.0, "F1": 10.0}
    text = summary.markdown()
    assert "mean of 0" in Summary(errors={"a": "no"}).markdown()
    assert "a\\|b" in text and "threshold" not in text and "mean of 2" in text and "- d: no" in text


@pytest.mark.slow
def test_the_command_itself(config, datasets, tmp_path):
    command = [sys.executable, "projects/TrajAD/train_all.py", "--config-file", str(config)]
    command += ["--data", "toy_parts", "--categories", "a", "b"]
    environment = os.environ | {"DETECTRON2_DATASETS": str(datasets), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and "error: 1 of 2 categories failed: b" in done.stderr
    summary = _summary(tmp_path / "output")
    assert list(summary["categories"]) == ["a"] and "1_mask.png: no mask for" in summary["errors"]["b"]
