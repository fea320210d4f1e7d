"""Points, lane lines and boxes of vehicles out of files."""

import json

import pytest

from d2ext.data.formats.calibration import read_lanes, read_points, read_vehicles

LABEL = "Car {} {} 0 {} 1.5 1.6 4.0 1.0 1.7 20.0 0.1"


@pytest.mark.parametrize(
    "text",
    [
        "u,v,x,y\n10,20,1,2\n30,40.5,-3,4e1\n",
        "U;V;East;North\n10;20;1;2\n\n30;40.5;-3;40\n",
        "\ufeffy\tx\tv\tu\n2\t1\t20\t10\n40\t-3\t40.5\t30",
        "u v x y\n10 20 1 2\n 30  40.5 -3 40\n",
    ],
)
def test_points_in_metres(text, tmp_path):
    (tmp_path / "a.csv").write_text(text)
    pixels, positions = read_points(tmp_path / "a.csv")
    assert pixels.tolist() == [[10, 20], [30, 40.5]] and positions.tolist() == [[1, 2], [-3, 40]]


def test_points_with_heights_and_in_degrees(tmp_path):
    (tmp_path / "a.csv").write_text("u,v,x,y,z\n1,2,3,4,5\n")
    assert read_points(tmp_path / "a.csv")[1].tolist() == [[3, 4, 5]]
    (tmp_path / "a.csv").write_text("u,v,latitude,longitude,altitude\n1,2,48,11,500\n3,4,48.001,11,501\n")
    first, second = read_points(tmp_path / "a.csv")[1]
    assert second - first == pytest.approx([0, 111.2, 1], abs=0.1)  # a degree of the meridian has 111.2 km


def test_lines_are_told_apart_by_their_offsets(tmp_path):
    (tmp_path / "a.csv").write_text("offset,u,v,along\n0,1,2,\n3.5,5,6,0\n0,3,4,\n3.5,7,8,12\n3.5,9,10,\n")
    left, right = read_lanes(tmp_path / "a.csv")
    assert left.offset == 0 and left.pixels.tolist() == [[1, 2], [3, 4]] and not len(left.marks)
    assert right.pixels.tolist() == [[5, 6], [7, 8], [9, 10]]
    assert right.marks.tolist() == [[5, 6], [7, 8]] and right.along.tolist() == [0, 12]


def test_vehicles_of_demos_and_labels(tmp_path):
    box, other = [1.0, 2.0, 30.0, 40.0], [5.0, 2.0, 30.0, 40.0]
    bus = {"class": "Bus", "score": 0.2, "bbox": other}
    rows = [
        {"image": "a.png", "objects": [{"class": "car", "score": 0.9, "bbox": box}]},
        {"image": "b.png", "error": "cut off"},
        {"frame": 3, "sentences": [{"text": "x", "objects": [bus]}] * 2},
    ]
    lines = tmp_path / "a.jsonl"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    names, boxes = read_vehicles(lines)
    assert names == ["car", "bus"] and boxes.tolist() == [box, other]
    assert read_vehicles(lines, 0.5)[0] == ["car"]
    (tmp_path / "one.json").write_text(json.dumps(rows[0], indent=1))
    assert read_vehicles(tmp_path / "one.json")[0] == ["car"]
    labels = tmp_path / "labels"
    labels.mkdir()
    whole, cut = LABEL.format(0, 1, "1 2 30 40"), LABEL.format(0.5, 0, "0 2 9 9")
    hidden = LABEL.format(0, 2, "3 2 9 9")
    (labels / "a.txt").write_text("\n".join([whole, cut, hidden]))
    names, boxes = read_vehicles(labels)
    assert names == ["car"] and boxes.tolist() == [box]


@pytest.mark.parametrize(
    ("reader", "text", "message"),
    [
        (read_points, "", "a.csv: expected a table with a header, got an empty file"),
        (read_points, "u,v,x,y\n", "a.csv: expected rows below the header"),
        (read_points, "1,2,3,4\n1,2,3,4\n", "a.csv:1: expected a header with the columns u, v, got 1, 2"),
        (read_points, "u,v,x\n1,2,3\n", r"a.csv:1: expected the columns u, v and x, y\[, z\] \(metres\)"),
        (read_points, "u,v,x,y\n1,2,3,4\n1,2,3\n", r"a.csv:3: expected 4 fields \(u, v, x, y\), got 3"),
        (read_points, "u,v,x,y\n1,2,3,four\n", "a.csv:2: field 'y': expected a finite number, got 'four'"),
        (read_points, "u,v,x,y\n1,2,3,nan\n", "a.csv:2: field 'y': expected a finite number"),
        (read_points, "u,v,lat,lon\n1,2,95,3\n", "a.csv: latitude: expected degrees within"),
        (read_lanes, "u,v\n1,2\n", "a.csv:1: expected a header with the columns u, v, offset, got u, v"),
        (read_vehicles, "", "a.csv"),
        (read_vehicles, '{"image": "a"}', "a.csv:1: field 'objects': expected list, got nothing"),
        (read_vehicles, '{"objects": [{"bbox": [1, 2], "class": "car"}]}', "a.csv:1: field 'bbox': expected"),
        (read_vehicles, '{"objects": [{"bbox": [1, 2, 3, 4]}]}', "a.csv:1: field 'class': expected str"),
        (read_vehicles, '{"objects": []}', "a.csv: expected boxes of vehicles, found none"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line(reader, text, message, tmp_path):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        reader(tmp_path / "a.csv")
    assert "\n" not in str(error.value) and len(str(error.value)) < 300


@pytest.mark.parametrize("reader", [read_points, read_lanes, read_vehicles])
def test_what_is_not_there_is_one_line(reader, tmp_path):
    with pytest.raises(FileNotFoundError, match="no.csv: no such file"):
        reader(tmp_path / "no.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises((FileNotFoundError, ValueError), match="empty: expected a"):
        reader(tmp_path / "empty")
