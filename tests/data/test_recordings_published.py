"""Recordings in published formats against what the test computes from the raw files itself."""

from __future__ import annotations

import csv
import math
import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from d2ext.data.trajectories import COLUMN_MAPS, Road, Tracks, read_tracks

SHARED = Path(__file__).parents[3] / "shared"
CASES = SHARED / "cases/tracks"
KITTI = SHARED / "data/tracks/kitti_tracking/label_02"
FOOT = 0.3048

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="needs ../shared")


def _rows(name: str, separator: str = ",") -> list[dict[str, str]]:
    with open(CASES / name, newline="") as file:
        return [
            {key.strip(): value.strip() for key, value in row.items()}
            for row in csv.DictReader(file, delimiter=separator)
        ]


def _by_vehicle(tracks: Tracks) -> dict[str, Tracks]:
    return {name: tracks.of(name) for name in tracks.ids.tolist()}


def _check(
    tracks: Tracks, expected: dict[str, list[tuple[float, str, float]]], speed_tolerance: float = 1e-6
) -> None:
    """``expected``: by vehicle its rows of time, lane and speed (s, m/s)."""
    found = _by_vehicle(tracks)
    assert found.keys() == expected.keys()
    for name, rows in expected.items():
        times, lanes, speeds = zip(*rows, strict=True)
        np.testing.assert_allclose(found[name].time, times, atol=1e-6, rtol=1e-12)
        assert found[name].lane.tolist() == list(lanes)
        np.testing.assert_allclose(found[name].speed, speeds, atol=speed_tolerance)


def test_highd_with_its_three_files():
    (meta,) = _rows("01_recordingMeta.csv")
    direction = {row["id"]: row["drivingDirection"] for row in _rows("01_tracksMeta.csv")}
    expected, ahead = defaultdict(list), {}
    for row in _rows("01_tracks.csv"):
        sign = -1 if direction[row["id"]] == "1" else 1
        time = float(row["frame"]) / float(meta["frameRate"])
        expected[row["id"]].append((time, row["laneId"], sign * float(row["xVelocity"])))
        ahead[row["id"], round(time, 6)] = float(row["x"]) + float(row["width"]) / 2
    tracks = read_tracks(CASES / "01_tracks.csv", COLUMN_MAPS["highd"])
    _check(tracks, expected)
    assert set(tracks.lane) == {"2", "3", "5", "6"} and (tracks.speed > 25).all()
    middle = [ahead[tracks.ids[k], round(t, 6)] for k, t in zip(tracks.track, tracks.time, strict=True)]
    np.testing.assert_allclose(tracks.position, middle, atol=1e-9)


@pytest.mark.parametrize("metadata", [(), ("01_tracksMeta.csv",), ("01_recordingMeta.csv",)])
def test_highd_directions_with_part_of_its_files(tmp_path, metadata):
    for name in ("01_tracks.csv", *metadata):
        (tmp_path / name).write_bytes((CASES / name).read_bytes())
    tracks = read_tracks(tmp_path / "01_tracks.csv", COLUMN_MAPS["highd"])
    for lane in ("2", "3", "5", "6"):
        assert (tracks.speed[tracks.lane == lane] > 25).all()


def test_a_wrong_way_driver_of_highd_is_one_where_most_drive_with_the_lane_and_with_metadata_always(tmp_path):
    header = "frame,id,x,y,width,height,xVelocity,yVelocity,laneId\n"

    def driver(name: int, velocity: float) -> str:
        return "".join(f"{f},{name},{200 + velocity * f / 25},8,4,2,{velocity},0,2\n" for f in range(1, 60))

    path = tmp_path / "01_tracks.csv"
    path.write_text(header + driver(1, -30) + driver(2, -28) + driver(3, 25))
    tracks = read_tracks(path, COLUMN_MAPS["highd"])
    assert [tracks.of(k).speed.mean().round() for k in "123"] == [30, 28, -25]
    path.write_text(header + driver(3, 25))
    assert read_tracks(path, COLUMN_MAPS["highd"]).speed.mean().round() == 25  # the file alone cannot tell
    (tmp_path / "01_recordingMeta.csv").write_bytes((CASES / "01_recordingMeta.csv").read_bytes())
    assert read_tracks(path, COLUMN_MAPS["highd"]).speed.mean().round() == -25


