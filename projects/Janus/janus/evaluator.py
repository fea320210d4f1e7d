"""Evaluation of Janus: sentences by the facts that they state, answers by the scene's, pictures by PSNR."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from detectron2.config import CfgNode, configurable

from d2ext.data.describe.mapper import record_labels
from d2ext.data.describe.questions import Question, read_places, read_short
from d2ext.data.facts import also_fits, check_sentence, wrong_facts
from d2ext.evaluation import Rows, Table, TableEvaluator, inference_folder
from d2ext.evaluation.captions import bleu, cider
from d2ext.structures.vocabulary import ROAD

#: Least 2D IoU of a named box and the one that an answer rests on; places are whole hundredths.
_SAME_BOX = 0.5


class JanusEvaluator(TableEvaluator):
    """``JanusEvaluator(cfg, dataset_name)`` writes into the run's folder.

    Tables, as far as there are such: ``describe`` (share of sentences in which no fact is false, in which
    none is even doubtful, that no other labelled object fits; BLEU-4, CIDEr; different ones among all),
    ``ask`` (share of right answers, and of those whose boxes agree, by kind), ``pictures`` (PSNR in dB).
    """

    @configurable
    def __init__(self, dataset_name: str, output_dir: str | Path | None = None) -> None:
        """
        Args:
            dataset_name: registered name.
            output_dir: folder for files; None writes nothing.
        """
        super().__init__(dataset_name, ("mono3drefer", "monomulti3d"), output_dir)

    @classmethod
    def from_config(cls, cfg: CfgNode, dataset_name: str) -> dict[str, Any]:
        """The other arguments, for a dataset."""
        return {"dataset_name": dataset_name, "output_dir": inference_folder(cfg, dataset_name)}

    def process(self, inputs: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]) -> None:
        """Keep what was answered to each task; of a picture how far it is from the one it was made of."""
        for record, output in zip(inputs, outputs, strict=True):
            row: dict[str, Any] = {"image_id": record["image_id"]}
            if "picture" in output:
                row["psnr"] = psnr(record["target"].numpy(), output["picture"].cpu().numpy())
            row["answers"] = [
                {"task": task["kind"], "prompt": task["prompt"], "answer": answer}
                | {key: task[key] for key in ("target_ids", "references") if key in task}
                | ({"question": vars(task["question"])} if "question" in task else {})
                for task, answer in zip(record["tasks"], output.get("answers", ()), strict=False)
            ]
            self._rows.append(row)

    def tables(self, rows: Rows) -> dict[str, Table]:
        """Of what there is."""
        names = self._metadata.get("thing_classes") or ROAD.names
        judged: dict[str, list[Any]] = defaultdict(list)
        for record in self.records:
            row = rows.get(record["image_id"])
            if row is not None:
                self._judge(record, row, names, judged)
        tables: dict[str, Table] = {}
        if judged["describe"]:
            tables["describe"] = {"Overall": sentence_figures(judged["describe"])}
        if judged["ask"]:
            tables["ask"] = answer_figures(judged["ask"])
        if judged["psnr"]:
            tables["pictures"] = {"Overall": {"PSNR": float(np.mean(judged["psnr"]))}}
        return tables

    def _judge(
        self,
        record: Mapping[str, Any],
        row: dict[str, Any],
        names: Sequence[str],
        judged: dict[str, list[Any]],
    ) -> None:
        labels = record_labels(record, names)
        size = (record["height"], record["width"])
        if "psnr" in row:
            judged["psnr"].append(row["psnr"])
        for answer in row["answers"]:
            if answer["task"] == "describe":
                targets = [labels[i] for i in answer["target_ids"]]
                findings = check_sentence(answer["answer"], targets, list(labels.values()), size)
                answer["verdict"] = [str(finding) for finding in wrong_facts(findings)]
                answer["sure"] = bool(findings) and not wrong_facts(findings, doubtful=True)
                others = also_fits(answer["answer"], targets, list(labels.values()), size)
                answer["unique"] = bool(findings) and not others
                judged["describe"].append(answer)
            else:
                question = Question(**answer["question"])
                boxes = [list(labels.values())[i].box for i in question.boxes]
                answer["right"] = read_short(question.kind, answer["answer"]) == question.short
                answer["boxes_agree"] = same_boxes(read_places(answer["answer"], size), boxes)
                judged["ask"].append(answer)


def sentence_figures(answers: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Percentages of sentences, BLEU-4 and CIDEr where there are references, and how many differ."""
    true = [not answer["verdict"] for answer in answers]
    unique = [answer["unique"] for answer in answers]
    known = [answer for answer in answers if answer["references"]]
    texts, references = [a["answer"] for a in known], [a["references"] for a in known]
    return {
        "true": 100 * float(np.mean(true)),
        "surely true": 100 * float(np.mean([answer["sure"] for answer in answers])),
        "unique": 100 * float(np.mean(unique)),
        "true and unique": 100 * float(np.mean(np.logical_and(true, unique))),
        "BLEU-4": 100 * bleu(texts, references) if known else 0.0,
        "CIDEr": cider(texts, references) if known else 0.0,
        "distinct": 100 * len({answer["answer"] for answer in answers}) / len(answers),
        "sentences": len(answers),
    }


def answer_figures(answers: Sequence[Mapping[str, Any]]) -> Table:
    """Percentages of right answers, and of answers whose boxes are those that the right one rests on."""
    groups: dict[str, list[Mapping[str, Any]]] = {"Overall": list(answers)}
    for answer in answers:
        groups.setdefault(answer["question"]["kind"], []).append(answer)
    return {
        kind: {
            "right": 100 * float(np.mean([answer["right"] for answer in group])),
            "boxes agree": 100 * float(np.mean([answer["boxes_agree"] for answer in group])),
            "questions": len(group),
        }
        for kind, group in groups.items()
    }


def same_boxes(named: Sequence[Sequence[float]], boxes: Sequence[Sequence[float]]) -> bool:
    """Whether boxes (x1, y1, x2, y2) are the same ones in any order, each of an IoU of at least a half."""
    left = list(boxes)
    for box in named:
        best = max(left, key=lambda other: box_iou(box, other), default=None)
        if best is None or box_iou(box, best) < _SAME_BOX:
            return False
        left.remove(best)
    return not left


def box_iou(a: Sequence[float], b: Sequence[float]) -> float:
    """Of two boxes (x1, y1, x2, y2)."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(width, 0.0) * max(height, 0.0)
    both = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return common / (both - common) if both > common else 0.0


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Of two uint8 pictures, in dB, at most 99."""
    error = float(np.mean((a.astype(float) - b.astype(float)) ** 2))
    return min(99.0, 10 * float(np.log10(255**2 / error))) if error else 99.0
