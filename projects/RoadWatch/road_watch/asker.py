"""Sentences about pictures: a grounding model, and one encoder pass a picture however many ask."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.structures import Instances
from torch import Tensor

from d2ext.data.config import add_grounding_data_config
from d2ext.engine import add_engine_config, inference_autocast, load_config
from d2ext.evaluation import named_rows
from d2ext.modeling.box3d.images import EncodedImages
from d2ext.modeling.grounding.config import add_grounding_config
from d2ext.modeling.grounding.inference import GroundingInference, on_host
from d2ext.predictor import ObjectPredictor
from d2ext.reading import whole_text
from d2ext.structures import BOX_EDGES, Boxes3D, Camera
from d2ext.visualization.draw3d import project_segments

#: Sentences that wait for the model at most, pictures whose features are kept, and answers that are.
_WAITING, _ENCODED, _ANSWERS = 8, 4, 32
_EDGES = np.array(BOX_EDGES)


class BusyError(Exception):
    """Too many wait for the model."""


@dataclass(frozen=True)
class Scene:
    """A picture that sentences are about.

    Attributes:
        key: the same for the same pixels and camera.
        image: (H, W, 3) uint8 BGR.
        camera: of it.
        plane: (4,) ground plane; None if not known.
    """

    key: Hashable
    image: np.ndarray
    camera: Camera
    plane: Sequence[float] | None


class Grounder(Protocol):
    """What :class:`Asker` asks."""

    @property
    def class_names(self) -> list[str]:
        """By the number that answers have."""

    def encode(self, scene: Scene) -> Any:
        """Features of a picture, for any sentence."""

    def answer(self, encoded: Any, text: str, single: bool | None) -> Instances:
        """The objects of one sentence, as :class:`~d2ext.predictor.ObjectPredictor` answers."""

    def box_plane(self, ground_plane: Any) -> Tensor | None:
        """The plane that boxes stand on."""


class SentencePredictor(ObjectPredictor):
    """A grounding model, such as U2ENet's, whose features of a picture are used for one sentence after the
    other.

    Args:
        config: file of configs/U2ENet.
        weights: its checkpoint.
        device: it runs on; "" for the config's.

    Raises:
        FileNotFoundError, ValueError: a config or weights that are missing or do not fit.
    """

    section = "GROUNDING"
    model: GroundingInference

    def __init__(self, config: str, weights: str, device: str = "") -> None:
        options = ["MODEL.WEIGHTS", weights] + (["MODEL.DEVICE", device] if device else [])
        super().__init__(load_config(_add_keys, config, options))

    def encode(self, scene: Scene) -> EncodedImages:
        """As :meth:`Grounder.encode`."""
        record = self.record(scene.image, scene.camera, scene.plane)
        with torch.no_grad(), inference_autocast(self.cfg):
            return self.model.encode_images([record])

    def answer(self, encoded: EncodedImages, text: str, single: bool | None) -> Instances:
        """As :meth:`Grounder.answer`."""
        record = {**encoded.records[0], "sentences": [text]}
        if single is not None:
            record["single_target"] = single
        with torch.no_grad(), inference_autocast(self.cfg):
            found = on_host(self.model.found(encoded.image(0), record))
            return self.model.answers(found, record)[0]


def _add_keys(cfg: CfgNode) -> None:
    add_grounding_data_config(cfg)
    add_engine_config(cfg)
    add_grounding_config(cfg)


@dataclass(frozen=True)
class Answer:
    """What was found.

    Attributes:
        number: of the answer.
        text: the sentence.
        scene: the picture.
        found: the objects, the best first.
        plane: that they stand on; None: the camera's x-z plane.
        names: of the classes.
    """

    number: int
    text: str
    scene: Scene
    found: Instances
    plane: Tensor | None
    names: Sequence[str] = field(repr=False)

    def objects(self) -> list[dict[str, Any]]:
        """Plain values for JSON: class, numbers as label files have them, and the ``lines`` of the box in
        pixels, [u, v, u, v] each, those of the face towards the heading in ``front``."""
        rows = named_rows(self.found, self.plane, self.names)
        lines = outlines(self.found.pred_boxes3d, self.scene.camera)
        return [row | {"lines": line} for row, line in zip(rows, lines, strict=True)]


def outlines(boxes: Boxes3D, camera: Camera) -> list[list[list[float]]]:
    """The edges of each of N boxes in pixels, cut where they leave the picture: [u, v, u, v] each."""
    camera, out = camera.to("cpu", torch.float64), []
    for corners in boxes.to("cpu", torch.float64).corners().numpy():
        pixels, valid = project_segments(corners[_EDGES], camera)
        out.append(np.round(pixels[valid].reshape(-1, 4), 1).tolist())
    return out


class Asker:
    """Asks a model from several threads, one after the other. The features of the last pictures are kept.

    Args:
        grounder: the model.

    Attributes:
        passes: of the encoder so far.
        lock: is held while a sentence is answered.
    """

    def __init__(self, grounder: Grounder) -> None:
        self._grounder = grounder
        self.lock, self._room = threading.Lock(), threading.BoundedSemaphore(_WAITING)
        self._encoded: OrderedDict[Hashable, Any] = OrderedDict()
        self._answers: OrderedDict[int, Answer] = OrderedDict()
        self._numbers = itertools.count(1)
        self.passes = 0

    def ask(self, scene: Scene, text: str, single: bool | None = None) -> Answer:
        """Find what a sentence means.

        Raises:
            BusyError: too many wait.
            ValueError: a sentence or picture that cannot be understood.
        """
        whole_text(text, "text")
        if not text.strip():
            raise ValueError("text: expected a sentence, got an empty one")
        if not self._room.acquire(blocking=False):
            raise BusyError("too many questions wait: try again in a moment")
        try:
            with self.lock:
                found = self._grounder.answer(self._features(scene), text, single)
                plane = self._grounder.box_plane(scene.plane)
                names = self._grounder.class_names
                answer = Answer(next(self._numbers), text, scene, found, plane, names)
                _keep(self._answers, answer.number, answer, _ANSWERS)
        finally:
            self._room.release()
        return answer

    def answer(self, number: int) -> Answer | None:
        """One of the last answers."""
        return self._answers.get(number)

    def _features(self, scene: Scene) -> Any:
        encoded = self._encoded.get(scene.key)
        if encoded is None:
            encoded = self._grounder.encode(scene)
            self.passes += 1
        _keep(self._encoded, scene.key, encoded, _ENCODED)
        return encoded


def _keep(kept: OrderedDict[Any, Any], key: Any, value: Any, most: int) -> None:
    """As the latest, without the oldest."""
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > most:
        kept.popitem(last=False)
