"""What stands along a scene's road: where houses, trees, hedges and posts are, from the scenery's seed."""

from __future__ import annotations

import numpy as np

from d2ext.data.synthroad.scene import Scene
from d2ext.data.synthroad.setting import Setting
from d2ext.data.synthroad.standing import House, Neighbourhood, Plant, Post, Strip

# Nothing that stands up comes nearer to the camera (metres).
_CLEAR = 7.0


_STYLES = {
    "street": ("plaster", "old", "brick", "panel", "glass", "ribbon"),
    "avenue": ("panel", "glass", "ribbon", "plaster"),
    "square": ("glass", "ribbon", "panel"),
    "works": ("hall", "hall", "ribbon", "brick"),
}
_WALLS = np.array(
    [[150, 178, 200], [120, 140, 176], [176, 188, 196], [160, 160, 150], [126, 152, 190], [190, 204, 214],
     [205, 212, 216], [110, 122, 150], [140, 142, 140], [88, 96, 140], [150, 190, 210]], float)  # fmt: skip


def make_neighbourhood(scene: Scene, setting: Setting) -> Neighbourhood:
    """The same for every drawing of a scene."""
    around = Neighbourhood()
    for side in (-1, 1):
        rng = np.random.default_rng([scene.scenery_seed, 9, side + 1])
        road = scene.road
        front = (road.right_edge if side > 0 else -road.left_edge) + road.sidewalk_width
        setback = _setback(setting.place, rng)
        _houses(around, scene, setting, side, front + setback, rng)
        _trees(around, scene, setting, side, front, rng)
        _strips(around, scene, setting, side, front, setback, rng)
        _posts(around, scene, setting, side, front, rng)
    return around


def _setback(place: str, rng: np.random.Generator) -> float:
    low, high = {"street": (0.1, 3), "suburb": (3, 10), "square": (12, 30), "works": (6, 25)}.get(
        place, (5, 20)
    )
    return float(rng.uniform(low, high))


def _free(scene: Scene, p: tuple[float, float], q: tuple[float, float], margin: float) -> bool:
    """Whether a block keeps off the crossroad and the camera, and does not hide the road from it."""
    if scene.road.crosses(q[0] - margin, q[1] + margin):
        return False
    camera = scene.road.offset
    near_p = max(p[0] - camera, camera - p[1], 0.0)
    near_q = max(q[0], -q[1], 0.0)
    return bool(np.hypot(near_p, near_q) > _CLEAR)


def _houses(
    around: Neighbourhood, scene: Scene, setting: Setting, side: int, start: float, rng: np.random.Generator
) -> None:
    place = setting.place
    density = {"street": 0.95, "suburb": 0.75, "avenue": 0.4, "square": 0.6, "works": 0.55}.get(place, 0.04)
    closed = place == "street" and rng.random() < 0.6
    # A camera beside the road would look at the backs of houses that stand before it.
    behind = side * scene.road.offset > start - 2
    q = rng.uniform(-25, -8)
    while q < 190:
        small = place in ("suburb", "country", "wood")
        width = rng.uniform(8, 14) if small else rng.uniform(9, 28)
        depth = rng.uniform(8, 12)
        floors = (
            int(rng.integers(1, 4))
            if small
            else int(rng.choice([2, 3, 4, 5, 7, 10], p=(0.15, 0.25, 0.25, 0.2, 0.1, 0.05)))
        )
        style = "cottage" if small else str(rng.choice(_STYLES.get(place, ("plaster",))))
        tall = 7.5 if style == "hall" else 3.0 * floors
        roof = rng.uniform(2, 4.5) if small or (style in ("old", "plaster") and rng.random() < 0.6) else 0.0
        shift = 0.0 if closed else rng.uniform(0, 4)
        p = (start + shift, start + shift + depth)
        span = (p[0], p[1]) if side > 0 else (-p[1], -p[0])
        wall = _WALLS[rng.integers(len(_WALLS))] * rng.uniform(0.75, 1.12) + rng.normal(0, 6, 3)
        seed = int(rng.integers(2**31))
        if rng.random() < density and _free(scene, span, (q, q + width), 3.0) and not (behind and q < 80):
            around.houses.append(
                House((side * p[0], side * p[1]), (q, q + width), tall, roof, style, wall, side, seed)
            )
        q += width + (rng.uniform(0, 0.5) if closed else rng.uniform(2, 12))


