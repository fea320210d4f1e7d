"""From a rendered scene to labels: what is visible, boxes, truncation and occlusion levels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from d2ext.data.synthroad.geometry import View, wrap_angle
from d2ext.data.synthroad.layout import CameraKind, sample_scene
from d2ext.data.synthroad.objects import truncated_fraction
from d2ext.data.synthroad.render import Rendering, render
from d2ext.data.synthroad.scene import Scene, SceneObject

MIN_VISIBLE_PIXELS = 40
MIN_VISIBLE_FRACTION = 0.15
# Hidden fractions from which an object counts as partly and as largely occluded.
OCCLUSION_STEPS = (0.10, 0.50)
_SCENE_TRIES = 50

Sampler = Callable[[CameraKind, np.random.Generator], Scene]
Drawer = Callable[[Scene, np.random.Generator], Rendering]


@dataclass(frozen=True)
class Label:
    """One labelled object.

    size (h, w, l), location (bottom centre) in metres; yaw = ry and alpha in radians; box x1, y1, x2, y2 in
    pixels: the projected 3D box clipped to the image; truncated: the fraction of its mask outside the image;
    hidden: the fraction of its mask in the image that others cover; border: image sides its box leaves by;
    shape: of its category's, "" where it is not known.
    """

    category: str
    color: str
    size: tuple[float, float, float]
    location: tuple[float, float, float]
    yaw: float
    alpha: float
    box: tuple[float, float, float, float]
    truncated: float
    hidden: float
    border: tuple[str, ...]
    shape: str = ""

    @property
    def occluded(self) -> int:
        """0 fully visible, 1 partly, 2 largely occluded."""
        return sum(self.hidden >= step for step in OCCLUSION_STEPS)

    @property
    def distance(self) -> float:
        """Metres from the camera along the ground (x and z)."""
        return float(np.hypot(self.location[0], self.location[2]))

    @property
    def box_height(self) -> float:
        """In pixels."""
        return self.box[3] - self.box[1]


@dataclass(frozen=True)
class Frame:
    """A finished picture with one label per object; objects are ids 1..N of the rendering."""

    scene: Scene
    rendering: Rendering
    labels: list[Label]


def make_frame(
    kind: CameraKind, rng: np.random.Generator, sample: Sampler = sample_scene, draw: Drawer = render
) -> Frame:
    """Sample and draw scenes until one has a fitting number of labelled objects. Hidden objects are removed.

    Raises RuntimeError when no scene fits, which a working sampler does not let happen.
    """
    low, high = kind.labelled
    for _ in range(_SCENE_TRIES):
        scene = sample(kind, rng)
        if len(scene.objects) < low:
            continue
        rendering = draw(scene, rng)
        while not (seen := _visible(rendering)).all():
            kept = [item for item, visible in zip(scene.objects, seen, strict=True) if visible]
            scene.objects[:] = kept
            rendering = draw(scene, rng)
        if low <= len(scene.objects) <= high:
            return Frame(scene, rendering, _make_labels(scene, rendering))
    raise RuntimeError(f"no {kind.name} scene with {low} to {high} visible objects in {_SCENE_TRIES} tries")


def _visible(rendering: Rendering) -> np.ndarray:
    enough = rendering.visible_area >= MIN_VISIBLE_PIXELS
    return enough & (rendering.visible_area >= MIN_VISIBLE_FRACTION * rendering.whole_area)


def _make_labels(scene: Scene, rendering: Rendering) -> list[Label]:
    hidden = 1.0 - rendering.visible_area / rendering.whole_area
    return [label_of(item, scene.view, float(h)) for item, h in zip(scene.objects, hidden, strict=True)]


def label_of(item: SceneObject, view: View, hidden: float) -> Label:
    """The label of an object of which others hide a share."""
    whole, box = view.box_rectangle(item.corners)
    sides = ("left", "top", "right", "bottom")
    leaves = (whole[0] < 0, whole[1] < 0, whole[2] > view.width - 1, whole[3] > view.height - 1)
    return Label(
        category=item.category,
        color=item.color,
        size=_floats(item.size),
        location=_floats(item.location),
        yaw=item.yaw,
        alpha=wrap_angle(item.yaw - float(np.arctan2(item.location[0], item.location[2]))),
        box=_floats(box),
        truncated=truncated_fraction(item, view),
        hidden=hidden,
        border=tuple(side for side, out in zip(sides, leaves, strict=True) if out),
        shape=item.shape,
    )


def _floats(values: Sequence[float] | np.ndarray) -> tuple:
    return tuple(float(value) for value in values)
