"""Lamps, signs, traffic lights, wires, boards, shelters and gantries."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from d2ext.data.synthroad.daylight import irradiance
from d2ext.data.synthroad.panels import cross, draw_panel, pyramid, seen
from d2ext.data.synthroad.raster import Canvas
from d2ext.data.synthroad.scene import Scene
from d2ext.data.synthroad.standing import Post

_STEEL = np.array([128.0, 124.0, 120.0])
_RED, _BLUE, _WHITE, _YELLOW = (40, 36, 196), (170, 84, 22), (232, 236, 238), (40, 190, 236)


@cache
def _signs() -> list[list[np.ndarray]]:
    """Pyramids of (64, 64, 4) road signs."""
    made = []

    def sign() -> np.ndarray:
        made.append(np.zeros((64, 64, 4), np.uint8))
        return made[-1]

    for inner in (_WHITE, _BLUE):
        picture = sign()
        cv2.circle(picture, (32, 32), 30, (*_RED, 255), -1)
        cv2.circle(picture, (32, 32), 23, (*inner, 255), -1)
        cv2.line(picture, (22, 32), (42, 32), (30, 30, 30, 255), 7)
    picture = sign()
    cv2.circle(picture, (32, 32), 30, (*_BLUE, 255), -1)
    cv2.arrowedLine(picture, (32, 50), (32, 14), (*_WHITE, 255), 6, tipLength=0.4)
    for color in (_WHITE, _YELLOW):
        picture = sign()
        cv2.fillConvexPoly(picture, np.array([[32, 3], [62, 58], [2, 58]]), (*_RED, 255))
        cv2.fillConvexPoly(picture, np.array([[32, 17], [51, 52], [13, 52]]), (*color, 255))
    picture = sign()
    cv2.fillConvexPoly(picture, np.array([[32, 2], [62, 32], [32, 62], [2, 32]]), (*_WHITE, 255))
    cv2.fillConvexPoly(picture, np.array([[32, 10], [54, 32], [32, 54], [10, 32]]), (*_YELLOW, 255))
    for color in (_BLUE, (70, 120, 30), _WHITE, _YELLOW):
        picture = sign()
        picture[4:60, 2:62] = (*color, 255)
        ink = _WHITE if sum(color) < 400 else (30, 30, 30)
        for y in (18, 32, 46):
            cv2.line(picture, (10, y), (30 + y % 21, y), (*ink, 255), 5)
    return [pyramid(picture) for picture in made]


class _Upright:
    """Drawing in the plane that faces the camera's way at a foot: x metres to the right, y up."""

    def __init__(self, canvas: Canvas, scene: Scene, p: float, q: float) -> None:
        self.canvas, self.scene = canvas, scene
        self.foot = scene.road_points(np.array(p), np.array(q))
        self.right = scene.view.ground_axes[:, 0]
        self.tone = irradiance(-scene.view.ground_axes[:, 2], scene.light)
        self.distance = float(canvas.project(self.foot)[1])

    def box(
        self,
        x: tuple[float, float],
        y: tuple[float, float],
        color: np.ndarray,
        before: float = 0.0,
        lit: bool = False,
    ) -> None:
        """A rectangle, `before` metres before the plane; lit: it shines."""
        outline = np.array([[x[0], y[0]], [x[1], y[0]], [x[1], y[1]], [x[0], y[1]]])
        self.polygon(outline, color, before, lit)

    def polygon(self, outline: np.ndarray, color: np.ndarray, before: float = 0.0, lit: bool = False) -> None:
        """A convex polygon (K, 2) in metres."""
        normal = cross(self.right, self.scene.up)
        base = self.foot - before * self.scene.view.ground_axes[:, 2]
        points = base + outline[:, :1] * self.right + outline[:, 1:] * self.scene.up
        pixels, w = self.canvas.project(points)
        if w.min() > 1.5:
            plane = self.canvas.depth_planes(normal[None], base[None])[0]
            tone = np.clip(np.asarray(color, float) * (1.0 if lit else self.tone), 0, 255)
            self.canvas.face(pixels, plane, tone.tolist())

    def picture(self, x: float, y: float, size: tuple[float, float], levels: list[np.ndarray]) -> None:
        """A textured rectangle of (width, height) metres with its lower left corner at x, y."""
        base = self.foot - 0.06 * self.scene.view.ground_axes[:, 2]
        a = base + x * self.right + y * self.scene.up
        b, up = a + size[0] * self.right, size[1] * self.scene.up
        draw_panel(self.canvas, np.stack([a, b, b + up, a + up]), levels, self.tone)


def draw_post(canvas: Canvas, scene: Scene, post: Post) -> None:
    """Draw one; what is nearer than 1.5 m is left out."""
    rng = np.random.default_rng(post.seed)
    plane = _Upright(canvas, scene, post.p, post.q)
    if plane.distance < 2.0 or not (
        post.kind in ("gantry", "wires") or seen(canvas, plane.foot, post.tall + 6)
    ):
        return
    steel = _STEEL * rng.uniform(0.45, 1.3)
    _DRAW[post.kind](plane, post, steel, rng)


def _lamp(plane: _Upright, post: Post, steel: np.ndarray, rng: np.random.Generator) -> None:
    tall, arm = post.tall, rng.uniform(0.6, 2.2)
    inward = -post.side
    plane.polygon(np.array([[-0.09, 0], [0.09, 0], [0.05, tall], [-0.05, tall]]), steel)
    x = sorted((0.0, inward * arm))
    plane.polygon(
        np.array([[x[0], tall - 0.05], [x[1], tall - 0.05], [x[1], tall + 0.05], [x[0], tall + 0.05]]), steel
    )
    head = sorted((inward * arm, inward * (arm - 0.7)))
    lamps = plane.scene.light.lamps
    glow = lamps > 0.2
    plane.box(
        (head[0], head[1]),
        (tall - 0.12, tall),
        np.array([170.0, 225.0, 255.0]) if glow else steel,
        0.02,
        glow,
    )


