"""Objects on a user's own picture: where their boxes are, in its light, and nothing else changed."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from d2ext.data.formats import load_monomulti3d, load_rope3d
from d2ext.data.synthroad.__main__ import main
from d2ext.data.synthroad.background import Backdrop, load_backdrop
from d2ext.data.synthroad.geometry import plane_from_tilt
from d2ext.data.synthroad.matching import blur_of, match_picture, noise_of

FOCAL, SIZE = 700.0, (480, 320)
LANES = "150,310,220,60;260,60,360,310"


def _write(folder: Path, image: np.ndarray) -> dict[str, str]:
    """A picture and the files of its camera, 7 m up and 12 degrees down; returns the command's options."""
    plane = plane_from_tilt(7.0, np.radians(12), np.radians(1))
    files = {
        "background": folder / "road.png",
        "calib": folder / "calib.txt",
        "ground": folder / "ground.txt",
    }
    cv2.imwrite(str(files["background"]), image)
    files["calib"].write_text(f"P2: {FOCAL} 0 {SIZE[0] / 2} 0 0 {FOCAL} {SIZE[1] / 2} 0 0 0 1 0\n")
    files["ground"].write_text(" ".join(map(str, plane)) + "\n")
    return {name: str(path) for name, path in files.items()}


def _road(rng: np.random.Generator, level: float = 105.0) -> np.ndarray:
    """A gray road with texture and two lines."""
    texture = cv2.GaussianBlur(rng.normal(0, 1, SIZE[::-1]), (0, 0), 6)
    image = np.repeat((level + 8 * texture / texture.std())[..., None], 3, axis=2)
    for x in (120, 360):
        cv2.line(image, (x, 319), (240, 20), (level * 1.9,) * 3, 4, cv2.LINE_AA)
    return np.clip(cv2.GaussianBlur(image, (0, 0), 0.8), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def backdrop(tmp_path_factory: pytest.TempPathFactory) -> Backdrop:
    files = _write(tmp_path_factory.mktemp("camera"), _road(np.random.default_rng(0)))
    return load_backdrop(**files, lanes=LANES)


def _corners(label, view) -> np.ndarray:
    """The eight corners of a label's box, which stands on the plane, by Rope3D's definition."""
    h, w, length = label.size
    down = -view.plane[:3]
    x_axis = np.array([1.0, 0, 0]) - down * down[0]
    x_axis /= np.linalg.norm(x_axis)
    axes = np.column_stack([x_axis, down, np.cross(x_axis, down)])
    cos, sin = np.cos(label.yaw), np.sin(label.yaw)
    turn = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    ends = [(x, y, z) for x in (-0.5, 0.5) for y in (-1, 0) for z in (-0.5, 0.5)]
    return np.array(label.location) + (np.array(ends) * [length, h, w]) @ (axes @ turn).T


def test_boxes_project_to_where_the_pixels_changed(backdrop: Backdrop) -> None:
    view, found = backdrop.view, 0
    for seed in range(6):
        frame = backdrop.frame(np.random.default_rng(seed))
        change = np.abs(frame.rendering.image.astype(int) - backdrop.image).max(axis=2)
        hull = np.zeros(change.shape, np.uint8)
        for label in frame.labels:
            points = np.c_[_corners(label, view), np.ones(8)] @ view.projection.T
            outline = cv2.convexHull((points[:, :2] / points[:, 2:]).astype(np.float32))
            one = cv2.fillConvexPoly(np.zeros_like(hull), np.rint(outline).astype(np.int32), 1)
            hull |= one
            # No object fills the outline of its box, and some of it may be of the road's own gray.
            assert (change[one > 0] > 6).mean() > 0.3
            assert change[one > 0].max() > 25
            found += 1
        # Away from the boxes only shadows change the picture: they darken, and none is dark far off.
        reach = cv2.dilate(hull, np.ones((9, 9), np.uint8))
        off = np.where(reach[..., None] == 0, frame.rendering.image.astype(int) - backdrop.image, 0)
        assert off.max() <= 3
        assert (change == 0).mean() > 0.3
    assert found > 12


def test_objects_stand_on_the_lanes_that_were_given(backdrop: Backdrop) -> None:
    """Vehicles within half a lane of one of the two lines, and along it."""
    view = backdrop.view
    seen = 0
    for seed in range(6):
        for item in backdrop.sample(backdrop.kind, np.random.default_rng(seed)).objects:
            if item.category not in ("car", "bus", "truck", "van"):
                continue
            spot = (item.location @ view.ground_axes)[[0, 2]]
            ways = []
            for lane in backdrop.lanes:
                way = (lane[2:] - lane[:2]) / np.linalg.norm(lane[2:] - lane[:2])
                aside = abs(float(way[0] * (spot - lane[:2])[1] - way[1] * (spot - lane[:2])[0]))
                ways.append((aside, float(np.cos(item.yaw) * way[0] - np.sin(item.yaw) * way[1])))
            assert min(ways)[0] < 1.0 and min(ways)[1] > 0.98
            seen += 1
    assert seen > 10


@pytest.mark.parametrize("sigma", [0.7, 1.2, 2.0])
def test_blur_is_found_again(sigma: float) -> None:
    rng, image = np.random.default_rng(1), np.full((300, 400), 90.0)
    for _ in range(60):
        x, y, size = *rng.integers(0, 300, 2), int(rng.integers(20, 80))
        image[y : y + size, x : x + size] = rng.uniform(40, 220)
    gray = cv2.GaussianBlur(image, (0, 0), sigma) + rng.normal(0, 0.7, image.shape)
    assert blur_of(gray.astype(np.float32)) == pytest.approx(sigma, rel=0.25)


@pytest.mark.parametrize("sigma", [0.5, 2.0, 6.0])
def test_noise_is_found_again(sigma: float) -> None:
    rng = np.random.default_rng(2)
    smooth = cv2.GaussianBlur(rng.uniform(30, 220, (300, 400)), (0, 0), 9)
    gray = (smooth + rng.normal(0, sigma, smooth.shape)).astype(np.float32)
    assert noise_of(gray) == pytest.approx(sigma, rel=0.15)


def test_objects_are_as_bright_and_as_tinted_as_the_road(backdrop: Backdrop) -> None:
    """A road photographed at 40 % of the light through a warm filter: so are the objects."""
    cast = np.array([0.36, 0.40, 0.44])
    dark = Backdrop(
        (backdrop.image * cast).astype(np.uint8),
        backdrop.view,
        match_picture((backdrop.image * cast).astype(np.uint8), backdrop.view),
        backdrop.lanes,
    )
    by_day, later = (b.frame(np.random.default_rng(3)).rendering for b in (backdrop, dark))
    assert (by_day.ids == later.ids).all()
    inside = cv2.erode((by_day.ids[::2, ::2] > 0).astype(np.uint8), np.ones((3, 3))) > 0
    ratio = later.image[inside].mean(axis=0) / by_day.image[inside].mean(axis=0)
    np.testing.assert_allclose(ratio, cast, rtol=0.25)
    assert ratio[0] < ratio[1] < ratio[2]


def test_the_command_writes_both_roadside_layouts(tmp_path: Path) -> None:
    files = _write(tmp_path, _road(np.random.default_rng(4)))
    options = [word for name, path in files.items() for word in (f"--{name}", path)]
    counts = ["--seed", "1", "--train", "2", "--val", "1", "--test", "0"]
    for folder in ("one", "two"):
        arguments = ["--root", str(tmp_path / folder), *counts, *options, "--lanes", LANES]
        assert main(arguments) == 0
    records = load_rope3d(str(tmp_path / "one/rope3d"), "train")
    assert len(records) == len(load_monomulti3d(str(tmp_path / "one/monomulti3d"), "train")) == 2
    plane = plane_from_tilt(7.0, np.radians(12), np.radians(1))
    for record in records:
        assert (record["width"], record["height"]) == SIZE
        np.testing.assert_allclose(record["ground_plane"], plane, atol=1e-6)
        twin = Path(record["file_name"].replace("/one/", "/two/"))
        assert twin.read_bytes() == Path(record["file_name"]).read_bytes()
    assert not (tmp_path / "one/mono3drefer").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"calib": None}, "--calib"),
        ({"background": None}, "--background"),
        ({"background": "none.png"}, "none.png"),
        ({"lanes": "1,2,3"}, "x1,y1,x2,y2"),
        ({"lanes": "10,-900,20,300"}, "on the ground"),
    ],
)
def test_what_is_missing_or_wrong_is_said_in_one_line(
    change: dict, said: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    files = _write(tmp_path, _road(np.random.default_rng(5))) | change
    options = [word for name, path in files.items() if path for word in (f"--{name}", path)]
    try:
        code = main(["--root", str(tmp_path / "out"), "--seed", "1", "--train", "1", *options])
    except SystemExit as stop:
        code = stop.code
    message = capsys.readouterr().err.strip()
    assert code == 2 and said in message and len(message.splitlines()) == 1 and len(message) < 300
    assert not (tmp_path / "out").exists()
