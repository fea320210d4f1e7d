"""OpenVocab3D as ``d2ext.from_zoo`` gives it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from detectron2.structures import Instances

from d2ext.data.given_image import StrPath, given_image
from d2ext.data.open_vocab.names import Name, parse_prompts
from d2ext.engine import load_config
from d2ext.engine.demo import Look
from d2ext.predictor import look_at_objects
from d2ext.projects.open_vocab3d.config import add_open_vocab3d_config
from d2ext.projects.open_vocab3d.predictor import OpenVocabPredictor

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from d2ext.data.given_image import CameraOptions


class Ready:
    """Finds in images whatever is named.

    Attributes:
        predictor: what finds it, for pixels and cameras of one's own.
    """

    def __init__(self, predictor: OpenVocabPredictor) -> None:
        self.predictor = predictor
        self._asked: str | tuple[Name | str, ...] = ()

    def __call__(
        self, image: StrPath | np.ndarray, names: str | Sequence[Name | str], **camera: Unpack[CameraOptions]
    ) -> Instances:
        """What is named, as :class:`~d2ext.predictor.ObjectPredictor` explains it; ``pred_classes`` are the
        names, in their order.

        Args:
            image: path, or (H, W, 3) uint8 BGR.
            names: "car; truck, lorry" are two, the second of two prompts; or a list of names.
            camera: what is known of it and of the road.

        Raises:
            FileNotFoundError, ValueError: something that cannot be used.
        """
        self._look_for(names)
        return self.predictor(*given_image(image, camera))

    def look(
        self, image: StrPath | np.ndarray, names: str | Sequence[Name | str], **camera: Unpack[CameraOptions]
    ) -> Look:
        """The same as ``picture`` (BGR), as ``row`` for JSON, and in words (``said``)."""
        self._look_for(names)
        pixels, view, plane = given_image(image, camera)
        return look(self.predictor, (pixels, view, plane), self.predictor(pixels, view, plane))

    def _look_for(self, names: str | Sequence[Name | str]) -> None:
        """Names are embedded when they are others than before."""
        asked = names if isinstance(names, str) else tuple(names)
        if asked != self._asked:
            self.predictor.look_for(parse_prompts(asked) if isinstance(asked, str) else asked)
            self._asked = asked


def look(predictor: OpenVocabPredictor, seen: tuple, found: Instances, **options: Any) -> Look:
    """What was found in an image with its camera and ground plane, by name; the rest as
    :func:`~d2ext.predictor.look_at_objects` has it."""
    seen_objects = look_at_objects(predictor, seen, found, **options)
    names = [row["class"] for row in seen_objects.row["objects"]]
    return replace(seen_objects, said=[f"{names.count(n)} x {n}" for n in predictor.class_names])


def load(config: str, options: Sequence[str]) -> Ready:
    """For a config file with keys and values over it.

    Raises:
        FileNotFoundError, ValueError: as the predictor.
    """
    return Ready(OpenVocabPredictor(load_config(add_open_vocab3d_config, config, options)))
