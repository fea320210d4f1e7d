"""SynthRoad's camera families: views in their ranges, a held-out pair, pictures true to their labels."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from d2ext.data.formats import load_mono3drefer, load_monomulti3d
from d2ext.data.synthroad import generate
from d2ext.data.synthroad.__main__ import main
from d2ext.data.synthroad.cameras import FAMILIES, CameraKind, find_cameras, pick_camera
from d2ext.data.synthroad.generate import Settings
from d2ext.data.synthroad.labels import Frame, make_frame
from d2ext.data.synthroad.layout import LEVEL_CLASSES, sample_scene
from d2ext.data.synthroad.roads import sample_road
from d2ext.structures import ROAD

KINDS = tuple(FAMILIES.values())
every_family = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


@pytest.fixture(scope="module")
def frames() -> dict[str, Frame]:
    return {kind.name: make_frame(kind, np.random.default_rng([7, i])) for i, kind in enumerate(KINDS)}


def _tilt(plane: np.ndarray) -> tuple[float, float]:
    """Pitch downwards and roll in degrees, from where the plane's normal points."""
    a, b, c = plane[:3]
    return float(np.degrees(np.arctan2(-c, np.hypot(a, b)))), float(np.degrees(np.arctan2(a, -b)))


@every_family
def test_views_are_within_their_ranges(kind: CameraKind) -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        view = kind.sample_view(rng)
        pitch, roll = _tilt(view.plane)
        fov = 2 * np.degrees(np.arctan(view.width / 2 / view.projection[0, 0]))
        assert (view.width, view.height) in kind.sizes and view.width * view.height <= 520_000
        for value, (low, high) in ((view.plane[3], kind.height), (pitch, kind.pitch), (fov, kind.fov)):
            assert low - 1e-6 <= value <= high + 1e-6
        assert abs(roll) <= kind.roll + 1e-6
        assert view.tilted_boxes is not kind.level
        assert 0 < view.projection[0, 2] < view.width and 0 < view.projection[1, 2] < view.height


def test_the_mixture_covers_cars_and_poles() -> None:
    """The ranges that users' cameras come in, by thousands of samples: no family has to cover them alone."""
    rng = np.random.default_rng(1)
    wanted = {
        True: {"height": (1.25, 2.4), "pitch": (-4.5, 4.5), "fov": (42, 117)},
        False: {"height": (4.2, 17.5), "pitch": (5.5, 34), "fov": (36, 98)},
    }
    for driving, ranges in wanted.items():
        views = [k.sample_view(rng) for k in find_cameras("all") if k.driving is driving for _ in range(200)]
        found = {
            "height": [view.plane[3] for view in views],
            "pitch": [_tilt(view.plane)[0] for view in views],
            "fov": [2 * np.degrees(np.arctan(v.width / 2 / v.projection[0, 0])) for v in views],
        }
        for name, (low, high) in ranges.items():
            assert min(found[name]) < low and max(found[name]) > high
        assert len({round(view.width / view.height, 1) for view in views}) >= 4


def test_two_families_are_held_out() -> None:
    held_out = [kind for kind in KINDS if kind.held_out]
    assert {kind.driving for kind in held_out} == {True, False} and len(held_out) == 2
    assert set(find_cameras("all")) == set(KINDS) - set(held_out)
    assert find_cameras("van,junction") == held_out
    assert [kind.name for kind in find_cameras(Settings(0, 1, 0, 0).cameras)] == ["kitti", "rope3d"]


def test_families_are_drawn_by_weight() -> None:
    rng, kinds = np.random.default_rng(2), [kind for kind in find_cameras("all") if kind.level]
    counts = Counter(pick_camera(kinds, rng).name for _ in range(3000))
    total = sum(kind.weight for kind in kinds)
    for kind in kinds:
        expected = kind.weight / total
        assert counts[kind.name] / 3000 == pytest.approx(expected, abs=4 * np.sqrt(expected / 3000))


@pytest.mark.parametrize("text", ["", "kitti,nikon", "held_out", "KITTI"])
def test_unknown_families_are_refused_with_the_list(text: str) -> None:
    with pytest.raises(ValueError, match="rope3d, dair") as caught:
        find_cameras(text)
    assert len(str(caught.value)) < 300 and "\n" not in str(caught.value)


@every_family
def test_roads_suit_their_cameras(kind: CameraKind) -> None:
    rng = np.random.default_rng(3)
    for _ in range(60):
        road = sample_road(kind, kind.sample_view(rng), rng)
        assert road.lanes == sorted(road.lanes) and road.left_edge < road.right_edge
        middles = [road.lane(lane) for lane in road.lanes]
        gaps = np.diff(middles)
        assert np.allclose(gaps[gaps < road.lane_width + 1e-9], road.lane_width)
        assert road.left_edge < middles[0] and middles[-1] < road.right_edge
        if kind.driving:
            assert min(abs(road.offset - p) for p in middles) < 1.0
        if road.works:
            assert not kind.level and not road.crosses(road.works[2], road.works[3])


