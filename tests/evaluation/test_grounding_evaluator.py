from __future__ import annotations

import json
import math
import os
import re
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.structures import Boxes, Instances
from detectron2.utils import comm

from d2ext.data.builtin import register_dataset
from d2ext.data.synthroad import generate
from d2ext.projects.u2enet import GroundingEvaluator
from d2ext.structures import Boxes3D
from d2ext.structures.vocabulary import ROAD

PLANE = [-0.0109, -0.9771, -0.2124, 7.0044]


def make_annotation(i: int, rng: np.random.Generator) -> dict[str, Any]:
    return {
        "id": i,
        "bbox": [10.0 * i, 20.0, 10.0 * i + 8, 40.0],
        "category_id": int(rng.integers(3)),
        "truncated": 0.0,
        "occluded": int(rng.integers(3)),
        "alpha": 0.0,
        "has_3d": True,
        "location": [6.0 * i - 12, 1.6, float(rng.uniform(8, 50))],
        "dimensions": rng.uniform([1.4, 1.6, 3.5], [1.8, 2.0, 5.0]).tolist(),
        "yaw": float(rng.uniform(-3, 3)),
        "color": None,
    }


def make_records(targets: list[list[int]], images: int = 3) -> list[dict[str, Any]]:
    rng = np.random.default_rng(1)
    return [
        {
            "file_name": f"{image:06d}.png",
            "image_id": f"{image:06d}",
            "height": 100,
            "width": 200,
            "ground_plane": PLANE,
            "annotations": [make_annotation(i, rng) for i in range(5)],
            "sentences": [
                {
                    "id": i,
                    "text": f"sentence {i}",
                    "target_ids": ids,
                    "properties": ["place : left"] * (i % 2),
                }
                for i, ids in enumerate(targets)
            ],
        }
        for image in range(images)
    ]


def mapped(record: dict[str, Any]) -> dict[str, Any]:
    return {
        "image_id": record["image_id"],
        "sentences": [s["text"] for s in record["sentences"]],
        "sentence_ids": [s["id"] for s in record["sentences"]],
        "box_plane": torch.tensor(record["ground_plane"]),
    }


def instances(annotations: list[dict[str, Any]]) -> Instances:
    rows = [[*a["location"], *a["dimensions"], a["yaw"]] for a in annotations]
    table = torch.tensor(rows).reshape(-1, 7)
    result = Instances((100, 200))
    result.pred_boxes = Boxes(torch.tensor([a["bbox"] for a in annotations]).reshape(-1, 4))
    result.pred_boxes3d = Boxes3D.from_kitti(table[:, :3], table[:, 3:6], table[:, 6], PLANE)
    result.scores = torch.linspace(0.9, 0.5, len(annotations))
    result.pred_classes = torch.tensor([a["category_id"] for a in annotations], dtype=torch.long)
    result.pred_yaw = table[:, 6]
    return result


def perfect(record: dict[str, Any]) -> dict[str, list[Instances]]:
    objects = {a["id"]: a for a in record["annotations"]}
    return {"grounding": [instances([objects[i] for i in s["target_ids"]]) for s in record["sentences"]]}


def silent(record: dict[str, Any]) -> dict[str, list[Instances]]:
    return {"grounding": [instances([]) for _ in record["sentences"]]}


@pytest.fixture(params=["mono3drefer", "monomulti3d"])
def dataset(request) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    name = f"evaluator_test_{request.param}"
    targets = [[i] for i in range(5)] if request.param == "mono3drefer" else [[0, 1], [], [2, 3, 4, 0]]
    records = make_records(targets)
    DatasetCatalog.register(name, lambda: records)
    MetadataCatalog.get(name).set(evaluator_type=request.param, thing_classes=list(ROAD.names), split="val")
    yield name, records
    DatasetCatalog.remove(name)
    MetadataCatalog.remove(name)


def evaluate(name, records, answer, output_dir=None) -> dict[str, dict[str, float]]:
    evaluator = GroundingEvaluator(name, output_dir)
    evaluator.reset()
    for record in records:
        evaluator.process([mapped(record)], [answer(record)])
    return evaluator.evaluate()


def scores(results: dict[str, float]) -> dict[str, float]:
    counts = ("sentences", "targets", "TP", "FP", "FN", "none_acc")
    return {name: value for name, value in results.items() if name.split("/")[-1] not in counts}


def test_perfect_predictions_score_100(dataset):
    results = evaluate(*dataset, perfect)
    assert set(results) == {"published", "exact"}
    for values in results.values():
        assert len(scores(values)) > 2
        assert all(value == pytest.approx(100, abs=1e-3) for value in scores(values).values())


def test_no_predictions_score_0(dataset):
    results = evaluate(*dataset, silent)
    for values in results.values():
        assert all(value == 0 for value in scores(values).values())
    if "monomulti3d" in dataset[0]:
        assert results["exact"]["none_acc"] == 100
        assert results["published"]["FN"] == 3 * 6


