"""Walls of houses, put together from cells of one window each that are prepared once."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from d2ext.data.synthroad.noise import fractal

# A cell is CELL metres wide and high.
CELL = 3.0
_SIDE = 96
STYLES = ("plaster", "old", "brick", "panel", "glass", "ribbon", "cottage", "hall")
_UPPER, _LOWER, _BLIND = 6, 3, 1
# Alpha of glass in a cell.
_PANE = 64
# Each style is made with so many colours of frames, doors and shops.
_MAKES = 4


@cache
def cells(style: str, make: int) -> list[np.ndarray]:
    """Pyramid of (10, S, S, 4): six upper cells, three of the ground floor, one without openings.

    BGRA; alpha is 255 on the wall itself, which takes the house's colour, 64 on glass and 0 on the rest.
    """
    rng = np.random.default_rng([80, STYLES.index(style), make])
    look = _look(style, rng)
    made = [_upper(style, look, rng) for _ in range(_UPPER)]
    made += [_lower(style, look, rng) for _ in range(_LOWER)]
    made += [_wall(style, rng) for _ in range(_BLIND)]
    levels = [np.stack(made)]
    while levels[-1].shape[1] > 6:
        side = levels[-1].shape[1] // 2
        levels.append(
            np.stack([cv2.resize(c, (side, side), interpolation=cv2.INTER_AREA) for c in levels[-1]])
        )
    return levels


def facade(
    style: str,
    make: int,
    size: tuple[int, int],
    wall: np.ndarray,
    texels: float,
    blind: bool,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """(H, W, 3) texture of (rows, columns) cells in a wall colour (3,), and (H, W) uint8, 255 on glass.

    make: any number, houses of one number have frames, doors and shops alike; texels: how many a metre
    are of use; blind: few windows, as on the side of a house.
    """
    levels, (rows, columns) = cells(style, make % _MAKES), size
    step = int(np.clip(np.log2(max(_SIDE / CELL / max(texels, 0.1), 1.0)), 0, len(levels) - 1))
    common = rng.integers(0, _UPPER, 2)
    pick = np.where(rng.random((rows, columns)) < 0.75, common[0], rng.integers(0, _UPPER, (rows, columns)))
    if rng.random() < 0.4:
        pick[:, rng.integers(columns)] = common[1]
    pick[-1] = _UPPER + rng.integers(0, _LOWER, columns)
    if blind:
        pick[rng.random((rows, columns)) < 0.75] = _UPPER + _LOWER
    side = levels[step].shape[1]
    texture = levels[step][pick].transpose(0, 2, 1, 3, 4).reshape(rows * side, columns * side, 4)
    table = np.clip(np.arange(256)[:, None] * wall / 200, 0, 255).astype(np.uint8)[None]
    picture = cv2.cvtColor(texture, cv2.COLOR_BGRA2BGR)
    # Where cells were shrunk, alpha is something between.
    alpha = cv2.extractChannel(texture, 3)
    own = cv2.threshold(alpha, 127, 255, cv2.THRESH_BINARY)[1]
    cv2.copyTo(cv2.LUT(picture, table), own, picture)
    return picture, cv2.inRange(alpha, np.array(_PANE - 24.0), np.array(_PANE + 24.0))


def lit(
    picture: np.ndarray, glass: np.ndarray, size: tuple[int, int], share: float, rng: np.random.Generator
) -> np.ndarray:
    """(H, W, 4) BGRA: what shines of a facade of (rows, columns) cells at night, a share of its rooms."""
    rows, columns = size
    side = len(glass) // rows
    warm = np.stack([rng.uniform(90, 200, size), rng.uniform(165, 225, size), np.full(size, 245.0)], axis=2)
    warm *= rng.uniform(0.3, 1.0, (rows, columns, 1))
    on = np.where(rng.random(size) < share, 255, 0)
    cell = np.concatenate([warm, on[..., None]], axis=2).astype(np.uint8)
    texture = cv2.resize(cell, (columns * side, rows * side), interpolation=cv2.INTER_NEAREST)
    # Curtains and blinds let more light through than a room sends.
    bright = cv2.convertScaleAbs(picture, alpha=0.7, beta=110)
    color = cv2.multiply(cv2.cvtColor(texture, cv2.COLOR_BGRA2BGR), bright, scale=1 / 255)
    return cv2.merge([*cv2.split(color), cv2.bitwise_and(cv2.extractChannel(texture, 3), glass)])


def _look(style: str, rng: np.random.Generator) -> dict[str, np.ndarray]:
    frame = {"old": 190.0, "brick": 210.0, "glass": 70.0, "ribbon": 90.0}.get(
        style, float(rng.choice([215.0, 120.0]))
    )
    return {
        "frame": np.array([frame] * 3) + rng.normal(0, 6, 3),
        "shutter": np.array([rng.uniform(40, 140), rng.uniform(40, 130), rng.uniform(40, 140)]),
        "door": np.array([rng.uniform(30, 90), rng.uniform(35, 95), rng.uniform(40, 120)]),
        "sign": rng.uniform(40, 230, 3),
    }


def _wall(style: str, rng: np.random.Generator) -> np.ndarray:
    """A cell of nothing but wall, about 200 bright."""
    shade = np.full((_SIDE, _SIDE), 200.0)
    shade += 5 * np.tile(fractal(_SIDE // 2, 0.9, rng), (2, 2)) + 3 * np.tile(
        fractal(_SIDE // 2, 0.3, rng), (2, 2)
    )
    y, x = np.mgrid[:_SIDE, :_SIDE]
    if style == "brick":
        course = y // 4
        joint = (y % 4 == 0) | ((x + 6 * (course % 2)) % 12 == 0)
        shade *= 1 + rng.normal(0, 0.08, (24, 9))[course, ((x + 6 * (course % 2)) // 12) % 9]
        shade = np.where(joint, shade * 1.12, shade * 0.95)
    elif style == "panel":
        shade[(y < 2) | (x < 2)] *= 0.78
    elif style == "hall":
        shade *= 1 + 0.07 * np.sin(x * 2 * np.pi / 8)
    elif style == "old":
        shade[y > _SIDE - 6] *= 0.86
        shade[(y > _SIDE - 8) & (y <= _SIDE - 6)] *= 1.12
    cell = np.empty((_SIDE, _SIDE, 4), np.uint8)
    cell[..., :3] = np.clip(shade, 0, 255)[..., None]
    cell[..., 3] = 255
    return cell


def _box(cell: np.ndarray, x: tuple[int, int], y: tuple[int, int], color: np.ndarray | float) -> None:
    cell[max(y[0], 0) : y[1], max(x[0], 0) : x[1], :3] = np.clip(np.asarray(color), 0, 255)
    cell[max(y[0], 0) : y[1], max(x[0], 0) : x[1], 3] = 0


def _pane(cell: np.ndarray, x: tuple[int, int], y: tuple[int, int], rng: np.random.Generator) -> None:
    """Glass: dark rooms, or the sky and what is opposite in it, with curtains or a blind in some."""
    height, width = y[1] - y[0], x[1] - x[0]
    if height < 2 or width < 2:
        return
    down = np.linspace(0, 1, height)[:, None]
    across = np.linspace(0, 1, width)[None]
    mirror = rng.uniform(0, 0.75) * np.clip(1.3 - down - 0.35 * across + rng.normal(0, 0.2), 0, 1)
    room = rng.uniform(18, 52)
    gray = room + (rng.uniform(130, 215) - room) * mirror
    tint = np.array([1.12, 1.02, 0.92])
    _box(cell, x, y, gray[..., None] * tint)
    if rng.random() < 0.35:
        side = max(int(width * rng.uniform(0.15, 0.3)), 1)
        for x0 in (x[0], x[1] - side):
            _box(cell, (x0, x0 + side), y, np.array([180.0, 186.0, 188.0]) * rng.uniform(0.5, 0.95))
    if rng.random() < 0.3:
        drop = int(height * rng.uniform(0.15, 0.8))
        _box(cell, x, (y[0], y[0] + drop), np.array([150.0, 158.0, 162.0]) * rng.uniform(0.5, 1.2))
    cell[max(y[0], 0) : y[1], max(x[0], 0) : x[1], 3] = _PANE


def _window(
    cell: np.ndarray,
    x: tuple[int, int],
    y: tuple[int, int],
    frame: np.ndarray,
    parts: int,
    rng: np.random.Generator,
) -> None:
    """A recess with frame, panes, sill and the lintel's shadow."""
    _box(cell, (x[0] - 3, x[1] + 3), (y[0] - 3, y[1] + 3), frame)
    width = (x[1] - x[0]) / parts
    for i in range(parts):
        _pane(cell, (int(x[0] + i * width) + 1, int(x[0] + (i + 1) * width) - 1), y, rng)
    cell[y[0] : y[0] + 3, x[0] : x[1], :3] = cell[y[0] : y[0] + 3, x[0] : x[1], :3] // 2
    _box(cell, (x[0] - 5, x[1] + 5), (y[1] + 3, y[1] + 6), frame * 0.95)
    shade = cell[y[1] + 6 : y[1] + 10, x[0] - 5 : x[1] + 5, :3]
    shade[:] = shade // 4 * 3


