"""TrajAD as ``d2ext.from_zoo`` gives it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from d2ext.data.image_record import check_image
from d2ext.data.trajectories import Tracks
from d2ext.engine import load_config
from d2ext.engine.demo import Look
from d2ext.projects.trajad.config import add_trajad_config
from d2ext.projects.trajad.files import FileFinder
from d2ext.projects.trajad.findings import Finding
from d2ext.projects.trajad.predictor import TrajADPredictor

StrPath = str | os.PathLike[str]


class Ready:
    """Scores recordings and images.

    Attributes:
        predictor: what scores them.
    """

    def __init__(self, predictor: TrajADPredictor) -> None:
        self.predictor = predictor

    def __call__(self, subject: StrPath | np.ndarray | Tracks, road: StrPath | None = None) -> Finding:
        """What is not normal: ``score``, ``threshold``, ``verdict``, ``heat_map``, ``regions``, and
        ``picture()``.

        Args:
            subject: recording (.csv, .txt, .xml, or as it is read), or image: path, or (H, W, 3) uint8 BGR.
            road: road.json of a recording with x and y.

        Raises:
            FileNotFoundError, ValueError: something that cannot be used.
        """
        finder = FileFinder(self.predictor, None if road is None else Path(road))
        if isinstance(subject, np.ndarray):
            return finder.find("image", check_image(subject))
        if isinstance(subject, Tracks):
            return finder.find("recording", subject)
        return finder.find(Path(subject).name, finder.read(Path(subject)))

    def look(self, subject: StrPath | np.ndarray | Tracks, road: StrPath | None = None) -> Look:
        """The same as ``picture`` (BGR), as ``row`` for JSON, and in words (``said``)."""
        found = self(subject, road)
        return Look(found.content(), found.picture(), [found.headline()], len(found.regions))


def load(config: str, options: Sequence[str]) -> Ready:
    """For a config file with keys and values over it.

    Raises:
        FileNotFoundError, ValueError: as the predictor.
    """
    return Ready(TrajADPredictor(load_config(add_trajad_config, config, options)))
