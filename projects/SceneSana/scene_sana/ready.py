"""SceneSana as ``d2ext.from_zoo`` gives it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from d2ext.data.formats.kitti import read_labels
from d2ext.data.formats.rows import BrokenRows
from d2ext.data.given_image import StrPath, given_image
from d2ext.engine import load_config
from d2ext.projects.scene_sana.config import add_scene_sana_config
from d2ext.projects.scene_sana.predictor import SceneSanaPredictor
from d2ext.structures import Vocabulary

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from d2ext.data.given_image import CameraOptions


class Ready:
    """Draws pictures of layouts.

    Attributes:
        predictor: what draws, for layouts and cameras of one's own.
    """

    def __init__(self, predictor: SceneSanaPredictor) -> None:
        self.predictor = predictor

    def __call__(
        self,
        layout: StrPath | Sequence[Mapping[str, Any]],
        size: tuple[int, int],
        text: str = "",
        seed: int = 0,
        steps: int = 0,
        **camera: Unpack[CameraOptions],
    ) -> np.ndarray:
        """A picture (H, W, 3) uint8 BGR of the size ``INPUT.SIZE``.

        Args:
            layout: label file of KITTI or Rope3D, or its rows as they are read.
            size: (height, width) of the picture that the camera is of.
            text: caption; empty: the layout in words.
            seed: the same one gives the same picture.
            steps: of the sampler; 0: as the config says.
            camera: what is known of it and of the road.

        Raises:
            FileNotFoundError, ValueError: something that cannot be used.
        """
        _, view, plane = given_image(np.zeros((*size, 3), np.uint8), camera)
        rows = layout
        if isinstance(layout, str | Path):
            names = Vocabulary.of_names(self.predictor.class_names)
            rows = read_labels(Path(layout), BrokenRows(False), names)
        return self.predictor(rows, view, plane, text, seed, steps=steps)  # type: ignore[arg-type]


def load(config: str, options: Sequence[str]) -> Ready:
    """For a config file with keys and values over it.

    Raises:
        FileNotFoundError, ValueError: as the predictor.
    """
    return Ready(SceneSanaPredictor(load_config(add_scene_sana_config, config, options)))
