"""What finds the objects of a picture: a 3D detector of the registry, or labels in the place of one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from detectron2.config import CfgNode

from d2ext.data.config import add_detection_data_config
from d2ext.data.formats.kitti_tracking import read_kitti_tracks
from d2ext.engine import add_engine_config, inference_autocast, load_config
from d2ext.modeling import add_detection3d_config
from d2ext.modeling.detection.inference import WarmStart
from d2ext.predictor import ObjectPredictor
from d2ext.structures import Camera
from d2ext.structures.vocabulary import ROAD
from d2ext.tracking import Detections, GroundFrame


class Finder(Protocol):
    """Finds the objects of one picture after the other."""

    @property
    def class_names(self) -> Sequence[str]:
        """By the number that detections have."""

    def find(self, image: np.ndarray, number: int, expected: np.ndarray | None) -> Detections:
        """
        Args:
            image: (H, W, 3) uint8 BGR.
            number: of the picture, from 0.
            expected: (M, 4) 2D boxes in pixels where tracks should be; None: start cold.
        """


def add_detector_config(cfg: CfgNode) -> None:
    """Add the keys of every 3D detector of the collection."""
    add_detection_data_config(cfg)
    add_engine_config(cfg)
    add_detection3d_config(cfg)
    # Of DiffusionDet3D's project, whose config files may set them; they change nothing here.
    cfg.MODEL.RESNETS.WEIGHTS = ""
    cfg.TEST.REGION_MASKS = ""


class PictureFinder(ObjectPredictor):
    """A detector with its weights.

    Args:
        settings: ``ROAD_WATCH.DETECTOR``.
        device: it runs on; "" for the config's.
        camera: of all pictures.
        ground: (4,) plane of the road.

    Raises:
        FileNotFoundError, ValueError: a config or weights that are missing or do not fit.
    """

    section = "DETECTION3D"
    model: Any

    def __init__(self, settings: CfgNode, device: str, camera: Camera, ground: Sequence[float]) -> None:
        if not settings.CONFIG:
            raise ValueError("ROAD_WATCH.DETECTOR.CONFIG is empty: expected a config of DiffusionDet3D")
        options = [*map(str, settings.OPTIONS), "MODEL.WEIGHTS", settings.WEIGHTS]
        options += ["MODEL.DEVICE", device] if device else []
        super().__init__(load_config(add_detector_config, settings.CONFIG, options))
        self._settings, self._camera, self._ground = settings, camera, list(ground)
        self._frame = GroundFrame(ground)

    def find(self, image: np.ndarray, number: int, expected: np.ndarray | None) -> Detections:
        """As :meth:`Finder.find`."""
        record = self.record(image, self._camera, self._ground)
        options: dict[str, Any] = {"steps": self._settings.STEPS}
        if self._settings.NUM_BOXES:
            options["num_boxes"] = self._settings.NUM_BOXES
        if expected is not None:
            options["warm"] = WarmStart([torch.from_numpy(expected)], self._settings.WARM_TIME)
        with torch.no_grad(), inference_autocast(self.cfg):
            found = self.model.detect(self.model.encode([record]), **options)[0]["instances"]
        return self._frame.detections_of(found)


class LabelFinder:
    """The labelled objects of a KITTI tracking file as detections: measures what follows the detector, and
    needs no weights.

    Args:
        path: file of ``label_02``.
        ground: (4,) plane of the road.
        score: of every object.
    """

    def __init__(self, path: str | Path, ground: Sequence[float], score: float = 0.9) -> None:
        self.class_names = ROAD.names
        labels = read_kitti_tracks(path, ground=ground)
        self._found = labels.detections()
        self._score = score

    def find(self, image: np.ndarray, number: int, expected: np.ndarray | None) -> Detections:
        """As :meth:`Finder.find`."""
        if number >= len(self._found):
            empty = np.zeros(0)
            flat = np.zeros((0, 2)), empty, np.zeros((0, 3)), empty, np.zeros((0, 4))
            return Detections(empty, np.zeros(0, np.int64), *flat)
        found = self._found[number]
        scores = np.full(len(found), self._score)
        return Detections(
            scores, found.classes, found.position, found.heading, found.size, found.elevation, found.boxes
        )
