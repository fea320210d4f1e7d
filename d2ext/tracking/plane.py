"""Between boxes in camera coordinates and ground coordinates (x right, y ahead, z up, from the point of the
ground below the camera)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from d2ext.structures import Boxes3D, ground_rotation, normalize_plane

from .detections import Detections, Tracked


class GroundFrame:
    """Ground coordinates of one camera.

    Args:
        ground: (4,) plane on which the boxes stand, None for boxes that stand on the camera's x-z plane: z is
            then the height above the camera.

    Raises:
        ValueError: no plane (:func:`~d2ext.structures.normalize_plane`).
    """

    def __init__(self, ground: Sequence[float] | None = None) -> None:
        self.ground = None if ground is None else tuple(float(value) for value in ground)
        self._rotation, self._height = np.eye(3), 0.0
        if ground is not None:
            plane = normalize_plane(torch.tensor(self.ground, dtype=torch.float64))
            self._rotation, self._height = ground_rotation(plane).numpy(), float(plane[3])

    def to_ground(self, location: np.ndarray) -> np.ndarray:
        """(N, 3) x, y, z of points (N, 3) in camera coordinates, metres."""
        right, down, ahead = (location @ self._rotation).T
        return np.stack([right, ahead, self._height - down], 1)

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        """The inverse of :meth:`to_ground`."""
        x, y, z = points.T
        return np.stack([x, self._height - z, y], 1) @ self._rotation.T

    def detections(
        self,
        location: np.ndarray,
        size: np.ndarray,
        yaw: np.ndarray,
        scores: np.ndarray,
        classes: np.ndarray,
        boxes: np.ndarray | None = None,
    ) -> Detections:
        """Boxes as labels have them.

        Args:
            location: (N, 3) centres of the lower faces in camera coordinates, m.
            size: (N, 3) height, width, length, m.
            yaw: (N,) KITTI's ry about the down axis of the plane.
            scores, classes, boxes: as in :class:`Detections`.
        """
        points = self.to_ground(np.asarray(location, np.float64).reshape(-1, 3))
        return Detections(
            scores, classes, points[:, :2], -np.asarray(yaw, np.float64), size, points[:, 2], boxes
        )

    def detections_of(self, instances: Any) -> Detections:
        """What a detector gives: ``scores`` and ``pred_classes``, ``pred_boxes3d`` (``Boxes3D``) and
        ``pred_boxes`` (``Boxes``), of which either may be missing."""
        scores, classes = (
            np.asarray(getattr(instances, name).detach().cpu()) for name in ("scores", "pred_classes")
        )
        scores = scores.astype(np.float64)
        boxes = None
        if _has(instances, "pred_boxes"):
            boxes = instances.pred_boxes.tensor.detach().cpu().double().numpy()
        if not _has(instances, "pred_boxes3d"):
            return Detections(scores, classes, boxes=boxes)
        plane = None if self.ground is None else torch.tensor(self.ground, dtype=torch.float64)
        found = instances.pred_boxes3d.to("cpu", torch.float64).to_kitti(plane)
        location, size, yaw = (part.detach().numpy() for part in found)
        return self.detections(location, size, yaw, scores, classes, boxes)

    def to_kitti(self, tracks: Detections | Tracked) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Location (N, 3), height, width, length (N, 3) and yaw (N,) of boxes on the ground, as in labels."""
        if tracks.position is None or tracks.heading is None or tracks.size is None:
            raise ValueError("tracks of the image plane have no place on the ground")
        z = np.zeros(len(tracks)) if tracks.elevation is None else tracks.elevation
        location = self.to_camera(np.concatenate([tracks.position, z[:, None]], 1))
        return location, tracks.size, np.remainder(-tracks.heading + np.pi, 2 * np.pi) - np.pi

    def in_view(self, tracks: Tracked, camera: Sequence[float], size: Sequence[int]) -> np.ndarray:
        """(N,) bool: whether the middles of the boxes are in the picture of a camera.

        Args:
            camera: the 12 numbers of its projection, row by row.
            size: height and width of the picture.
        """
        location, sizes, _ = self.to_kitti(tracks)
        middle = location - self._rotation[:, 1] * sizes[:, :1] / 2
        P = np.asarray(camera, np.float64).reshape(3, 4)
        u, v, depth = (middle @ P[:, :3].T + P[:, 3]).T
        height, width = size
        return (depth > 0) & (u > 0) & (u < width * depth) & (v > 0) & (v < height * depth)

    def boxes3d(self, tracks: Detections | Tracked) -> Boxes3D:
        """The same boxes in camera coordinates, float64."""
        location, size, yaw = (torch.from_numpy(np.ascontiguousarray(a)) for a in self.to_kitti(tracks))
        return Boxes3D.from_kitti(location, size, yaw, self.ground)


def _has(instances: Any, name: str) -> bool:
    has = getattr(instances, "has", None)
    return bool(has(name)) if callable(has) else hasattr(instances, name)
