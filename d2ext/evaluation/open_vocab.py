"""Evaluation of detectors of prompts: average precision of every prompt, by what training knew of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from d2ext.data.open_vocab import protocol
from d2ext.data.open_vocab.protocol import AskedPrompt
from d2ext.data.open_vocab.queries import as_label

from .average_precision import ALL, Comparison
from .coco2d import coco_ap
from .detection3d import ground_planes, region_rows
from .evaluator import Evaluator3D, Rows, Table, instance_rows
from .objects import REGION, ObjectTable, overlapping

logger = logging.getLogger(__name__)

KINDS = ("kitti", "rope3d", "mono3drefer", "monomulti3d")
#: Kinds whose boxes stand on the ground of their image.
ON_GROUND = ("rope3d", "monomulti3d")
#: What an object is to a prompt: meant, in doubt, or another.
MEANT, DOUBT, OTHER = "meant", "doubt", "other"
#: Boxes an image of which the recall of any object is taken.
MOST_BOXES = 100
METRICS = (("3d", 0.5), ("3d", 0.25), ("bev", 0.5))


class OpenVocabEvaluator(Evaluator3D):
    """Evaluates answers to the same prompts in every image of a dataset, in per cent where not said
    otherwise:

    * one section for each group of prompts (``base``, ``novel``, ``described``, ``exemplar``, ``seen pairs``,
      ``unseen pairs``, ``novel shapes``): AP_3D and AP_BEV over 40 recalls, every labelled object counting,
      and the 2D COCO AP; ``Overall`` is the mean over the prompts that have objects. Objects of which it is
      in doubt whether they answer count neither as found nor as missed;
    * ``target-aware ...``: the same where an image is only asked what it has (Yao et al., OVMono3D, 2024);
    * ``harmonic``: the harmonic mean of base and novel;
    * ``recall``: objects of base and of novel classes that any of the 100 boxes with the best scores for the
      prompt for every object overlaps by half;
    * ``absent``: boxes a picture, from ``threshold`` on, for a name of which the picture has nothing, and for
      all such names together;
    * ``forgetting``: what base has lost since an earlier evaluation.

    Args:
        dataset_name: registered name.
        prompts: in the order in which images are asked.
        novel: names of the classes that training did not know.
        output_dir: folder for ``predictions.json`` and ``metrics.json``; None writes nothing.
        threshold: least score of a false box that counts.
        earlier: ``metrics.json`` of an earlier evaluation; None compares with none.

    Raises:
        ValueError: the dataset is of another type.
    """

    def __init__(
        self,
        dataset_name: str,
        prompts: Sequence[AskedPrompt],
        novel: Sequence[str] = (),
        output_dir: str | Path | None = None,
        threshold: float = 0.5,
        earlier: Mapping[str, Mapping[str, float]] | None = None,
    ) -> None:
        super().__init__(dataset_name, KINDS, output_dir)
        self.prompts = list(prompts)
        self.novel = set(novel)
        self.threshold = threshold
        self.earlier = earlier

    def process(self, inputs: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]) -> None:
        """Collect predictions, whose classes are the places of the prompts."""
        for record, output in zip(inputs, outputs, strict=True):
            rows = instance_rows(output["instances"], record.get("box_plane"))
            self._rows.append({"image_id": record["image_id"], "predictions": rows})

    def predictions(self, rows: Rows) -> list[dict[str, Any]]:
        """With the text of each prompt beside its place."""
        return [
            row | {"predictions": [p | {"prompt": self.prompts[p["category_id"]].text} for p in found]}
            for row in rows.values()
            for found in [row["predictions"]]
        ]

    def compare(self, records: Sequence[Mapping[str, Any]], rows: Rows) -> dict[str, Table]:
        """Tables by section."""
        labels, predictions = self._tables(records, rows)
        truth = self._truth(records, labels)
        tables: dict[str, Table] = {}
        for place, prompt in enumerate(self.prompts):
            if prompt.group in (protocol.GENERIC, protocol.ABSENT):
                continue
            own = predictions[predictions.kind == str(place)]
            asked = truth[:, place]
            self._add(tables, prompt.group, prompt.name, labels, own, asked)
            there = np.isin(own.image, labels.image[asked != OTHER])
            self._add(tables, f"target-aware {prompt.group}", prompt.name, labels, own[there], asked)
        for table in tables.values():
            table["Overall"] = _mean(table)
        return tables | self._summary(tables, labels, predictions, truth, len(records))

    def _tables(self, records: Sequence[Mapping[str, Any]], rows: Rows) -> tuple[ObjectTable, ObjectTable]:
        """Labels with regions, by class, and predictions, by the place of their prompt."""
        names = self._metadata.thing_classes
        labels = ObjectTable.from_rows(
            [[*r["annotations"], *region_rows(r, len(names))] for r in records], [*names, REGION]
        )
        found = [rows.get(r["image_id"], {}).get("predictions", []) for r in records]
        predictions = ObjectTable.from_rows(found, [str(i) for i in range(len(self.prompts))])
        if self._kind not in ON_GROUND:
            return labels, predictions
        planes = ground_planes(records)
        return labels.on_ground(planes[labels.image]), predictions.on_ground(planes[predictions.image])

    def _truth(self, records: Sequence[Mapping[str, Any]], labels: ObjectTable) -> np.ndarray:
        """(L, K) what each label is to each prompt; regions stay regions."""
        names, out = self._metadata.thing_classes, np.full((len(labels), len(self.prompts)), OTHER)
        out[labels.kind == REGION] = REGION
        first = np.searchsorted(labels.image, np.arange(len(records)))
        words = {True: MEANT, None: DOUBT, False: OTHER}
        for record, start in zip(records, first, strict=True):
            for i, annotation in enumerate(record["annotations"]):
                label = as_label(annotation, names)
                out[start + i] = [words[prompt.truth(label)] for prompt in self.prompts]
        return out

    @staticmethod
    def _add(
        tables: dict[str, Table],
        section: str,
        name: str,
        labels: ObjectTable,
        predictions: ObjectTable,
        asked: np.ndarray,
    ) -> None:
        """The row of a prompt, where any object answers to it."""
        if not (asked == MEANT).any():
            return
        labels = replace(labels, kind=asked)
        predictions = replace(predictions, kind=np.full(len(predictions), MEANT))
        row = {}
        for metric, overlap in METRICS:
            comparison = Comparison(labels, predictions, metric, ((MEANT, DOUBT),))
            value = comparison.exact_ap(MEANT, overlap, ALL)
            if value is not None:
                row[f"{metric}@{overlap:g}"] = value
        regions = replace(labels, kind=np.where(asked == DOUBT, REGION, asked))
        row["2D AP"] = coco_ap(regions, predictions, [MEANT])["Overall"]["AP"]
        tables.setdefault(section, {})[name] = row

    def _summary(
        self,
        tables: Mapping[str, Table],
        labels: ObjectTable,
        predictions: ObjectTable,
        truth: np.ndarray,
        images: int,
    ) -> dict[str, Table]:
        more: dict[str, Table] = {}
        for prefix in ("", "target-aware "):
            base, novel = (tables.get(prefix + g, {}).get("Overall") for g in (protocol.BASE, protocol.NOVEL))
            if base and novel:
                means = {key: harmonic_mean(base[key], novel[key]) for key in base if key in novel}
                more[f"{prefix}harmonic"] = {"Overall": means}
        if absent := self._absent(labels, predictions, truth, images):
            more["absent"] = {"Overall": absent}
        if recall := self._recall(labels, predictions):
            more["recall"] = recall
        now = tables.get(protocol.BASE, {}).get("Overall", {})
        if self.earlier is not None:
            before = self.earlier.get(protocol.BASE, {})
            lost = {key: before[key] - value for key, value in now.items() if key in before}
            more["forgetting"] = {"Overall": lost}
        return more

    def _absent(
        self, labels: ObjectTable, predictions: ObjectTable, truth: np.ndarray, images: int
    ) -> dict[str, float]:
        scores = [s for own in self._absent_scores(labels, predictions, truth, images).values() for s in own]
        pairs, false = len(scores), sum(int((s >= self.threshold).sum()) for s in scores)
        if not pairs:
            return {}
        return {"boxes a picture and name": false / pairs, "boxes a picture": false / images}

    def absent_scores(self, rows: Rows) -> dict[str, list[np.ndarray]]:
        """Scores of the answers to each prompt in every image that has nothing of it, by text."""
        labels, predictions = self._tables(self.records, rows)
        truth = self._truth(self.records, labels)
        return self._absent_scores(labels, predictions, truth, len(self.records))

    def _absent_scores(
        self, labels: ObjectTable, predictions: ObjectTable, truth: np.ndarray, images: int
    ) -> dict[str, list[np.ndarray]]:
        out = {}
        for place, prompt in enumerate(self.prompts):
            if prompt.group != protocol.GENERIC:
                there = set(labels.image[np.isin(truth[:, place], (MEANT, DOUBT))].tolist())
                own = predictions[predictions.kind == str(place)]
                ends = np.searchsorted(own.image, np.arange(images + 1))
                out[prompt.text] = [own.score[ends[i] : ends[i + 1]] for i in range(images) if i not in there]
        return out

    def _recall(self, labels: ObjectTable, predictions: ObjectTable) -> Table:
        generic = [str(i) for i, p in enumerate(self.prompts) if p.group == protocol.GENERIC]
        if not generic:
            return {}
        own = predictions[predictions.kind == generic[0]]
        order = np.lexsort((-own.score, own.image))
        own = own[order]
        first = np.searchsorted(own.image, own.image)
        own = own[np.arange(len(own)) - first < MOST_BOXES]
        table: Table = {}
        objects = labels.kind != REGION
        new = np.isin(labels.kind, list(self.novel))
        for metric, overlap in (("bbox", 0.5), ("3d", 0.25), ("3d", 0.5)):
            pairs = overlapping(labels, own, metric)
            hit = np.zeros(len(labels), dtype=bool)
            hit[pairs.label[pairs.overlap >= overlap]] = True
            for name, chosen in (("base", objects & ~new), ("novel", objects & new)):
                if chosen.any():
                    table.setdefault(name, {})[f"{metric}@{overlap:g}"] = 100.0 * float(hit[chosen].mean())
        return table


def harmonic_mean(a: float, b: float) -> float:
    """2 a b / (a + b); 0 if both are 0."""
    return 2 * a * b / (a + b) if a + b > 0 else 0.0


def _mean(table: Table) -> dict[str, float]:
    keys = {key for row in table.values() for key in row}
    return {key: float(np.mean([row[key] for row in table.values() if key in row])) for key in sorted(keys)}
