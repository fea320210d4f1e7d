"""A model of space-time graphs on a live recording: a window, in which only what is new is computed."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from d2ext.data.anomaly_mapper import graph_spec
from d2ext.data.augmentation import to_tensor
from d2ext.data.trajectories import LiveGraph, SpaceTimeGraph, Tracks
from d2ext.modeling.anomaly.pdn import PDN, RECEPTIVE_FIELD, STRIDE

from .precision import inference_autocast
from .predictor import ImagePredictor


class StreamingPredictor:
    """Scores the latest ``INPUT.GRAPH.WIDTH`` columns of a live recording again and again.

    Each result equals that of the predictor on the graph of the same columns, drawn from the whole recording.
    Of it only this is computed: the new columns of the graph; teacher and student on the patches that see a
    new column or, with padding, the edge of the window (it has moved); and the second branch, all of whose
    tokens see each other. Kept are one graph, its descriptions, and the rows that the next columns need: as
    much after a day as after the first graph.

    Args:
        predictor: with a loaded ``EfficientAD``, such as TrajAD's.
        step: columns from one result to the next, a multiple of the 4 pixels between two descriptions that
            divides the width.
        first_column: as in :class:`~d2ext.data.trajectories.LiveGraph`.

    Raises:
        ValueError: another step or width, or another scale than the weights were trained for.
    """

    def __init__(self, predictor: ImagePredictor, step: int = 16, first_column: int | None = None) -> None:
        if step % STRIDE:
            raise ValueError(f"step must be a multiple of {STRIDE} columns, got {step}")
        self.predictor, self.step = predictor, step
        spec, width = graph_spec(predictor.cfg), predictor.cfg.INPUT.GRAPH.WIDTH
        self._model = cast(Any, predictor.model)  # an EfficientAD
        self._model.check_graph_scale(spec.scale(width))
        self._live = LiveGraph(spec, width, step, first_column)
        self._patches: Tensor | None = None

    @property
    def next_column(self) -> int | None:
        """The column that is drawn next, None before the first row."""
        return self._live.next_column

    def update(self, rows: Tracks, now: float | None = None) -> list[tuple[SpaceTimeGraph, dict[str, Any]]]:
        """Take new rows; gives each graph that they complete and what the predictor finds in it.

        Args:
            rows, now: as in :meth:`LiveGraph.update`. Columns are drawn ``INPUT.GRAPH.MAX_GAP`` after their
                end, when no row can change them any more.

        Raises:
            ValueError: as :meth:`LiveGraph.update`.
        """
        return [(graph, self._score(graph)) for graph in self._live.update(rows, now)]

    def _score(self, graph: SpaceTimeGraph) -> dict[str, Any]:
        cfg, model = self.predictor.cfg, self._model
        with torch.no_grad(), inference_autocast(cfg):
            images = model.images([{"image": to_tensor(graph.image, cfg.INPUT.FORMAT)}])
            if self._patches is None:
                self._patches = model.describe_patches(images)
            else:
                self._patches = slide(model, images, self._patches, self.step)
            return model.inference(images, self._patches)


def slide(model: Any, images: Tensor, before: Tensor, step: int) -> Tensor:
    """The descriptions of patches of a window, out of those before it moved.

    Args:
        model: an ``EfficientAD``.
        images: (1, 3, H, W) the window as it is now.
        before: (1, C, h, w) descriptions of the window ``step`` columns earlier.
        step: a multiple of ``STRIDE``.

    Returns:
        (1, C, h, w) as ``model.describe_patches(images)``, up to rounding.
    """
    teacher: PDN = model.teacher
    first, width, moved = teacher.first_pixel, images.shape[-1], step // STRIDE
    # Patches whose pixels all lie in the window: not those of the padding at its edges.
    left = -first // STRIDE
    right = (width - RECEPTIVE_FIELD - first) // STRIDE + 1
    known = max(right - moved, left)  # where the new ones begin
    start = known * STRIDE + first
    if start <= 0:
        return model.describe_patches(images)
    parts = [before[..., left + moved : right], model.describe_patches(images[..., start:])[..., left:]]
    if left:
        last = (left - 1) * STRIDE + first + RECEPTIVE_FIELD
        strip = images[..., : -(-last // STRIDE) * STRIDE]
        parts.insert(0, model.describe_patches(strip)[..., :left])
    return torch.cat(parts, -1)
