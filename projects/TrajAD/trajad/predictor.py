"""TrajAD on a single image or graph, and on a recording."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from detectron2.config import CfgNode

from d2ext.data.anomaly_mapper import graph_spec
from d2ext.data.augmentation import FitImage, to_tensor
from d2ext.data.image_record import check_image
from d2ext.data.trajectories import SpaceTimeGraph, SpaceTimeRenderer, Tracks
from d2ext.engine import ImagePredictor
from d2ext.engine.predictor import Model


class TrajADPredictor(ImagePredictor):
    """Scores one image, graph or recording at a time.

    An answer is a map, not ``Instances``. Graphs have the size of their scale, so that a call takes an image
    as it is: :attr:`aug` gives a photograph the size that the model is trained at.
    """

    def __init__(self, cfg: CfgNode, model: Model | None = None) -> None:
        super().__init__(cfg, model)
        self.aug = FitImage(tuple(cfg.INPUT.SIZE), stretch=True)

    model: Any  # an EfficientAD, or an export of one

    @property
    def threshold(self) -> float:
        """The score from which on an image or a recording is abnormal."""
        return self.model.threshold()

    def __call__(self, image_bgr: np.ndarray) -> dict[str, Any]:
        """
        Args:
            image_bgr: (H, W, 3) uint8; a graph at the scale of the config, or an image at ``INPUT.SIZE``.

        Returns:
            ``anomaly_map``, ``local_map`` and ``global_map`` (H, W) float32, ``score``, and ``threshold``,
            from which on a score is abnormal.

        Raises:
            ValueError: an image of another shape.
        """
        return self.predict({"image": to_tensor(check_image(image_bgr), self.cfg.INPUT.FORMAT)})

    def recording(self, tracks: Tracks) -> tuple[SpaceTimeGraph, np.ndarray]:
        """Score a recording of any length, graph by graph as in evaluation.

        Returns:
            one graph of the whole recording, and its anomaly map (H, W) float32: each column is from the
            graph in which it lies farther from the edge. Its maximum is the score.

        Raises:
            ValueError: the graphs of the config have another scale than those that the weights were trained
                on, or the recording is too long.
        """
        g = self.cfg.INPUT.GRAPH
        renderer = SpaceTimeRenderer(tracks, graph_spec(self.cfg))
        starts = renderer.tile_starts(g.WIDTH, g.OVERLAP)
        scale = renderer.spec.scale(g.WIDTH)
        maps = []
        for start in starts:
            image = to_tensor(renderer.render(start, g.WIDTH).image, self.cfg.INPUT.FORMAT)
            found = self.predict({"image": image, "graph_scale": scale})
            maps.append(found["anomaly_map"].cpu().numpy())
        graph = renderer.render(starts[0], starts[-1] + g.WIDTH - starts[0])
        return graph, stitch(maps, starts)


def stitch(maps: Sequence[np.ndarray], starts: Sequence[int]) -> np.ndarray:
    """One map out of overlapping ones (H, W), each of which begins at a column of ``starts``, rising; two
    neighbours meet in the middle of their overlap."""
    width = maps[0].shape[1]
    ends = [(start + width + following) // 2 for start, following in zip(starts, starts[1:], strict=False)]
    bounds = [starts[0], *ends, starts[-1] + width]
    return np.concatenate(
        [m[:, a - s : b - s] for m, s, a, b in zip(maps, starts, bounds[:-1], bounds[1:], strict=True)],
        axis=1,
    )
