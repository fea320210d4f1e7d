"""An object's mesh where it stands: faces in camera coordinates and in pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from d2ext.data.synthroad.geometry import View, clip_near
from d2ext.data.synthroad.models import mesh_of
from d2ext.data.synthroad.raster import NEAR, Canvas, fill
from d2ext.data.synthroad.scene import SceneObject

Projection = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]

# A truncated object's whole mask is measured on a canvas of this many pixels.
_WHOLE_MASK_SIDE = 256


class PosedMesh:
    """quads (F, 4, 3), normals and anchors (F, 3) in camera coordinates; pixels (F, 4, 2) and distances w
    (F, 4); visible: the faces turned to the camera and not behind it.

    axes (3, 3): columns are the object's forward, up and left; scale (3,): length, height, width in metres.
    """

    def __init__(self, item: SceneObject, view: View, project: Projection) -> None:
        self.item, self.mesh, self._project = item, mesh_of(item.category, item.shape, item.seed), project
        height, width, length = item.size
        self.scale = np.array([length, height, width])
        self.axes = view.box_rotation(item.yaw) * [1.0, -1.0, 1.0]
        self.quads = item.location + (self.mesh.quads * self.scale) @ self.axes.T
        normals = (self.mesh.normals * (self.mesh.nominal / self.scale)) @ self.axes.T
        self.normals = normals / np.linalg.norm(normals, axis=1, keepdims=True)
        self.anchors = self.quads.mean(axis=1)
        self.pixels, self.w = project(self.quads)
        facing = np.einsum("nc,nc->n", self.normals, self.anchors - view.center) < 0
        self.visible = facing & (self.w.max(axis=1) > NEAR)
        self._cut = self.w.min(axis=1) < NEAR

    def whole(self, face: int) -> bool:
        """Whether no corner of a face is too near."""
        return not self._cut[face]

    def polygon(self, face: int) -> np.ndarray:
        """The pixels (K, 2) of a visible face, of what is not too near."""
        if not self._cut[face]:
            return self.pixels[face]
        return self._project(clip_near(self.quads[face], self.w[face], NEAR))[0]

    def outlines(self) -> Sequence[np.ndarray]:
        """The pixels (K, 2) of every visible face."""
        if not self._cut[self.visible].any():
            return self.pixels[self.visible]
        return [self.polygon(i) for i in np.nonzero(self.visible)[0].tolist()]


def pose_of(canvas: Canvas, item: SceneObject) -> PosedMesh:
    """An object on a canvas, worked out once for its shadow and its look."""
    known = canvas.kept.get(id(item))
    if not isinstance(known, PosedMesh) or known.item is not item:
        known = canvas.kept[id(item)] = PosedMesh(item, canvas.view, canvas.project)
    return known


def truncated_fraction(item: SceneObject, view: View) -> float:
    """The part of the object's whole projected mask that lies outside the image, in [0, 1]."""
    outlines = PosedMesh(item, view, view.project).outlines()
    points = np.concatenate(outlines)
    low, high = points.min(axis=0), points.max(axis=0)
    if (low >= -0.5).all() and high[0] <= view.width - 0.5 and high[1] <= view.height - 0.5:
        return 0.0
    zoom = _WHOLE_MASK_SIDE / float((high - low).max())
    shape = np.ceil((high - low) * zoom).astype(int) + 2
    mask = np.zeros((shape[1], shape[0]), np.uint8)
    for outline in outlines:
        fill(mask, (outline - low) * zoom, 1)
    x0, y0 = np.clip(np.rint((-0.5 - low) * zoom), 0, None).astype(int)
    x1, y1 = np.clip(np.rint((np.array([view.width, view.height]) - 0.5 - low) * zoom), 0, None).astype(int)
    whole = int(mask.sum())
    return 1.0 - int(mask[y0:y1, x0:x1].sum()) / whole if whole else 1.0
