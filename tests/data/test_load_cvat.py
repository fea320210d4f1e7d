"""CVAT's XML: what its documentation shows is read, and what is wrong is named by line and field."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog
from object_files import HEIGHT, WIDTH, picture

from d2ext.data import register_cvat
from d2ext.data.conversion import lost, read_objects, write_objects
from d2ext.data.formats import load_cvat
from d2ext.data.formats.listing import flat_annotation
from d2ext.structures.vocabulary import Vocabulary

META = """<meta><task><name>yard</name><labels>
<label><name>car</name><attributes><attribute><name>make</name></attribute></attributes></label>
<label><name>bus stop</name></label></labels></task></meta>"""
CUBOID = (
    'xtl1="40" ytl1="10" xbl1="40" ybl1="30" xtr1="60" ytr1="11" xbr1="60" ybr1="31" '
    'xtl2="45" ytl2="9" xbl2="45" ybl2="25" xtr2="63" ytr2="9" xbr2="63" ybr2="26"'
)
HULL = [40.0, 9.0, 63.0, 31.0]


def of_images(folder: Path, shapes: str, meta: str = META) -> Path:
    picture(folder / "sub/a.png")
    picture(folder / "b.png")
    return written(
        folder,
        f'{meta}<image id="7" name="sub/a.png" width="{WIDTH}" height="{HEIGHT}">\n{shapes}</image>'
        f'<image id="3" name="b.png" width="{WIDTH}" height="{HEIGHT}"></image>',
    )


def written(folder: Path, content: str) -> Path:
    path = folder / "a.xml"
    path.write_text(f"<?xml version='1.0' encoding='utf-8'?>\n<annotations>{content}</annotations>")
    return path


def test_boxes_cuboids_and_attributes_of_images(tmp_path):
    path = of_images(
        tmp_path,
        f"""<box label="bus stop" occluded="1" xtl="1.5" ytl="2" xbr="30" ybr="20.25" z_order="0">
            <attribute name="color">white</attribute><attribute name="make"></attribute>
            <attribute name="phrases">where the bus halts
              the white one</attribute></box>
        <box label="car" occluded="0" xtl="2" ytl="3" xbr="9" ybr="8" group_id="4">
            <attribute name="occlusion">2</attribute><attribute name="truncation">0.5</attribute></box>
        <cuboid label="car" occluded="0" {CUBOID} group_id="4"/>
        <cuboid label="car" occluded="0" {CUBOID}><attribute name="phrases">the white one</attribute></cuboid>
        <polygon label="car" points="1,1;2,2;3,1"/>""",
    )
    (first, second), vocabulary = load_cvat(path, tmp_path)
    assert vocabulary.names == ("car", "bus stop")
    assert (first["image_id"], second["image_id"]) == (7, 3) and second["annotations"] == []
    assert first["file_name"] == str(tmp_path / "sub/a.png") and first["assumed_camera"]
    stop, grouped, alone = first["annotations"]
    assert (stop["name"], stop["category_id"], stop["bbox"]) == ("bus stop", 1, [1.5, 2.0, 30.0, 20.25])
    assert (stop["occluded"], stop["color"], stop["attributes"]) == (1, "white", {"make": ""})
    assert grouped["bbox"] == [2.0, 3.0, 9.0, 8.0] and (grouped["occluded"], grouped["truncated"]) == (2, 0.5)
    assert grouped["cuboid"] == alone["cuboid"] and len(alone["cuboid"]) == 8
    assert alone["bbox"] == HULL and not alone["has_3d"]
    assert [(s["text"], s["target_ids"]) for s in first["sentences"]] == [
        ("where the bus halts", [0]),
        ("the white one", [0, 2]),
    ]


@pytest.mark.parametrize("turn", [0.0, 30.0, 90.0, 217.5, -12.0])
def test_a_turned_box_becomes_the_upright_one_around_it(tmp_path, turn):
    box = f'<box label="car" xtl="20" ytl="10" xbr="50" ybr="22" rotation="{turn}"/>'
    (record, _), _ = load_cvat(of_images(tmp_path, box), tmp_path)
    angle = math.radians(turn)
    matrix = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    corners = np.array([[-15, -6], [15, -6], [15, 6], [-15, 6]]) @ matrix.T + [35, 16]
    expected = [*corners.min(0), *corners.max(0)]
    np.testing.assert_allclose(record["annotations"][0]["bbox"], expected, atol=1e-9)


def of_video(folder: Path, tracks: str) -> Path:
    for number in range(3):
        picture(folder / f"frame_{number:06d}.png")
    return written(folder, META + tracks)


def shape(frame: int, outside: int = 0) -> str:
    return f'<box frame="{frame}" outside="{outside}" occluded="0" xtl="{frame}" ytl="2" xbr="30" ybr="20"/>'


def test_tracks_of_a_video_are_objects_of_its_frames(tmp_path):
    tracks = (
        f'<track id="5" label="car">{shape(0)}{shape(1)}{shape(2, outside=1)}</track>'
        f'<track id="0" label="bus stop">{shape(2)}</track>'
    )
    records, vocabulary = load_cvat(of_video(tmp_path, tracks), tmp_path)
    assert vocabulary.names == ("car", "bus stop")
    assert [(r["sequence"], r["frame"], r["time"]) for r in records] == [
        ("yard", 0, 0.0), ("yard", 1, 0.1), ("yard", 2, 0.2),
    ]  # fmt: skip
    found = [[(a["track_id"], a["name"], a["bbox"][0]) for a in r["annotations"]] for r in records]
    assert found == [[("5", "car", 0.0)], [("5", "car", 1.0)], [("0", "bus stop", 2.0)]]


def test_a_video_that_is_written_reads_as_it_was(tmp_path):
    """Tracks with a gap, one that ends, cuboids, and a picture without objects."""
    names = Vocabulary.of_names(["car", "bus stop"])
    cuboid = [[float(i), i + 0.5] for i in range(8)]
    there = {0: (0, 1, 3), 1: (1, 2), 2: (0,)}  # frames by track
    records = []
    for frame in range(5):
        objects = [
            flat_annotation(track, [track, frame, 30.25, 40], track % 2, names.names[track % 2])
            | {"track_id": str(track + 10)} | ({"cuboid": cuboid} if track == 1 else {})
            for track, frames in there.items() if frame in frames
        ]  # fmt: skip
        records.append(
            {"file_name": str(picture(tmp_path / "v" / f"{frame:06d}.png")), "image_id": frame,
             "height": HEIGHT, "width": WIDTH, "camera": [[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 1.0, 0]],
             "assumed_camera": True, "ground_plane": None, "annotations": objects, "sentences": [],
             "sequence": "yard", "frame": frame, "time": frame / 10}
        )  # fmt: skip
    assert lost(records, "cvat_video") == "cvat_video holds all of it"
    assert lost(records, "coco") == "coco has no place for: tracks, cuboids"  # as they come
    write_objects("cvat_video", tmp_path / "a.xml", records, names, tmp_path / "v")
    found, vocabulary = read_objects("cvat_video", tmp_path / "a.xml", tmp_path / "v")
    assert vocabulary.names == names.names
    for a, b in zip(records, found, strict=True):
        for key in ("file_name", "sequence", "frame", "time"):
            assert a[key] == b[key]
        for x, y in zip(a["annotations"], b["annotations"], strict=True):
            assert [x.get(k) for k in ("track_id", "name", "bbox", "cuboid")] == [
                y.get(k) for k in ("track_id", "name", "bbox", "cuboid")
            ]
    records[1]["sequence"] = "other"
    with pytest.raises(ValueError, match="expected frames of one sequence, got 2"):
        write_objects("cvat_video", tmp_path / "b.xml", records, names, tmp_path / "v")


BOX = '<box label="car" xtl="2" ytl="3" xbr="9" ybr="8">{}</box>'


@pytest.mark.parametrize(
    "shapes, message",
    [
        ('<box xtl="2" ytl="3" xbr="9" ybr="8"/>', "a.xml:5: field 'label': expected one in <box>, got"),
        (BOX.replace("car", "boat"), "a.xml:5: field 'label': expected one of the file's labels, got 'boat'"),
        (BOX.replace('"9"', '"x"'), "a.xml:5: field 'xbr': expected a finite number, got 'x'"),
        (BOX.replace('"9"', '"1"'), "a.xml:5: field 'xbr': expected x1 <= x2"),
        (BOX.replace('"9"', '"1e7"'), "a.xml:5: field 'xbr': expected pixels of at most 1e+06"),
        (BOX.replace("<box", '<box occluded="yes"'), "field 'occluded': expected a whole number, got 'yes'"),
        (BOX.format('<attribute name="occlusion">much</attribute>'), "field 'occlusion': expected a level"),
        (BOX.format('<attribute name="truncation">-1</attribute>'), "field 'truncation': expected a number"),
        (f'<cuboid label="car" {CUBOID[:-10]}/>', "a.xml:5: field 'ybr2': expected one in <cuboid>"),
    ],
)  # fmt: skip
def test_a_wrong_shape_is_named_or_left_out(tmp_path, shapes, message):
    path = of_images(tmp_path, shapes)
    with pytest.raises(ValueError) as error:
        load_cvat(path, tmp_path)
    assert message in str(error.value) and len(str(error.value)) < 300
    records, _ = load_cvat(path, tmp_path, skip_broken=True)
    assert [r["annotations"] for r in records] == [[], []]


@pytest.mark.parametrize(
    "content, message",
    [
        ("<version>1.0</version>", "a.xml:2: field 'version': expected 1.1, got '1.0'"),
        ("", "a.xml: no usable image"),
        ('<image id="0" name="no.png"/>', "a.xml:2: field 'name': image 'no.png' is not in"),
        ('<image id="0" name="../b.png"/>', "expected a path below"),
        ('<image id="0" name="b.png"/><image id="0" name="b.png"/>', "field 'id': image 0 is there twice"),
        ('<image id="-1" name="b.png"/>', "field 'id': expected a whole number, got '-1'"),
        ('<image id="0" name="b.png" width="5"/>', "field 'height': expected one in <image>, got nothing"),
        ('<track id="0" label="car"><box frame="9" xtl="1"/></track>', "field 'frame': expected less than 1"),
        ('<image id="0" name="b.png"/>', "a.xml: expected objects with labels, or a list of labels"),
        ("<image>", "a.xml:2: expected XML: mismatched tag"),
    ],
)
def test_a_wrong_file_is_an_error_of_one_line(tmp_path, content, message):
    picture(tmp_path / "b.png")
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        load_cvat(written(tmp_path, content), tmp_path)
    assert message in str(error.value) and len(str(error.value)) < 300


def test_entities_are_refused(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text('<!DOCTYPE a [<!ENTITY b "x">]><annotations>&b;</annotations>')
    with pytest.raises(ValueError, match="a.xml:1: expected XML without a document type"):
        load_cvat(path, tmp_path)


def test_it_is_registered_by_one_call(tmp_path):
    path = of_images(tmp_path, BOX.format(""))
    register_cvat("cvat_for_test", path, tmp_path, fov=90)
    try:
        first, _ = DatasetCatalog.get("cvat_for_test")
        assert MetadataCatalog.get("cvat_for_test").thing_classes == ["car", "bus stop"]
        assert first["camera"][0][0] == pytest.approx(WIDTH / 2, abs=1)  # half the width at 45 degrees
    finally:
        DatasetCatalog.remove("cvat_for_test")
        MetadataCatalog.remove("cvat_for_test")