@pytest.mark.parametrize("name", ["ngsim.csv", "ngsim_nohdr.csv"])
def test_ngsim_in_feet(name):
    expected = defaultdict(list)
    with open(CASES / name, newline="") as file:
        for row in csv.reader(file):
            if row[0] != "Vehicle_ID":
                expected[row[0]].append((float(row[3]) / 1000, row[13], float(row[11]) * FOOT))
    tracks = read_tracks(CASES / name, COLUMN_MAPS["ngsim"])
    _check(tracks, expected)
    assert tracks.position.max() == pytest.approx(1495.0 * FOOT, rel=0.01)


def test_ngsim_text_files_of_the_first_release(tmp_path):
    path = tmp_path / "trajectories-0750am-0805am.txt"
    rows = [
        f"       2 {14 + i:7d}      437   {1118846980200 + 100 * i}   16.467   {35.381 + 4 * i:.3f}"
        "  6451137.641  1873344.962   14.5   4.9 2   40.00    0.00   2       0       0     0.00     0.00"
        for i in range(5)
    ]
    path.write_text("\n".join(rows) + "\n")
    tracks = read_tracks(path, COLUMN_MAPS["ngsim"])
    np.testing.assert_allclose(tracks.position, (35.381 + 4 * np.arange(5)) * FOOT)
    np.testing.assert_allclose(tracks.speed, 40 * FOOT)
    assert tracks.lane.tolist() == ["2"] * 5 and tracks.ids.tolist() == ["2"]


def test_citysim_in_feet_and_miles_an_hour():
    rows = _rows("citysim.csv")
    expected = defaultdict(list)
    for row in rows:
        speed = float(row["speed"]) * 1609.344 / 3600
        expected[row["carId"]].append((float(row["frameNum"]) / 30, row["laneId"], speed))
    tracks = read_tracks(CASES / "citysim.csv", COLUMN_MAPS["citysim"])
    _check(tracks, expected)
    x = [float(row["carCenterXft"]) * FOOT for row in rows if row["carId"] == "3"]
    np.testing.assert_allclose(tracks.of("3").position, x)


def test_citysim_on_a_road_with_centre_lines():
    ft = FOOT
    lines = {"a": [[0, 150 * ft], [200, 150 * ft]], "b": [[200, 152 * ft], [0, 152 * ft]]}
    road = Road({k: np.array(v, float) for k, v in lines.items()}, half_width=0.05)
    tracks = read_tracks(CASES / "citysim.csv", COLUMN_MAPS["citysim"], road)
    assert set(tracks.of("0").lane) == {"a"} and set(tracks.of("4").lane) == {"b"}
    assert tracks.ids.tolist() == ["0", "4"]
    speed = 20.45 * 1609.344 / 3600
    np.testing.assert_allclose(tracks.of("0").speed, speed)
    np.testing.assert_allclose(tracks.of("4").speed, -speed)  # line b runs the other way


def _fcd_expected() -> dict[str, list[tuple[float, str, float]]]:
    """From the XML file, by its text."""
    expected, time = defaultdict(list), ""
    for line in (CASES / "fcd.xml").read_text().splitlines():
        step = re.search(r'<timestep time="([^"]*)"', line)
        time = step[1] if step else time
        fields = dict(re.findall(r'(\w+)="([^"]*)"', line))
        if "<vehicle" in line:
            expected[fields["id"]].append((float(time), fields["lane"], float(fields["speed"])))
    return expected


@pytest.mark.parametrize("name", ["fcd.xml", "fcd.csv", "fcd_comma.csv"])
def test_sumo_in_its_three_forms(name):
    tracks = read_tracks(CASES / name, COLUMN_MAPS["sumo"])
    _check(tracks, _fcd_expected())
    assert set(tracks.lane) == {"E0_0", "E0_1"}


def test_metadata_is_not_for_other_layouts_and_gives_the_frame_rate(tmp_path):
    path = tmp_path / "1_tracks.csv"
    path.write_text("track_id,time,lane,position\n1,0,1,0\n1,1,1,10\n")
    (tmp_path / "1_recordingMeta.csv").write_text("recordingId,frameRate\n0,50\n")
    assert read_tracks(path).time.tolist() == [0, 1]
    text = (CASES / "ind.csv").read_text()
    path.write_text(text)
    road = Road({"1": np.array([[-5.0, 0], [100, 0]])})
    assert np.diff(read_tracks(path, COLUMN_MAPS["ind"], road).time)[0] == pytest.approx(1 / 50)


