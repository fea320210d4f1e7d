from __future__ import annotations

import math

import pytest

from d2ext.data.formats.kitti import (
    parse_floats,
    parse_label,
    read_calib,
    read_ground,
    read_labels,
    read_regions,
)
from d2ext.data.formats.rows import BrokenRows
from d2ext.structures.vocabulary import Vocabulary

ROW = "Car 0.00 1 2.04 334.85 178.94 624.50 372.04 1.57 1.50 3.68 -1.17 1.65 7.86 1.90"
P2 = "721.5 0 609.5 44.8 0 721.5 172.8 0.2 0 0 1 0.0027"


def row(**changes: str) -> list[str]:
    names = "type truncated occluded alpha x1 y1 x2 y2 h w l x y z ry".split()
    fields = dict(zip(names, ROW.split(), strict=True))
    return list((fields | changes).values())


def test_calib_reads_p2_among_other_lines_and_alone(tmp_path):
    path = tmp_path / "calib.txt"
    for text in (f"P2: {P2}", f"P0: 1 2 3\n\nP2: {P2}\nP3: {P2}\nR0_rect: 1\n"):
        path.write_text(text)
        camera = read_calib(path)
        assert [len(line) for line in camera] == [4, 4, 4]
        assert [x for line in camera for x in line] == [float(x) for x in P2.split()]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("P3: 1 2 3\n", r"calib.txt: field 'P2': expected a line 'P2:' with 12 numbers"),
        ("", r"calib.txt: field 'P2': expected a line"),
        ("\nP2: 1 2 3\n", r"calib.txt:2: field 'P2': expected 12 numbers, got 3"),
        (
            "P2: " + P2.replace("172.8", "nan"),
            r"calib.txt:1: field 'P2\[1,2\]': expected a finite number, got 'nan'",
        ),
        (
            "P2: " + P2.replace("172.8", "x"),
            r"calib.txt:1: field 'P2\[1,2\]': expected a finite number, got 'x'",
        ),
        ("P2: " + P2.replace("721.5 0 609", "-721.5 0 609"), "positive focal lengths"),
        ("P2: " + P2.replace("0 0 1 ", "0 0 2 "), "third row 0 0 1 t"),
    ],
)
def test_broken_calib(tmp_path, text, message):
    path = tmp_path / "calib.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        read_calib(path)
    assert "\n" not in str(error.value)


def test_missing_and_binary_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="none.txt: no such file"):
        read_calib(tmp_path / "none.txt")
    (tmp_path / "binary.txt").write_bytes(b"P2: \xff\xfe\x00")
    with pytest.raises(ValueError, match=r"binary.txt: expected UTF-8 text"):
        read_calib(tmp_path / "binary.txt")


@pytest.mark.parametrize("scale", [1.0, -3.0])
def test_ground_is_normalised_upwards(tmp_path, scale):
    plane = (-0.0109, -0.9771, -0.2124, 7.0)
    path = tmp_path / "denorm.txt"
    for header in ("", "# Matrix\nWIDTH 4\nHEIGHT 1\n"):
        path.write_text(header + " ".join(str(scale * x) for x in plane) + " \n")
        a, b, c, d = read_ground(path)
        assert math.isclose(math.hypot(a, b, c), 1) and b < 0 and d > 0
        assert (a / b, c / b, d / b) == pytest.approx(
            (plane[0] / plane[1], plane[2] / plane[1], plane[3] / plane[1])
        )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "last line with the 4 numbers"),
        ("1 2 3", "last line with the 4 numbers"),
        ("0 -1 inf 7", "ground.txt:1: field 'c': expected a finite number"),
        ("1 0 0 7", "ground.txt:1: field 'b'"),
        ("0 -1 0 -7", "ground.txt:1: field 'd': expected the ground below the camera"),
    ],
)
def test_broken_ground(tmp_path, text, message):
    path = tmp_path / "ground.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_ground(path)


def test_label_fields():
    label = parse_label([*row(), "white", "0", "1"], "f:1")
    assert label["bbox"] == [334.85, 178.94, 624.5, 372.04]
    assert (label["dimensions"], label["location"], label["yaw"]) == (
        [1.57, 1.5, 3.68],
        [-1.17, 1.65, 7.86],
        1.9,
    )
    assert (label["category_id"], label["occluded"], label["has_3d"], label["color"]) == (0, 1, True, "white")
    assert parse_label([*row(), "0.93"], "f:1")["color"] is None


