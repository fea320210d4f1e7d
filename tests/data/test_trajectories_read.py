"""Recordings: every layout gives the same tracks, every fault one line that names file and row."""

from __future__ import annotations

import resource
import time

import numpy as np
import pytest

from d2ext.data.trajectories import COLUMN_MAPS, ColumnMap, Road, read_tracks, tracks_to_csv

PLAIN = """track_id,time,lane,position,speed
7,0.0,1,10,10.5
7,0.5,1,15,10.5
car b,0.5,2,90,-4
7,1.0,2,20,10.5
car b,1.0,2,88,-4
"""


@pytest.fixture
def write(tmp_path):
    def write(text: str):
        path = tmp_path / "recording.csv"
        path.write_text(text)
        return path

    return write


def test_rows_are_sorted_by_vehicle_and_keep_their_values(write):
    tracks = read_tracks(write(PLAIN))
    assert tracks.ids[tracks.track].tolist() == ["7", "7", "7", "car b", "car b"]
    assert tracks.time.tolist() == [0, 0.5, 1, 0.5, 1]
    assert tracks.lane.tolist() == ["1", "1", "2", "2", "2"]
    assert tracks.position.tolist() == [10, 15, 20, 90, 88]
    assert tracks.speed.tolist() == [10.5, 10.5, 10.5, -4, -4]


