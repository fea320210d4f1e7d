"""Meshes of quadrilaterals with smooth normals: the building blocks of the object shapes.

Shapes are built in metres, x along the heading, y upwards from the ground, z to the left; a finished mesh is
stretched to fill the unit box: x and z in [-0.5, 0.5], y in [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from d2ext.data.synthroad.skin import Atlas, Skin

Vector = Sequence[float] | np.ndarray


@dataclass(frozen=True)
class Mesh:
    """F quadrilaterals in unit coordinates.

    quads (F, 4, 3); normals (F, 3) outward, of the nominal size; bends (F, 4, 3): the normal at a point p is
    [1, p] @ bend; charts (F,): the placement in the atlas; to_atlas (C, 2, 4): from [p, 1] to its pixels;
    parts: slices of faces that are depth-tested together; nominal (3,): length, height, width in metres;
    cabin: x0, x1, y0, y1, half width in metres of
    what is seen through glass, or None.
    """

    quads: np.ndarray
    normals: np.ndarray
    bends: np.ndarray
    charts: np.ndarray
    parts: list[slice]
    nominal: np.ndarray
    to_atlas: np.ndarray
    atlas: Atlas
    cabin: np.ndarray | None
    front: np.ndarray
    cloth: float

    @cached_property
    def table(self) -> np.ndarray:
        """(21, F): twelve numbers of a face's bend, eight of its chart, and whether it looks forward."""
        count = len(self.charts)
        bends, maps = self.bends.reshape(count, 12), self.to_atlas[self.charts].reshape(count, 8)
        columns = np.concatenate([bends, maps, self.front[:, None]], axis=1)
        return np.ascontiguousarray(columns.T.astype(np.float32))


@dataclass
class Model:
    """A mesh while it is built. cloth: how much its surface is creased."""

    skin: Skin
    cloth: float = 0.0
    cabin: Sequence[float] | None = None
    _quads: list[np.ndarray] = field(default_factory=list)
    _corner_normals: list[np.ndarray] = field(default_factory=list)
    _charts: list[np.ndarray] = field(default_factory=list)
    _parts: list[int] = field(default_factory=list)

    def add(
        self,
        quads: np.ndarray,
        chart: int | np.ndarray,
        inside: Vector,
        crease: float = 50.0,
        join: bool = False,
    ) -> None:
        """Add (n, 4, 3) quads that look away from `inside`, (3,) or (n, 3). Edges sharper than `crease`
        degrees stay sharp. join: depth-test them together with those added before."""
        quads = np.asarray(quads, dtype=float)
        normals = face_normals(quads)
        away = np.einsum("nc,nc->n", normals, quads.mean(axis=1) - np.asarray(inside, dtype=float)) >= 0
        normals = np.where(away[:, None], normals, -normals)
        self._quads.append(quads)
        self._corner_normals.append(_smooth(quads, normals, crease))
        self._charts.append(np.broadcast_to(np.asarray(chart, dtype=np.int64), len(quads)))
        if join and self._parts:
            self._parts[-1] += len(quads)
        else:
            self._parts.append(len(quads))

    def finish(self) -> Mesh:
        """The finished mesh, tight in the unit box."""
        quads = np.concatenate(self._quads)
        corner_normals = np.concatenate(self._corner_normals)
        low, high = quads.reshape(-1, 3).min(axis=0), quads.reshape(-1, 3).max(axis=0)
        nominal = high - low
        offset = np.array([0.5, 0.0, 0.5])
        unit = (quads - low) / nominal - offset
        center = quads.mean(axis=1)
        slopes = np.linalg.pinv(quads - center[:, None], rcond=1e-2) @ corner_normals
        flat = corner_normals.mean(axis=1)
        # The normal is linear in the point: flat + (p - center) @ slopes, p = (unit + offset) * nominal
        # + low.
        constant = flat + np.einsum("nc,ncd->nd", offset * nominal + low - center, slopes)
        bends = np.concatenate([constant[:, None], slopes * nominal[:, None]], axis=1)
        ends = np.cumsum(self._parts)
        parts = [slice(int(end - count), int(end)) for end, count in zip(ends, self._parts, strict=True)]
        atlas = self.skin.finish()
        maps = atlas.maps.copy()
        maps[..., 3] += maps[..., :3] @ (offset * nominal + low)
        maps[..., :3] *= nominal
        normals = face_normals(quads)
        normals *= np.sign(np.einsum("nc,nc->n", normals, flat) + 1e-12)[:, None]
        cabin = None if self.cabin is None else np.asarray(self.cabin, dtype=float)
        return Mesh(
            quads=unit,
            normals=normals,
            bends=bends,
            charts=np.concatenate(self._charts),
            parts=parts,
            nominal=nominal,
            to_atlas=maps,
            atlas=atlas,
            cabin=cabin,
            front=normals[:, 0] > 0,
            cloth=self.cloth,
        )


def face_normals(quads: np.ndarray) -> np.ndarray:
    """Unit normals (n, 3) across the diagonals of (n, 4, 3) quads, of either sign."""
    normals = np.cross(quads[:, 2] - quads[:, 0], quads[:, 3] - quads[:, 1])
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return normals / np.maximum(length, 1e-12)


