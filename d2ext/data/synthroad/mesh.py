"""Meshes of convex faces in the unit box: the building blocks of the object shapes.

Unit coordinates: x in [-0.5, 0.5] along the heading, y in [0, 1] upwards, z in [-0.5, 0.5] across.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

Point2 = tuple[float, float]


@dataclass
class Face:
    """A convex planar polygon: points (K, 3), its outward normal (3,), a material, and coplanar decals."""

    points: np.ndarray
    normal: np.ndarray
    material: str
    decals: list[tuple[np.ndarray, str]] = field(default_factory=list)

    def decal(self, u0: float, v0: float, u1: float, v1: float, material: str) -> None:
        """Paint a rectangle given in fractions of the face: u along its first edge, v along its last."""
        corners = [(u0, v0), (u1, v0), (u1, v1), (u0, v1)]
        self.decals.append((np.array([self._at(u, v) for u, v in corners]), material))

    def _at(self, u: float, v: float) -> np.ndarray:
        a, b, c, d = self.points[:4]
        return (a * (1 - u) + b * u) * (1 - v) + (d * (1 - u) + c * u) * v


def _face(points: Sequence[Sequence[float]], inside: np.ndarray, material: str) -> Face:
    """A face whose normal points away from `inside`; the order of its points is kept."""
    array = np.asarray(points, dtype=float)
    normal = np.cross(array[1] - array[0], array[2] - array[0])
    if np.dot(normal, array.mean(axis=0) - inside) < 0:
        normal = -normal
    return Face(array, normal, material)


def prism(
    profile: Sequence[Point2], bottom: tuple[float, float], top: tuple[float, float], material: str
) -> dict[str | int, Face]:
    """A convex side profile (x, y) drawn out across z.

    bottom, top: the z range at the lowest and at the highest profile point (linear between).
    Returns the faces under "left" (+z: x forward and y down make z point left), "right" and the edge index.
    Edge i runs from profile point i to i+1; decals on it use u from z min to z max, v along the edge.
    """
    ys = [y for _, y in profile]
    low, high = min(ys), max(ys)

    def z_at(y: float) -> tuple[float, float]:
        t = (y - low) / (high - low)
        return bottom[0] + t * (top[0] - bottom[0]), bottom[1] + t * (top[1] - bottom[1])

    right = [(x, y, z_at(y)[0]) for x, y in profile]
    left = [(x, y, z_at(y)[1]) for x, y in profile]
    inside = np.mean(left + right, axis=0)
    faces: dict[str | int, Face] = {
        "left": _face(left, inside, material),
        "right": _face(right, inside, material),
    }
    for i in range(len(profile)):
        j = (i + 1) % len(profile)
        faces[i] = _face([right[i], left[i], left[j], right[j]], inside, material)
    return faces


def block(
    x: tuple[float, float], y: tuple[float, float], z: tuple[float, float], material: str
) -> dict[str, Face]:
    """An axis-aligned block with named faces: front, rear, left, right, top, bottom.

    Decals: front and rear u across (z), v up; left and right u forward (x), v up; top u across, v forward.
    """
    faces = prism([(x[0], y[0]), (x[1], y[0]), (x[1], y[1]), (x[0], y[1])], z, z, material)
    rear = faces[3]
    rear.points = rear.points[[3, 2, 1, 0]]
    top = faces[2]
    top.points = top.points[[3, 2, 1, 0]]
    names = {"bottom": 0, "front": 1, "top": 2, "rear": 3}
    return {"left": faces["left"], "right": faces["right"], **{name: faces[i] for name, i in names.items()}}


def disc(
    center: Point2, radius: Point2, z: tuple[float, float], outward: float, sides: int = 10
) -> list[Face]:
    """A wheel: tread quads and the outer disc with a rim decal. radius: (x, y) in unit coordinates."""
    angles = np.arange(sides) * 2 * np.pi / sides
    # Circumscribed, so that the lowest side lies on the ground.
    scale = 1 / np.cos(np.pi / sides)
    xs = center[0] + radius[0] * scale * np.cos(angles)
    ys = center[1] + radius[1] * scale * np.sin(angles)
    profile = list(zip(xs.tolist(), ys.tolist(), strict=True))
    faces = prism(profile, z, z, "tyre")
    side = faces["left" if outward > 0 else "right"]
    middle = side.points.mean(axis=0)
    side.decals.append((middle + 0.55 * (side.points - middle), "rim"))
    return [face for key, face in faces.items() if key not in ("left", "right")] + [side]


def bar(start: Sequence[float], end: Sequence[float], half: tuple[float, float], material: str) -> list[Face]:
    """A thin bar between two points (x, y, z); half: its half thickness in the side view and across z."""
    a, b = np.asarray(start, float), np.asarray(end, float)
    axis = b[:2] - a[:2]
    length = np.linalg.norm(axis)
    across = np.array([-axis[1], axis[0]]) / length * half[0] if length > 0 else np.array([half[0], 0.0])
    ring = []
    for end_point in (a, b):
        for sign_a, sign_z in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
            x, y = end_point[:2] + sign_a * across
            ring.append((x, y, end_point[2] + sign_z * half[1]))
    inside = (a + b) / 2
    sides = [[i, (i + 1) % 4, 4 + (i + 1) % 4, 4 + i] for i in range(4)] + [[0, 1, 2, 3], [4, 5, 6, 7]]
    return [_face([ring[i] for i in side], inside, material) for side in sides]
