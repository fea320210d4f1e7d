"""Pictures of answers of each kind of data, and the pages that show them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog

from d2ext.data.build import build_anomaly_test_loader
from d2ext.data.builtin import register_dataset
from d2ext.data.config import add_anomaly_data_config, add_grounding_data_config
from d2ext.data.synthtraffic.__main__ import main as synthesize
from d2ext.engine import write_report
from d2ext.engine.gallery import PICTURE_WIDTH
from d2ext.evaluation import AnomalyEvaluator
from d2ext.gallery import open_gallery
from d2ext.structures.vocabulary import ROAD
from d2ext.visualization.detection import JUDGED

DETECTION = "gallery/detection_test"
CAR = {"dimensions": [1.5, 1.7, 4.0], "yaw": 1.5, "category_id": 0, "alpha": 0.0}
CAR |= {"bbox": [100.0, 20.0, 140.0, 60.0]}


def amount(picture: np.ndarray, color: tuple[int, int, int]) -> int:
    return int((np.abs(picture.astype(int) - color).sum(axis=-1) < 40).sum())


def evaluation(folder: Path, name: str, predictions: Any) -> Path:
    folder = folder / "inference" / name
    folder.mkdir(parents=True)
    (folder / "predictions.json").write_text(json.dumps(predictions))
    (folder / "metrics.json").write_text('{"exact": {"car 3d@0.7/hard": 12.34}}')
    return folder


@pytest.fixture
def detection(tmp_path: Path) -> Iterator[Path]:
    """Three grey images: a car that is found; one that is missed; one missed and one that is not there."""
    records, rows = [], []
    for i, found in enumerate(([0.0], [], [9.0])):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((90, 320, 3), 90, np.uint8))
        label = {"id": 0, "has_3d": True, "truncated": 0.0, "occluded": 0, "location": [0.0, 1.5, 20.0]}
        records.append(
            {
                "image_id": f"{i}",
                "file_name": str(tmp_path / f"{i}.png"),
                "height": 90,
                "width": 320,
                "annotations": [CAR | label],
                "sentences": [],
                "ground_plane": None,
                "level_boxes": True,
                "camera": [[200.0, 0, 160, 0], [0, 200, 40, 0], [0, 0, 1, 0]],
            }
        )
        predictions = [CAR | {"location": [x, 1.5, 20.0], "score": 0.8} for x in found]
        rows.append({"image_id": f"{i}", "predictions": predictions})
    DatasetCatalog.register(DETECTION, lambda: records)
    MetadataCatalog.get(DETECTION).set(evaluator_type="kitti", thing_classes=list(ROAD.names))
    evaluation(tmp_path, DETECTION, rows)
    yield tmp_path
    DatasetCatalog.remove(DETECTION)
    MetadataCatalog.remove(DETECTION)


def test_detections_are_drawn_by_what_they_are_the_worst_first(detection: Path) -> None:
    gallery = open_gallery(detection, DETECTION, CfgNode())
    worst = list(gallery.worst(9))
    assert [p.image_id for p in worst] == ["2", "1"]
    assert [p.caption.partition(" at")[0] for p in worst] == [
        "1 false, 1 missed, 0 right",
        "0 false, 1 missed, 0 right",
    ]
    pictures = {p.image_id: p.pixels for p in gallery.spread(3)}
    for image_id, shown in {"0": (1, 0, 0), "1": (0, 0, 1), "2": (0, 1, 1)}.items():
        picture = pictures[image_id]
        assert picture.shape[1] == PICTURE_WIDTH
        # without the list of what the colours mean, which is below the image
        above = picture[: int(0.8 * 90 / 320 * 0.7 * PICTURE_WIDTH), : int(0.69 * PICTURE_WIDTH)]
        assert tuple(int(amount(above, color) > 150) for color in JUDGED) == shown
    false = pictures["2"][:150, : int(0.69 * PICTURE_WIDTH)]
    assert amount(false[:, : false.shape[1] // 2], JUDGED[1]) == 0  # it is on the right


def test_a_report_of_detection_has_tables_and_pictures(detection: Path) -> None:
    page = write_report(detection).read_text()
    assert page.count("<figure>") == page.count("image/jpeg") == 2
    assert "car 3d@0.7" in page and "Worst mistakes" in page


@pytest.mark.parametrize("fields", [{"bbox": [1, 2, 3]}, {"alpha": None}, {"bbox": "abcd"}, {"yaw": "x"}])
def test_odd_detections_are_one_line(detection: Path, fields: dict[str, Any]) -> None:
    row = CAR | {"location": [0.0, 1.5, 20.0], "score": 0.5} | fields
    path = detection / "inference" / DETECTION / "predictions.json"
    path.write_text(json.dumps([{"image_id": "0", "predictions": [row]}]))
    with pytest.raises(ValueError, match=r"predictions.json: image '0', prediction 0: field .* expected"):
        write_report(detection)


@pytest.fixture(scope="module")
def traffic(tmp_path_factory) -> Iterator[dict[str, str]]:
    """Two kinds of data of the same four recordings, one under a name with a slash."""
    root = tmp_path_factory.mktemp("datasets")
    counts = ("--train", "1", "--val", "1", "--test", "4")
    assert synthesize(["--root", str(root), "--seed", "3", *counts]) == 0
    names = {"trajectories": "gallery_traffic_test", "mvtec_ad": "gallery_mvtec_ad/arterial_test"}
    register_dataset(names["trajectories"], "trajectories", root / "trajectories", "test")
    register_dataset(names["mvtec_ad"], "mvtec_ad", root / "mvtec_ad/arterial", "test")
    yield names
    for name in names.values():
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)


@pytest.fixture
def cfg() -> CfgNode:
    cfg = CfgNode(
        {
            "INPUT": {"FORMAT": "BGR"},
            "MODEL": {"DEVICE": "cpu"},
            "DATASETS": {},
            "DATALOADER": {"NUM_WORKERS": 0},
            "TEST": {"THRESHOLD": 0.5},
        }
    )
    add_grounding_data_config(cfg)
    add_anomaly_data_config(cfg)
    cfg.INPUT.SIZE = (128, 128)
    return cfg


def evaluate(folder: Path, name: str, cfg: CfgNode) -> dict[str, float]:
    """Maps that are 0.1, and 0.2 or 1 in a corner, by turns; returns these scores."""
    evaluator = AnomalyEvaluator(name, folder / "inference" / name)
    scores = {}
    for i, (record,) in enumerate(build_anomaly_test_loader(cfg, name)):
        score = scores[record["image_id"]] = [0.2, 1.0][i // 2 % 2]
        heat_map = torch.full(record["mask"].shape, 0.1)
        heat_map[:8, :8] = score
        evaluator.process([record], [{"anomaly_map": heat_map, "score": score}])
    evaluator.evaluate()
    return scores


@pytest.mark.parametrize("kind", ["trajectories", "mvtec_ad"])
def test_anomaly_maps_are_drawn_with_the_labels(tmp_path: Path, traffic, cfg: CfgNode, kind: str) -> None:
    name = traffic[kind]
    scores = evaluate(tmp_path, name, cfg)
    (tmp_path / "config.yaml").write_text(cfg.dump())
    gallery = open_gallery(tmp_path, name, cfg)
    labels = {a["image_id"]: a["label"] for a in gallery.answers}
    assert sorted(labels) == sorted(scores) and sorted(labels.values()) == [0, 0, 1, 1]

    worst = list(gallery.worst(4))
    for label, pictures in ((0, worst[::2]), (1, worst[1::2])):
        assert [labels[p.image_id] for p in pictures] == [label, label]
        shown = [scores[p.image_id] for p in pictures]
        assert shown == sorted(shown, reverse=label == 0)
    for picture in worst:
        label, found = labels[picture.image_id], scores[picture.image_id] > 0.5
        verdict = {(0, True): "false alarm", (1, False): "missed"}.get((label, found), "right")
        assert picture.caption.startswith(verdict)
        left = picture.pixels[:, : PICTURE_WIDTH // 2].astype(int)  # graphs are green to red
        assert ((left[..., 0] - left[..., 2] > 90).sum() > 50) == bool(label)
        assert picture.pixels.shape[1] == PICTURE_WIDTH
    assert len(list(gallery.spread(3))) == 3

    page = write_report(tmp_path).read_text()
    assert page.count("image/jpeg") == 4 and page.count('<div class="tables">') == 1
    assert "image AUROC" in page and gallery.heading in page


def test_what_an_anomaly_gallery_cannot_use_is_one_line(tmp_path: Path, traffic, cfg: CfgNode) -> None:
    name = traffic["mvtec_ad"]
    evaluate(tmp_path, name, cfg)
    with pytest.raises(ValueError, match="config.yaml.* expected the keys of anomaly detection"):
        write_report(tmp_path)
    (tmp_path / "config.yaml").write_text(cfg.dump())
    folder = tmp_path / "inference" / name
    rows = json.loads((folder / "predictions.json").read_text())
    path = folder / "maps" / f"{rows[0]['image_id']}.npy"
    whole = path.read_bytes()
    other = [np.zeros((128, 128), np.float32), np.zeros((4, 5), np.float16), np.full((9, 9), np.nan, "f2")]
    for damage in (b"", whole[:200], b"PK\x03\x04" + whole, *other, np.array([[{}]], dtype=object)):
        if isinstance(damage, bytes):
            path.write_bytes(damage)
        else:
            np.save(path, damage)
        with pytest.raises(ValueError, match=r"\.npy: expected") as caught:
            write_report(tmp_path)
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 300
    path.unlink()
    assert "No pictures of mistakes" in write_report(tmp_path).read_text()
    for field, value in (("score", None), ("label", 2), ("kind", 3), ("score", float("nan"))):
        (folder / "predictions.json").write_text(json.dumps([rows[0] | {field: value}]))
        with pytest.raises(ValueError, match=r"predictions\.json: (image .* )?expected"):
            write_report(tmp_path)
