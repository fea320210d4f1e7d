"""People on foot and seated."""

from __future__ import annotations

import numpy as np

from d2ext.data.synthroad.mesh import Mesh, Model, ball, box, loft, tube
from d2ext.data.synthroad.shapes import materials as m
from d2ext.data.synthroad.shapes.figure import Pose, Style, figure, style
from d2ext.data.synthroad.shapes.parts import block
from d2ext.data.synthroad.skin import Material, Skin

DENSITY = 150.0


def _model() -> Model:
    return Model(Skin(DENSITY), cloth=1.0)


def stride(phase: float, reach: float, size: float = 1.0) -> Pose:
    """A step: phase in turns, reach of the legs in metres."""
    hip = np.array([0.0, 0.92, 0.0])
    neck = np.array([0.03 + 0.06 * reach, 1.46, 0.0])
    knees, ankles, elbows, hands = [], [], [], []
    for sign in (1, -1):
        swing = reach * np.sin(2 * np.pi * phase) * sign
        lift = max(np.cos(2 * np.pi * phase) * sign, 0.0) * reach * 0.30
        z = 0.10 * sign
        ankles.append(np.array([swing * 0.52, 0.085 + lift + 0.05 * max(-swing, 0), z]))
        knees.append(np.array([swing * 0.24 + 0.06 + 0.25 * lift, 0.49 + 0.25 * lift, z]))
        arm = -swing * 0.8
        elbows.append(np.array([neck[0] + arm * 0.22 - 0.03, 1.14, 0.235 * sign]))
        hands.append(np.array([neck[0] + arm * 0.55 + 0.04, 0.88 + 0.10 * abs(arm), 0.235 * sign]))
    pose = Pose(hip, neck, knees, ankles, elbows, hands)
    if size != 1.0:
        for joints in (pose.knees, pose.ankles, pose.elbows, pose.hands):
            joints[:] = [joint * [size, size, 0.85] for joint in joints]
        pose.hip, pose.neck = hip * size, neck * size
    return pose


def _phase(rng: np.random.Generator) -> float:
    return float(rng.choice([0.0, 0.5]) + rng.uniform(0.06, 0.44))


def walking(rng: np.random.Generator) -> Mesh:
    """Somebody in the middle of a step."""
    model = _model()
    figure(model, stride(_phase(rng), rng.uniform(0.5, 0.85)), style(rng), rng)
    return model.finish()


def standing(rng: np.random.Generator) -> Mesh:
    """Somebody who waits, arms down, folded, or at a telephone."""
    model = _model()
    pose = stride(0.12, 0.10)
    kind = rng.random()
    if kind < 0.3:
        pose.elbows[1] = np.array([0.06, 1.12, -0.27])
        pose.hands[1] = np.array([0.10, 1.46, -0.15])
    elif kind < 0.55:
        for k, sign in enumerate((1, -1)):
            pose.elbows[k] = np.array([0.02, 1.13, 0.25 * sign])
            pose.hands[k] = np.array([0.22, 1.16, -0.06 * sign])
    figure(model, pose, style(rng), rng)
    return model.finish()


def bag(rng: np.random.Generator) -> Mesh:
    """Somebody with a rucksack, a shoulder bag, a shopping bag or a suitcase."""
    model = _model()
    figure(model, stride(_phase(rng), rng.uniform(0.35, 0.7)), style(rng), rng)
    chart = model.skin.swatch(m.some(rng, 24, 200))
    kind = rng.random()
    if kind < 0.45:
        quads = box((-0.32, -0.10), (0.98, 1.42), (-0.16, 0.16))
        quads[:, :, 1] -= np.where((quads[:, :, 0] < -0.2) & (quads[:, :, 1] > 1.2), 0.08, 0.0)
    elif kind < 0.75:
        quads = box((-0.16, 0.18), (0.42, 0.82), (-0.34, -0.24))
    else:
        quads = box((-0.12, 0.22), (0.72, 1.0), (0.22, 0.34))
        strap, inside = tube((0.0, 1.0, 0.28), (0.0, 1.42, -0.05), (0.02, 0.02), 4)
        model.add(strap, chart, inside)
    model.add(quads, chart, quads.reshape(-1, 3).mean(axis=0), crease=95)
    return model.finish()


def coat(rng: np.random.Generator) -> Mesh:
    """Somebody in a dress, a skirt or a long coat."""
    model = _model()
    look = style(rng)
    look.skirt = rng.uniform(0.35, 1.0)
    figure(model, stride(_phase(rng), rng.uniform(0.25, 0.5)), look, rng)
    return model.finish()


