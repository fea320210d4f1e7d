"""Drawing road users: shaded faces of their mesh, and the shadows under them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import cv2
import numpy as np

from d2ext.data.synthroad.geometry import View
from d2ext.data.synthroad.models import mesh_of
from d2ext.data.synthroad.palette import MATERIAL, PAINT
from d2ext.data.synthroad.raster import SCALE, Canvas, fill
from d2ext.data.synthroad.scene import Light, Scene, SceneObject

Projection = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]

# A truncated object's whole mask is measured on a canvas of this many pixels.
_WHOLE_MASK_SIDE = 256


@cache
def _packed_mesh(category: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[tuple[slice, str, list]]]:
    """All points (V, 3), face normals (F, 3), face points (F, 3), and per face its slices and materials."""
    points, faces = [], []
    count = 0

    def add(polygon: np.ndarray) -> slice:
        nonlocal count
        points.append(polygon)
        count += len(polygon)
        return slice(count - len(polygon), count)

    mesh = mesh_of(category)
    for face in mesh:
        outline = add(face.points)
        faces.append((outline, face.material, [(add(decal), material) for decal, material in face.decals]))
    # Unit coordinates have y up; the object frame has y down.
    flip = np.array([1.0, -1.0, 1.0])
    normals = np.stack([face.normal for face in mesh]) * flip
    anchors = np.stack([face.points.mean(axis=0) for face in mesh]) * flip
    return np.concatenate(points) * flip, normals, anchors, faces


def _material_color(material: str, paint: np.ndarray) -> np.ndarray:
    if material == "paint":
        return paint
    if material == "seam":
        return paint * 0.62
    return np.array(MATERIAL[material], dtype=float)


class PosedMesh:
    """An object's faces in camera coordinates and in pixels; only faces turned to the camera are kept."""

    def __init__(self, item: SceneObject, view: View, project: Projection) -> None:
        points, normals, anchors, faces = _packed_mesh(item.category)
        height, width, length = item.size
        scale = np.array([length, height, width])
        rotation = view.box_rotation(item.yaw)
        self.anchors = item.location + (anchors * scale) @ rotation.T
        normals = (normals / scale) @ rotation.T
        self.normals = normals / np.linalg.norm(normals, axis=1, keepdims=True)
        self.pixels, self.w = project(item.location + (points * scale) @ rotation.T)
        self.faces = faces
        facing = np.einsum("nc,nc->n", self.normals, self.anchors - view.center) < 0
        self.visible = np.nonzero(facing)[0].tolist()

    def outlines(self) -> list[np.ndarray]:
        """The pixels (K, 2) of every visible face."""
        return [self.pixels[self.faces[i][0]] for i in self.visible]


def shade(color: np.ndarray, normals: np.ndarray, light: Light) -> np.ndarray:
    """Lambert shading of colours (..., 3) by unit normals (..., 3)."""
    diffuse = np.clip(normals @ light.sun, 0, None)
    return np.clip(color * (light.ambient + (1.08 - light.ambient) * diffuse)[..., None], 0, 255)


def draw_object(canvas: Canvas, item: SceneObject, identity: int, light: Light) -> np.ndarray:
    """Draw one object with an id; returns its own mask (H, W) as if nothing hid it, at canvas resolution."""
    mesh = PosedMesh(item, canvas.view, canvas.project)
    planes = canvas.depth_planes(mesh.normals, mesh.anchors)
    paint = np.array(PAINT[item.color], dtype=float)
    strength = light.ambient + (1.08 - light.ambient) * np.clip(mesh.normals @ light.sun, 0, None)
    haze = min(light.haze * float(item.location[2]) / 100.0, 0.3)
    alone = np.zeros(canvas.ids.shape, np.uint8)

    def tone(material: str, value: float) -> list[float]:
        color = np.clip(_material_color(material, paint) * value, 0, 255)
        return (color + (HAZE_COLOR - color) * haze).tolist()

    for i in mesh.visible:
        outline, material, decals = mesh.faces[i]
        value = float(strength[i])
        painted = [(mesh.pixels[part], tone(name, value)) for part, name in decals]
        canvas.face(mesh.pixels[outline], planes[i], tone(material, value), painted, identity)
        fill(alone, mesh.pixels[outline], 1)
    return alone


