"""The page about a run, and pictures of answers in TensorBoard."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny import TinyTrainer, tiny_config

from d2ext.data.categories import thing_classes
from d2ext.engine import write_report
from d2ext.engine.pictures import PICTURE_WIDTH, draw_answers
from d2ext.engine.report import arrange_curves, read_curves

EVIL = "<script>alert('1')</script> & \"car\""
NAME = "tiny_grounding"


def write_evaluation(folder: Path) -> None:
    row = {"location": [4.0, 1.5, 20.0], "dimensions": [1.5, 1.7, 4.0], "yaw": 1.5, "score": 0.8}
    sentences = [{"id": i, "text": EVIL, "predictions": [row | {"category_id": 0}]} for i in range(2)]
    images = [{"image_id": f"{i}", "sentences": sentences} for i in range(3)]
    folder = folder / "inference" / NAME
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "predictions.json").write_text(json.dumps(images))
    (folder / "metrics.json").write_text(
        json.dumps({"published": {"Acc@0.5": 12.345, f"{EVIL}/Acc@0.5": 1.0}})
    )


@pytest.fixture
def dataset(tmp_path: Path) -> Iterator[Path]:
    """Three grey images, each with one car and two sentences about it; returns the file of one image."""
    files = [tmp_path / f"{i}.png" for i in range(3)]
    for file in files:
        cv2.imwrite(str(file), np.full((90, 320, 3), 90, np.uint8))
    place = {"location": [-4.0, 1.5, 20.0], "dimensions": [1.5, 1.7, 4.0], "yaw": 1.5}
    car = place | {"id": 0, "has_3d": True, "truncated": 0.0, "occluded": 0}
    camera = [[200.0, 0, 160, 0], [0, 200, 40, 0], [0, 0, 1, 0]]
    sentences = [{"id": i, "text": EVIL, "target_ids": [0], "properties": []} for i in range(2)]
    shared = {"annotations": [car], "camera": camera, "ground_plane": None, "sentences": sentences}
    records = [{"image_id": f"{i}", "file_name": str(file)} | shared for i, file in enumerate(files)]
    DatasetCatalog.register(NAME, lambda: records)
    MetadataCatalog.get(NAME).set(evaluator_type="mono3drefer", thing_classes=thing_classes())
    yield files[0]
    DatasetCatalog.remove(NAME)
    MetadataCatalog.remove(NAME)


class Page(HTMLParser):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


class EvaluatedTrainer(TinyTrainer):
    @classmethod
    def test(cls, cfg, model, evaluators=None):
        write_evaluation(Path(cfg.OUTPUT_DIR))
        return {"published": {"Acc@0.5": 12.345}}


def test_training_leaves_a_page_and_pictures(tmp_path: Path, dataset: Path) -> None:
    output = tmp_path / "<b>run"
    cfg = tiny_config(output)
    cfg.DATASETS.VAL, cfg.DATASETS.TEST, cfg.TEST.PICTURES = (NAME,), (), 2
    cfg.TEST.EVAL_PERIOD = 3
    trainer = EvaluatedTrainer(cfg)
    (output / "config.yaml").write_text("# configs/<i>.yaml\n" + cfg.dump())
    trainer.train()

    events = EventAccumulator(str(output), size_guidance={"images": 0}).Reload()
    assert sorted(events.Tags()["images"]) == [f"{NAME}/0", f"{NAME}/2"]
    assert [e.step for e in events.Images(f"{NAME}/0")] == [2, 5, 8]
    assert events.Images(f"{NAME}/0")[0].width == PICTURE_WIDTH

    page = Page(output / "report.html")
    assert not {"script", "i"} & set(page.tags) and page.tags.count("figure") == 3
    assert page.tags.count("img") == 4 and all(link.startswith("data:image/") for link in page.links)
    assert EVIL in page.text and "12.35" in page.text and "configs/<i>.yaml" in page.text
    assert page.text.count("<b>run") >= 2  # title and headline


def test_pictures_show_prediction_and_target(tmp_path: Path, dataset: Path) -> None:
    write_evaluation(tmp_path)
    (image_id, picture), *_ = draw_answers(tmp_path, NAME, 1)
    assert image_id == "0"
    changed = (np.abs(picture[:200, :800].astype(int) - 90) > 60).any(axis=(0, 2)).nonzero()[0]
    assert changed.min() < 400 < changed.max()  # target on the left, prediction on the right
    assert list(draw_answers(tmp_path, NAME, 0)) == []


def test_page_without_the_datasets_says_so(tmp_path: Path, dataset: Path) -> None:
    write_evaluation(tmp_path)
    dataset.unlink()
    page = Page(write_report(tmp_path))
    assert f"No pictures of mistakes: {dataset}" in page.text and "12.35" in page.text


def test_folder_of_no_run_and_damaged_files_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="expected the output folder of a run"):
        write_report(tmp_path)
    (tmp_path / "config.yaml").write_text("a: [")
    with pytest.raises(ValueError, match="config.yaml: not YAML"):
        write_report(tmp_path)
    (tmp_path / "config.yaml").write_text("a: 1")
    (tmp_path / "inference/x").mkdir(parents=True)
    (tmp_path / "inference/x/metrics.json").write_text("[3]")
    with pytest.raises(ValueError, match="metrics.json: expected the figures of an evaluation"):
        write_report(tmp_path)


def test_curves_of_a_resumed_run_hold_every_iteration_once(tmp_path: Path) -> None:
    rows = [{"iteration": i, "loss": float(i), "lr": 0.1} for i in (0, 20, 40)]
    again = [{"iteration": i, "loss": -float(i)} for i in (20, 60)]
    lines = [json.dumps(row) for row in rows] + ['{"iteration": 60, "lo' + json.dumps(again[0])]
    lines += [json.dumps(row) for row in again] + [json.dumps({"val/Acc": 3.0, "iteration": 10}), '{"iter']
    (tmp_path / "metrics.json").write_text("\n".join(lines))
    curves = read_curves(tmp_path / "metrics.json")
    assert curves["loss"] == [(0, 0.0), (20, -20.0), (60, -60.0)]
    assert curves["val/Acc"] == [(10, 3.0)]


def test_curves_are_of_losses_and_overall_figures() -> None:
    names = [
        "total_loss",
        "loss_a",
        "lr",
        "time",
        "v/published/Acc",
        "v/published/Near/Acc",
        "v/published/TP",
    ]
    curves = {name: [(0, 1.0), (1, 2.0)] for name in names} | {"published/Acc": [(2, 1.0)]}
    panels = arrange_curves(curves)
    assert {title: list(panel) for title, panel in panels.items()} == {
        "total_loss": ["total_loss"],
        "losses": ["loss_a"],
        "lr": ["lr"],
        "v": ["published/Acc"],
    }
