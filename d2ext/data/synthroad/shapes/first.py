"""Object shapes: one mesh per category, tight in the unit box, front and rear tellable apart."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from d2ext.data.synthroad.mesh import Face, bar, block, disc, prism


def _wheels(xs: Iterable[float], radius: tuple[float, float], thickness: float) -> list[Face]:
    faces = []
    for x in xs:
        faces += disc((x, radius[1]), radius, (0.5 - thickness, 0.5), 1.0)
        faces += disc((x, radius[1]), radius, (-0.5, -0.5 + thickness), -1.0)
    return faces


def _nose(face: Face, light: str, row: tuple[float, float], width: float = 0.24) -> None:
    """A pair of lights on a front or rear face, between the heights `row` (fractions of the face)."""
    low, high = row
    for start in (0.03, 0.97 - width):
        # A dark frame keeps red lights apart from red paint and white ones from white paint.
        face.decal(start - 0.015, low - 0.05, start + width + 0.015, high + 0.05, "trim")
        face.decal(start, low, start + width, high, light)


def _car() -> list[Face]:
    body = prism(
        [(-0.5, 0.12), (0.5, 0.12), (0.5, 0.50), (0.26, 0.62), (-0.48, 0.64), (-0.5, 0.56)],
        (-0.49, 0.49),
        (-0.475, 0.475),
        "paint",
    )
    front, rear = body[1], body[5]
    front.decal(0.30, 0.56, 0.70, 0.88, "grille")
    front.decal(0.36, 0.20, 0.64, 0.44, "plate")
    _nose(front, "headlight", (0.58, 0.90))
    # The rear edge runs from top to bottom.
    _nose(rear, "taillight", (0.06, 0.38))
    rear.decal(0.36, 0.44, 0.64, 0.66, "plate")
    body[0].material = "chassis"
    cabin = prism(
        [(-0.48, 0.62), (0.27, 0.60), (0.08, 1.0), (-0.42, 1.0)], (-0.48, 0.48), (-0.41, 0.41), "paint"
    )
    cabin[1].decal(0.05, 0.05, 0.95, 0.90, "glass")
    cabin[3].decal(0.08, 0.12, 0.92, 0.80, "glass")
    for name in ("left", "right"):
        side = cabin[name]
        side.decal(0.14, 0.14, 0.51, 0.86, "glass")
        side.decal(0.55, 0.14, 0.88, 0.86, "glass")
        _door_lines(body[name], (-0.02, 0.14, 0.62), (0.25, 0.36, 0.60), (-0.24, 0.36, 0.62))
    floor = block((-0.46, 0.46), (0.07, 0.14), (-0.42, 0.42), "chassis")
    return [*body.values(), *cabin.values(), *floor.values(), *_wheels((-0.31, 0.32), (0.082, 0.215), 0.13)]


def _door_lines(side: Face, *lines: tuple[float, float, float]) -> None:
    """Thin vertical lines on a side face at (x, y from, y to)."""
    z = float(side.points[0, 2])
    for x, low, high in lines:
        quad = [(x - 0.003, low, z), (x + 0.003, low, z), (x + 0.003, high, z), (x - 0.003, high, z)]
        side.decals.append((np.array(quad), "seam"))


def _van() -> list[Face]:
    body = prism(
        [(-0.5, 0.09), (0.5, 0.09), (0.5, 0.42), (0.42, 0.52), (0.27, 0.97), (0.22, 1.0), (-0.5, 1.0)],
        (-0.488, 0.488),
        (-0.455, 0.455),
        "paint",
    )
    front, screen, rear = body[1], body[3], body[6]
    _nose(front, "headlight", (0.50, 0.90))
    front.decal(0.28, 0.45, 0.72, 0.80, "grille")
    front.decal(0.37, 0.12, 0.63, 0.32, "plate")
    screen.decal(0.06, 0.06, 0.94, 0.90, "glass")
    _nose(rear, "taillight", (0.45, 0.72), width=0.10)
    rear.decal(0.10, 0.08, 0.47, 0.38, "glass")
    rear.decal(0.53, 0.08, 0.90, 0.38, "glass")
    rear.decal(0.38, 0.72, 0.62, 0.82, "plate")
    body[0].material = "chassis"
    for name in ("left", "right"):
        _side_quads(body[name], [[(0.10, 0.56), (0.36, 0.56), (0.24, 0.86), (0.10, 0.86)]], "glass")
        _door_lines(body[name], (0.08, 0.14, 0.95), (-0.20, 0.14, 0.95))
    floor = block((-0.46, 0.46), (0.05, 0.1), (-0.42, 0.42), "chassis")
    return [*body.values(), *floor.values(), *_wheels((-0.30, 0.33), (0.068, 0.16), 0.12)]


def _side_quads(side: Face, quads: list[list[tuple[float, float]]], material: str) -> None:
    """Polygons painted on a side face, given as (x, y); they follow the face's lean."""
    a, b, c = side.points[0], side.points[1], side.points[np.argmax(side.points[:, 1])]
    low, high = min(a[1], b[1]), c[1]
    for quad in quads:
        points = [(x, y, a[2] + (c[2] - a[2]) * (y - low) / (high - low)) for x, y in quad]
        side.decals.append((np.array(points), material))