@every_family
def test_every_box_is_where_its_object_is_drawn(frames: dict[str, Frame], kind: CameraKind) -> None:
    """Pixels of each object within the rectangle of its 3D box, and nearly as large where all of it shows."""
    frame = frames[kind.name]
    for i, label in enumerate(frame.labels):
        ys, xs = np.nonzero(frame.rendering.ids == i + 1)
        drawn = (np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])) / 2 - 0.5
        box = np.array(label.box)
        assert (drawn[:2] > box[:2] - 1.0).all() and (drawn[2:] < box[2:] + 1.0).all()
        if label.hidden == 0 and not label.border and label.box_height > 25:
            shares = (drawn[2:] - drawn[:2]) / (box[2:] - box[:2])
            # From above, a slender roof lies below the far upper edge of its box.
            assert (shares > 0.55).all() and shares.mean() > 0.7, (label.category, shares)


@every_family
def test_no_two_footprints_meet(kind: CameraKind) -> None:
    polygon = pytest.importorskip("shapely.geometry").Polygon
    for seed in range(3):
        scene = sample_scene(kind, np.random.default_rng([9, seed]))
        items = [*scene.objects, *scene.distractors]
        prints = [polygon((item.corners[:4] @ scene.view.ground_axes)[:, [0, 2]]) for item in items]
        for i, first in enumerate(prints):
            assert all(first.distance(second) > 0.05 for second in prints[:i])


def test_cars_stand_within_centimetres_of_the_road_where_boxes_are_level() -> None:
    for kind in (kind for kind in KINDS if kind.level):
        for seed in range(5):
            scene = sample_scene(kind, np.random.default_rng([4, seed]))
            for item in scene.objects:
                height = item.corners[:4] @ scene.view.plane[:3] + scene.view.plane[3]
                assert item.size[2] > 6 or np.abs(height).max() < 0.06


def test_scenes_vary_from_nearly_empty_to_crowded_and_hold_every_class() -> None:
    level: Counter = Counter()
    tilted: Counter = Counter()
    counts: dict[bool, list[int]] = {True: [], False: []}
    for i, kind in enumerate(k for k in KINDS for _ in range(12)):
        objects = sample_scene(kind, np.random.default_rng([6, i])).objects
        (level if kind.level else tilted).update(item.category for item in objects)
        counts[kind.driving].append(len(objects))
    assert min(counts[True]) <= 2 and 10 <= max(counts[True]) <= 14
    assert min(counts[False]) <= 5 and 25 <= max(counts[False]) <= 35
    assert set(tilted) == set(ROAD.names) and set(level) == LEVEL_CLASSES


def test_vehicles_of_a_picture_differ() -> None:
    colors: Counter = Counter()
    for seed in range(20):
        cars = [
            item
            for item in sample_scene(FAMILIES["rope3d"], np.random.default_rng([8, seed])).objects
            if item.category == "car"
        ]
        colors.update(item.color for item in cars)
        assert len({(item.shape, item.color, item.seed) for item in cars}) == len(cars)
    assert len(colors) == 8
    assert {color for color, _ in colors.most_common(3)} == {"white", "black", "gray"}


def _digest(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_same_seed_same_bytes_whatever_the_order_of_names(tmp_path: Path) -> None:
    for folder, names in (("one", "lowpole,cabin,dashcam"), ("two", "dashcam, cabin,lowpole")):
        assert generate(tmp_path / folder, 2, 2, 0, 1, progress=False, cameras=names)
    assert _digest(tmp_path / "one") == _digest(tmp_path / "two")
    sizes = {(r["width"], r["height"]) for r in load_mono3drefer(str(tmp_path / "one/mono3drefer"), "train")}
    assert sizes <= set(FAMILIES["dashcam"].sizes)
    assert len(load_monomulti3d(str(tmp_path / "one/monomulti3d"), "test")) == 1
    assert json.loads((tmp_path / "one/synthroad.json").read_text())["cameras"] == "dashcam,cabin,lowpole"


def test_a_layout_without_cameras_is_not_written(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    counts = ["--seed", "1", "--train", "1", "--val", "0", "--test", "0"]
    assert main(["--root", str(tmp_path / "data"), *counts, "--cameras", "junction"]) == 0
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [
        "monomulti3d",
        "rope3d",
        "synthroad.json",
    ]
    capsys.readouterr()
    assert main(["--root", str(tmp_path / "none"), *counts, "--cameras", "tripod"]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1 and not (tmp_path / "none").exists()
