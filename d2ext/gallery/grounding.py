"""Answers to sentences, with their targets in white."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from d2ext.engine.gallery import PREDICTIONS, Gallery, Picture, draws, fit_width
from d2ext.evaluation import Answer, boxes_of, read_answers, worst_answers
from d2ext.visualization import draw_grounding

from .boxes import instances_of, read_scene

SENTENCES = 4  # of an image that are drawn into one picture


class GroundingGallery(Gallery):
    """Draws answers to sentences, of which each may have any number of targets.

    Attributes:
        single: whether every sentence has exactly one target.
    """

    note = "White: the targets."
    single = False

    def read(self, records: list[dict[str, Any]]) -> list[dict[int, Answer]]:
        """Per image the answers by sentence.

        Raises:
            FileNotFoundError, ValueError: missing or damaged predictions.
        """
        return read_answers(self.folder / PREDICTIONS, records, len(self.metadata.thing_classes))

    def draw(self, answer: dict[int, Answer]) -> Picture:
        """Some sentences of an image."""
        return self._draw(list(answer.values())[:SENTENCES])

    def worst(self, count: int) -> Iterator[Picture]:
        """The worst mistake of an image, of the images with the worst ones."""
        for answer in worst_answers(self.answers, self.single, count):
            yield self._draw([answer])

    def pages(self) -> Iterator[Picture]:
        """All sentences of all images."""
        for answers in self.answers:
            parts = list(answers.values())
            for start in range(0, len(parts), SENTENCES):
                yield self._draw(parts[start : start + SENTENCES])

    def _draw(self, answers: Sequence[Answer]) -> Picture:
        record, plane = answers[0].record, answers[0].box_plane
        image, camera = read_scene(record)
        predictions = [instances_of(answer.predictions, plane, image.shape[:2]) for answer in answers]
        truth = [boxes_of([t for t in answer.targets if t["has_3d"]], plane) for answer in answers]
        texts = [answer.text for answer in answers]
        ground, names = record["ground_plane"], self.metadata.thing_classes
        pixels = draw_grounding(image, texts, predictions, camera, ground, truth, names)
        return Picture(
            record["image_id"],
            " / ".join(texts),
            f"image {record['image_id']}: {answers[0].verdict}",
            fit_width(pixels),
        )


@draws("mono3drefer")
class SingleTargetGallery(GroundingGallery):
    """Draws answers to sentences that have one target each."""

    single = True


draws("monomulti3d")(GroundingGallery)
