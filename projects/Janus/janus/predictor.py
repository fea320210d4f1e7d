"""Janus on a single image: sentences for boxes, answers to questions; and pictures of sentences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from detectron2.config import CfgNode

from d2ext.data.describe.mapper import DescribeMapper
from d2ext.data.facts.labels import label_of
from d2ext.data.image_record import check_image
from d2ext.data.synthroad.labels import Label
from d2ext.engine import ImagePredictor, inference_autocast
from d2ext.modeling.meta_arch.janus import Janus
from d2ext.reading import whole_text
from d2ext.structures.vocabulary import ROAD


class JanusPredictor(ImagePredictor):
    """A ``DefaultPredictor`` of Janus: images are (H, W, 3) uint8 BGR.

    Raises:
        FileNotFoundError, ValueError: weights that are missing or do not fit.
    """

    model: Janus

    def __init__(self, cfg: CfgNode) -> None:
        if cfg.MODEL.JANUS.NAME and not cfg.MODEL.WEIGHTS:
            super().__init__(cfg, _of_folder(cfg))
        else:
            super().__init__(cfg)
        self.mapper = DescribeMapper(cfg, False)

    def describe(
        self, image_bgr: np.ndarray, marked: Sequence[Label], language: str = "en", count: int = 0
    ) -> list[str]:
        """Sentences that mean some objects of an image, the likeliest one, or ``count`` that are drawn.

        Args:
            marked: :meth:`label` makes one of numbers.
            language: "en" or "zh".

        Raises:
            ValueError: no image, no object, or another language.
        """
        check_image(image_bgr)
        if not marked:
            raise ValueError("marked: expected at least one object")
        if language not in ("en", "zh"):
            raise ValueError(f"language: expected en or zh, got {language!r}")
        told = self.mapper.described(image_bgr, marked, language)
        with torch.no_grad(), inference_autocast(self.cfg):
            answers = self.model.answer([told["images"]], [told["prompt"]], count)
        return answers[0] if count else answers

    def ask(self, image_bgr: np.ndarray, questions: Sequence[str]) -> list[str]:
        """Answers to questions about an image, boxes first; :func:`d2ext.data.describe.questions.read_places`
        reads these.

        Raises:
            ValueError: no image, or an empty question.
        """
        check_image(image_bgr)
        for text in questions:
            if not whole_text(text, "question").strip():
                raise ValueError("question: expected words, got an empty text")
        images = self.mapper.whole(image_bgr)
        with torch.no_grad(), inference_autocast(self.cfg):
            return self.model.answer([images] * len(questions), questions)

    def draw(self, text: str, seed: int = 0) -> np.ndarray:
        """A picture (S, S, 3) BGR of a text; the same seed gives the same.

        Raises:
            ValueError: an empty text.
        """
        if not whole_text(text, "text").strip():
            raise ValueError("text: expected words, got an empty text")
        with torch.random.fork_rng(), torch.no_grad(), inference_autocast(self.cfg):
            torch.manual_seed(seed)
            picture = self.model.draw([text])[0].cpu().numpy()
        return np.ascontiguousarray(picture.transpose(1, 2, 0)[..., ::-1])

    def label(self, row: Sequence[str], image_size: tuple[int, int]) -> Label:
        """The object of a KITTI label row (15 fields).

        Raises:
            ValueError: a row that is none, or marks no object.
        """
        from d2ext.data.formats.kitti import parse_label

        annotation = parse_label(row, "box")
        if annotation is None:
            raise ValueError(f"box: expected an object, got {row[0]!r}")
        return label_of(annotation, ROAD.names, image_size)


def _of_folder(cfg: CfgNode) -> Janus:
    """The model of ``MODEL.JANUS.NAME`` as it is there."""
    from detectron2.modeling import build_model

    return build_model(cfg.clone()).eval()