def _sign(plane: _Upright, post: Post, steel: np.ndarray, rng: np.random.Generator) -> None:
    plane.box((-0.035, 0.035), (0, post.tall + 0.3), steel)
    signs = _signs()
    size = rng.uniform(0.55, 0.9)
    for i in range(int(rng.integers(1, 3))):
        level = signs[rng.integers(len(signs))]
        wide = size * (1.0 if i == 0 else rng.uniform(0.8, 1.5))
        plane.picture(-wide / 2, post.tall - size * (i + 0.6) - 0.04 * i, (wide, size), level)


def _signal(plane: _Upright, post: Post, steel: np.ndarray, rng: np.random.Generator) -> None:
    tall, inward = post.tall, -post.side
    plane.polygon(np.array([[-0.1, 0], [0.1, 0], [0.07, tall + 0.4], [-0.07, tall + 0.4]]), steel)
    heads = [0.0]
    if tall > 4.5:
        arm = rng.uniform(2.5, 6)
        plane.box((0.0, inward * arm), (tall + 0.1, tall + 0.25), steel)
        heads += [inward * arm * 0.95, inward * arm * 0.55]
    state, known = int(rng.integers(3)), plane.scene.road.signal
    state = state if known is None else known
    for x in heads:
        y = min(tall, 3.0) if x == 0 else tall - 0.3
        plane.box((x - 0.17, x + 0.17), (y - 0.95, y), np.array([38.0, 38.0, 36.0]), 0.1)
        for k, color in enumerate(((40, 40, 245), (40, 190, 250), (150, 235, 60))):
            angles = np.linspace(0, 2 * np.pi, 9)[:-1]
            disc = 0.11 * np.stack([np.cos(angles), np.sin(angles)], axis=1) + [x, y - 0.17 - 0.3 * k]
            lit = k == state
            plane.polygon(disc, np.array(color) * (1.0 if lit else 0.25), 0.14, lit)


def _wires(plane: _Upright, post: Post, steel: np.ndarray, rng: np.random.Generator) -> None:
    tall = post.tall
    plane.polygon(np.array([[-0.14, 0], [0.14, 0], [0.09, tall], [-0.09, tall]]), steel * [0.75, 0.85, 0.95])
    plane.box((-0.8, 0.8), (tall - 0.6, tall - 0.45), steel * 0.7)
    scene, canvas = plane.scene, plane.canvas
    for x in (-0.7, 0.7):
        q = post.q + np.linspace(0, 30, 4)
        sag = tall - 0.4 - 0.8 * np.sin(np.linspace(0, np.pi, 4))
        points = scene.road_points(np.full(4, post.p + x), q, sag)
        thick = 0.025 * scene.up
        for a, b in zip(points[:-1], points[1:], strict=True):
            quad = np.stack([a, b, b + thick, a + thick])
            pixels, w = canvas.project(quad)
            if w.min() > 1.5:
                depth = canvas.depth_planes(cross(b - a, scene.up)[None], a[None])[0]
                canvas.face(pixels, depth, (np.array([40.0, 38.0, 36.0]) * plane.tone.clip(0, 1.2)).tolist())


def _board(plane: _Upright, post: Post, steel: np.ndarray, rng: np.random.Generator) -> None:
    wide, high = rng.uniform(2.5, 5), rng.uniform(1.6, 3)
    for x in (-wide * 0.3, wide * 0.3):
        plane.box((x - 0.08, x + 0.08), (0, post.tall - high + 0.1), steel)
    picture = np.empty((64, 96, 4), np.uint8)
    picture[:] = (*rng.uniform(30, 240, 3), 255)
    for _ in range(5):
        x, y = (int(v) for v in rng.integers(0, (80, 54)))
        color = (*rng.uniform(20, 250, 3).tolist(), 255)
        picture[y : y + rng.integers(4, 30), x : x + rng.integers(6, 60)] = color
    plane.picture(-wide / 2, post.tall - high, (wide, high), pyramid(picture))


def _shelter(plane: _Upright, post: Post, steel: np.ndarray, rng: np.random.Generator) -> None:
    half, tall = rng.uniform(1.5, 2.5), post.tall
    for x in (-half, 0.0, half):
        plane.box((x - 0.05, x + 0.05), (0, tall), steel * 0.7)
    plane.box((-half - 0.2, half + 0.2), (tall, tall + 0.18), steel * 0.9, 0.3)
    plane.box((-half, half), (0.45, 0.55), steel * 0.6, 0.05)
    plane.box((half * 0.3, half * 0.95), (0.3, 2.0), rng.uniform(40, 220, 3), 0.02)


def _gantry(plane: _Upright, post: Post, steel: np.ndarray, rng: np.random.Generator) -> None:
    scene = plane.scene
    left = scene.road.left_edge - 0.8 - post.p
    tall = post.tall
    for x in (0.0, left):
        plane.box((x - 0.2, x + 0.2), (0, tall), steel)
    plane.box((left, 0.0), (tall - 0.3, tall + 0.3), steel)
    x = left + rng.uniform(0.5, 2)
    while x < -4:
        wide = rng.uniform(2.5, 5)
        plane.picture(x, tall - 0.6, (wide, rng.uniform(1.6, 2.6)), _signs()[6 + int(rng.integers(2))])
        x += wide + rng.uniform(0.5, 4)


_DRAW = {
    "lamp": _lamp,
    "sign": _sign,
    "signal": _signal,
    "wires": _wires,
    "board": _board,
    "shelter": _shelter,
    "gantry": _gantry,
}