def test_wrong_objects_and_needless_answers(dataset):
    """Half of the single targets, or all sentences of one image, are answered with another object."""
    name, records = dataset

    def answer(record):
        output = perfect(record)["grounding"]
        others = [instances([record["annotations"][i]]) for i in (1, 0, 3, 2, 4)]
        if "mono3drefer" in name:
            return {"grounding": [*others[:2], *output[2:]]}
        return (
            {"grounding": [output[0], others[0], output[2]]}
            if record is records[0]
            else {"grounding": output}
        )

    results = evaluate(name, records, answer)
    if "mono3drefer" in name:
        assert results["published"]["Acc@0.5"] == results["exact"]["Acc@0.7"] == pytest.approx(60)
        assert results["exact"]["kind=place/Acc@0.5"] == pytest.approx(50)
    else:
        assert results["exact"]["none_acc"] == pytest.approx(200 / 3)
        assert results["exact"]["P@0.5"] == results["published"]["Precision"] == pytest.approx(100 * 18 / 19)
        assert results["exact"]["R@0.5"] == results["published"]["Recall"] == 100


@pytest.mark.parametrize("language", ["en", "zh"])
def test_tables_count_the_sentences_of_a_kind_in_either_language(language, tmp_path):
    """Sentences on occlusion, counted by their words, in the tables of both benchmarks."""
    generate(tmp_path, 6, 0, 0, 3, progress=False, language=language)
    words = {"en": "visible|occluded|hidden|covered|seen completely", "zh": "可见|遮|挡"}[language]
    for kind in ("mono3drefer", "monomulti3d"):
        name = f"evaluator_test_{language}_{kind}"
        register_dataset(name, kind, tmp_path / kind, "test")
        records = DatasetCatalog.get(name)
        texts = [sentence["text"] for record in records for sentence in record["sentences"]]
        counted = sum(re.search(words, text) is not None for text in texts)
        results = evaluate(name, records, silent)
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)
        assert counted and results["exact"]["kind=occlusion/sentences"] == counted < len(texts)


@pytest.mark.parametrize("dataset", ["mono3drefer"], indirect=True)
def test_only_the_best_prediction_answers_a_single_target_sentence(dataset):
    name, records = dataset
    results = evaluate(
        name, records, lambda r: {"grounding": [instances(r["annotations"][:2]) for _ in range(5)]}
    )
    assert results["exact"]["Acc@0.5"] == results["published"]["Acc@0.5"] == 20


@pytest.mark.parametrize("dataset", ["monomulti3d"], indirect=True)
def test_multi_target_boxes_are_compared_on_the_ground_plane(dataset):
    """Shifts along the tilted ground by half the length give IoU 1/3; across it they would give less."""
    name, records = dataset
    for annotation in (a for r in records for a in r["annotations"]):
        annotation["yaw"] = math.pi / 2

    def answer(record):
        output = perfect(record)
        for found in output["grounding"]:
            boxes = found.pred_boxes3d
            boxes.center = boxes.center + boxes.rotation[:, :, 0] * boxes.size[:, 2:] / 2.01
        return output

    results = evaluate(name, records, answer)
    assert results["exact"]["F1@0.25"] == 100 and results["exact"]["F1@0.5"] == 0


def test_images_count_once_over_ranks(dataset, monkeypatch):
    name, records = dataset
    evaluator = GroundingEvaluator(name)
    evaluator.reset()
    evaluator.process([mapped(r) for r in records[:2]], [perfect(r) for r in records[:2]])
    other = GroundingEvaluator(name)
    other.process([mapped(r) for r in records[1:]], [perfect(r) for r in records[1:]])
    monkeypatch.setattr(comm, "gather", lambda rows, dst: [rows, other._rows])
    assert evaluator.evaluate() == evaluate(name, records, perfect)
    monkeypatch.setattr(comm, "is_main_process", lambda: False)
    assert evaluator.evaluate() == {}


def test_images_without_predictions_are_misses(dataset):
    name, records = dataset
    evaluator = GroundingEvaluator(name)
    evaluator.process([mapped(records[0])], [perfect(records[0])])
    results = evaluator.evaluate()
    key = "Acc@0.5" if "mono3drefer" in name else "R@0.5"
    assert results["exact"][key] == pytest.approx(100 / 3)


def test_broken_images_that_are_skipped_count_nowhere(dataset, monkeypatch, tmp_path):
    name, records = dataset
    monkeypatch.setenv("D2EXT_SKIP_BROKEN", "1")
    results = evaluate(name, records[1:], perfect, tmp_path)
    assert results.pop("images") == {"evaluated": 2, "left out": 1}
    key = "Acc@0.5" if "mono3drefer" in name else "R@0.5"
    assert results["exact"][key] == pytest.approx(100)
    assert sorted(path.stem for path in (tmp_path / "kitti").iterdir()) == [
        record["image_id"] for record in records[1:]
    ]
    assert "images" not in evaluate(name, records, perfect)
    with pytest.raises(ValueError, match=f"{name}.*none of its 3 images can be used"):
        evaluate(name, [], perfect)


