"""Evaluation of anomaly maps: image and pixel AUROC, AUPRO, best F1.

A map is judged by the false positive rate at which each abnormal pixel is found: the share of normal pixels,
over all images, whose values are at least as great (half of those that are equal). The area under a curve
over that rate, up to a limit L, is the mean of max(0, L - rate) / L over the pixels: for the pixel AUROC over
all abnormal ones with L = 1, for AUPRO (Bergmann et al., IJCV 2021, section 4) first over each connected
region, then over the regions, with L = 0.3. No thresholds have to be chosen.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from detectron2.data import MetadataCatalog
from detectron2.evaluation import DatasetEvaluator
from detectron2.utils import comm
from scipy import ndimage

from .tables import flatten_table, format_table
from .writers import write_json

KINDS = ("trajectories", "mvtec_ad")
GOOD = "good"
LIMIT = 0.3  # of the false positive rate, for AUPRO

logger = logging.getLogger(__name__)


@dataclass
class _Image:
    """What is kept of one image: its values at normal pixels, and region by region at abnormal ones."""

    image_id: str
    kind: str
    label: int
    score: float
    normal: np.ndarray
    regions: list[np.ndarray]


class AnomalyEvaluator(DatasetEvaluator):
    """Takes ``label``, ``kind`` and ``mask`` (H, W) of inputs, ``score`` and ``anomaly_map`` (H, W) of
    outputs.

    Writes ``metrics.json`` and ``predictions.json``; figures are per cent, but for the threshold.

    Args:
        dataset_name: registered name.
        output_dir: folder for the files; None writes nothing.

    Raises:
        ValueError: the dataset is of another type.
    """

    def __init__(self, dataset_name: str, output_dir: str | Path | None = None) -> None:
        kind = MetadataCatalog.get(dataset_name).get("evaluator_type")
        if kind not in KINDS:
            raise ValueError(f"dataset {dataset_name!r}: expected data for {KINDS}, got {kind!r}")
        self._name = dataset_name
        self._output_dir = None if output_dir is None else Path(output_dir)
        self._images: list[_Image] = []

    def reset(self) -> None:
        self._images = []

    def process(self, inputs: Sequence[dict[str, Any]], outputs: Sequence[dict[str, Any]]) -> None:
        for record, found in zip(inputs, outputs, strict=True):
            values = found["anomaly_map"].float().cpu().numpy()
            labels, count = ndimage.label(record["mask"].numpy(), np.ones((3, 3)))
            self._images.append(
                _Image(
                    record["image_id"],
                    record["kind"],
                    record["label"],
                    found["score"],
                    values[labels == 0],
                    [values[labels == i] for i in range(1, count + 1)],
                )
            )

    def evaluate(self) -> OrderedDict[str, dict[str, float]]:
        """{"anomaly": {metric: value}} on the main rank, empty on others; the table goes to the log."""
        gathered = comm.gather(self._images, dst=0)
        if not comm.is_main_process():
            return OrderedDict()
        images = sorted({x.image_id: x for part in gathered for x in part}.values(), key=lambda x: x.image_id)
        good = [x for x in images if not x.label]
        table = {"Overall": _figures(images)}
        for kind in sorted({x.kind for x in images if x.label}):
            table[kind] = _figures([*good, *(x for x in images if x.label and x.kind == kind)])
        results = OrderedDict(anomaly=flatten_table(table))
        logger.info("%s\n%s", self._name, format_table("anomaly", table))
        if self._output_dir is not None:
            rows = [{"image_id": x.image_id, "kind": x.kind, "score": x.score} for x in images]
            write_json(self._output_dir / "predictions.json", rows)
            write_json(self._output_dir / "metrics.json", results)
        return results


def _figures(images: Sequence[_Image]) -> dict[str, float]:
    """Of both kinds of images; a figure that needs what is not there is left out."""
    scores = np.array([x.score for x in images])
    labels = np.array([x.label for x in images], bool)
    figures = {}
    if labels.any() and not labels.all():
        rates = false_positive_rates(np.sort(scores[~labels]), scores[labels])
        figures["image AUROC"] = 100 * area(rates, 1.0)
        best, threshold = best_f1(scores, labels)
        figures |= {"F1": 100 * best, "threshold": threshold}
    regions = [region for x in images for region in x.regions]
    if regions:
        normal = np.sort(np.concatenate([x.normal for x in images]))
        rates_of = [false_positive_rates(normal, region) for region in regions]
        figures["pixel AUROC"] = 100 * area(np.concatenate(rates_of), 1.0)
        figures["AUPRO"] = 100 * float(np.mean([area(rates, LIMIT) for rates in rates_of]))
    return figures


def false_positive_rates(normal: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Share of the normal values (N,), sorted, that are greater than each of ``values`` (M,), and half of the
    equal ones."""
    below = np.searchsorted(normal, values, "left") + np.searchsorted(normal, values, "right")
    return 1 - below / (2 * len(normal))


def area(rates: np.ndarray, limit: float) -> float:
    """Area, over false positive rates from 0 to ``limit`` and divided by it, under the share of values found.

    Args:
        rates: (M,) at which each value is found.
    """
    return float(np.clip(limit - rates, 0, None).mean() / limit)


def best_f1(scores: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """The greatest F1 of "score >= threshold", and the score that is that threshold.

    Args:
        scores: (N,).
        labels: (N,) bool, at least one True.
    """
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(labels[order])
    f1 = 2 * hits / (np.arange(1, len(scores) + 1) + labels.sum())
    # Equal scores are on the same side: only the last of them counts.
    f1[:-1][np.diff(scores[order]) == 0] = 0
    best = int(f1.argmax())
    return float(f1[best]), float(scores[order][best])
