"""Where the bodies of a clip are in its pictures: boxes in closed form, and which of them have a track."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from d2ext.data.synthroad.geometry import UNIT_CORNERS, View
from d2ext.data.synthroad.layout import MIN_BOX_HEIGHT
from d2ext.data.synthroad.scene import Scene, SceneObject
from d2ext.data.synthroad.video.clip import Body, Clip

# Metres along the optical axis to which bodies are drawn, and have a track.
_NEAREST, DRAWN, LABELLED = 1.5, 260.0, 125.0
# Share of a box that must be in the picture for a track; height of one, as a share of still pictures' least,
# in pictures of so many rows.
_INSIDE, _LEAST, _ROWS = 0.3, 0.5, 540
# Pixels, as shares of the picture's width: what is no farther beside it may throw a shadow into it.
_BESIDE = 0.3


@dataclass(frozen=True)
class Track:
    """One body seen by the camera. M pictures, as in :class:`Body`.

    Args:
        number: its track's, -1 where it has none.
        location: (M, 3) m, centre of the bottom face in the camera's frame.
        yaw: (M,) ry.
        corners: (M, 8, 3) m, as ``View.box_corners``.
        whole: (M, 4) pixels, x1, y1, x2, y2 of the projected corners; ``box``: cut to the picture.
        drawn: (M,) bool, it may be in the picture.
        labelled: (M,) bool, it is, near enough and large enough.
        shown: (M,) bool, some of its box is in the picture.
    """

    body: Body
    number: int
    location: np.ndarray
    yaw: np.ndarray
    corners: np.ndarray
    whole: np.ndarray
    box: np.ndarray
    drawn: np.ndarray
    labelled: np.ndarray
    shown: np.ndarray

    def item(self, row: int) -> SceneObject:
        """What is drawn in one of its pictures."""
        model = self.body.model
        return SceneObject(
            model.category, model.color, model.size, self.location[row], float(self.yaw[row]),
            self.corners[row], model.shape, self.body.seed, bool(self.body.braking[row]),
        )  # fmt: skip

    @cached_property
    def alpha(self) -> np.ndarray:
        """(M,) KITTI's observation angle in [-pi, pi)."""
        angle = self.yaw - np.arctan2(self.location[:, 0], self.location[:, 2])
        return (angle + np.pi) % (2 * np.pi) - np.pi


def make_tracks(clip: Clip) -> list[Track]:
    """All bodies that are ever drawn; tracks are numbered in the order in which they begin."""
    tracks = [_track(clip.site.scene, body) for body in clip.bodies]
    tracks = [track for track in tracks if track.drawn.any()]
    firsts = [int(t.body.frame[np.argmax(t.labelled)]) if t.labelled.any() else None for t in tracks]
    known = [i for i, first in enumerate(firsts) if first is not None]
    order = sorted(known, key=lambda i: (firsts[i], i))
    numbers = {i: number for number, i in enumerate(order)}
    return [_numbered(track, numbers.get(i, -1)) for i, track in enumerate(tracks)]


def _numbered(track: Track, number: int) -> Track:
    return Track(**{**{k: v for k, v in vars(track).items() if k != "alpha"}, "number": number})


def _track(scene: Scene, body: Body) -> Track:
    view, road = scene.view, scene.road
    location = scene.road_points(body.p, body.q)
    (right, ahead), zero = road.to_plane(*body.heading.T), road.to_plane(0.0, 0.0)
    yaw = np.arctan2(-(ahead - zero[1]), right - zero[0])
    corners = box_corners(view, location, body.model.size, yaw)
    uv, w = view.project(corners)
    whole = np.concatenate([uv.min(axis=1), uv.max(axis=1)], axis=1)
    limit = np.array([view.width - 1, view.height - 1] * 2, dtype=float)
    box = np.clip(whole, 0, limit)
    front = w.min(axis=1) > _NEAREST
    beside = np.array([_BESIDE * view.width] * 2)
    near = front & (location[:, 2] < DRAWN)
    drawn = near & (whole[:, 2:] > -beside).all(1) & (whole[:, :2] < limit[:2] + beside).all(1)
    sides, rest = whole[:, 2:] - whole[:, :2], box[:, 2:] - box[:, :2]
    inside = rest.prod(axis=1) / np.maximum(sides.prod(axis=1), 1e-9)
    least = _LEAST * MIN_BOX_HEIGHT * view.height / _ROWS
    labelled = near & (location[:, 2] < LABELLED) & (inside >= _INSIDE) & (rest[:, 1] >= least)
    return Track(body, -1, location, yaw, corners, whole, box, drawn, labelled, near & (inside > 0))


def box_corners(view: View, location: np.ndarray, size: np.ndarray, yaw: np.ndarray) -> np.ndarray:
    """(M, 8, 3) corners of a box at M places, which stands on the ground plane."""
    height, width, length = size
    unit = UNIT_CORNERS * [length, height, width]
    c, s = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
    local = np.stack([c * unit[:, 0] + s * unit[:, 2], np.broadcast_to(unit[:, 1], (len(yaw), 8)),
                      c * unit[:, 2] - s * unit[:, 0]], axis=-1)  # fmt: skip
    return location[:, None] + local @ view.ground_axes.T


def in_picture(tracks: Sequence[Track], frame: int) -> list[tuple[Track, int]]:
    """The tracks that are drawn in a picture, and the row of each."""
    found = []
    for track in tracks:
        row = int(np.searchsorted(track.body.frame, frame))
        if row < len(track.body.frame) and track.body.frame[row] == frame and track.drawn[row]:
            found.append((track, row))
    return found