def _smooth(quads: np.ndarray, normals: np.ndarray, crease: float) -> np.ndarray:
    """(n, 4, 3): at every corner, the mean normal of the faces around it within the crease angle."""
    if crease <= 0:
        return np.repeat(normals[:, None], 4, axis=1)
    _, vertex = np.unique(np.rint(quads.reshape(-1, 3) * 1e4).astype(np.int64), axis=0, return_inverse=True)
    vertex = vertex.reshape(-1)
    corner = np.repeat(normals, 4, axis=0)
    area = np.linalg.norm(np.cross(quads[:, 2] - quads[:, 0], quads[:, 3] - quads[:, 1]), axis=1)
    near = (vertex[:, None] == vertex[None]) & (corner @ corner.T > np.cos(np.radians(crease)))
    mean = near @ (corner * (np.repeat(area, 4) ** 0.5)[:, None])
    mean /= np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)
    return mean.reshape(-1, 4, 3)


def loft(rings: np.ndarray, caps: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """A tube through closed rings (S, M, 3): its quads and, for each, a point inside."""
    following = np.roll(rings, -1, axis=1)
    quads = np.stack([rings[:-1], following[:-1], following[1:], rings[1:]], axis=2)
    middle = (rings[:-1].mean(axis=1) + rings[1:].mean(axis=1)) / 2
    inside = np.repeat(middle[:, None], rings.shape[1], axis=1)
    quads, inside = quads.reshape(-1, 4, 3), inside.reshape(-1, 3)
    if caps:
        body = rings.reshape(-1, 3).mean(axis=0)
        for ring in (rings[0], rings[-1]):
            cap = fan(ring)
            quads = np.concatenate([quads, cap])
            inside = np.concatenate([inside, np.broadcast_to(body, (len(cap), 3))])
    return quads, inside


def fan(ring: np.ndarray) -> np.ndarray:
    """A convex polygon (M, 3) as quads between its two flanks."""
    count = len(ring)
    quads = []
    for i in range((count - 1) // 2):
        j = count - 1 - i
        quads.append([ring[i], ring[i + 1], ring[j - 1], ring[j]])
    return np.array(quads)


def mirrored(half: np.ndarray) -> np.ndarray:
    """Closed rings (S, 2M-2, 3) from half ones (S, M, 3) that begin and end at z = 0."""
    other = half[:, -2:0:-1] * [1, 1, -1]
    return np.concatenate([half, other], axis=1)


def box(x: Vector, y: Vector, z: Vector) -> np.ndarray:
    """The six sides of a block: front, rear, left, right, top, bottom."""
    p = np.array([[a, b, c] for a in x for b in y for c in z], dtype=float)
    return p[[[4, 5, 7, 6], [0, 1, 3, 2], [1, 5, 7, 3], [0, 4, 6, 2], [2, 3, 7, 6], [0, 1, 5, 4]]]


def tube(
    start: Vector, end: Vector, radius: tuple[float, float], sides: int = 6, flat: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """A round bar between two points with a radius at each end; flat: its thickness across z against
    along it."""
    a, b = np.asarray(start, dtype=float), np.asarray(end, dtype=float)
    axis = (b - a) / max(float(np.linalg.norm(b - a)), 1e-9)
    helper = np.array([0.0, 0.0, 1.0]) if abs(axis[2]) < 0.9 else np.array([1.0, 0.0, 0.0])
    u = np.cross(axis, helper)
    u /= np.linalg.norm(u)
    v = np.cross(axis, u)
    angles = np.arange(sides) * 2 * np.pi / sides + np.pi / sides
    ring = np.cos(angles)[:, None] * u * flat + np.sin(angles)[:, None] * v
    return loft(np.stack([a + ring * radius[0], b + ring * radius[1]]))


def ball(center: Vector, radius: Vector, sides: int = 8, rows: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """An ellipsoid with half axes `radius` (3,)."""
    latitude = np.linspace(-np.pi / 2, np.pi / 2, rows + 1)
    angles = np.arange(sides) * 2 * np.pi / sides
    ring = np.stack([np.cos(angles), np.zeros(sides), np.sin(angles)], axis=1)
    rings = np.cos(latitude)[:, None, None] * ring + np.sin(latitude)[:, None, None] * np.array([0, 1.0, 0])
    return loft(np.asarray(center, dtype=float) + rings * np.asarray(radius, dtype=float), caps=False)


def wheel(
    center: Vector, radius: float, width: float, sides: int = 14, inner: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """A wheel about z: quads of its tread, then of its two discs; inner > 0: a ring, open in the middle."""
    angles = np.arange(sides) * 2 * np.pi / sides + np.pi / sides - np.pi / 2
    # Circumscribed, so that the lowest side lies on the ground.
    ring = (
        np.stack([np.cos(angles), np.sin(angles), np.zeros(sides)], axis=1) * radius / np.cos(np.pi / sides)
    )
    c = np.asarray(center, dtype=float)
    left, right = ring + [0, 0, width / 2], ring - [0, 0, width / 2]
    if inner <= 0:
        quads, inside = loft(np.stack([c + left, c + right]))
        return quads, inside
    hole = ring * inner
    return loft_ring(c, [left, right, hole - [0, 0, width / 2], hole + [0, 0, width / 2]], ring)


def loft_ring(
    center: np.ndarray, rings: list[np.ndarray], spine: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A closed ring of four sides about `center`; the inside follows its spine."""
    quads, inside = [], []
    count = len(spine)
    middle = np.mean(rings, axis=0)
    for k in range(4):
        a, b = rings[k], rings[(k + 1) % 4]
        for i in range(count):
            j = (i + 1) % count
            quads.append(center + np.stack([a[i], a[j], b[j], b[i]]))
            inside.append(center + (middle[i] + middle[j]) / 2)
    return np.array(quads), np.array(inside)