HAZE_COLOR = np.array([214.0, 206.0, 200.0])


def truncated_fraction(item: SceneObject, view: View) -> float:
    """The part of the object's whole projected mask that lies outside the image, in [0, 1]."""
    mesh = PosedMesh(item, view, view.project)
    pixels = mesh.pixels
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    if (low >= -0.5).all() and high[0] <= view.width - 0.5 and high[1] <= view.height - 0.5:
        return 0.0
    zoom = _WHOLE_MASK_SIDE / float((high - low).max())
    shape = np.ceil((high - low) * zoom).astype(int) + 2
    mask = np.zeros((shape[1], shape[0]), np.uint8)
    for outline in mesh.outlines():
        fill(mask, (outline - low) * zoom, 1)
    x0, y0 = np.clip(np.rint((-0.5 - low) * zoom), 0, None).astype(int)
    x1, y1 = np.clip(np.rint((np.array([view.width, view.height]) - 0.5 - low) * zoom), 0, None).astype(int)
    whole = int(mask.sum())
    return 1.0 - int(mask[y0:y1, x0:x1].sum()) / whole if whole else 1.0


def draw_shadows(canvas: Canvas, scene: Scene) -> None:
    """Darken the ground under the objects and where they keep the sun off."""
    cast = np.zeros(canvas.ids.shape, np.uint8)
    contact = np.zeros(canvas.ids.shape, np.uint8)
    for item in scene.objects:
        for mask, corners in ((cast, _cast_outline(item, scene)), (contact, item.corners[:4])):
            pixels, _ = canvas.project(corners)
            hull = cv2.convexHull(pixels.astype(np.float32))[:, 0]
            fill(mask, hull, 255)
    strength = scene.light.shadow
    for mask, amount, sigma in ((cast, strength, 1.5), (contact, 0.35 + 0.15 * strength, 3.0)):
        _darken(canvas.color, mask, amount, sigma * SCALE / 2)


def _cast_outline(item: SceneObject, scene: Scene) -> np.ndarray:
    """Corners (12, 3) whose hull is the shadow of a slightly narrowed box on the ground."""
    top = item.corners[4:]
    waist = (item.corners[:4] + top) / 2
    narrow = top + 0.16 * (top.mean(axis=0) - top)
    sun, plane = scene.light.sun, scene.view.plane
    shadows = [item.corners[:4]]
    for ring in (waist, narrow):
        height = ring @ plane[:3] + plane[3]
        shadows.append(ring - sun * (height / (sun @ plane[:3]))[:, None])
    return _in_front(np.concatenate(shadows))


def _in_front(points: np.ndarray) -> np.ndarray:
    """The points with z of at least a metre; a hull of those is what a near shadow needs."""
    return points[points[:, 2] > 1.0]


def _darken(image: np.ndarray, mask: np.ndarray, amount: float, sigma: float) -> None:
    ys, xs = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    if amount <= 0 or not len(ys):
        return
    part = np.s_[max(ys[0] - 8, 0) : ys[-1] + 9, max(xs[0] - 8, 0) : xs[-1] + 9]
    soft = cv2.GaussianBlur(mask[part], (0, 0), sigma)
    factor = cv2.LUT(soft, (255 * (1 - amount * np.arange(256) / 255)).astype(np.uint8))
    image[part] = cv2.multiply(image[part], cv2.merge([factor] * 3), scale=1 / 255)


def draw_objects(
    canvas: Canvas, objects: Sequence[SceneObject], light: Light
) -> tuple[np.ndarray, np.ndarray]:
    """Draw all objects (ids 1..N). Returns canvas pixels (N,): seen, and if nothing hid any."""
    alone = [int(np.count_nonzero(draw_object(canvas, item, i + 1, light))) for i, item in enumerate(objects)]
    seen = np.bincount(canvas.ids.ravel(), minlength=len(objects) + 1)[1 : len(objects) + 1]
    return seen, np.array(alone, dtype=np.int64)
