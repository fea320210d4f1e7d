"""The page about a run, and pictures of answers in TensorBoard."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny import TinyTrainer, tiny_config

from d2ext.engine import write_report
from d2ext.engine.gallery import PICTURE_WIDTH
from d2ext.gallery import open_gallery
from d2ext.structures.vocabulary import ROAD

EVIL = "<script>alert('1')</script> & \"car\""
NAME = "tiny_grounding"
#: Of image 0, with one field of the prediction to be filled in again.
PREDICTION = (
    '[{"image_id": "0", "sentences": [{"id": 0, "text": "x", "predictions": [{"location": [1, 2, 9], '
    '"dimensions": [1, 1, 1], "yaw": 0, "score": 0.5, "category_id": 0, %s}]}]}]'
)


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
    MetadataCatalog.get(NAME).set(evaluator_type="mono3drefer", thing_classes=list(ROAD.names))
    yield files[0]
    DatasetCatalog.remove(NAME)
    MetadataCatalog.remove(NAME)


class Page(HTMLParser):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.meta: list[str | None] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.meta += [dict(attrs).get("content")] if tag == "meta" else []
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
    assert not {"script", "i"} & set(page.tags)
    kinds = [link.partition(";")[0] for link in page.links]
    assert page.tags.count("img") == page.tags.count("figure") == len(kinds) == 5
    assert kinds == 2 * ["data:image/svg+xml"] + 3 * ["data:image/jpeg"]
    # Nothing is loaded or run, and a phone shows the page at its own width.
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in page.meta
    assert "width=device-width, initial-scale=1" in page.meta
    assert EVIL in page.text and "12.35" in page.text and "configs/<i>.yaml" in page.text
    assert page.text.count("<b>run") >= 2  # title and headline


def test_training_goes_on_without_pictures_of_what_is_not_there(tmp_path: Path, dataset: Path) -> None:
    cfg = tiny_config(tmp_path / "run")
    cfg.DATASETS.VAL, cfg.DATASETS.TEST, cfg.SOLVER.MAX_ITER = (NAME,), (), 2
    dataset.unlink()
    EvaluatedTrainer(cfg).train()
    assert "No pictures of mistakes" in (tmp_path / "run/report.html").read_text()


def test_pictures_show_prediction_and_target(tmp_path: Path, dataset: Path) -> None:
    write_evaluation(tmp_path)
    gallery = open_gallery(tmp_path, NAME, CfgNode())
    (picture,) = (p.pixels for p in gallery.spread(1) if p.image_id == "0")
    changed = (np.abs(picture[:200, :800].astype(int) - 90) > 60).any(axis=(0, 2)).nonzero()[0]
    assert changed.min() < 400 < changed.max()  # target on the left, prediction on the right
    assert [p.image_id for p in gallery.spread(2)] == ["0", "2"]
    assert list(gallery.spread(0)) == [] and open_gallery(tmp_path, "no_such_dataset", CfgNode()) is None


def test_page_without_the_datasets_says_so(tmp_path: Path, dataset: Path) -> None:
    write_evaluation(tmp_path)
    dataset.unlink()
    page = Page(write_report(tmp_path))
    assert f"No pictures of mistakes: {dataset}" in page.text and "12.35" in page.text


def test_a_dataset_name_with_a_slash_has_its_section(tmp_path: Path) -> None:
    for name in ("a/b/bottle_test", "plain"):
        folder = tmp_path / "inference" / name
        folder.mkdir(parents=True)
        (folder / "metrics.json").write_text(json.dumps({"anomaly": {name.replace("/", "|"): 12.345}}))
    page = Page(write_report(tmp_path))
    assert page.tags.count("h2") == page.tags.count("table") == 2
    assert "a|b|bottle_test" in page.text and "a/b/bottle_test" in page.text


def test_folder_of_no_run_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="expected the output folder of a run"):
        write_report(tmp_path)


#: Of 10^9 values, written out.
BOMB = "a: &a0 [x]\n" + "".join(f"b{i}: &a{i + 1} [{', '.join([f'*a{i}'] * 10)}]\n" for i in range(9))
DAMAGE = {
    "config.yaml": [
        BOMB,
        "a: 1\na: 2",
        "a: [",
        "[1]",
        "a: 2001-99-99",
        "3: 4\nb: {1: 2001-01-01}",
        b"\xff\xfe",
    ],
    "metrics.json": [
        '{"iteration": null, "lr": 1}',
        '{"iteration": NaN, "lr": 1}',
        '{"iteration": -1}',
        '{"lr": 1}',
        "[1]",
        '{"iteration": 1, "lr": "1"}',
        '{"iteration": 1, "lr": 1' + 400 * "0" + "}",
        b"\xff",
    ],
    f"inference/{NAME}/metrics.json": [
        "[3]",
        '{"a": 1}',
        '{"a": {"b": "c"}}',
        '{"a": {"b": [1]}}',
        '{"a": {"TP": 1' + 400 * "0" + "}}",
        100_000 * "[",
        b"\xff",
    ],
    f"inference/{NAME}/predictions.json": [
        "{}",
        "[1]",
        "[",
        '[{"image_id": 0}]',
        '[{"image_id": "0"}]',
        '[{"image_id": "0", "sentences": [{"id": 9, "text": "x", "predictions": []}]}]',
        '[{"image_id": "0", "sentences": [{"id": 0, "text": "x", "predictions": [{}]}]}]',
        PREDICTION % '"location": [1, 2, NaN]',
        PREDICTION % '"location": [1, 2, 1e999]',
        PREDICTION % '"location": [1, 2]',
        PREDICTION % '"location": [1, 2, -1e12]',
        PREDICTION % ('"yaw": 1' + 400 * "0"),
        PREDICTION % '"location": "abc"',
        PREDICTION % '"yaw": null',
        PREDICTION % '"score": true',
        PREDICTION % '"category_id": 99',
        PREDICTION % '"category_id": 0.5',
    ],
}


@pytest.mark.parametrize("name, text", [(name, text) for name, texts in DAMAGE.items() for text in texts])
def test_damaged_and_foreign_files_are_one_line_that_names_the_file(
    tmp_path: Path, dataset: Path, name: str, text: str | bytes
) -> None:
    write_evaluation(tmp_path)
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError) as caught:
        write_report(tmp_path)
    message = str(caught.value)
    assert name in message and "expected" in message
    assert "\n" not in message and len(message) < 300
    assert not (tmp_path / "report.html").exists()


def test_curves_that_are_not_finite_leave_gaps(tmp_path: Path) -> None:
    lines = ['{"iteration": 0, "lr": NaN, "loss": Infinity}', '{"iteration": 1, "lr": 0.1, "loss": 2}']
    (tmp_path / "metrics.json").write_text("\n".join(lines))
    assert Page(write_report(tmp_path)).tags.count("img") == 2