def test_ignored_rows_need_no_valid_box():
    for name in ("DontCare", "Misc"):
        assert parse_label(row(type=name, h="-1", w="-1", l="-1", x="-1000"), "f:1") is None


@pytest.mark.parametrize(("size", "place", "ry"), [("0", "0", "0"), ("-1", "-1000", "-10")])
def test_what_says_that_there_is_no_3d_label(size, place, ry):
    """Rope3D has zeros, KITTI -1 and -1000. No such number is a size, a place or an angle."""
    fields = dict.fromkeys("hwl", size) | dict.fromkeys("xyz", place) | {"ry": ry}
    label = parse_label(row(**fields), "f:1")
    assert label["has_3d"] is False and label["yaw"] == 0
    assert label["dimensions"] == label["location"] == [0, 0, 0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"type": "ufo"}, "f:7: field 'type': unknown class 'ufo'"),
        ({"h": "0"}, "f:7: field 'h': expected a positive size, got 0"),
        ({"w": "-1.5"}, "f:7: field 'w': expected a positive size, got -1.5"),
        ({"h": "0", "w": "0", "l": "0"}, "f:7: field 'h': expected a positive size"),
        ({"z": "nan"}, "f:7: field 'z': expected a finite number, got 'nan'"),
        ({"ry": "inf"}, "f:7: field 'ry': expected a finite number, got 'inf'"),
        ({"alpha": "abc"}, "f:7: field 'alpha': expected a finite number, got 'abc'"),
        ({"x2": "1"}, "f:7: fields 'x1 y1 x2 y2'"),
    ],
)
def test_broken_labels(changes, message):
    with pytest.raises(ValueError, match=message):
        parse_label(row(**changes), "f:7")


def test_too_few_fields():
    with pytest.raises(
        ValueError, match=r"f:7: expected at least 15 fields \(type truncated .* ry\), got 14"
    ):
        parse_label(row()[:-1], "f:7")


def test_ids_are_row_positions_also_when_rows_are_skipped(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("\n".join([ROW, "", "DontCare" + ROW[3:], ROW[:-10], ROW]))
    with pytest.raises(ValueError, match=r"labels.txt:4: expected at least 15 fields"):
        read_labels(path, BrokenRows(skip=False))
    broken = BrokenRows(skip=True)
    assert [label["id"] for label in read_labels(path, broken)] == [0, 3]
    assert broken.count == 1 and "labels.txt:4" in broken.first


@pytest.mark.parametrize(
    "text", ["1_0", "0_0", "٣", "５", "1e39", "-1e39", "1e999", "nan", "0x10", "1" * 500, ""]
)
def test_what_is_no_number_of_a_file(text):
    with pytest.raises(ValueError, match="here: field 'x': expected a finite number, got") as error:
        parse_floats(["1", text], ["w", "x"], "here")
    assert len(str(error.value)) < 150 and str(error.value).isascii()


@pytest.mark.parametrize("text", ["1", "-1.5", "+.5", "2.", "1e5", "-1E-3", " 7 ", "3.3e38"])
def test_what_is_one(text):
    assert parse_floats([text], ["x"], "here") == [float(text)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": "1e5"}, "field 'x': expected at most 10000, got 100000"),
        ({"z": "-20000"}, "field 'z': expected at most"),
        ({"l": "4500"}, "field 'l': expected at most 100, got 4500"),
        ({"x2": "1e7"}, "field 'x2': expected at most"),
        ({"ry": "90"}, "field 'ry': expected at most"),
        ({"ry": "-10"}, "field 'ry': expected radians, got -10"),
        ({"occluded": "1e9"}, "field 'occluded': expected at most"),
        ({"h": "1e308"}, "field 'h': expected a finite number"),
    ],
)
def test_numbers_that_no_object_has(changes, message):
    with pytest.raises(ValueError, match=f"here: {message}"):
        parse_label(row(**changes), "here")


