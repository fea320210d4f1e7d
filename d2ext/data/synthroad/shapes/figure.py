"""A human figure from its joints, in clothes by chance; riders are made of it, too."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from d2ext.data.synthroad.mesh import Model, ball, box, loft, tube
from d2ext.data.synthroad.shapes import materials as m
from d2ext.data.synthroad.skin import FRONT, SIDE, Chart, Material

Joint = np.ndarray

_SKIN = ((150, 182, 224), (128, 164, 212), (96, 130, 184), (70, 96, 140), (52, 68, 98), (164, 192, 232))
_HAIR = ((28, 28, 32), (34, 40, 52), (40, 60, 88), (90, 130, 165), (120, 124, 128), (22, 22, 24))


@dataclass
class Pose:
    """Joints (3,) in metres; of pairs, the left one first (z > 0)."""

    hip: Joint
    neck: Joint
    knees: list[Joint]
    ankles: list[Joint]
    elbows: list[Joint]
    hands: list[Joint]


@dataclass
class Style:
    """What a figure wears. top, bottom: of which material; sleeves: 0 bare arms, 1 to the elbow, 2 long; hat:
    a material, hair where None; skirt: how far it falls, in legs; girth: of the body."""

    skin: Material
    hair: Material
    top: Material = m.CLOTH
    bottom: Material = m.TROUSERS
    sleeves: int = 2
    hat: Material | None = None
    helmet: Material | None = None
    shoe: Material = m.SHOE
    skirt: float = 0.0
    girth: float = 1.0
    pattern: float = field(default=1.0)


def style(rng: np.random.Generator) -> Style:
    """Clothes by chance."""
    skin = Material(_SKIN[rng.integers(len(_SKIN))])
    hair = Material(_HAIR[rng.integers(len(_HAIR))])
    hat = m.some(rng, 20, 230) if rng.random() < 0.2 else None
    return Style(
        skin=skin,
        hair=hair,
        sleeves=int(rng.choice([1, 2, 2])),
        hat=hat,
        bottom=m.TROUSERS if rng.random() < 0.85 else Material(_HAIR[0]),
        shoe=m.SHOE if rng.random() < 0.6 else m.LIGHT_SHOE,
        girth=rng.uniform(0.9, 1.18),
    )


def figure(model: Model, pose: Pose, look: Style, rng: np.random.Generator) -> None:
    """Add a figure to a model."""
    skin = model.skin
    top, bottom, bare = skin.swatch(look.top), skin.swatch(look.bottom), skin.swatch(look.skin)
    g = look.girth
    for side, sign in enumerate((1, -1)):
        hip = pose.hip + [0, 0, 0.085 * sign * g]
        shin = bare if look.skirt > 0 else bottom
        limb(model, [hip, pose.knees[side], pose.ankles[side]], (0.088 * g, 0.062 * g, 0.044), (bottom, shin))
        _foot(model, pose, side, skin.swatch(look.shoe))
        shoulder = pose.neck + [0, -0.065, 0.165 * sign * g]
        lower = top if look.sleeves == 2 else bare
        upper = top if look.sleeves else bare
        limb(
            model, [shoulder, pose.elbows[side], pose.hands[side]], (0.058 * g, 0.046, 0.034), (upper, lower)
        )
        quads, inside = ball(pose.hands[side], (0.045, 0.05, 0.035), 6, 3)
        model.add(quads, bare, inside, crease=75, join=True)
    _torso(model, pose, look, rng)
    if look.skirt > 0:
        _skirt(model, pose, look, top if look.skirt > 0.7 else bottom)
    _head(model, pose, look)


def limb(
    model: Model, joints: list[Joint], radii: tuple[float, float, float], charts: tuple[int, int]
) -> None:
    """Two bars that meet in a joint."""
    for k in range(2):
        quads, inside = tube(joints[k], joints[k + 1], (radii[k], radii[k + 1]), 6)
        model.add(quads, charts[k], inside, crease=75, join=k > 0)
    quads, inside = ball(joints[1], (radii[1] * 1.02,) * 3, 6, 3)
    model.add(quads, charts[0], inside, crease=75, join=True)


def _foot(model: Model, pose: Pose, side: int, chart: int) -> None:
    knee, ankle = pose.knees[side], pose.ankles[side]
    back = float(np.clip((knee - ankle)[0] * 0.35, -0.05, 0.05))
    rise = float(np.clip((ankle[0] - knee[0]) * -0.25, 0, 0.06))
    quads = box((-0.075, 0.175), (-0.075, 0.025), (-0.045, 0.045))
    quads[:, :, 1] += np.where(quads[:, :, 0] > 0, -rise - 0.0, rise)
    quads[:, :, 1] -= np.where((quads[:, :, 0] > 0) & (quads[:, :, 1] > -0.05), 0.045, 0.0)
    quads += ankle + [back * 0.2, 0, 0]
    model.add(quads, chart, quads.reshape(-1, 3).mean(axis=0), crease=50, join=True)


def _torso(model: Model, pose: Pose, look: Style, rng: np.random.Generator) -> None:
    g, axis = look.girth, pose.neck - pose.hip
    # Along the spine: share of its length, half depth, half width, how far it bulges forward.
    table = (
        (-0.10, 0.085, 0.125, 0.0),
        (0.08, 0.115, 0.165, 0.0),
        (0.34, 0.105 * g, 0.150, 0.015 * g),
        (0.66, 0.118, 0.175, 0.02),
        (0.86, 0.105, 0.185, 0.01),
        (0.95, 0.075, 0.14, 0.0),
        (1.02, 0.05, 0.06, 0.0),
    )
    forward = np.array([axis[1], -axis[0], 0.0]) / np.linalg.norm(axis[:2])
    angles = np.arange(10) * 2 * np.pi / 10
    rings = []
    for t, deep, wide, bulge in table:
        center = pose.hip + t * axis + bulge * forward
        rings.append(
            center
            + np.cos(angles)[:, None] * forward * deep * g
            + np.sin(angles)[:, None] * np.array([0, 0, wide * g])
        )
    quads, inside = loft(np.array(rings))
    skin = model.skin
    low, high = float(pose.hip[1]) - 0.15, float(pose.neck[1]) + 0.05
    chart = skin.chart(FRONT, (-0.3, low), (0.6, high - low), look.top)
    _draw_torso(chart, low, high, look, rng)
    front = skin.place(chart)
    plain = skin.swatch(look.top)
    middle = quads.mean(axis=1) - inside
    charts = np.where(np.abs(middle @ forward) > 0.35 * np.linalg.norm(middle, axis=1), front, plain)
    model.add(quads, charts, inside, crease=75)


def _draw_torso(chart: Chart, low: float, high: float, look: Style, rng: np.random.Generator) -> None:
    """Stripes, a print, an open jacket, or nothing, on the upper part."""
    kind = rng.random() * look.pattern
    if kind < 0.20:
        return
    shade = m.some(rng, 30, 235)
    if kind < 0.35:
        for y in np.arange(low + 0.1, high, 0.09):
            chart.box(-0.3, float(y), 0.3, float(y) + 0.03, shade)
    elif kind < 0.55:
        chart.box(-0.08, low + 0.32, 0.08, low + 0.46, shade)
    elif kind < 0.75:
        inner = m.WHITE if rng.random() < 0.5 else shade
        chart.pair([(0.0, low), (0.025, low + 0.1), (0.07, high), (0.0, high)], inner)
    elif kind < 0.85:
        chart.line([(0, low), (0, high)], 0.015, m.INK)


def _skirt(model: Model, pose: Pose, look: Style, chart: int) -> None:
    knees = np.mean(pose.knees, axis=0)
    hem = pose.hip + (knees - pose.hip) * 2 * look.skirt
    spread = abs(float(pose.knees[0][0] - pose.knees[1][0])) * 0.5 * look.skirt
    angles = np.arange(10) * 2 * np.pi / 10
    ring = np.stack([np.cos(angles), np.zeros(10), np.sin(angles)], axis=1)
    rings = np.stack(
        [
            pose.hip + [0, 0.22, 0] + ring * [0.115, 1, 0.15],
            pose.hip + ring * [0.14, 1, 0.19],
            hem + ring * [0.17 + spread, 1, 0.20],
        ]
    )
    quads, inside = loft(rings)
    model.add(quads, chart, inside, crease=60)


def _head(model: Model, pose: Pose, look: Style) -> None:
    skin = model.skin
    lean = pose.neck - pose.hip
    base = pose.neck + [0.02 + 0.08 * float(lean[0]), 0.0, 0.0]
    center = base + [0.015, 0.155, 0.0]
    quads, inside = tube(pose.neck + [0, -0.02, 0], center, (0.052, 0.048), 6)
    model.add(quads, skin.swatch(look.skin), inside, crease=75)
    radius = np.array([0.095, 0.122, 0.076])
    # A face in front, hair behind and above.
    chart = skin.chart(SIDE, (float(center[0]) - 0.13, float(center[1]) - 0.14), (0.26, 0.28), look.skin)
    cover = look.hat or look.hair
    x, y = float(center[0]), float(center[1])
    chart.fill(
        [
            (x - 0.2, y - 0.07),
            (x - 0.012, y - 0.04),
            (x + 0.02, y + 0.045),
            (x + 0.10, y + 0.075),
            (x + 0.12, y + 0.2),
            (x - 0.2, y + 0.2),
        ],
        cover,
    )
    quads, inside = ball(center, radius, 8, 6)
    model.add(quads, skin.place(chart), np.broadcast_to(center, (len(quads), 3)), crease=75)
    if look.helmet is not None:
        quads, inside = ball(center + [-0.01, 0.035, 0], radius * [1.28, 0.98, 1.35], 8, 5)
        model.add(quads, skin.swatch(look.helmet), inside, crease=75)
    elif look.hat is not None:
        quads, inside = tube(center + [0.03, 0.055, 0], center + [0.03, 0.075, 0], (0.13, 0.12), 8)
        model.add(quads, skin.swatch(look.hat), inside)