def _plant(
    setting: Setting, kinds: list[str], p: float, q: float, tall: float, rng: np.random.Generator
) -> Plant:
    kind = kinds[rng.integers(len(kinds))]
    if kind not in ("cone", "bush") and setting.season == 2 and rng.random() < 0.85:
        kind = "bare"
    tint = np.array([1.0, 1.0, 1.0]) * rng.uniform(0.7, 1.15) + rng.normal(0, 0.06, 3)
    if setting.season == 1 and kind not in ("cone", "bare"):
        tint = tint * np.array([1.0, 1.0 + rng.uniform(-0.2, 0.2), 1.0])
    autumn = setting.season == 1 and rng.random() < 0.8
    return Plant(kind, int(rng.integers(12)), p, q, tall, tint, autumn)


def _trees(
    around: Neighbourhood, scene: Scene, setting: Setting, side: int, front: float, rng: np.random.Generator
) -> None:
    place = setting.place
    rows = {
        "street": 0.45,
        "suburb": 0.55,
        "avenue": 1.0,
        "square": 0.6,
        "works": 0.3,
        "country": 0.35,
        "wood": 0.9,
    }
    kinds = list(
        rng.choice(
            ["round", "wide", "tall", "poplar", "young", "cone"], 2, p=(0.3, 0.24, 0.22, 0.06, 0.12, 0.06)
        )
    )
    scale = rng.uniform(6, 13)
    if rng.random() < rows.get(place, 0.1):
        offset = -0.8 if scene.road.sidewalk_width > 2.5 and rng.random() < 0.5 else rng.uniform(0.5, 2.5)
        step = rng.uniform(6, 14)
        for q in np.arange(rng.uniform(-14, 0), 120, step):
            _add(around, scene, setting, kinds, side * (front + offset), q + rng.normal(0, 0.4), scale, rng)
    loose = {"wood": 20, "suburb": 10, "avenue": 11, "country": 8, "motorway": 10, "works": 4}.get(place, 6)
    for _ in range(rng.poisson(loose)):
        p = side * (front + rng.uniform(2, 10) + rng.exponential(9))
        tall = rng.uniform(4, 15) if place != "wood" else rng.uniform(12, 22)
        _add(
            around,
            scene,
            setting,
            ["round", "wide", "tall", "cone", "bush"],
            p,
            rng.uniform(-6, 130),
            tall,
            rng,
        )
    for _ in range(rng.poisson({"suburb": 8, "avenue": 6, "wood": 8}.get(place, 3))):
        p, tall = side * (front + rng.uniform(0.8, 6)), rng.uniform(0.8, 2.2)
        _add(around, scene, setting, ["bush"], p, rng.uniform(-4, 70), tall, rng)


def _add(
    around: Neighbourhood,
    scene: Scene,
    setting: Setting,
    kinds: list[str],
    p: float,
    q: float,
    tall: float,
    rng: np.random.Generator,
) -> None:
    plant = _plant(setting, kinds, p, q, tall * rng.uniform(0.8, 1.2), rng)
    half = plant.tall * (0.25 if plant.kind != "bush" else 0.8)
    inside = any(h.q[0] < q < h.q[1] and min(h.p) - 0.4 < p < max(h.p) for h in around.houses)
    if not inside and _free(scene, (p - half, p + half), (q - half, q + half), 0.0):
        around.plants.append(plant)