@pytest.mark.parametrize("yaw", [-3.0, -1.57, 0.0, 2.9])
@pytest.mark.parametrize("place", [(-20.0, 9.0), (0.0, 30.0), (14.0, 12.0), (3.0, -5.0)])
def test_an_alpha_that_was_not_computed_is_the_angle_to_the_viewing_ray(yaw, place):
    x, z = place
    found = parse_label(row(alpha="-10", ry=str(yaw), x=str(x), z=str(z)), "here")["alpha"]
    # In the plane seen from above (x right, z forward), the heading turned back by the ray's direction.
    heading = complex(math.cos(yaw), -math.sin(yaw))
    ray = complex(z, x) / math.hypot(x, z)
    turned = heading * ray.conjugate().conjugate()
    assert math.remainder(found - math.atan2(-turned.imag, turned.real), 2 * math.pi) == pytest.approx(
        0, abs=1e-9
    )
    assert -math.pi <= found < math.pi


def test_an_alpha_of_a_label_without_3d_stays():
    flat = dict.fromkeys(["h", "w", "l", "x", "y", "z", "ry"], "0")
    assert parse_label(row(alpha="-10", **flat), "here")["alpha"] == -10


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1e-30 0 0 0 0 1e-30 0 0 0 0 1 0", "focal lengths of 1 to 1e.06 pixels, got 1e-30"),
        ("1e39 0 0 0 0 1e39 0 0 0 0 1 0", "expected a finite number, got '1e39'"),
        ("1e9 0 0 0 0 1e9 0 0 0 0 1 0", "focal lengths"),
        ("700 0 600 1e12 0 700 170 0 0 0 1 0", "entries of at most"),
    ],
)
def test_calibrations_that_no_camera_has(tmp_path, text, message):
    (tmp_path / "c.txt").write_text(f"P2: {text}")
    with pytest.raises(ValueError, match=f"c.txt:1: field 'P2.*{message}"):
        read_calib(tmp_path / "c.txt")


def test_the_principal_point_lies_in_the_image_but_for_crops(tmp_path, caplog):
    path = tmp_path / "c.txt"
    path.write_text(f"P2: {P2}")
    for size in ((375, 1242), (174, 611)):
        assert read_calib(path, size) == read_calib(path)
    assert not caplog.records
    for size in ((100, 1242), (375, 400)):  # the sky, or one side, is cut off
        assert read_calib(path, size) == read_calib(path)
    assert [record.message.split(":")[-1] for record in caplog.records] == [
        " right for a crop, else the calibration is that of another image"
    ] * 2
    with pytest.raises(ValueError, match=r"c.txt:1: field 'P2': principal point \(609.5, 172.8\) outside"):
        read_calib(path, (94, 310))


@pytest.mark.parametrize("height", ["1650", "-1.65", "0"])
def test_grounds_that_no_camera_stands_above(tmp_path, height):
    (tmp_path / "g.txt").write_text(f"0 -1 0 {height}")
    with pytest.raises(ValueError, match="g.txt:1: field 'd': expected"):
        read_ground(tmp_path / "g.txt")


def test_byte_order_marks_and_line_ends_of_windows(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbf" + f"P2: {P2}\r\n".encode())
    assert read_calib(path)[0][0] == 721.5
    path.write_bytes(b"\xef\xbb\xbf" + f"{ROW}\r\n{ROW}\r\n".encode())
    assert [a["id"] for a in read_labels(path, BrokenRows(False))] == [0, 1]
    path.write_bytes(b"\xef\xbb\xbf0 -1 0 7\r\n")
    assert read_ground(path) == [0, -1, 0, 7]


def test_corners_of_regions_are_in_order(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("DontCare -1 -1 -10 9 1 3 4 -1\nDontCare -1 -1 -10 1 1 3 4 -1\n")
    with pytest.raises(ValueError, match="a.txt:1: fields 'x1 y1 x2 y2': expected x1 <= x2"):
        read_regions(path, BrokenRows(False))
    broken = BrokenRows(True)
    assert read_regions(path, broken) == [[1, 1, 3, 4]] and broken.count == 1


def test_own_classes_have_ids_of_their_own():
    own = Vocabulary(("forklift", "crane"), aliases={"lift": "forklift"})
    fields = "Lift 0 0 0 1 2 3 4 2 1 3 0 1 9 0".split()
    assert parse_label(fields, "f:1", own)["category_id"] == 0
    assert parse_label(["Crane", *fields[1:]], "f:1", own)["category_id"] == 1
    assert parse_label(["DontCare", *fields[1:]], "f:1", own) is None
    with pytest.raises(ValueError, match="f:1: field 'type': unknown class 'Car', expected one of forklift"):
        parse_label(["Car", *fields[1:]], "f:1", own)
