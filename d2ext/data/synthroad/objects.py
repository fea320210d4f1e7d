"""Drawing road users and what resembles them: which face is seen where, then how it looks."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from d2ext.data.synthroad.pose import PosedMesh, pose_of, truncated_fraction
from d2ext.data.synthroad.raster import FIXED, Canvas, Window, to_fixed
from d2ext.data.synthroad.scene import Scene, SceneObject
from d2ext.data.synthroad.shading import shade_object
from d2ext.data.synthroad.shadows import draw_shadows
from d2ext.data.synthroad.surroundings import Surroundings

__all__ = ["HAZE_COLOR", "draw_object", "draw_objects", "draw_shadows", "truncated_fraction"]

HAZE_COLOR = np.array([214.0, 206.0, 200.0])


class _Drawn:
    """One object on the canvas: its mesh, the number of its first face, where it is, and its whole area."""

    def __init__(self, mesh: PosedMesh, first: int, window: Window | None, alone: int) -> None:
        self.mesh, self.first, self.window, self.alone = mesh, first, window, alone


def draw_object(canvas: Canvas, item: SceneObject, identity: int, first: int) -> _Drawn:
    """Draw one object's face numbers, `first` + 1 and so on, where nothing is nearer.

    Faces of a part are painted from far to near; parts are tested for depth against all that is there.
    Raises ValueError when the scene has more faces than numbers, that is more than about 100 objects.
    """
    mesh = pose_of(canvas, item)
    if first + len(mesh.w) > np.iinfo(canvas.faces.dtype).max:
        raise ValueError(f"a scene of more than {first} faces is too large to draw")
    window = _window(canvas, mesh)
    if window is None:
        return _Drawn(mesh, first, None, 0)
    planes = np.zeros((len(mesh.w) + 1, 5), np.float32)
    planes[1:, :3] = canvas.depth_planes(mesh.normals, mesh.anchors)
    inverse = 1.0 / np.maximum(mesh.w, 1e-3)
    planes[1:, 3], planes[1:, 4] = 0.99 * inverse.min(axis=1), 1.01 * inverse.max(axis=1)
    fixed = to_fixed(mesh.pixels)
    x0, y0, x1, y1 = window
    alone = np.zeros((y1 - y0, x1 - x0), bool)
    for part in mesh.mesh.parts:
        faces = np.arange(part.start, part.stop)[mesh.visible[part]]
        if len(faces):
            order = faces[np.argsort(inverse[faces].mean(axis=1))]
            _draw_part(canvas, mesh, order, fixed, planes, (identity, first), window, alone)
    return _Drawn(mesh, first, window, int(np.count_nonzero(alone)))


def _window(canvas: Canvas, mesh: PosedMesh) -> Window | None:
    outlines = mesh.outlines()
    return canvas.window(np.concatenate(outlines)) if len(outlines) else None


def _draw_part(
    canvas: Canvas,
    mesh: PosedMesh,
    order: np.ndarray,
    fixed: np.ndarray,
    planes: np.ndarray,
    numbers: tuple[int, int],
    window: Window,
    alone: np.ndarray,
) -> None:
    polygons = [fixed[i] if mesh.whole(i) else to_fixed(mesh.polygon(i)) for i in order.tolist()]
    spot = canvas.window(np.concatenate(polygons) / (1 << FIXED))
    if spot is None:
        return
    x0, y0, x1, y1 = spot
    index = np.zeros((y1 - y0, x1 - x0), np.uint16)
    corner = np.array([x0, y0], np.int32) << FIXED
    for number, polygon in zip((order + 1).tolist(), polygons, strict=True):
        cv2.fillConvexPoly(index, polygon - corner, number, cv2.LINE_8, FIXED)
    part = np.s_[y0:y1, x0:x1]
    covered = index > 0
    alone[y0 - window[1] : y1 - window[1], x0 - window[0] : x1 - window[0]] |= covered
    inverse = canvas.inverse_of(planes, index, spot)
    seen = covered & (inverse > canvas.inverse_depth[part])
    np.copyto(canvas.inverse_depth[part], inverse, where=seen)
    identity, first = numbers
    canvas.ids[part][seen] = identity
    np.copyto(canvas.faces[part], index + np.uint16(first), where=seen)


def draw_objects(canvas: Canvas, scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Draw all objects (ids 1..N) and distractors (0). Returns the objects' pixels (N,) on the canvas: seen,
    and if nothing hid any."""
    drawn: list[_Drawn] = []
    first = 0
    everything = [(item, 0) for item in scene.distractors]
    everything += [(item, number + 1) for number, item in enumerate(scene.objects)]
    for item, identity in everything:
        drawn.append(draw_object(canvas, item, identity, first))
        first += len(drawn[-1].mesh.w)
    surroundings = Surroundings(scene)
    for one in drawn:
        if one.window is not None:
            shade_object(canvas, one.mesh, one.first, one.window, surroundings)
    count = len(scene.objects)
    histogram = cv2.calcHist([canvas.ids], [0], None, [256], [0, 256])
    seen = histogram.ravel()[1 : count + 1].astype(np.int64)
    return seen, _alone(drawn[len(scene.distractors) :])


def _alone(drawn: Sequence[_Drawn]) -> np.ndarray:
    return np.array([one.alone for one in drawn], dtype=np.int64)
