"""The zoo: one file, of which tables, weights by name and ready models are made."""

import re

import numpy as np
import pytest

import d2ext
from d2ext.data.given_image import given_image
from d2ext.shipped import SHIPPED, get_config_file
from d2ext_cli import zoo
from d2ext_cli.zoo import find_model, markdown, models, project_of, read_zoo


def test_every_model_has_its_config_its_project_and_a_module_that_makes_it_ready():
    for name, entry in models().items():
        assert get_config_file(entry["config"])
        package = SHIPPED / "projects" / project_of(entry) / entry["package"]
        assert (package / "ready.py").is_file(), name
        script = entry["command"].split()[0]
        assert (SHIPPED / script).is_file(), script


def test_the_table_has_a_row_for_each_model_and_its_figures_are_those_of_the_file():
    rows = [line for line in markdown().splitlines() if line.startswith("| `")]
    assert [re.findall("`([^`]+)`", row)[0] for row in rows] == list(models())
    for row, entry in zip(rows, models().values(), strict=True):
        for figure in entry.get("figures", ()):
            if figure["value"] is not None:
                assert (f"{figure['name']} {figure['value']:g}" in row) == figure.get("table", True)
                assert not entry["synthetic"] or "synthetic data only" in row
        assert row.count("|") == 7
    assert "](../configs/" in markdown("../")


def test_an_entry_without_what_it_needs_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(zoo, "ZOO", tmp_path / "zoo.yaml")
    for content, key in (("weights: x, sha256: x", "licence"), ("licence: x, weights: x", "sha256")):
        zoo.ZOO.write_text(f"a/b: {{what: x, {content}}}")
        with pytest.raises(ValueError, match=f"a/b: expected the key {key}"):
            read_zoo()


def test_unknown_models_are_one_line():
    with pytest.raises(ValueError, match="no such model, did you mean u2enet/tiny"):
        d2ext.from_zoo("u2enet/tinny")
    for name in ("", "x" * 500, "backbone/efficientnet_lite0"):
        with pytest.raises(ValueError, match="no such model") as error:
            find_model(name)
        assert len(str(error.value)) < 300 and "\n" not in str(error.value)


IMAGE = np.zeros((90, 160, 3), np.uint8)


def test_a_camera_is_given_in_any_of_its_forms():
    half = 80 / np.tan(np.radians(70) / 2)
    _, by_angle, plane = given_image(IMAGE, {"fov": 70})
    _, by_pixels, _ = given_image(IMAGE, {"focal": half})
    matrix = [[half, 0, 79.5], [0, half, 44.5], [0, 0, 1]]
    _, by_matrix, _ = given_image(IMAGE, {"intrinsics": np.array(matrix)})
    assert plane is None
    for camera in (by_angle, by_pixels, by_matrix):
        np.testing.assert_allclose(camera.K.numpy(), matrix, rtol=1e-5)


def test_a_road_is_given_as_numbers_or_as_angles():
    _, _, by_height = given_image(IMAGE, {"fov": 60, "height": 7, "pitch": 30})
    _, _, by_plane = given_image(
        IMAGE, {"fov": 60, "ground": [0, -np.cos(np.radians(30)), -np.sin(np.radians(30)), 7]}
    )
    np.testing.assert_allclose(by_height.numpy(), by_plane.numpy(), atol=1e-6)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"fov": 70, "focal": 900}, "focal and fov: expected one of them"),
        ({"ground": [0, -1, 0, 2], "height": 2}, "ground and height: expected one"),
        ({"fov": 70, "pitch": 3}, "pitch: expected height with it"),
        ({"fow": 70}, "fow: no such option of the camera, expected one of calib"),
        ({"fov": 270}, "field of view: expected 1 to 175"),
        ({"fov": 60, "ground": [0, -1, 0]}, "expected 4 numbers"),
    ],
)
def test_what_cannot_be_a_camera_is_one_line(options, message):
    with pytest.raises(ValueError, match=message) as error:
        given_image(IMAGE, options)
    assert len(str(error.value)) < 300


def test_a_model_by_name_answers_as_its_predictor_does():
    """For any weights: a sentence alone, a list of them, and the demo's look have the same boxes."""
    from d2ext.engine import load_config
    from d2ext.projects.u2enet import U2ENetPredictor, add_u2enet_config

    options = ["INPUT.SIZE", "(64, 96)", "MODEL.DEVICE", "cpu", "TEST.DTYPE", "float32"]
    image = np.random.default_rng(0).integers(0, 255, (72, 128, 3), np.uint8)
    ask = d2ext.from_zoo("u2enet/tiny", options=options)
    config = get_config_file(models()["u2enet/tiny"]["config"])
    cfg = load_config(add_u2enet_config, config, ["MODEL.WEIGHTS", "d2ext://u2enet/tiny", *options])
    pixels, camera, plane = given_image(image, {"fov": 70, "height": 1.6})
    (expected,) = U2ENetPredictor(cfg)(pixels, ["all cars"], camera, plane, single_target=True)
    assert len(expected) == 1  # exactly one a sentence, whatever the weights
    alone = ask(image, "all cars", single=True, fov=70, height=1.6)
    (listed,) = ask(image, ["all cars"], single=True, fov=70, height=1.6)
    seen = ask.look(image, "all cars", single=True, fov=70, height=1.6)
    for found in (alone, listed):
        assert found.pred_boxes3d.corners().equal(expected.pred_boxes3d.corners())
    (row,) = seen.row["sentences"]
    assert row["text"] == "all cars" and len(row["objects"]) == 1 == seen.count