def test_columns_in_any_order_beside_others_with_blank_lines_and_a_byte_order_mark(write):
    lines = [line.split(",") for line in PLAIN.splitlines()]
    text = "\n\n".join(",".join([line[3], "note", *line[:3], line[4]]) for line in lines)
    expected, found = read_tracks(write(PLAIN)), read_tracks(write("\ufeff" + text))
    for name in ("track", "time", "lane", "position", "speed"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_writing_and_reading_gives_the_same(write):
    tracks = read_tracks(write(PLAIN))
    again = read_tracks(write(tracks_to_csv(tracks).decode()))
    for name in ("ids", "track", "time", "lane", "position", "speed"):
        np.testing.assert_array_equal(getattr(again, name), getattr(tracks, name))


def test_speed_without_a_column_is_the_change_of_position_against_the_lane_negative(write):
    rows = [f"1,{t},1,{100 - 8 * t}" for t in range(4)] + [f"2,{t},2,{12 * t}" for t in range(4)]
    path = write("\n".join(["track_id,time,lane,position", *rows]))
    assert read_tracks(path).speed.tolist() == [-8] * 4 + [12] * 4
    assert read_tracks(path, road=Road({}, backward_lanes=(1,))).speed.tolist() == [8] * 4 + [12] * 4


def test_speed_is_not_taken_across_a_change_of_lanes(write):
    # The lanes count from different points: 10 m/s before and after, 80 m between the two scales.
    rows = [f"1,{t},{1 + (t > 2)},{10 * t + 80 * (t > 2)}" for t in range(6)]
    assert read_tracks(write("\n".join(["track_id,time,lane,position", *rows]))).speed.tolist() == [10] * 6


def test_highd_names(write):
    header = "frame,id,x,y,width,height,xVelocity,yVelocity,xAcceleration,laneId"
    rows = [f"{frame},3,{100 + 1.2 * frame:.2f},8.1,4.5,2,30,0,0,5" for frame in range(1, 5)]
    tracks = read_tracks(write("\n".join([header, *rows])), COLUMN_MAPS["highd"])
    np.testing.assert_allclose(tracks.time, np.arange(1, 5) / 25)
    np.testing.assert_allclose(tracks.speed, 30)
    assert tracks.lane.tolist() == ["5"] * 4


def test_dair_v2x_seq_names(write):
    header = "city,timestamp,id,type,sub_type,tag,x,y,z,length,width,height,theta,v_x,v_y,intersect_id"
    rows = [
        f"yizhuang,{1626155123.5 + 0.1 * i:.1f},-12,VEHICLE,CAR,OTHERS,{5 + i},{20.3},0,4,2,1,0,10,0,i#4"
        for i in range(5)
    ]
    road = Road({4: np.array([[0.0, 20.0], [100.0, 20.0]])})
    tracks = read_tracks(write("\n".join([header, *rows])), COLUMN_MAPS["dair_v2x_seq"], road)
    np.testing.assert_allclose(tracks.position, np.arange(5, 10))
    np.testing.assert_allclose(tracks.speed, 10, atol=1e-4)
    assert tracks.ids.tolist() == ["-12"] and set(tracks.lane) == {"4"}


def test_points_off_the_road_are_left_out_and_vehicles_of_one_row_with_them(write):
    rows = ["1,0,5,0", "1,1,15,0", "1,2,25,9", "2,0,50,9", "2,1,60,0", "3,0,5,9", "3,1,15,9"]
    road = Road({1: np.array([[0.0, 0.0], [100.0, 0.0]])})
    tracks = read_tracks(write("\n".join(["track_id,time,x,y", *rows])), road=road)
    assert tracks.ids[tracks.track].tolist() == ["1", "1"] and tracks.position.tolist() == [5, 15]


def test_names_are_text_as_they_are_written(write):
    """Numbers would merge them: 19 digits beyond float64, zeros before, points behind."""
    names = ["1000000000000000001", "1000000000000000002", "7", "007", "7.0", "-7", "1e3", "1000", "车 7"]
    lanes = ["1", "01", "1.0", "E0_0", "left lane", "-1", "１", "车道", "a'b"]
    rows = [f"{n},{t},{k},{10 * t}" for n, k in zip(names, lanes, strict=True) for t in range(3)]
    tracks = read_tracks(write("\n".join(["track_id,time,lane,position", *rows])))
    assert sorted(tracks.ids.tolist()) == sorted(names)
    for name, lane in zip(names, lanes, strict=True):
        assert tracks.of(name).lane.tolist() == [lane] * 3
        assert tracks.of(name).position.tolist() == [0, 10, 20]


def test_names_with_separators_and_quotes_survive_writing_and_reading(write):
    tracks = read_tracks(write('track_id,time,lane,position\n"a,""b;",0,"1,5",0\n"a,""b;",1,"1,5",9\n'))
    again = read_tracks(write(tracks_to_csv(tracks).decode()))
    assert again.ids.tolist() == tracks.ids.tolist() == ['a,"b;'] and set(again.lane) == {"1,5"}


@pytest.mark.parametrize("separator", [";", "\t", " ", ", "])
def test_other_separators_are_found(write, separator):
    tracks = read_tracks(write(PLAIN.replace("car b", "car_b").replace(",", separator)))
    assert tracks.ids.tolist() == ["7", "car_b"] and tracks.position.tolist() == [10, 15, 20, 90, 88]


def test_tracks_of_one_row_are_left_out_and_counted(write, caplog):
    with caplog.at_level("INFO", logger="d2ext"):
        tracks = read_tracks(write(PLAIN + "9,0,1,5,5\n10,3,2,5,5\n"))
    assert tracks.ids.tolist() == ["7", "car b"]
    assert "left out 2 vehicles of a single row" in caplog.text


def test_units_and_offsets(write):
    text = "track_id,time,lane,position,speed\n1,1000,1,100,32.81\n1,2000,1,132.81,32.81\n"
    columns = ColumnMap(
        time_unit=1e-3, length_unit=0.3048, speed_unit=0.3048, time_offset=-1.0, position_offset=5.0
    )
    tracks = read_tracks(write(text), columns)
    np.testing.assert_allclose(tracks.time, [0, 1])
    np.testing.assert_allclose(tracks.position, [35.48, 45.48], atol=1e-3)
    np.testing.assert_allclose(tracks.speed, 10, atol=1e-3)


def test_rows_can_be_chosen_by_a_column(write):
    text = PLAIN.replace("speed\n", "speed,place\n").replace(".5\n", ".5,a\n").replace("-4\n", "-4,b\n")
    assert read_tracks(write(text), ColumnMap(where=("place=a",))).ids.tolist() == ["7"]
    assert read_tracks(write(text), ColumnMap(where=("place!=a",))).ids.tolist() == ["car b"]
    with pytest.raises(ValueError, match="expected rows below the header"):
        read_tracks(write(text), ColumnMap(where=("place=c",)))


def test_most_vehicles_moving_back_in_a_lane_are_warned_of(write, caplog):
    def rows(lane: int, sign: int, count: int) -> str:
        tracks = [(f"{lane}{sign}{n}", t) for n in range(count) for t in range(3)]
        return "".join(f"{name},{t},{lane},{100 + 10 * sign * t}\n" for name, t in tracks)

    head = "track_id,time,lane,position\n"
    path = write(head + rows(1, -1, 4) + rows(1, 1, 1) + rows(2, 1, 4) + rows(2, -1, 2) + rows(3, -1, 2))
    read_tracks(path)
    assert "most vehicles of lane 1 move towards falling positions" in caplog.text
    caplog.clear()
    tracks = read_tracks(path, ColumnMap(backward_lanes=("1",)))
    assert not caplog.text and (tracks.of("1-10").speed == 10).all() and (tracks.of("110").speed == -10).all()


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"time_unit": 0.0}, "time_unit must be"),
        ({"length_unit": float("nan")}, "length_unit must be"),
        ({"time_offset": float("inf")}, "time_offset must be finite"),
        ({"separator": ";;"}, "separator must be one character"),
        ({"where": ("type",)}, "expected COLUMN=VALUE"),
        ({"speed_sign": "up"}, "speed_sign must be one of"),
    ],
)
def test_settings_that_cannot_be_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        ColumnMap(**settings)


def _moving(speed: float, step: float, column: str = "") -> str:
    header = "track_id,time,lane,position" + (",speed" if column else "")
    rows = [f"1,{step * i},1,{speed * i}" + (f",{column}" if column else "") for i in range(5)]
    return "\n".join([header, *rows])


