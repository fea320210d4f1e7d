"""Images and graphs beside their anomaly maps, with what is labelled abnormal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain, zip_longest
from typing import Any

from d2ext.data.anomaly_mapper import AnomalyMapper
from d2ext.data.build import evaluated_records
from d2ext.data.trajectories import SpaceTimeGraph
from d2ext.engine.gallery import PREDICTIONS, Gallery, Picture, draws, fit_width
from d2ext.evaluation import check_number, read_map, read_predictions
from d2ext.structures import find_regions
from d2ext.visualization import draw_anomalies


@draws("trajectories", "mvtec_ad")
class AnomalyGallery(Gallery):
    """Draws an image or graph, its heat map with the regions from the threshold of the evaluated model on,
    and in both the outline of what is labelled abnormal, where that is known."""

    heading = "Normal images with the highest and abnormal ones with the lowest scores"
    note = (
        "Outlined in blue: what is labelled abnormal. Boxes: regions of the heat map from the threshold on."
    )

    def read(self, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Records with ``score`` and ``threshold``, and with the ``label`` and ``kind`` that were evaluated:
        the anomaly of a recording may lie in another of its graphs."""
        path = self.folder / PREDICTIONS
        try:
            self._mapper = AnomalyMapper(self.cfg, False)
            records = evaluated_records(self.cfg, records)
            default = self.cfg.TEST.THRESHOLD  # of predictions without one
        except (AttributeError, KeyError, TypeError) as e:
            raise ValueError(f"config.yaml of {path}: expected the keys of anomaly detection ({e})") from e
        rows = read_predictions(path)
        answered = []
        for record in records:
            row = rows.get(record["image_id"])
            if row is not None:
                where = f"{path}: image {record['image_id']!r}"
                score = check_number(row.get("score"), f"{where}: field 'score'")
                threshold = check_number(row.get("threshold", default), f"{where}: field 'threshold'")
                if threshold <= 0:
                    raise ValueError(f"{where}: field 'threshold': expected a number above 0")
                if row.get("label") not in (0, 1) or not isinstance(row.get("kind"), str):
                    raise ValueError(f"{where}: expected 0 or 1 as 'label' and a text as 'kind'")
                found = {"score": score, "threshold": threshold, "label": row["label"], "kind": row["kind"]}
                answered.append(record | found)
        return answered

    def draw(self, answer: Mapping[str, Any]) -> Picture:
        """The image or graph under its anomaly map, with its regions and, where it is known, what is
        abnormal.

        Raises:
            ValueError: a map of another size than the image.
        """
        name = answer["image_id"]
        subject = self._mapper.read(answer)
        heat_map = read_map(self.folder, name)
        image = subject.image if isinstance(subject, SpaceTimeGraph) else subject
        if heat_map.shape != image.shape[:2]:
            raise ValueError(
                f"{self.folder}/maps/{name}.npy: expected {image.shape[:2]}, got {heat_map.shape}"
            )
        known = self._mapper.labels(subject, answer)["mask"]
        mask, threshold = None if known is None else known.numpy(), answer["threshold"]
        regions = find_regions(heat_map, threshold)
        what = f"abnormal ({answer['kind']})" if answer["label"] else "normal"
        found = answer["score"] >= threshold
        verdict = "right" if found == bool(answer["label"]) else "false alarm" if found else "missed"
        title = f"{name}: {what}, score {answer['score']:.2f}"
        pixels = draw_anomalies(subject, heat_map, threshold, regions, title=title, mask=mask)
        return Picture(name, title, f"{verdict} at threshold {threshold:.2f}", fit_width(pixels))

    def worst(self, count: int) -> Iterator[Picture]:
        """Normal images of high and abnormal ones of low scores, by turns."""
        normal = sorted((a for a in self.answers if not a["label"]), key=lambda a: -a["score"])
        abnormal = sorted((a for a in self.answers if a["label"]), key=lambda a: a["score"])
        both = chain.from_iterable(zip_longest(normal, abnormal))
        for answer in [a for a in both if a is not None][:count]:
            yield self.draw(answer)