def umbrella(rng: np.random.Generator) -> Mesh:
    """Somebody beneath an umbrella of the second colour, or of the first."""
    model = _model()
    pose = stride(_phase(rng), rng.uniform(0.2, 0.5))
    pose.elbows[1] = np.array([0.06, 1.12, -0.24])
    pose.hands[1] = np.array([0.20, 1.25, -0.14])
    figure(model, pose, style(rng), rng)
    rod = model.skin.swatch(m.STEEL)
    quads, inside = tube((0.20, 1.2, -0.13), (0.06, 2.0, -0.03), (0.012, 0.012), 4)
    model.add(quads, rod, inside)
    angles = np.arange(8) * np.pi / 4 + np.pi / 8
    ring = np.stack([np.cos(angles), np.zeros(8), np.sin(angles)], axis=1)
    rows = ((0.50, 1.72), (0.42, 1.86), (0.22, 1.97), (0.01, 2.01))
    rings = np.array([np.array([0.06, y, -0.03]) + r * ring for r, y in rows])
    quads, inside = loft(rings)
    cover = m.CLOTH if rng.random() < 0.7 else m.some(rng, 20, 230)
    inner = np.array([0.06, 1.6, -0.03])
    model.add(quads, model.skin.swatch(cover), np.broadcast_to(inner, (len(quads), 3)), crease=20)
    return model.finish()


def child(rng: np.random.Generator) -> Mesh:
    """A child: smaller, with a larger head."""
    model = _model()
    look = style(rng)
    look.girth = 0.95
    if rng.random() < 0.25:
        look.skirt = 0.5
    figure(model, stride(_phase(rng), rng.uniform(0.3, 0.75), 0.66), look, rng)
    return model.finish()


def sitting(rng: np.random.Generator, bench: bool) -> Mesh:
    """Somebody on a bench or on a chair; the seat is in the box."""
    model = _model()
    pose, look = seated(rng), style(rng)
    figure(model, pose, look, rng)
    wood = model.skin.swatch(m.WOOD if rng.random() < 0.6 else m.STEEL)
    dark = model.skin.swatch(m.CHASSIS)
    half = 0.30 if bench else 0.24
    for span, rise in (((-0.28, 0.14), (0.40, 0.45)), ((-0.33, -0.28), (0.45, 0.86))):
        block(model, span, rise, (-half, half), wood)
    for x in (-0.26, 0.10):
        for z in (-half + 0.04, half - 0.04):
            quads, inside = tube((x, 0.0, z), (x, 0.42, z), (0.018, 0.018), 4)
            model.add(quads, dark, inside, join=True)
    return model.finish()


def seated(rng: np.random.Generator) -> Pose:
    """A seated pose with hands on the knees, or before the chest."""
    lean = rng.uniform(-0.06, 0.16)
    hip, neck = np.array([-0.16, 0.54, 0.0]), np.array([-0.16 + lean, 1.05, 0.0])
    apart = rng.uniform(0.08, 0.16)
    raised = rng.random() < 0.4
    knees = [np.array([0.27, 0.52, apart * s]) for s in (1, -1)]
    ankles = [np.array([rng.uniform(0.15, 0.36), 0.09, apart * 0.9 * s]) for s in (1, -1)]
    elbows = [np.array([neck[0] + 0.04, 0.76, 0.24 * s]) for s in (1, -1)]
    tip = (0.20, 0.86) if raised else (0.20, 0.62)
    hands = [np.array([*tip, (0.05 if raised else 0.12) * s]) for s in (1, -1)]
    return Pose(hip, neck, knees, ankles, elbows, hands)


def dummy(rng: np.random.Generator) -> Mesh:
    """A figure of one material on a foot: a mannequin, or a statue's body."""
    model = Model(Skin(DENSITY), cloth=0.4)
    plain = m.Material((206, 214, 220), gloss=0.4)
    look = Style(plain, plain, sleeves=2, shoe=plain, pattern=0.3)
    figure(model, stride(0.1, 0.12), look, rng)
    quads, inside = tube((0, 0, 0), (0, 0.04, 0), (0.22, 0.22), 10)
    model.add(quads, model.skin.swatch(m.STEEL), inside)
    return model.finish()


def statue(rng: np.random.Generator) -> Mesh:
    """A figure of stone or bronze on a plinth."""
    model = Model(Skin(DENSITY), cloth=0.8)
    look = Style(m.CLOTH, m.CLOTH, bottom=m.CLOTH, shoe=m.CLOTH, pattern=0.1)
    pose = stride(0.15, rng.uniform(0.05, 0.4))
    for joints in ([pose.hip, pose.neck], pose.knees, pose.ankles, pose.elbows, pose.hands):
        for joint in joints:
            joint[1] += 0.85
    if rng.random() < 0.4:
        pose.hands[0] = pose.neck + [0.35, 0.3, 0.3]
        pose.elbows[0] = pose.neck + [0.2, -0.02, 0.28]
    figure(model, pose, look, rng)
    plinth = model.skin.swatch(Material((150, 152, 150)))
    for half, span in ((0.45, (0.0, 0.12)), (0.36, (0.12, 0.85))):
        block(model, (-half, half), span, (-half, half), plinth)
    quads, inside = ball((0, 0.9, 0), (0.3, 0.08, 0.3), 8, 3)
    model.add(quads, plinth, inside)
    return model.finish()
