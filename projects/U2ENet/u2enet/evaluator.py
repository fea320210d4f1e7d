"""Evaluation of grounding: the dataset's published protocol, exact metrics beside it, prediction files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from detectron2.config import CfgNode, configurable
from detectron2.structures import Instances
from torch import Tensor

from d2ext.evaluation import (
    CAR_DISTANCES,
    ROADSIDE_DISTANCES,
    THRESHOLDS,
    Evaluator3D,
    MatchCounts,
    Rows,
    SentenceResult,
    Table,
    compare_image,
    grounding_metrics,
    inference_folder,
    instance_rows,
    named_rows,
    submission_flags,
    write_kitti,
    write_submission,
)
from d2ext.evaluation.mono3drefer import (
    SUBSETS,
    accuracy_by_subset,
    labelled_subsets,
    official_subsets,
    published_iou,
    read_instance_split,
)
from d2ext.evaluation.monomulti3d import MAX_DESCRIPTIONS, published_match

Predictions = dict[str, dict[int, list[dict[str, Any]]]]  # image id -> sentence id -> predictions, best first


class GroundingEvaluator(Evaluator3D):
    """Evaluates grounding on a dataset whose metadata says ``evaluator_type`` "mono3drefer" or "monomulti3d".

    On single-target data (mono3drefer) the best prediction of a sentence is its answer, and no prediction is
    a miss. On multi-target data every prediction counts: the model has already applied its score threshold.
    Results are in per cent, {"published": {...}, "exact": {...}}. ``GroundingEvaluator(cfg, dataset_name)``
    writes into the run's folder.
    """

    @configurable
    def __init__(self, dataset_name: str, output_dir: str | Path | None = None) -> None:
        """
        Args:
            dataset_name: registered name.
            output_dir: folder for ``predictions.json``, ``metrics.json``, ``kitti/NAME.txt`` and, on
                multi-target data, ``submission.zip``; None writes nothing.

        Raises:
            ValueError: the dataset is of another type.
        """
        super().__init__(dataset_name, ("mono3drefer", "monomulti3d"), output_dir)
        self._single = self._kind == "mono3drefer"

    @classmethod
    def from_config(cls, cfg: CfgNode, dataset_name: str) -> dict[str, Any]:
        """The other arguments, for a dataset."""
        return {"dataset_name": dataset_name, "output_dir": inference_folder(cfg, dataset_name)}

    def process(self, inputs: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]) -> None:
        """Collect predictions.

        Args:
            inputs: mapper dicts with ``image_id``, ``sentences``, ``sentence_ids``, ``box_plane``.
            outputs: {"grounding": [Instances for each sentence]} for each input.
        """
        for record, output in zip(inputs, outputs, strict=True):
            answers = zip(record["sentence_ids"], record["sentences"], output["grounding"], strict=True)
            sentences = [
                {
                    "id": int(i),
                    "text": text,
                    "predictions": instance_rows(instances, record.get("box_plane")),
                }
                for i, text, instances in answers
            ]
            self._rows.append({"image_id": record["image_id"], "sentences": sentences})

    def compare(self, records: Sequence[Mapping[str, Any]], rows: Rows) -> dict[str, Table]:
        """``published`` and ``exact``: the protocol of the dataset, and without its faults."""
        compare = self._compare_single if self._single else self._compare_multi
        published, exact = compare(records, by_sentence(rows))
        return {"published": published, "exact": exact}

    def _compare_single(
        self, records: Sequence[Mapping[str, Any]], predictions: Predictions
    ) -> tuple[Table, Table]:
        split = read_instance_split(self._metadata)
        exact, subsets, kinds, boxes = [], [], [], []
        for record in records:
            best = {i: rows[:1] for i, rows in predictions.get(record["image_id"], {}).items()}
            objects = {a["id"]: a for a in record["annotations"]}
            results = compare_image(record, best, None, CAR_DISTANCES)
            for sentence, result in zip(record["sentences"], results, strict=True):
                (target,) = (objects[i] for i in sentence["target_ids"])
                exact.append(float(result.iou.max(initial=0.0)))
                names = labelled_subsets(target, record["annotations"])
                subsets.append(names if split is None else official_subsets(target["id"], split))
                kinds.append([f"kind={kind}" for kind in result.kinds])
                answer = best.get(sentence["id"], [])
                boxes.append((hwl_location(answer[0]) if answer else [0.0] * 6, hwl_location(target)))
        pairs = np.array(boxes, dtype=np.float64).reshape(-1, 2, 6)
        published = accuracy_by_subset(published_iou(pairs[:, 0], pairs[:, 1]), subsets)
        rows = [*SUBSETS, *sorted({name for names in kinds for name in names})]
        both = [[*a, *b] for a, b in zip(subsets, kinds, strict=True)]
        return published, accuracy_by_subset(np.array(exact), both, THRESHOLDS, rows)

    def _compare_multi(
        self, records: Sequence[Mapping[str, Any]], predictions: Predictions
    ) -> tuple[Table, Table]:
        total = MatchCounts()
        results: list[SentenceResult] = []
        for record in records:
            answers = predictions.get(record["image_id"], {})
            objects = {a["id"]: a for a in record["annotations"]}
            results += compare_image(record, answers, record["ground_plane"], ROADSIDE_DISTANCES)
            for sentence in record["sentences"][:MAX_DESCRIPTIONS]:
                if sentence["target_ids"] is not None:
                    targets = [objects[i] for i in sentence["target_ids"]]
                    total += published_match(box7(answers.get(sentence["id"], [])), box7(targets))
        published = {
            "Overall": {
                "Precision": 100.0 * total.precision,
                "Recall": 100.0 * total.recall,
                "F1": 100.0 * total.f1,
                "TP": float(total.tp),
                "FP": float(total.fp),
                "FN": float(total.fn),
            }
        }
        return published, grounding_metrics(results, ROADSIDE_DISTANCES)

    def write_files(self, folder: Path, rows: Rows) -> None:
        """``kitti/<image>.txt``, and of data with any number of targets ``submission.zip``."""
        predictions = by_sentence(rows)
        for record in self.records:
            answers = predictions.get(record["image_id"], {})
            found = [row for sentence in record["sentences"] for row in answers.get(sentence["id"], [])]
            write_kitti(folder / "kitti" / f"{record['image_id']}.txt", found, self._metadata.thing_classes)
        if not self._single:
            flags = {
                r["image_id"]: submission_flags(r, predictions.get(r["image_id"], {})) for r in self.records
            }
            write_submission(folder / "submission.zip", flags)


def by_sentence(rows: Rows) -> Predictions:
    """The predictions of each image and sentence."""
    return {
        image: {sentence["id"]: sentence["predictions"] for sentence in row["sentences"]}
        for image, row in rows.items()
    }


def answer_rows(
    texts: Sequence[str], answers: Sequence[Instances], ground: Tensor | None, names: Sequence[str]
) -> list[dict[str, Any]]:
    """Answers to the sentences about one image as they are written for users: {"text", "objects": [...]};
    ``names`` are those of the classes."""
    return [
        {"text": text, "objects": named_rows(answer, ground, names)}
        for text, answer in zip(texts, answers, strict=True)
    ]


def hwl_location(row: Mapping[str, Any]) -> list[float]:
    """h, w, l, x, y, z of a prediction or annotation."""
    return [*row["dimensions"], *row["location"]]


def box7(rows: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """(N, 7) x, y, z, h, w, l, yaw of predictions or annotations."""
    values = [[*row["location"], *row["dimensions"], row["yaw"]] for row in rows]
    return np.array(values, dtype=np.float64).reshape(-1, 7)