@pytest.mark.parametrize(
    "text, line, message",
    [
        ("", 1, "no column 'track_id'"),
        (PLAIN.replace("speed", "time"), 1, "the column 'time' twice in the header"),
        (PLAIN.replace("position", "p"), 1, "no column 'position' in the header: track_id, time, lane, p,"),
        (PLAIN.replace("10.5\n7,0.5", "10.5\n7,half"), 3, "column 'time': expected a number, got 'half'"),
        (PLAIN.replace(",15,", ",,"), 3, "column 'position': expected a number, got nothing"),
        (PLAIN.replace(",15,", ",nan,"), 3, "column 'position': expected a finite number, got nan"),
        (PLAIN.replace("7,0.5,1,15,10.5", "7,0.5,1"), 3, "no column 'position': the row has 3 fields"),
        (PLAIN.replace("0.5,1,15", "0.5,,15"), 3, "column 'lane': expected a name, got nothing"),
        (PLAIN.replace("7,1.0,2", "7,0.2,2"), 5, "the time goes backwards"),
        (PLAIN.replace("7,1.0,2", "7,0.5,2"), 5, "the same vehicle at the same time twice"),
        (PLAIN.replace("7,0.5,1", "7,1e-310,1"), 2, "moves in no time"),
        (PLAIN.replace(",15,", ",0_0,"), 3, "column 'position': expected a number, got '0_0'"),
        (PLAIN.replace(",15,", ",\u0661\u0665,"), 3, "column 'position': expected a number"),
        (PLAIN.replace(",15,", ",1e16,"), 3, "column 'position': expected a number up to 1e+15"),
        (PLAIN.replace("car b,0.5", "c" * 200_000 + ",0.5"), 4, "field larger than field limit"),
        (PLAIN.replace("car b,0.5", "c" * 9000 + ",0.5"), 4, "expected a name of at most 200 letters"),
        (PLAIN.replace("car b,1.0", "car b,1e11"), 6, "s from the first row to the last, expected at most"),
        ("track_id,time,lane,position\n1,0,1,0\n2,0,1,0\n", None, "no vehicle has two rows"),
        (PLAIN.replace("car b,1.0", ",1.0"), 6, "column 'track_id': expected a name, got nothing"),
        (_moving(1.3, 100), 3, "rows of a vehicle are 100 s apart: the time cannot be in seconds"),
        (_moving(1300, 1), 2, "positions must be in metres"),
        (_moving(10, 1, "36"), 2, "the speed is 3.6 times the change of position: speeds must be in m/s"),
        (_moving(10, 1, "1000"), 2, "a speed of more than 100 m/s"),
        (PLAIN.splitlines()[0], None, "expected rows below the header"),
    ],
)  # fmt: skip
def test_faults_are_one_line_with_file_and_row(write, text, line, message):
    path = write(text)
    with pytest.raises(ValueError) as error:
        read_tracks(path)
    where = f"{path}:{line}: " if line else f"{path}: "
    assert str(error.value).startswith(where) and message in str(error.value)
    assert "\n" not in str(error.value)


def test_the_first_fault_of_the_file_is_named_after_blank_lines(write):
    rows = "1,0,1,0\n2,0,1,9\n\n1,1,1,9\n2,1,1,18\n\n2,0.5,1,9\n1,0,1,5\n"
    path = write("track_id,time,lane,position\n\n" + rows)
    with pytest.raises(ValueError, match=":9: the time goes backwards"):
        read_tracks(path)


@pytest.mark.parametrize("text", ["," * (1 << 24), "1," * (1 << 23), '"' + "x\n" * (1 << 22)])
def test_endless_lines_and_fields_take_neither_time_nor_memory(write, text):
    path = write("track_id,time,lane,position\n" + text)
    start = time.process_time()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match="recording.csv:"):
        read_tracks(path)
    assert time.process_time() - start < 2
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 300


def test_x_and_y_need_a_road(write):
    with pytest.raises(ValueError, match="expected a road with centre lines"):
        read_tracks(write("track_id,time,x,y\n1,0,0,0\n1,1,1,1\n"))


def test_a_map_of_other_names(write):
    text = PLAIN.replace("track_id,time,lane,position,speed", "vehicle,ms,strip,metre,v")
    text = text.replace(",0.5,", ",500,").replace(",1.0,", ",1000,")
    tracks = read_tracks(write(text), ColumnMap("vehicle", "ms", "strip", "metre", speed="v", time_unit=1e-3))
    assert tracks.time.tolist() == [0, 0.5, 1, 0.5, 1] and tracks.speed.tolist() == [10.5] * 3 + [-4] * 2


@pytest.mark.slow
def test_an_hour_of_500_vehicles_loads_in_seconds(tmp_path):
    # 500 vehicles, each on the section for two minutes at 10 Hz
    path = tmp_path / "hour.csv"
    rows = (f"{v},{7 * v + i / 10:.1f},{v % 3},{1.3 * i:.1f}\n" for v in range(500) for i in range(1200))
    path.write_text("track_id,time,lane,position\n" + "".join(rows))
    start = time.process_time()
    assert len(read_tracks(path)) == 600_000
    assert time.process_time() - start < 10
