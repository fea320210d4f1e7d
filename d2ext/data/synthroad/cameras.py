"""The cameras that SynthRoad pictures are taken with: families by name, each a range of views.

A family's boxes are level or stand on the road. Level boxes are KITTI's: upright in the camera's frame, with
a yaw about its y axis, so that a label cannot say that the road rises towards the camera. Pictures of such
families go into the layout of Mono3DRefer, and what is drawn is exactly what the label says: an object is
level too. That is true to the eye while the camera looks along the road, so these families pitch by at most
0.6 degrees (2 cm below the wheels of a 4 m car); where the horizon lies in their pictures varies by the
principal point, as in a crop. Cameras in a car that look up or down by more than that belong, like those on
poles, to the roadside layouts (MonoMulti3D, Rope3D), whose boxes stand on the ground plane.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from d2ext.data.synthroad.geometry import View, plane_from_tilt

Range = tuple[float, float]

_WIDE_SCREENS = ((960, 540), (1088, 476))
_SCREENS = (*_WIDE_SCREENS, (896, 576), (832, 624), (720, 720))


@dataclass(frozen=True)
class CameraKind:
    """A family of cameras; what varies does so evenly within its range.

    name: what ``--cameras`` calls it. sizes: (width, height) in pixels, one of them. height: metres above the
    ground. pitch: degrees downwards. roll: degrees, to either side. fov: horizontal, degrees. squeeze: fy
    over fx. center: principal point in shares of the image's size; stray: how far from there, to either
    side. column: fourth of the projection matrix. depth: z of objects in metres. count, labelled: objects
    placed, labelled. driving: in a lane of the road, else above it or beside it. level: boxes are level.
    weight: share among families of the same layout. held_out: for tests only, in no mixture.
    """

    name: str
    sizes: Sequence[tuple[int, int]]
    height: Range
    pitch: Range
    roll: float
    fov: Range
    depth: Range
    count: tuple[int, int]
    labelled: tuple[int, int]
    driving: bool
    level: bool = False
    weight: float = 1.0
    held_out: bool = False
    squeeze: Range = (0.98, 1.02)
    center: tuple[float, float] = (0.5, 0.5)
    stray: tuple[float, float] = (0.04, 0.05)
    column: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def sample_view(self, rng: np.random.Generator) -> View:
        """One camera of the family."""
        width, height = self.sizes[int(rng.integers(len(self.sizes)))]
        fx = width / 2 / np.tan(np.radians(rng.uniform(*self.fov)) / 2)
        fy = fx * rng.uniform(*self.squeeze)
        share = np.array(self.center) + np.array(self.stray) * rng.uniform(-1, 1, 2)
        cx, cy = share * (width, height) - 0.5
        projection = np.column_stack([[[fx, 0, cx], [0, fy, cy], [0, 0, 1]], self.column])
        pitch, roll = np.radians([rng.uniform(*self.pitch), rng.uniform(-self.roll, self.roll)])
        plane = plane_from_tilt(rng.uniform(*self.height), pitch, roll)
        return View(projection, plane, width, height, tilted_boxes=not self.level)


def _car(name: str, sizes: Sequence[tuple[int, int]], height: Range, fov: Range, **rest: Any) -> CameraKind:
    few: dict = {"count": (1, 14), "labelled": (1, 16), "depth": (4.0, 80.0), "stray": (0.05, 0.15)}
    return CameraKind(name, sizes, height=height, fov=fov, driving=True, **(few | rest))


def _level(name: str, sizes: Sequence[tuple[int, int]], height: Range, fov: Range, **rest: Any) -> CameraKind:
    return _car(name, sizes, height, fov, **({"pitch": (-0.6, 0.6), "roll": 1.0, "level": True} | rest))


def _pole(
    name: str, sizes: Sequence[tuple[int, int]], height: Range, pitch: Range, fov: Range, **rest: Any
) -> CameraKind:
    many: dict = {"count": (3, 35), "labelled": (2, 40), "depth": (8.0, 130.0), "roll": 3.0}
    return CameraKind(name, sizes, height, pitch, fov=fov, driving=False, **(many | rest))


#: KITTI's colour camera on its car: image 2 of the benchmark, with the stereo rig's fourth column.
CAR = _level(
    "kitti", ((1242, 375),), (1.58, 1.72), (80.9, 83.2), pitch=(-0.5, 0.5), roll=0.4, depth=(4.0, 70.0),
    center=(610.06 / 1242, 173.35 / 375), stray=(0.008, 0.02), squeeze=(1.0, 1.0), weight=5.0,
    column=(44.85728, 0.2163791, 0.002745884),
)  # fmt: skip
#: Rope3D's cameras at half their resolution.
POLE = _pole(
    "rope3d", ((960, 540),), (5.5, 8.5), (7, 15), (37.8, 48.0), roll=2.0, depth=(12.0, 130.0),
    squeeze=(1.0, 1.06), stray=(0.015, 0.02), weight=5.0,
)  # fmt: skip

_TABLE = (
    CAR,
    _level("dashcam", (*_WIDE_SCREENS, (896, 560)), (1.2, 1.6), (60, 90), weight=3.0),
    _level("roof", ((1280, 400), (1016, 508), (832, 624)), (1.5, 2.5), (40, 80), depth=(5, 90), weight=2.0),
    _level("van", ((800, 600), (960, 480)), (1.8, 2.5), (55, 80), held_out=True),
    _car("cabin", _SCREENS[:4], (1.2, 2.5), (45, 90), pitch=(-5, 5), roll=2.0),
    _car("widecar", (*_SCREENS[:4], (1248, 416)), (1.2, 2.0), (90, 120), pitch=(-5, 5), roll=2.0,
         depth=(3.0, 60.0)),
    POLE,
    _pole("dair", ((960, 540),), (5.5, 8.0), (8, 18), (44, 55), roll=2.0, weight=1.5),
    _pole("highmast", (*_WIDE_SCREENS, (832, 624)), (10, 18), (12, 35), (40, 75), depth=(10, 200),
          weight=1.5),
    _pole("lowpole", (*_WIDE_SCREENS, (832, 624)), (4, 6), (5, 20), (45, 80), roll=4.0, depth=(5, 100),
          weight=1.5),
    _pole("wide", _SCREENS, (5, 10), (10, 30), (70, 100), roll=4.0, depth=(4, 100), weight=1.5),
    _pole("tele", ((960, 540), (1016, 508), (720, 720)), (6, 12), (5, 12), (35, 45), depth=(20, 160)),
    _pole("junction", ((832, 624), (896, 576)), (7, 11), (14, 26), (50, 70), held_out=True),
)  # fmt: skip

#: All families by name.
FAMILIES: dict[str, CameraKind] = {kind.name: kind for kind in _TABLE}
#: Cameras as in the benchmarks that the layouts come from, whose pictures ``synthroad_*`` hold by default.
DEFAULT = f"{CAR.name},{POLE.name}"


def find_cameras(text: str) -> list[CameraKind]:
    """Families of a comma-separated list of names, in the table's order; "all": every one but those held out.

    Raises:
        ValueError: no name, or one of no family.
    """
    names = {name.strip() for name in text.split(",")}
    if "all" in names:
        names = names - {"all"} | {kind.name for kind in _TABLE if not kind.held_out}
    if unknown := sorted(names - FAMILIES.keys()):
        known = ", ".join(FAMILIES)
        raise ValueError(f"cameras: {unknown[0][:40]!r} is none of all, {known}")
    return [kind for kind in _TABLE if kind.name in names]


def pick_camera(kinds: Sequence[CameraKind], rng: np.random.Generator) -> CameraKind:
    """One of the families, by their weights."""
    weights = np.array([kind.weight for kind in kinds])
    return kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]