def _truck() -> list[Face]:
    cab = prism(
        [(0.24, 0.13), (0.5, 0.13), (0.5, 0.45), (0.475, 0.80), (0.24, 0.80)],
        (-0.48, 0.48),
        (-0.48, 0.48),
        "paint",
    )
    front, screen = cab[1], cab[2]
    _nose(front, "headlight", (0.18, 0.45), width=0.2)
    front.decal(0.26, 0.40, 0.74, 0.85, "grille")
    front.decal(0.38, 0.10, 0.62, 0.30, "plate")
    screen.decal(0.06, 0.10, 0.94, 0.88, "glass")
    for name in ("left", "right"):
        _side_quads(cab[name], [[(0.31, 0.48), (0.46, 0.48), (0.445, 0.73), (0.31, 0.73)]], "glass")
    cargo = block((-0.5, 0.22), (0.24, 1.0), (-0.5, 0.5), "paint")
    for name in ("left", "right"):
        for i in range(1, 8):
            cargo[name].decal(i / 8 - 0.004, 0.03, i / 8 + 0.004, 0.97, "seam")
    rear = cargo["rear"]
    rear.decal(0.495, 0.02, 0.505, 0.98, "seam")
    for u in (0.2, 0.8):
        rear.decal(u - 0.008, 0.04, u + 0.008, 0.96, "trim")
    bumper = block((-0.49, -0.46), (0.12, 0.24), (-0.48, 0.48), "chassis")
    _nose(bumper["rear"], "taillight", (0.25, 0.85), width=0.2)
    bumper["rear"].decal(0.40, 0.2, 0.60, 0.7, "plate")
    floor = block((-0.47, 0.24), (0.13, 0.24), (-0.40, 0.40), "chassis")
    faces = [*cab.values(), *cargo.values(), *bumper.values(), *floor.values()]
    return faces + _wheels((-0.36, -0.24, 0.34), (0.055, 0.145), 0.11)


def _bus() -> list[Face]:
    body = block((-0.5, 0.5), (0.09, 1.0), (-0.486, 0.486), "paint")
    front, rear = body["front"], body["rear"]
    front.decal(0.05, 0.36, 0.95, 0.84, "glass")
    front.decal(0.18, 0.87, 0.82, 0.96, "display")
    _nose(front, "headlight", (0.12, 0.24), width=0.16)
    front.decal(0.38, 0.06, 0.62, 0.14, "plate")
    rear.decal(0.18, 0.58, 0.82, 0.88, "glass")
    _nose(rear, "taillight", (0.16, 0.46), width=0.10)
    rear.decal(0.25, 0.16, 0.75, 0.40, "trim")
    for name in ("left", "right"):
        for i in range(7):
            body[name].decal(0.03 + i * 0.137, 0.46, 0.15 + i * 0.137, 0.84, "glass")
    # Doors on the right, where passengers wait.
    for u in (0.44, 0.86):
        body["right"].decal(u, 0.06, u + 0.09, 0.84, "trim")
        body["right"].decal(u + 0.01, 0.12, u + 0.08, 0.80, "glass")
    floor = block((-0.47, 0.47), (0.05, 0.1), (-0.45, 0.45), "chassis")
    return [*body.values(), *floor.values(), *_wheels((-0.27, 0.30), (0.044, 0.150), 0.11)]


def _head(x: float, bottom: float, half: tuple[float, float], hat: str) -> list[Face]:
    """A head whose front shows a face; half: half extents along x and z."""
    xs, zs = (x - half[0], x + half[0]), (-half[1], half[1])
    face = block(xs, (bottom, 0.965), zs, "hair")
    face["front"].material = "skin"
    for name in ("left", "right"):
        face[name].decal(0.45, 0.0, 1.0, 0.75, "skin")
    cap = block(xs, (0.945, 1.0), zs, hat)
    return [*face.values(), *cap.values()]


