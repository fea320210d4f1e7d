from __future__ import annotations

import math

import pytest

from d2ext.data.formats.kitti import parse_label, read_calib, read_ground, read_labels
from d2ext.data.formats.records import BrokenRows

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


def test_all_zero_means_2d_label_only():
    zeros = dict.fromkeys("hwlxyz", "0")
    assert parse_label(row(**zeros), "f:1")["has_3d"] is False


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
