"""Looking for whatever is named, in one image at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.structures import Instances
from torch import Tensor

from d2ext.data.given_camera import GivenCamera
from d2ext.data.open_vocab.names import ExemplarBox, Name, check_names, check_prompt
from d2ext.engine import inference_autocast
from d2ext.modeling.detection.prompts import PromptTable
from d2ext.predictor import ObjectPredictor
from d2ext.projects.open_vocab3d.calibration import load_calibration
from d2ext.projects.open_vocab3d.exemplars import embed_box
from d2ext.structures import Camera


class OpenVocabPredictor(ObjectPredictor):
    """Finds what is named: :class:`~d2ext.predictor.ObjectPredictor` says what is taken and answered. The
    classes of answers are the names, in their order.

    ``names`` are embedded once, by :meth:`look_for`, and kept for all images until others are asked for.

    Args:
        cfg: config whose MODEL.WEIGHTS is loaded.
        names: texts, or :class:`~d2ext.data.open_vocab.names.Name`.
        model: as of :class:`~d2ext.engine.ImagePredictor`.
        exemplar_camera: of the exemplars' pictures.

    Raises:
        FileNotFoundError, ValueError: weights, or names, that cannot be used.
    """

    section = "DETECTION3D"
    model: Any  # an OpenVocabDet3D, or an export of one

    def __init__(
        self,
        cfg: CfgNode,
        names: Sequence[Name | str] = (),
        model: Any = None,
        exemplar_camera: GivenCamera | None = None,
    ) -> None:
        super().__init__(cfg, model)
        self._exemplar_camera = exemplar_camera or GivenCamera()
        if model is None:
            load_calibration(self.model, cfg.MODEL.OPEN_VOCAB.CALIBRATION)
        self.names: list[Name] = []
        self.table: PromptTable | None = None
        #: Names of an export, which are all that can be asked; None of a model.
        self.exported: list[str] | None = getattr(self.model, "names", None)
        if names or self.exported:
            self.look_for(names or self.exported or ())

    @property
    def class_names(self) -> list[str]:
        """What answers are called, by ``pred_classes``."""
        return [name.name for name in self.names]

    @property
    def thresholds(self) -> Tensor:
        """(K,) least score of an answer to each name."""
        default = self.cfg.TEST.SCORE_THRESHOLD
        return torch.tensor([default if n.threshold is None else n.threshold for n in self.names])

    def look_for(self, names: Sequence[Name | str]) -> None:
        """Embed what is to be found from now on.

        Raises:
            FileNotFoundError, ValueError: no name or one twice, a prompt that is a negation, an image or box
                of an exemplar that is none.
        """
        if isinstance(names, str):
            raise ValueError(f"names: expected a list, got one text: [{names[:60]!r}]")
        named = [n if isinstance(n, Name) else Name(t := check_prompt(n, "names"), (t,)) for n in names]
        self.names = check_names(named, "names")
        if getattr(self.model, "baked", False) and self.class_names != self.exported:
            raise ValueError(
                f"names: expected those that are baked in: {', '.join(self.exported or ())}"[:299]
            )
        with torch.no_grad():
            self.table = PromptTable.cat([self._embed(name) for name in self.names])

    def _embed(self, name: Name) -> PromptTable:
        """The mean of a name's texts, with that of its exemplars where there are any."""
        if self.exported is not None:
            if name.exemplars:
                raise ValueError(f"{name.name}: an exemplar wants the model, not an export of it")
            table = self.model.embed([name.name])
            return table if name.size is None else table.told_size(name.size)
        parts = []
        if name.prompts:
            parts.append(self.model.embed([check_prompt(p, name.name) for p in name.prompts]).mean())
        if name.exemplars:
            parts.append(PromptTable.cat([self._exemplar(one) for one in name.exemplars]).mean())
        table = PromptTable.cat(parts).mean() if len(parts) > 1 else parts[0]
        return table if name.size is None else table.told_size(name.size)

    def _exemplar(self, exemplar: ExemplarBox) -> PromptTable:
        image = self._exemplar_camera.read(exemplar.image, self.cfg.INPUT.MAX_PIXELS)
        height, width = image.shape[:2]
        x1, y1, x2, y2 = exemplar.box
        if min(x1, y1) < -1 or x2 > width or y2 > height or x2 - x1 < 2 or y2 - y1 < 2:
            shown = " ".join(f"{x:g}" for x in exemplar.box)
            raise ValueError(f"{exemplar.image}: box {shown}: expected x1 y1 x2 y2 inside {width}x{height}")
        camera = self._exemplar_camera.of((height, width), Path(exemplar.image))
        record = self.record(image, camera, None)
        return embed_box(self.model, record, list(exemplar.box))

    def __call__(
        self, image_bgr: np.ndarray, camera: Camera, ground_plane: Sequence[float] | Tensor | None = None
    ) -> Instances:
        """Find what was named, at scores from the names' thresholds on.

        Args:
            image_bgr: (H, W, 3) uint8, as :func:`d2ext.data.image_io.read_image` reads it.
            camera, ground_plane: as :class:`~d2ext.predictor.ObjectPredictor` has them.

        Raises:
            ValueError: an image, camera or plane that is none, or one that does not go with the others; no
                names.
        """
        found = self.detect(image_bgr, camera, ground_plane)["instances"]
        return found[found.scores >= self.thresholds[found.pred_classes]]

    def detect(
        self,
        image_bgr: np.ndarray,
        camera: Camera,
        ground_plane: Sequence[float] | Tensor | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """The same at any score, with the options of
        :meth:`d2ext.modeling.detection.inference.Detection.detect`."""
        if self.table is None:
            raise ValueError("names: expected at least one to look for")
        record = self.record(image_bgr, camera, ground_plane) | {"prompt_table": self.table}
        with torch.no_grad(), inference_autocast(self.cfg):
            return self.model.detect(self.model.encode([record]), **options)[0]