def test_prediction_files(dataset, tmp_path):
    name, records = dataset
    results = evaluate(name, records, perfect, tmp_path)
    rows = json.loads((tmp_path / "predictions.json").read_text())
    assert [row["image_id"] for row in rows] == [r["image_id"] for r in records]
    first = rows[0]["sentences"][0]
    target = records[0]["annotations"][records[0]["sentences"][0]["target_ids"][0]]
    assert first["text"] == "sentence 0"
    for key in ("location", "dimensions", "bbox"):
        assert first["predictions"][0][key] == pytest.approx(target[key], abs=1e-4)
    assert first["predictions"][0]["yaw"] == pytest.approx(target["yaw"], abs=1e-4)
    assert json.loads((tmp_path / "metrics.json").read_text()) == results
    lines = (tmp_path / "kitti" / "000000.txt").read_text().splitlines()
    assert len(lines) == sum(len(s["target_ids"]) for s in records[0]["sentences"])
    assert all(len(line.split()) == 16 for line in lines)
    if "monomulti3d" in name:
        with zipfile.ZipFile(tmp_path / "submission.zip") as archive:
            flags = np.array(
                [line.split() for line in archive.read("000002.txt").decode().splitlines()], dtype=int
            )
        assert flags.T.tolist() == [[1, 1, 0, 0, 0], [0, 0, 0, 0, 0], [1, 0, 1, 1, 1]]
    else:
        assert not (tmp_path / "submission.zip").exists()


def test_unpublished_targets_still_give_files(tmp_path):
    name = "evaluator_test_challenge"
    records = make_records([[0, 1], [2]], images=1)
    hidden = [{**r, "sentences": [{**s, "target_ids": None} for s in r["sentences"]]} for r in records]
    DatasetCatalog.register(name, lambda: hidden)
    MetadataCatalog.get(name).set(evaluator_type="monomulti3d", thing_classes=list(ROAD.names))
    try:
        results = evaluate(name, records, perfect, tmp_path)
    finally:
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)
    assert results["exact"] == {}
    assert (tmp_path / "submission.zip").is_file()


def test_datasets_without_sentences_are_refused():
    MetadataCatalog.get("evaluator_test_detection").set(evaluator_type="rope3d")
    try:
        with pytest.raises(ValueError, match="rope3d"):
            GroundingEvaluator("evaluator_test_detection")
    finally:
        MetadataCatalog.remove("evaluator_test_detection")


def test_official_split_of_real_frames(shared_dir):
    """The released split file decides the subsets of the test set."""
    from d2ext.data.builtin import register_dataset

    name = "evaluator_test_real"
    register_dataset(name, "mono3drefer", shared_dir / "data" / "mono3drefer", "test")
    try:
        records = DatasetCatalog.get(name)
        split = json.loads((shared_dir / "data" / "mono3drefer" / "test_instanceID_split.json").read_text())

        def answer(record):
            objects = {a["id"]: a for a in record["annotations"]}
            return {"grounding": [instances([objects[s["target_ids"][0]]]) for s in record["sentences"]]}

        evaluator = GroundingEvaluator(name)
        for record in records:
            plane = torch.tensor(PLANE)
            evaluator.process(
                [{**mapped({**record, "ground_plane": PLANE}), "box_plane": plane}], [answer(record)]
            )
        results = evaluator.evaluate()
    finally:
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)
    assert results["published"]["Acc@0.5"] == results["exact"]["Acc@0.7"] == 100
    ids = [s["target_ids"][0] for r in records for s in r["sentences"]]
    for subset in ("Unique", "Near", "Medium", "Far", "Easy", "Moderate", "Hard"):
        number = sum(i in split[subset] for i in ids)
        assert results["published"].get(f"{subset}/sentences", 0) == number


def _rank_evaluates(rank: int, port: int, folder: str) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
    records = make_records([[0, 1], [], [2, 3, 4, 0]])
    DatasetCatalog.register("evaluator_test_ranks", lambda: records)
    MetadataCatalog.get("evaluator_test_ranks").set(
        evaluator_type="monomulti3d", thing_classes=list(ROAD.names)
    )
    results = evaluate("evaluator_test_ranks", records[rank : rank + 2], perfect, folder)
    assert bool(results) == (rank == 0)
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes(tmp_path):
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    torch.multiprocessing.spawn(_rank_evaluates, (port, str(tmp_path)), nprocs=2)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["exact"]["F1@0.7"] == pytest.approx(100)
    assert metrics["exact"]["sentences"] == 9
