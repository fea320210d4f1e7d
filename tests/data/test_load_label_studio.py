"""Label Studio's exports: regions in percent, what is said of them, and the annotation that counts."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog
from object_files import HEIGHT, WIDTH, picture, write_json

from d2ext.data import register_label_studio
from d2ext.data.formats import load_label_studio

INTERFACE = """<View><Header value="Mark"/><View><RectangleLabels name="label" toName="image">
<Label value="tram"/><Label value="car"/></RectangleLabels></View>
<TextArea name="phrases" toName="image" perRegion="true"/></View>"""
VALUE = {"x": 25.0, "y": 50.0, "width": 50.0, "height": 25.0, "rotation": 0}
SIZE = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0}


def region(name: str = "r1", label: str = "car", **value: Any) -> dict[str, Any]:
    found = VALUE | {"rectanglelabels": [label]} | value
    return {
        "id": name,
        "from_name": "label",
        "to_name": "image",
        "type": "rectanglelabels",
        "value": found,
        **SIZE,
    }


def said(kind: str, of: str, by: str, content: Any, name: str = "r1") -> dict[str, Any]:
    return {"id": name, "from_name": by, "to_name": "image", "type": kind, "value": VALUE | {of: content}}


def task(result: list[Any], number: int = 1, image: str = "/data/local-files/?d=a.png") -> dict[str, Any]:
    return {"id": number, "data": {"image": image}, "annotations": [{"id": 9, "result": result}]}


def export(folder: Path, *tasks: Any) -> Path:
    picture(folder / "a.png")
    picture(folder / "sub/b c.png")
    return write_json(folder / "a.json", list(tasks))


def test_regions_are_in_percent_and_have_attributes(tmp_path):
    result = [
        region(),
        said("textarea", "text", "phrases", ["the red one", "a car"]),
        said("choices", "choices", "color", ["red"]),
        said("number", "number", "occlusion", 2),
        said("textarea", "text", "phrases", ["a car"], name="r2"),
        {"id": "r3", "type": "polygonlabels", "value": {}},
        region("r2", "tram", x=0, y=0, width=100, height=100),
    ]
    (record,), vocabulary = load_label_studio(export(tmp_path, task(result)), tmp_path)
    assert vocabulary.names == ("car", "tram")  # sorted
    car, tram = record["annotations"]
    np.testing.assert_allclose(car["bbox"], [WIDTH / 4, HEIGHT / 2, WIDTH * 3 / 4, HEIGHT * 3 / 4])
    np.testing.assert_allclose(tram["bbox"], [0, 0, WIDTH, HEIGHT])
    assert (car["color"], car["occluded"], car["phrases"]) == ("red", 2, ["the red one", "a car"])
    assert [(s["text"], s["target_ids"]) for s in record["sentences"]] == [
        ("the red one", [0]),
        ("a car", [0, 1]),
    ]
    interface = tmp_path / "labels.xml"
    interface.write_text(INTERFACE)
    _, vocabulary = load_label_studio(tmp_path / "a.json", tmp_path, label_map=interface)
    assert vocabulary.names == ("tram", "car")  # in the interface's order


@pytest.mark.parametrize("turn", [20.0, 90.0, -75.0])
def test_a_turned_rectangle_becomes_the_upright_one_around_it(tmp_path, turn):
    """Turned in pixels, about its upper left corner, not in percent of two different sides."""
    (record,), _ = load_label_studio(export(tmp_path, task([region(rotation=turn)])), tmp_path)
    angle, (w, h) = math.radians(turn), (WIDTH / 2, HEIGHT / 4)
    matrix = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    corners = np.array([[0, 0], [w, 0], [w, h], [0, h]]) @ matrix.T + [WIDTH / 4, HEIGHT / 2]
    expected = [*corners.min(0), *corners.max(0)]
    np.testing.assert_allclose(record["annotations"][0]["bbox"], expected, atol=1e-9)


@pytest.mark.parametrize(
    "address",
    [
        "/data/local-files/?d=sub/b%20c.png",
        "/data/local-files/?d=home/me/sub/b c.png",
        "s3://bucket/all/sub/b c.png",
        "https://host/x/sub/b%20c.png?token=1",
        "sub/b c.png",
    ],
)
def test_a_picture_lies_where_its_address_ends(tmp_path, address):
    (record,), _ = load_label_studio(export(tmp_path, task([region()], image=address)), tmp_path)
    assert record["file_name"] == str(tmp_path / "sub/b c.png")


def test_an_uploaded_picture_is_found_without_what_label_studio_put_before_its_name(tmp_path):
    path = export(tmp_path, task([region()], image="/data/upload/3/0a1b2c3d-a.png"))
    assert load_label_studio(path, tmp_path)[0][0]["file_name"] == str(tmp_path / "a.png")


def test_the_ground_truth_goes_before_the_first_and_cancelled_ones_are_none(tmp_path):
    def annotation(x: float, **more: Any) -> dict[str, Any]:
        return {"result": [region(x=x)], **more}

    several = [annotation(1, was_cancelled=True), annotation(2), annotation(3, ground_truth=True)]
    tasks = [task([], number) | {"annotations": several[: number - 1]} for number in (1, 2, 3, 4)]
    records, _ = load_label_studio(export(tmp_path, *tasks), tmp_path)
    assert [r["image_id"] for r in records] == [3, 4]
    found = [r["annotations"][0]["bbox"][0] for r in records]
    np.testing.assert_allclose(found, [0.02 * WIDTH, 0.03 * WIDTH])


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"rectanglelabels": ["car", "tram"]}, "field 'rectanglelabels': expected one label, got 2"),
        ({"x": "1"}, "field 'x': expected int or float, got '1'"),
        ({"width": -1}, "field 'width': expected percent of the picture, got -1"),
        ({"rotation": 400}, "field 'rotation': expected degrees up to 360, got 400"),
        ({"rectanglelabels": [5]}, "field 'rectanglelabels': expected str, got 5"),
    ],
)
def test_a_wrong_region_is_named_or_left_out(tmp_path, changed, message):
    path = export(tmp_path, task([region(), region("r2", **changed)]))
    with pytest.raises(ValueError) as error:
        load_label_studio(path, tmp_path)
    assert f"a.json: [0]: result[1]: {message}"[:60] in str(error.value) and message in str(error.value)
    assert len(str(error.value)) < 300
    (record,), _ = load_label_studio(path, tmp_path, skip_broken=True)
    assert len(record["annotations"]) == 1


@pytest.mark.parametrize(
    "content, message",
    [
        ({"tasks": []}, "a.json: expected a list of tasks, got dict"),
        ([5], "a.json: [0]: expected an object, got int"),
        ([{"id": 1, "data": {"image": "a.png"}}], "field 'annotations': expected list, got nothing"),
        ([task([]) | {"annotations": []}], "a.json: no usable image"),
        ([task([region()]), task([region()])], "[1]: field 'id': task '1' is there twice"),
        ([task([region()], image="no.png")], "field 'image': image 'no.png' is not in"),
        ([task([region(), region()])], "result[1]: field 'id': region 'r1' is there twice"),
        ([task([region() | {"original_width": 5}])], "expected the picture's 96 x 64, got 5 x 64"),
        ([task([region() | {"image_rotation": 90}])], "field 'image_rotation': expected 0, got 90"),
        ([task([region(), said("number", "number", "occlusion", None)])], "field 'number': expected texts"),
    ],
)
def test_a_wrong_file_is_an_error_of_one_line(tmp_path, content, message):
    export(tmp_path)
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        load_label_studio(write_json(tmp_path / "a.json", content), tmp_path)
    assert message in str(error.value) and len(str(error.value)) < 300


def test_labels_that_the_interface_has_not_are_named(tmp_path):
    interface = tmp_path / "labels.xml"
    interface.write_text(INTERFACE)
    path = export(tmp_path, task([region(label="boat")]))
    with pytest.raises(ValueError, match="expected one of the interface's labels, got 'boat'"):
        load_label_studio(path, tmp_path, label_map=interface)
    interface.write_text("<View/>")
    with pytest.raises(ValueError, match="labels.xml: expected <RectangleLabels>"):
        load_label_studio(path, tmp_path, label_map=interface)


def test_it_is_registered_by_one_call(tmp_path):
    path = export(tmp_path, task([region()]))
    register_label_studio("label_studio_for_test", path, tmp_path, classes=["car"])
    try:
        (record,) = DatasetCatalog.get("label_studio_for_test")
        assert [a["category_id"] for a in record["annotations"]] == [0]
    finally:
        DatasetCatalog.remove("label_studio_for_test")
        MetadataCatalog.remove("label_studio_for_test")
