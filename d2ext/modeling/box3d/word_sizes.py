"""A box head whose sizes come from what the picture shows and from what a word says, whichever is surer.

A class of a fixed list has a mean size, and a head predicts what an object differs from it by. Words have no
such list: what "car" says of a size is narrow, what "object" says is next to nothing. Both ways predict the
logarithm of each side with a Laplace scale and are fused by their variances, as depths are.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from d2ext.modeling.box3d.coder import fuse_log_depths
from d2ext.modeling.box3d.head import Box3DHead
from d2ext.modeling.box3d.objects import ObjectTargets
from d2ext.modeling.losses import laplace_nll
from d2ext.structures import constant
from d2ext.structures.vocabulary import Size

#: Height, width and length in metres from which sizes are predicted, between those of a cone and of a tram.
REFERENCE: Size = (1.5, 1.0, 2.0)
#: Bounds of logarithms: of a side over the reference, and of a scale.
_FARTHEST, _SCALES = 3.0, (-5.0, 2.0)


class WordSizedHead(Box3DHead):
    """:class:`Box3DHead` without classes of its own.

    What it decodes, and its losses, want beside its raw predictions what the words say of N objects:
    ``word_log_size`` and ``word_size_log_scale`` (N, 3), both as :meth:`said_sizes` bounds them.

    Args:
        settings: the arguments of :class:`Box3DHead` but for the mean sizes.
    """

    more_parts = {"size_log_scale": 3}

    def __init__(self, in_dim: int, hidden_dim: int, **settings: Any) -> None:
        super().__init__(in_dim, hidden_dim, torch.tensor([REFERENCE]), **settings)

    @staticmethod
    def said_sizes(raw: Tensor) -> tuple[Tensor, Tensor]:
        """What a network makes of words, (..., 6) -> log sizes (..., 3) of metres and log scales (..., 3)."""
        size, scale = raw.float().chunk(2, -1)
        reference = constant(REFERENCE, size).log()
        return reference + size.clamp(-_FARTHEST, _FARTHEST), scale.clamp(*_SCALES)

    def _ways(self, raw: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Log sizes by the picture and by the words, and their log scales, both (N * 3, 2)."""
        seen = self.mean_sizes.log() + raw["size"].clamp(-_FARTHEST, _FARTHEST)
        sizes = torch.stack([seen, raw["word_log_size"]], -1)
        scales = torch.stack([raw["size_log_scale"].clamp(*_SCALES), raw["word_size_log_scale"]], -1)
        return sizes.flatten(0, 1), scales.flatten(0, 1)

    def _sizes(self, raw: dict[str, Tensor], classes: Tensor) -> Tensor:
        return fuse_log_depths(*self._ways(raw))[0].view(-1, 3).exp()

    def _size_loss(self, raw: dict[str, Tensor], targets: ObjectTargets) -> Tensor:
        """Error of the fused log size, and the likelihood of both ways."""
        true = targets.hwl.clamp(min=1e-2).log().flatten()
        sizes, scales = self._ways(raw)
        fused, _ = fuse_log_depths(sizes, scales)
        each = laplace_nll(sizes - true[:, None], scales).mean(1)
        return ((fused - true).abs() + 0.5 * each).view(-1, 3).mean(1)