def _upper(style: str, look: dict[str, np.ndarray], rng: np.random.Generator) -> np.ndarray:
    cell = _wall(style, rng)
    if style == "glass":
        for i in range(2):
            _pane(cell, (i * 48 + 2, i * 48 + 47), (2, 66), rng)
            _pane(cell, (i * 48 + 2, i * 48 + 47), (69, 95), rng)
        cell[..., 3] = np.where(cell[..., 3] == _PANE, _PANE, 0)
        return cell
    if style == "ribbon":
        _box(cell, (0, _SIDE), (26, 74), look["frame"])
        for i in range(3):
            _pane(cell, (i * 32 + 1, i * 32 + 31), (29, 72), rng)
        return cell
    if style == "hall":
        if rng.random() < 0.35:
            _window(cell, (8, 88), (14, 36), look["frame"], 4, rng)
        return cell
    x0, x1 = {"old": (32, 64), "cottage": (28, 70)}.get(style, (24, 72))
    y0, y1 = {"old": (14, 74), "brick": (18, 70)}.get(style, (22, 68))
    _window(cell, (x0, x1), (y0, y1), look["frame"], 2 if rng.random() < 0.8 else 3, rng)
    if style == "old":
        _box(cell, (x0 - 8, x1 + 8), (y0 - 9, y0 - 4), look["frame"])
    if style == "cottage":
        for x in ((x0 - 14, x0 - 4), (x1 + 4, x1 + 14)):
            _box(cell, x, (y0 - 2, y1 + 2), look["shutter"])
    if style in ("plaster", "panel") and rng.random() < 0.3:
        _box(cell, (12, 84), (56, 58), look["frame"] * 0.6)
        for bar in range(12, 84, 5):
            _box(cell, (bar, bar + 2), (56, 86), look["frame"] * 0.65)
        _box(cell, (8, 88), (86, 92), look["frame"] * 0.8)
    return cell


