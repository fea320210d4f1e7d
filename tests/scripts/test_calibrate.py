"""scripts/calibrate.py as a command: what it prints and writes for known cameras, one line for bad input."""

import json
import re
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from project_scripts import call_script, load_script

from d2ext.data.formats.kitti import read_calib, read_ground
from d2ext.structures import tilt_of_plane
from d2ext.structures.calibration.view import GroundView, PixelGrid

SIZE = (540, 960)
VIEW = GroundView(1200.0, np.radians(11.0), np.radians(-1.0), 6.5, PixelGrid(SIZE))


@pytest.fixture
def calibrate(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cv2.imwrite("road.png", np.full((*SIZE, 3), 90, np.uint8))
    return partial(call_script, load_script("calibrate", ""), "--image", "road.png", "--output", "site")


def ground(x, z):
    x, z = np.broadcast_arrays(x, z)
    return np.stack([x, np.zeros(x.shape), z], -1).astype(float)


def write_points(text="u,v,x,y"):
    x, z = np.array([-6.0, 5.0, 0.0, 8.0, -9.0, 3.0]), np.array([22.0, 24.0, 35.0, 45.0, 60.0, 80.0])
    rows = np.c_[VIEW.project(ground(x, z)), x + 1000, z - 50]
    Path("points.csv").write_text("\n".join([text, *(",".join(f"{v:.3f}" for v in row) for row in rows)]))


def write_lanes():
    rows = ["offset,u,v,along"]
    for offset in (0.0, 3.5, 7.0):
        for z in np.arange(20.0, 90.0, 6.0):
            u, v = VIEW.project(ground(offset - 4, z))
            rows.append(f"{offset},{u:.2f},{v:.2f},{z if offset == 3.5 else ''}")
    Path("lanes.csv").write_text("\n".join(rows))


def write_vehicles():
    """Cars of about the usual size along the road, by their corners."""
    rng, objects = np.random.default_rng(0), []
    while len(objects) < 100:
        tall, half, long = np.array([1.45, 1.65 / 2, 4.1 / 2]) * np.exp(rng.normal(0, (0.07, 0.06, 0.10)))
        x, z = rng.uniform(-15, 15), np.exp(rng.uniform(np.log(16), np.log(90)))
        corners = [[x + a * half, -b * tall, z + c * long] for a in (-1, 1) for b in (0, 1) for c in (-1, 1)]
        uv = VIEW.project(np.array(corners))
        box = [float(v) for v in np.concatenate([uv.min(0), uv.max(0)]) + rng.normal(0, 1.5, 4)]
        if min(box[:2]) > 3 and box[2] < SIZE[1] - 4 and box[3] < SIZE[0] - 4:
            objects.append({"class": "car", "score": 0.9, "bbox": box})
    Path("boxes.jsonl").write_text("".join(json.dumps({"frame": 0, "objects": [o]}) + "\n" for o in objects))


def printed(out):
    return {name: (float(a), float(b)) for name, a, b in re.findall(r"(\w+): (\S+) \+- (\S+)", out)}


def check(view, within):
    """What the files say is what was found, near the truth by shares and degrees."""
    P, plane = np.array(read_calib("site/calib/road.txt", SIZE)), read_ground("site/denorm/road.txt")
    assert read_ground("site/planes/road.txt") == plane
    assert Path("site/planes/road.txt").read_text().splitlines()[:3] == ["# Plane", "Width 4", "Height 1"]
    focal, degrees, height = within
    assert P[0, 0] == pytest.approx(view.focal, rel=focal) and P[0, 0] == P[1, 1]
    tilt = np.degrees(tilt_of_plane(plane))
    assert tilt == pytest.approx(np.degrees([view.pitch, view.roll]), abs=degrees)
    assert plane[3] == pytest.approx(view.height, rel=height)
    return [P[0, 0], *tilt, plane[3]]


@pytest.mark.parametrize(
    ("source", "write", "within"),
    [
        (("--points", "points.csv"), write_points, (0.002, 0.05, 0.002)),
        (("--lanes", "lanes.csv"), write_lanes, (0.01, 0.2, 0.01)),
        (("--vehicles", "boxes.jsonl"), write_vehicles, (0.25, 2.5, 0.12)),
    ],
)
def test_numbers_files_and_a_picture(calibrate, source, write, within, capsys):
    write()
    assert calibrate(*source) == 0
    found = check(VIEW, within)
    out = capsys.readouterr().out
    told = printed(out)
    for (value, deviation), number in zip(
        (told[n] for n in ("focal", "pitch", "roll", "height")), found, strict=True
    ):
        assert value == pytest.approx(number, abs=0.006) and deviation >= 0
    assert "look at site/road_grid.jpg" in out
    picture = cv2.imread("site/road_grid.jpg")
    assert picture.shape == (*SIZE, 3) and picture.std() > 5


def test_points_in_degrees_give_the_same(calibrate):
    write_points()
    rows = np.loadtxt("points.csv", delimiter=",", skiprows=1)
    north = rows[:, 3] / 111132.95  # metres of a degree at 45 degrees, by the WGS 84 ellipsoid
    east = rows[:, 2] / 78846.8
    lines = [
        f"{u},{v},{45 + a:.9f},{7 + b:.9f}" for (u, v), a, b in zip(rows[:, :2], north, east, strict=True)
    ]
    Path("points.csv").write_text("\n".join(["u,v,lat,lon", *lines]))
    assert calibrate("--points", "points.csv") == 0
    check(VIEW, (0.005, 0.1, 0.01))


def test_what_is_known_stays(calibrate, capsys):
    write_points()
    assert calibrate("--points", "points.csv", "--focal", "1200", "--height", "6.5", "--roll", "-1") == 0
    told = printed(capsys.readouterr().out)
    assert told["focal"] == (1200, 0) and told["height"] == (6.5, 0) and told["roll"] == (-1, 0)
    assert told["pitch"][0] == pytest.approx(11, abs=0.05)


def test_a_video_stands_for_its_first_frame(calibrate, tmp_path):
    write_points()
    writer = cv2.VideoWriter("road.mp4", cv2.VideoWriter.fourcc(*"mp4v"), 10, SIZE[::-1])
    for level in (60, 200):
        writer.write(np.full((*SIZE, 3), level, np.uint8))
    writer.release()
    assert calibrate("--image", "road.mp4", "--points", "points.csv") == 0
    assert np.median(cv2.imread("site/road_grid.jpg")) < 100


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ((), 2, "one of the arguments --points --lanes --vehicles is required"),
        (("--points", "points.csv", "--lanes", "points.csv"), 2, "argument --lanes: not allowed with"),
        (("--points", "no.csv"), 2, "argument --points: no.csv: no such file"),
        (("--points", "three.csv"), 1, "points: expected at least 4, got 3"),
        (("--points", "line.csv"), 1, "points: the positions lie on a line"),
        (("--lanes", "points.csv"), 1, "points.csv:1: expected a header with the columns u, v, offset"),
        (("--vehicles", "few.jsonl"), 1, "vehicles: expected at least 8 whole boxes"),
        (("--points", "points.csv", "--focal", "900", "--fov", "60"), 2, "--focal and --fov: expected one"),
        (("--points", "points.csv", "--height", "0"), 2, "--height: expected a number greater than 0"),
        (("--points", "points.csv", "--image", "points.csv"), 1, "points.csv: expected an image file"),
    ],
)
def test_bad_input_is_one_line(calibrate, words, status, message, capsys):
    write_points()
    lines = Path("points.csv").read_text().splitlines()
    Path("three.csv").write_text("\n".join(lines[:4]))
    Path("line.csv").write_text("u,v,x,y\n1,2,0,0\n90,7,0,1\n3,80,0,2\n70,60,0,3\n")
    Path("few.jsonl").write_text(json.dumps({"objects": [{"class": "car", "bbox": [10, 20, 50, 60]}]}))
    assert calibrate(*words) == status
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ") and message in error and "\n" not in error and len(error) < 300
    assert not Path("site").exists()