def _pedestrian() -> list[Face]:
    faces: list[Face] = []
    for sign in (-1, 1):
        foot, hip = (0.35 * sign, 0.075, 0.25 * sign), (0.05 * sign, 0.50, 0.18 * sign)
        faces += bar(foot, hip, (0.12, 0.17), "trousers")
        faces += block(
            (0.36 * sign - 0.14, 0.36 * sign + 0.14),
            (0.0, 0.05),
            (0.25 * sign - 0.2, 0.25 * sign + 0.2),
            "shoe",
        ).values()
        shoulder, hand = (0.0, 0.80, 0.40 * sign), (-0.42 * sign, 0.52, 0.41 * sign)
        elbow = (-0.16 * sign, 0.63, 0.41 * sign)
        faces += bar(shoulder, elbow, (0.075, 0.09), "paint") + bar(elbow, hand, (0.06, 0.07), "skin")
    torso = prism(
        [(-0.20, 0.46), (0.20, 0.46), (0.25, 0.74), (0.18, 0.845), (-0.18, 0.845), (-0.25, 0.74)],
        (-0.34, 0.34),
        (-0.36, 0.36),
        "paint",
    )
    neck = block((-0.07, 0.07), (0.83, 0.88), (-0.10, 0.10), "skin")
    return [*faces, *torso.values(), *neck.values(), *_head(0.02, 0.87, (0.16, 0.20), "hair")]


def _ring(center: tuple[float, float], radius: tuple[float, float], sides: int = 12) -> list[Face]:
    """A bicycle wheel: a thin dark ring, open in the middle."""
    angles = np.arange(sides) * 2 * np.pi / sides + np.pi / sides
    scale = 1 / np.cos(np.pi / sides)
    outer = [
        (center[0] + radius[0] * scale * c, center[1] + radius[1] * scale * s)
        for c, s in zip(np.cos(angles), np.sin(angles), strict=True)
    ]
    inner = [(center[0] + 0.82 * (x - center[0]), center[1] + 0.82 * (y - center[1])) for x, y in outer]
    faces: list[Face] = []
    for i in range(sides):
        j = (i + 1) % sides
        faces += prism(
            [outer[i], outer[j], inner[j], inner[i]], (-0.05, 0.05), (-0.05, 0.05), "tyre"
        ).values()
    return faces


def _cyclist() -> list[Face]:
    radius = (0.185, 0.19)
    rear, front = (-0.5 + radius[0], radius[1]), (0.5 - radius[0], radius[1])
    faces = _ring(rear, radius) + _ring(front, radius)
    seat, pedal, steer = (-0.14, 0.50), (-0.03, 0.19), (0.24, 0.56)
    for a, b in ((rear, seat), (rear, pedal), (pedal, seat), (pedal, steer), (seat, steer), (front, steer)):
        faces += bar((*a, 0.0), (*b, 0.0), (0.014, 0.04), "frame")
    faces += block((steer[0] - 0.02, steer[0] + 0.02), (0.575, 0.605), (-0.5, 0.5), "frame").values()
    faces += block((-0.22, -0.08), (0.50, 0.53), (-0.14, 0.14), "chassis").values()
    # Panniers at the rear and a basket in front, with the lights on them.
    panniers = block((-0.5, -0.26), (0.22, 0.46), (-0.40, 0.40), "chassis")
    panniers["rear"].decal(0.38, 0.55, 0.62, 0.95, "taillight")
    basket = block((0.29, 0.48), (0.42, 0.60), (-0.36, 0.36), "trim")
    basket["front"].decal(0.36, 0.30, 0.64, 0.80, "headlight")
    faces += [*panniers.values(), *basket.values()]
    for sign, foot_y in ((-1, 0.12), (1, 0.26)):
        hip, knee, foot = (
            (-0.14, 0.53, 0.16 * sign),
            (0.06, 0.43 + foot_y / 4, 0.2 * sign),
            (-0.02, foot_y, 0.2 * sign),
        )
        faces += bar(hip, knee, (0.045, 0.13), "trousers") + bar(knee, foot, (0.036, 0.11), "trousers")
        faces += block(
            (foot[0] - 0.03, foot[0] + 0.07),
            (foot_y - 0.03, foot_y + 0.02),
            (0.2 * sign - 0.1, 0.2 * sign + 0.1),
            "shoe",
        ).values()
        faces += bar((0.0, 0.80, 0.34 * sign), (0.23, 0.62, 0.42 * sign), (0.030, 0.08), "paint")
    torso = prism(
        [(-0.20, 0.54), (-0.05, 0.50), (0.11, 0.82), (0.04, 0.86), (-0.05, 0.83)],
        (-0.32, 0.32),
        (-0.38, 0.38),
        "paint",
    )
    return [*faces, *torso.values(), *_head(0.09, 0.845, (0.065, 0.18), "helmet")]


BUILDERS = {
    "car": _car, "van": _van, "truck": _truck, "bus": _bus, "pedestrian": _pedestrian, "cyclist": _cyclist,
}  # fmt: skip