def test_ind_on_a_road():
    lines = {"south": [[-5, 0], [100, 0]], "north": [[100, 3.5], [-5, 3.5]]}
    road = Road({k: np.array(v, float) for k, v in lines.items()}, half_width=1.5)
    expected = defaultdict(list)
    for row in _rows("ind.csv"):
        north = float(row["yCenter"]) > 1.75
        velocity = float(row["xVelocity"])
        lane, speed = ("north", -velocity) if north else ("south", velocity)
        expected[row["trackId"]].append((float(row["frame"]) / 25, lane, speed))
    tracks = read_tracks(CASES / "ind.csv", COLUMN_MAPS["ind"], road)
    _check(tracks, expected, speed_tolerance=1e-3 * 25)  # places have three digits
    (row,) = [row for row in _rows("ind.csv") if row["trackId"] == "1" and row["trackLifetime"] == "10"]
    distance = float(row["xCenter"]) + 5 if float(row["yCenter"]) < 1 else 100 - float(row["xCenter"])
    assert tracks.of("1").position[10] == pytest.approx(distance)


def test_pneuma_a_line_a_vehicle():
    expected, places = defaultdict(list), {}
    for line in (CASES / "pneuma.csv").read_text().splitlines()[1:]:
        fields = [float(x) if i != 1 else x for i, x in enumerate(line.rstrip("; ").split(";"))]
        name = str(int(fields[0]))
        moments = np.array(fields[4:]).reshape(-1, 6)
        places[name] = moments[:, :2]
        expected[name] = [(m[5], f"lane {name}", m[2] / 3.6) for m in moments]
    origin = places["1"][0]
    # Spherical distances, to be good to their difference from the ellipsoid's, a few thousandths.
    radius = 6371000 * math.pi / 180
    east = {k: (p[0, 1] - origin[1]) * math.cos(math.radians(origin[0])) * radius for k, p in places.items()}
    far = (places["1"][-1, 0] - origin[0]) * radius
    lines = {f"lane {k}": np.array([[x, -1.0], [x, far * 1.01 + 1]]) for k, x in east.items()}
    tracks = read_tracks(
        CASES / "pneuma.csv", COLUMN_MAPS["pneuma"], Road(lines, half_width=1, origin=tuple(origin))
    )
    _check(tracks, expected)
    for name, place in places.items():
        north = (place[:, 0] - origin[0]) * radius + 1
        np.testing.assert_allclose(tracks.of(name).position, north, rtol=5e-3)


@pytest.mark.skipif(not KITTI.is_dir(), reason="needs ../shared")
@pytest.mark.parametrize("name", ["0001", "0009", "0020"])
def test_kitti_tracking_labels(name):
    expected, places = defaultdict(list), defaultdict(list)
    for line in (KITTI / f"{name}.txt").read_text().splitlines():
        fields = line.split()
        x, z = float(fields[13]), float(fields[15])
        if fields[2] != "DontCare" and abs(x) <= 6 and 0 <= z <= 80:
            places[fields[1]].append((float(fields[0]) * 0.1, "left" if x < 0 else "right", z))
    lines = {"left": np.array([[-3.0, 0], [-3, 80]]), "right": np.array([[3.0, 0], [3, 80]])}
    for track, rows in places.items():
        if len(rows) < 2:
            continue
        for i, (time, lane, _) in enumerate(rows):
            follows = i + 1 < len(rows) and rows[i + 1][1] == lane
            precedes = i > 0 and rows[i - 1][1] == lane
            a, b = (i, i + 1) if follows else (i - 1, i)
            change = (rows[b][2] - rows[a][2]) / (rows[b][0] - rows[a][0]) if follows or precedes else 0.0
            expected[track].append((time, lane, change))
    tracks = read_tracks(KITTI / f"{name}.txt", COLUMN_MAPS["kitti_tracking"], Road(lines, half_width=3))
    assert sum(map(len, expected.values())) > 300
    _check(tracks, expected)


@pytest.mark.parametrize(
    "columns",
    [
        {"position": "Local_Y"},
        {"position": "Local_Y", "length_unit": FOOT, "speed": "v_Vel"},
        {"lane": None, "position": None, "x": "carCenterXft", "y": "carCenterYft"},
        {"lane": None, "position": None, "x": "carCenterX", "y": "carCenterY"},
    ],
)
def test_feet_and_pixels_are_not_read_as_metres(columns):
    with pytest.raises(ValueError, match="is in feet: expected length_unit|feet a second|is in pixels"):
        read_tracks(CASES / "ngsim.csv", type(COLUMN_MAPS["plain"])("Vehicle_ID", "Global_Time", **columns))
