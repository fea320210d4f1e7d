"""Objects as rows of tensors: where they are looked at from, what they are, and what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from d2ext.structures.transfer import transfer

if TYPE_CHECKING:
    from typing_extensions import Self


class _Rows:
    """Base of dataclasses whose fields are tensors of N rows, or hold for all rows."""

    @classmethod
    def cat(cls, parts: Sequence[Self]) -> Self:
        """The rows of several, one after the other; what holds for all rows is taken from the first."""
        columns = zip(*(vars(p).values() for p in parts), strict=True)
        return cls(*(torch.cat(c) if isinstance(c[0], Tensor) else c[0] for c in columns))

    def __getitem__(self, index: Any) -> Self:
        return type(self)(*(v[index] if isinstance(v, Tensor) else v for v in vars(self).values()))

    def to(self, device: torch.device) -> Self:
        return self.move([self], device)[0]

    @classmethod
    def move(cls, parts: Sequence[Self], device: torch.device) -> list[Self]:
        """Several on another device, in one copy; see :func:`d2ext.structures.transfer`."""
        values = [v for part in parts for v in vars(part).values()]
        moved = iter(transfer([v for v in values if isinstance(v, Tensor)], device))
        values = [next(moved) if isinstance(v, Tensor) else v for v in values]
        width = len(values) // max(len(parts), 1)
        return [cls(*values[i * width : (i + 1) * width]) for i in range(len(parts))]


@dataclass
class ObjectViews(_Rows):
    """Where N objects are looked at from: anchors, and the camera and plane of each one's image.

    Attributes:
        uv: (N, 2) anchor points in pixels of the network's input.
        unit: pixels that offsets and 2D sizes are counted in: those of a cell of the map that the features
            come from, or the width and height (N, 2) of a box.
        P: (N, 3, 4) projection matrices of the network's input.
        plane: (N, 4) ground planes; rows of NaN where there is none.
        log_size: log of the 2D size that is expected, in units.
        log_pixel_height: log of the pixels, a number or (N,), that an object is expected to be high.
        trust: 1, or half where the plane was read from the picture; a number or (N,).
    """

    uv: Tensor
    unit: float | Tensor
    P: Tensor
    plane: Tensor
    log_size: float = 1.0
    log_pixel_height: float | Tensor = 3.0
    trust: float | Tensor = 1.0

    @classmethod
    def of_boxes(cls, boxes: Tensor, P: Tensor, plane: Tensor) -> ObjectViews:
        """Views of 2D boxes (N, 4) in pixels, which expect the object to fill its box."""
        size = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1.0)
        middle = (boxes[:, :2] + boxes[:, 2:]) / 2
        return cls(middle, size, P, plane, log_size=0.0, log_pixel_height=size[:, 1].log())


@dataclass
class ObjectTargets(_Rows):
    """What N objects are: class (N,), box2d (N, 4), center (N, 3) metres, hwl (N, 3) metres, alpha (N,) rad,
    has_3d (N,) bool (False: only class and 2D box are labelled)."""

    classes: Tensor
    box2d: Tensor
    center: Tensor
    hwl: Tensor
    alpha: Tensor
    has_3d: Tensor


@dataclass
class ObjectBoxes(_Rows):
    """Decoded objects: classes (N,) and their probabilities class_scores (N,), box2d (N, 4) pixels, center
    (N, 3) and hwl (N, 3) in metres, alpha (N,) rad, depth (N,) metres, log_scale (N,) Laplace log scale of
    log depth."""

    classes: Tensor
    class_scores: Tensor
    box2d: Tensor
    center: Tensor
    hwl: Tensor
    alpha: Tensor
    depth: Tensor
    log_scale: Tensor
