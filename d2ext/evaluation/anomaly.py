"""Evaluation of anomaly maps: image and pixel AUROC, AUPRO, best F1.

A map is judged by the false positive rates at which each abnormal pixel is found: the share of normal pixels,
over all images, whose values are greater, or at least as great. The curve of pixels found against that rate
is drawn straight over equal values. Its area, from a rate of 0 to a limit, is summed pixel by pixel: for the
pixel AUROC over all abnormal ones up to 1, for AUPRO (Bergmann et al., IJCV 2021, section 4) first over each
connected region, then over the regions, up to 0.3. No thresholds have to be chosen.

Both are given at the size of the maps and, for images, at their own size.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from d2ext.files import write_bytes
from d2ext.structures import label_regions

from .evaluator import Rows, Table, TableEvaluator
from .original_size import LIMIT, Original, original_figures
from .rates import area

KINDS = ("trajectories", "mvtec_ad")
WHOLE = "Overall"  # row of the table

#: Draws what was found in an image: (mapper dict, output of the model) -> (H, W, 3) uint8 BGR.
Draw = Callable[[Mapping[str, Any], Mapping[str, Any]], np.ndarray]


class AnomalyEvaluator(TableEvaluator):
    """Evaluates anomaly maps on a dataset whose metadata says ``evaluator_type`` "trajectories" or
    "mvtec_ad".

    Results are in per cent, {"anomaly": {...}}, but for thresholds: over all images, and for each kind of
    anomaly its images and all normal ones. "F1" is the best, and "threshold" the one it was chosen with on
    these data; figures that begin with "fixed" are of the model's own threshold, those with "original" of the
    images' own size. A figure that needs what is not there is left out.
    """

    def __init__(
        self,
        dataset_name: str,
        output_dir: str | Path | None = None,
        draw: Draw | None = None,
        original_size: bool = True,
    ) -> None:
        """
        Args:
            dataset_name: registered name.
            output_dir: folder for ``predictions.json`` (the score of each image), ``metrics.json`` and
                ``maps/<image_id>.npy`` (float16); None writes nothing.
            draw: what is written as ``heat_maps/<image_id>.png`` while images are processed; None: nothing.
            original_size: give the pixel figures at the images' own size too.

        Raises:
            ValueError: the dataset is of another type.
        """
        super().__init__(dataset_name, KINDS, output_dir)
        self._draw = draw
        self._original_size = original_size

    def process(self, inputs: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]) -> None:
        """Collect what was found.

        Args:
            inputs: mapper dicts with ``image_id``, ``label`` (1: abnormal), ``kind`` and ``mask`` (H, W)
                bool; None where it is not known, then there are no pixel figures. ``original_mask`` (height,
                width) bool of an image is its mask at its own size.
            outputs: {"anomaly_map": (H, W), "score": float} for each input, and perhaps the "threshold" from
                which on a score is abnormal.
        """
        for record, output in zip(inputs, outputs, strict=True):
            values = output["anomaly_map"].float().cpu().numpy()
            known = record["mask"] is not None
            mask = record["mask"].cpu().numpy() if known else np.zeros(values.shape, bool)
            regions, count = label_regions(mask)
            original = record.get("original_mask") if self._original_size else None
            self._rows.append(
                {
                    "image_id": record["image_id"],
                    "kind": record["kind"],
                    "label": int(record["label"]),
                    "score": float(output["score"]),
                    "threshold": output.get("threshold"),
                    "known": known,
                    "normal": values[regions == 0],
                    "regions": [values[regions == i] for i in range(1, count + 1)],
                    "original": None if original is None else Original.pack(values, original.cpu().numpy()),
                }
            )
            if self._output_dir is not None:
                write_map(self._output_dir, record["image_id"], values)
            if self._draw is not None and self._output_dir is not None:
                png = cv2.imencode(".png", self._draw(record, output))[1]
                write_bytes(self._output_dir / "heat_maps" / f"{record['image_id']}.png", png.tobytes())

    def tables(self, rows: Rows) -> dict[str, Table]:
        """``anomaly``: figures of all images, and of each kind of anomaly with the normal ones."""
        images = list(rows.values())
        original = original_figures(images, WHOLE)
        table = {WHOLE: figures(images, original.get(WHOLE, {}))}
        for kind in sorted({row["kind"] for row in images if row["label"]}):
            chosen = [row for row in images if not row["label"] or row["kind"] == kind]
            table[kind] = figures(chosen, original.get(kind, {}))
        return {"anomaly": table}

    def predictions(self, rows: Rows) -> list[dict[str, Any]]:
        """Per image its score, label, kind and threshold, by the images' names."""
        keys = ("image_id", "kind", "label", "score", "threshold")
        return [{k: row[k] for k in keys if row[k] is not None} for _, row in sorted(rows.items())]


def write_map(folder: Path, image_id: str, values: np.ndarray) -> None:
    """Write an anomaly map (H, W) as ``maps/<image_id>.npy``, float16."""
    file = io.BytesIO()
    largest = np.finfo(np.float16).max
    np.save(file, values.clip(-largest, largest).astype(np.float16), allow_pickle=False)
    write_bytes(folder / "maps" / f"{image_id}.npy", file.getvalue())


def read_map(folder: Path, image_id: str) -> np.ndarray:
    """The map (H, W) float32 of an image, as :func:`write_map` left it.

    Raises:
        FileNotFoundError, ValueError: no such file; not a map of finite numbers.
    """
    path = folder / "maps" / f"{image_id}.npy"
    try:
        values = np.lib.format.open_memmap(path, mode="r")  # nothing is allocated that the file has not
    except FileNotFoundError as e:
        raise FileNotFoundError(f"{path}: no such file") from e
    except (ValueError, EOFError, OSError) as e:
        raise ValueError(f"{path}: expected an array ({' '.join(str(e).split())[:80]})") from e
    if values.dtype != np.float16 or values.ndim != 2:
        raise ValueError(f"{path}: expected a (H, W) array of float16")
    if not values.size or not np.isfinite(values).all():
        raise ValueError(f"{path}: expected finite numbers")
    return values.astype(np.float32)


def figures(images: Collection[Mapping[str, Any]], original: Mapping[str, float]) -> dict[str, float]:
    """All figures over some images, given as the rows that :class:`AnomalyEvaluator` collects, and those at
    the original size."""
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
    found |= original
    if labels.any() and not labels.all():
        best, found["threshold"] = best_f1(scores, labels)
        found["F1"] = 100 * best
        thresholds = [row["threshold"] for row in images]
        if None not in thresholds:
            found["fixed threshold"] = thresholds[0]
            found |= judged(scores >= np.array(thresholds), labels)
    return found


def judged(found: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Precision, recall and F1 in per cent of images (N,) that were found abnormal, and that are; no
    precision where none was found."""
    hits, total = int((found & labels).sum()), int(found.sum())
    precision = {"fixed precision": 100 * hits / total} if total else {}
    return precision | {
        "fixed recall": 100 * hits / int(labels.sum()),
        "fixed F1": 200 * hits / (total + int(labels.sum())),
    }


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