def _lower(style: str, look: dict[str, np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """A shop, a door or a gate, above a plinth."""
    cell = _wall(style, rng)
    plinth = cell[86:, :, :3]
    plinth[:] = plinth // 5 * 3
    choice = rng.random()
    if style == "cottage":
        choice = 0.5 + choice / 2
    if style == "hall":
        _box(cell, (8, 88), (20, _SIDE), look["door"] * 1.4)
        for y in range(24, _SIDE, 8):
            _box(cell, (8, 88), (y, y + 1), look["door"] * 0.8)
    elif choice < 0.55:
        _box(cell, (0, _SIDE), (4, 22), look["sign"] * rng.uniform(0.6, 1.1))
        for x in range(10, 84, 9):
            if rng.random() < 0.7:
                _box(cell, (x, x + 6), (9, 17), 235 - look["sign"] * 0.6)
        _box(cell, (2, 94), (24, 92), look["frame"] * 0.6)
        _pane(cell, (5, 60), (27, 88), rng)
        _pane(cell, (64, 91), (27, 92), rng)
        if rng.random() < 0.4:
            _box(cell, (0, _SIDE), (20, 32), rng.uniform(30, 200, 3))
    elif choice < 0.8:
        _box(cell, (34, 64), (26, _SIDE), look["door"])
        _pane(cell, (39, 59), (31, 52), rng)
    else:
        _window(cell, (26, 70), (28, 68), look["frame"], 2, rng)
    return cell