def _strips(
    around: Neighbourhood,
    scene: Scene,
    setting: Setting,
    side: int,
    front: float,
    setback: float,
    rng: np.random.Generator,
) -> None:
    place = setting.place
    if place == "motorway":
        around.strips.append(_strip("rail", side * (front + 0.4), (-20, 160), 0.75, 0.2, np.full(3, 165.0)))
        if rng.random() < 0.5:
            gray = np.full(3, rng.uniform(90, 180)) * rng.uniform(0.85, 1.15, 3)
            around.strips.append(
                _strip("wall", side * (front + 3), (-20, 200), rng.uniform(2.5, 4.5), 0.3, gray)
            )
    elif setback > 2.5 and rng.random() < {"suburb": 0.85, "works": 0.8, "avenue": 0.6}.get(place, 0.25):
        q = rng.uniform(-25, -5)
        while q < 110:
            end = q + rng.uniform(8, 40)
            kind = str(rng.choice(["hedge", "fence", "wall", "mesh"], p=(0.45, 0.25, 0.2, 0.1)))
            tall = rng.uniform(0.8, 2.1)
            color = rng.uniform(60, 200) * np.array([0.9, 1.0, 1.05]) * rng.uniform(0.85, 1.15, 3)
            if not scene.road.crosses(q - 2, end + 2):
                around.strips.append(_strip(kind, side * (front + 0.3), (q, end), tall, 0.9, color))
            q = end + rng.uniform(0, 6)
    median = scene.road.median
    if side > 0 and median > 1.0 and rng.random() < (0.9 if scene.road.kind == "motorway" else 0.45):
        kind = "rail" if scene.road.kind == "motorway" else str(rng.choice(["hedge", "mesh", "rail"]))
        tall = 0.75 if kind == "rail" else rng.uniform(0.5, 1.1)
        gray = np.full(3, rng.uniform(90, 200))
        for part in _spans(scene):
            around.strips.append(_strip(kind, rng.normal(0, 0.02), part, tall, min(0.9, median - 0.4), gray))
    far = {
        "wood": (9, 16),
        "country": (25, 90),
        "motorway": (6, 25),
        "avenue": (14, 40),
        "suburb": (22, 40),
    }.get(place)
    if far and rng.random() < 0.85:
        p, tall = front + rng.uniform(*far), rng.uniform(7, 15)
        for span in _spans(scene):
            around.strips.append(_strip("trees", side * p, span, tall, 0.0, np.full(3, 200.0)))


def _spans(scene: Scene) -> list[tuple[float, float]]:
    """The road without its crossroad."""
    if scene.road.crossroad is None:
        return [(-30.0, 240.0)]
    return [(-30.0, scene.road.crossroad[0] - 6), (scene.road.crossroad[1] + 6, 240.0)]


def _strip(
    kind: str, p: float, q: tuple[float, float], tall: float, thick: float, color: np.ndarray
) -> Strip:
    return Strip(kind, float(p), (float(q[0]), float(q[1])), float(tall), thick, color)


def _posts(
    around: Neighbourhood, scene: Scene, setting: Setting, side: int, front: float, rng: np.random.Generator
) -> None:
    road, place = scene.road, setting.place
    kerb = front - road.sidewalk_width + 0.4

    def add(kind: str, p: float, q: float, tall: float) -> None:
        if _free(scene, (side * p - 0.3, side * p + 0.3), (q - 0.3, q + 0.3), 0.0):
            around.posts.append(Post(kind, side * p, float(q), float(tall), side, int(rng.integers(2**31))))

    if rng.random() < 0.75:
        tall = rng.uniform(5, 10)
        for q in np.arange(rng.uniform(-5, 12), 130, rng.uniform(18, 35)):
            add("lamp", kerb, q, tall)
    for _ in range(rng.poisson(2.2 if place not in ("country", "wood") else 0.8)):
        add("sign", kerb + rng.uniform(0, 0.5), rng.uniform(4, 70), rng.uniform(2.0, 3.0))
    if rng.random() < 0.3:
        for q in np.arange(rng.uniform(-20, 5), 140, rng.uniform(24, 34)):
            add("wires", front + 0.8, q, rng.uniform(7, 8))
    stop = road.crosswalk if road.crosswalk is not None else (road.crossroad or (None,))[0]
    if stop is not None and (rng.random() < 0.6 or road.signal is not None):
        add("signal", kerb, stop - rng.uniform(1.5, 3.5), rng.uniform(3.0, 6.0))
        if road.crossroad is not None:
            add("signal", kerb, road.crossroad[1] + rng.uniform(1, 4), rng.uniform(3.0, 6.0))
    if rng.random() < 0.2 and place not in ("wood", "country"):
        add("board", front + rng.uniform(0.5, 4), rng.uniform(12, 60), rng.uniform(3, 6))
    if rng.random() < 0.2 and place in ("street", "avenue", "suburb", "square"):
        add("shelter", front - 0.4 if road.sidewalk_width > 1.5 else front + 0.8, rng.uniform(10, 60), 2.5)
    if side > 0 and rng.random() < {"motorway": 0.6, "avenue": 0.15}.get(place, 0.02):
        add("gantry", front + 0.6, rng.uniform(20, 90), rng.uniform(6, 7.5))
