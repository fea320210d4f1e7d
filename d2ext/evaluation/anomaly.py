"""Evaluation of anomaly maps: image and pixel AUROC, AUPRO, best F1.

A map is judged by the false positive rates at which each abnormal pixel is found: the share of normal pixels,
over all images, whose values are greater, or at least as great. The curve of pixels found against that rate
is drawn straight over equal values. Its area, from a rate of 0 to a limit, is summed pixel by pixel: for the
pixel AUROC over all abnormal ones up to 1, for AUPRO (Bergmann et al., IJCV 2021, section 4) first over each
connected region, then over the regions, up to 0.3. No thresholds have to be chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from d2ext.files import write_bytes
from d2ext.structures import label_regions

from .evaluator import Rows, Table, TableEvaluator

KINDS = ("trajectories", "mvtec_ad")
LIMIT = 0.3  # of the false positive rate, for AUPRO

#: Draws what was found in an image: (mapper dict, output of the model) -> (H, W, 3) uint8 BGR.
Draw = Callable[[Mapping[str, Any], Mapping[str, Any]], np.ndarray]


class AnomalyEvaluator(TableEvaluator):
    """Evaluates anomaly maps on a dataset whose metadata says ``evaluator_type`` "trajectories" or
    "mvtec_ad".

    Results are in per cent, {"anomaly": {...}}, but for the threshold of the best F1: over all images, and
    for each kind of anomaly its images and all normal ones. A figure that needs what is not there is left
    out.
    """

    def __init__(
        self, dataset_name: str, output_dir: str | Path | None = None, draw: Draw | None = None
    ) -> None:
        """
        Args:
            dataset_name: registered name.
            output_dir: folder for ``predictions.json`` (the score of each image) and ``metrics.json``; None
                writes nothing.
            draw: what is written as ``heat_maps/<image_id>.png`` while images are processed; None: nothing.

        Raises:
            ValueError: the dataset is of another type.
        """
        super().__init__(dataset_name, KINDS, output_dir)
        self._draw = draw

    def process(self, inputs: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]) -> None:
        """Collect what was found.

        Args:
            inputs: mapper dicts with ``image_id``, ``label`` (1: abnormal), ``kind`` and ``mask`` (H, W)
                bool; None where it is not known, then there are no pixel figures.
            outputs: {"anomaly_map": (H, W), "score": float} for each input.
        """
        for record, output in zip(inputs, outputs, strict=True):
            values = output["anomaly_map"].float().cpu().numpy()
            known = record["mask"] is not None
            mask = record["mask"].cpu().numpy() if known else np.zeros(values.shape, bool)
            regions, count = label_regions(mask)
            self._rows.append(
                {
                    "image_id": record["image_id"],
                    "kind": record["kind"],
                    "label": int(record["label"]),
                    "score": float(output["score"]),
                    "known": known,
                    "normal": values[regions == 0],
                    "regions": [values[regions == i] for i in range(1, count + 1)],
                }
            )
            if self._draw is not None and self._output_dir is not None:
                png = cv2.imencode(".png", self._draw(record, output))[1]
                write_bytes(self._output_dir / "heat_maps" / f"{record['image_id']}.png", png.tobytes())

    def tables(self, rows: Rows) -> dict[str, Table]:
        images = list(rows.values())
        table = {"Overall": figures(images)}
        for kind in sorted({row["kind"] for row in images if row["label"]}):
            table[kind] = figures([row for row in images if not row["label"] or row["kind"] == kind])
        return {"anomaly": table}

    def predictions(self, rows: Rows) -> list[dict[str, Any]]:
        keys = ("image_id", "kind", "label", "score")
        return [{key: row[key] for key in keys} for _, row in sorted(rows.items())]


def figures(images: Collection[Mapping[str, Any]]) -> dict[str, float]:
    """All figures over some images, given as the rows that :class:`AnomalyEvaluator` collects."""
    found = {}
    scores = np.array([row["score"] for row in images])
    labels = np.array([row["label"] for row in images], bool)
    if labels.any() and not labels.all():
        found["image AUROC"] = 100 * area(np.sort(scores[~labels]), [scores[labels]])
    regions = [region for row in images for region in row["regions"]]
    normal = np.concatenate([row["normal"] for row in images]) if images else np.zeros(0)
    if regions and len(normal) and all(row["known"] for row in images):
        normal.sort()
        found["pixel AUROC"] = 100 * area(normal, [np.concatenate(regions)])
        found["AUPRO"] = 100 * area(normal, regions, LIMIT)
    if labels.any() and not labels.all():
        best, found["threshold"] = best_f1(scores, labels)
        found["F1"] = 100 * best
    return found


def area(normal: np.ndarray, regions: Sequence[np.ndarray], limit: float = 1.0) -> float:
    """Area under the share of values found, averaged over regions, against the false positive rate from 0 to
    ``limit``, divided by the limit.

    Args:
        normal: (N,) values that should not be found, sorted, N > 0.
        regions: (M_i,) values that should be found, M_i > 0, region by region.
    """
    values = np.concatenate(regions)
    greater = 1 - np.searchsorted(normal, values, "right") / len(normal)
    at_least = 1 - np.searchsorted(normal, values, "left") / len(normal)
    # Over the rates from `greater` to `at_least` a value is found by and by, from then on it counts in full.
    rising = (np.minimum(at_least, limit) - greater).clip(0)
    part = rising**2 / (2 * np.maximum(at_least - greater, np.finfo(float).tiny))
    areas = part + (limit - at_least).clip(0)
    starts = np.cumsum([0, *map(len, regions[:-1])])
    means = np.add.reduceat(areas, starts) / [len(region) for region in regions]
    return float(means.mean() / limit)


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
