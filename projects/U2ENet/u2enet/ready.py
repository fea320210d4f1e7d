"""U2ENet as ``d2ext.from_zoo`` gives it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from detectron2.structures import Instances

from d2ext.data.given_image import StrPath, given_image
from d2ext.engine import load_config
from d2ext.engine.demo import Look
from d2ext.projects.u2enet.config import add_u2enet_config
from d2ext.projects.u2enet.evaluator import answer_rows
from d2ext.projects.u2enet.predictor import U2ENetPredictor
from d2ext.visualization import draw_grounding

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from d2ext.data.given_image import CameraOptions


class Ready:
    """Answers sentences about images.

    Attributes:
        predictor: what answers, for pixels and cameras of one's own.
    """

    def __init__(self, predictor: U2ENetPredictor) -> None:
        self.predictor = predictor

    def __call__(
        self,
        image: StrPath | np.ndarray,
        texts: str | Sequence[str],
        single: bool | None = None,
        **camera: Unpack[CameraOptions],
    ) -> Instances | list[Instances]:
        """What a sentence means in an image, as :class:`~d2ext.predictor.ObjectPredictor` explains it; of a
        list of sentences a list.

        Args:
            image: path, or (H, W, 3) uint8 BGR.
            single: True: exactly one object a sentence; None: as the config says.
            camera: what is known of it and of the road.

        Raises:
            FileNotFoundError, ValueError: something that cannot be used.
        """
        sentences = [texts] if isinstance(texts, str) else texts
        pixels, view, plane = given_image(image, camera)
        answers = self.predictor(pixels, sentences, view, plane, single)
        return answers[0] if isinstance(texts, str) else answers

    def look(
        self,
        image: StrPath | np.ndarray,
        texts: str | Sequence[str],
        single: bool | None = None,
        **camera: Unpack[CameraOptions],
    ) -> Look:
        """The same as ``picture`` (BGR), as ``row`` for JSON, and in words (``said``)."""
        pixels, view, plane = given_image(image, camera)
        return look(
            self.predictor, [texts] if isinstance(texts, str) else texts, single, (pixels, view, plane)
        )


def look(predictor: U2ENetPredictor, texts: Sequence[str], single: bool | None, seen: tuple) -> Look:
    """What ``texts`` mean in an image with its camera and ground plane."""
    image, camera, plane = seen
    answers = predictor(image, texts, camera, plane, single)
    names = predictor.class_names
    stands_on = predictor.box_plane(plane)
    rows = answer_rows(texts, answers, stands_on, names)
    picture = draw_grounding(image, texts, answers, camera, plane, class_names=names)
    counts = [len(answer) for answer in answers]
    said = [f"{n} object{'s' * (n != 1)}: {text}" for n, text in zip(counts, texts, strict=True)]
    return Look({"sentences": rows}, picture, said, sum(counts), stands_on)


def load(config: str, options: Sequence[str]) -> Ready:
    """For a config file with keys and values over it.

    Raises:
        FileNotFoundError, ValueError: as the predictor.
    """
    return Ready(U2ENetPredictor(load_config(add_u2enet_config, config, options)))
