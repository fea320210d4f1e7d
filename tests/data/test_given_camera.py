"""Cameras and grounds out of what people have."""

import logging
import math
from collections import Counter

import numpy as np
import pytest
from PIL import Image

import d2ext_cli
from d2ext.data.given_camera import GivenCamera, GivenGround, exif_focal
from d2ext.structures import tilt_of_plane
from d2ext_cli.camera import add_camera, add_ground, given_camera, given_ground

SIZE = (480, 640)


def photograph(path, **tags):
    image = Image.fromarray(np.zeros((*SIZE, 3), np.uint8))
    exif = Image.Exif()
    exif[0x8769] = {int(k[1:], 16): v for k, v in tags.items()}
    image.save(path, exif=exif)
    return path


def test_a_field_of_view_reaches_the_edges_of_the_picture():
    camera = GivenCamera(fov=90).of(SIZE)
    assert camera.fx == pytest.approx(320) and camera.fy == camera.fx
    assert camera.K[:2, 2].tolist() == [319.5, 239.5]


def test_a_focal_length_in_pixels_is_taken_as_it_is():
    assert GivenCamera(focal=512.0).of(SIZE).K.tolist() == [[512, 0, 319.5], [0, 512, 239.5], [0, 0, 1]]


@pytest.mark.parametrize("text", ["500 0 310 0 510 250 0 0 1", "[500,0,310; 0,510,250; 0,0,1]"])
def test_a_matrix_is_numbers_or_a_file(text, tmp_path):
    file = tmp_path / "K.txt"
    file.write_text(text.replace(";", "\n"))
    for given in (text, str(file)):
        K = GivenCamera(intrinsics=given).of(SIZE).K
        assert K.tolist() == [[500, 0, 310], [0, 510, 250], [0, 0, 1]]


def test_a_calibration_keeps_its_fourth_column(tmp_path):
    file = tmp_path / "calib.txt"
    file.write_text("P2: 700 0 320 45 0 700 240 0.2 0 0 1 0.003\n")
    assert GivenCamera(calib=file).of(SIZE).P[:, 3].tolist() == pytest.approx([45, 0.2, 0.003])


@pytest.mark.parametrize(
    ("tags", "sensor", "focal"),
    [
        ({"xa405": 26}, None, 26 / math.hypot(36, 24) * 800),  # the diagonal has 800 pixels
        ({"x920a": 4.0}, 5.0, 4 / 5 * 640),
        # 250 pixels a millimetre on a sensor of 1280 pixels: 5.12 mm across
        ({"x920a": 4.0, "xa20e": 2500.0, "xa210": 3, "xa002": 1280}, None, 4 / 5.12 * 640),
        ({"x920a": 4.0}, None, None),
        ({}, None, None),
    ],
)
def test_a_photograph_tells_its_focal_length(tags, sensor, focal, tmp_path):
    path = photograph(tmp_path / "a.jpg", **tags)
    assert exif_focal(path, SIZE, sensor) == (None if focal is None else pytest.approx(focal, rel=1e-4))
    if focal is not None:
        assert GivenCamera(sensor_width=sensor).of(SIZE, path).fx == pytest.approx(focal, rel=1e-4)


def test_a_photograph_taken_upright_is_turned_unless_a_calibration_has_it_as_it_lies(
    tmp_path, caplog, monkeypatch
):
    exif = Image.Exif()
    exif[0x0112], exif[0x8769] = 6, {0x920A: 4.0}
    lying = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    lying = np.repeat(np.repeat(lying, 10, 0), 10, 1)
    Image.fromarray(lying[..., ::-1]).save(tmp_path / "a.png", exif=exif)
    monkeypatch.setattr("detectron2.utils.logger._LOG_COUNTER", Counter())
    monkeypatch.setattr(logging.getLogger("d2ext"), "propagate", True)
    with caplog.at_level(logging.WARNING):
        for given in (GivenCamera(), GivenCamera(fov=60.0), GivenCamera(focal=500.0)):
            assert (given.read(tmp_path / "a.png") == np.rot90(lying, -1)).all()  # clockwise
        assert not caplog.records
        given = GivenCamera(intrinsics="500 0 310 0 510 250 0 0 1")
        assert (given.read(tmp_path / "a.png") == lying).all()
    assert "a.png: is turned when shown (EXIF)" in caplog.text
    # the sensor is 5 mm along the side that is now upright
    assert exif_focal(tmp_path / "a.png", (640, 480), 5.0) == pytest.approx(4 / 5 * 640)
    assert exif_focal(tmp_path / "a.png", (480, 640), 5.0) == pytest.approx(4 / 5 * 640)


def test_nothing_is_sixty_degrees_and_said_once(tmp_path, caplog, monkeypatch):
    path = photograph(tmp_path / "a.jpg")
    monkeypatch.setattr("detectron2.utils.logger._LOG_COUNTER", Counter())
    monkeypatch.setattr(logging.getLogger("d2ext"), "propagate", True)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            camera = GivenCamera().of(SIZE, path)
    assert camera.fx == pytest.approx(320 / math.tan(math.radians(30)))
    # a logger that an earlier test has set up hands caplog the same record twice
    assert len({id(r) for r in caplog.records if "camera unknown" in r.getMessage()}) == 1


def test_height_and_angles_give_the_plane(tmp_path):
    plane = GivenGround(height=6.0, pitch=12.0, roll=-2.0).plane()
    assert math.hypot(*plane[:3]) == pytest.approx(1) and plane[1] < 0 and plane[3] == 6.0
    assert np.degrees(tilt_of_plane(plane)) == pytest.approx([12, -2])
    # the middle of the picture looks 12 degrees down: it meets the road 6 / sin(12 degrees) away
    assert -plane[3] / plane[2] == pytest.approx(6 / math.sin(math.radians(12)))
    # up leans to the right of the picture where the horizon rises to the right: at roll -2 it does not
    assert plane[0] < 0
    assert GivenGround().plane() is None
    file = tmp_path / "denorm.txt"
    file.write_text("0 -2 0 3.3\n")
    assert GivenGround(ground=file).plane() == pytest.approx([0, -1, 0, 1.65])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (GivenCamera(intrinsics="1 2 3"), "intrinsics: expected the 9 numbers of a 3x3 matrix, got 3"),
        (GivenCamera(intrinsics="500 0 x 0 510 250 0 0 1"), r"intrinsics: .*K\[0,2\]"),
        (GivenCamera(intrinsics="-5 0 310 0 510 250 0 0 1"), "expected positive focal lengths"),
        (GivenCamera(intrinsics="nan 0 310 0 510 250 0 0 1"), r"intrinsics: .*K\[0,0\]"),
        (GivenCamera(focal=1e9), "focal length: expected focal lengths of 1 to"),
        (GivenCamera(fov=180.0), "field of view: expected 1 to 175 degrees"),
    ],
)
def test_what_makes_no_camera_is_one_line(given, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        given.of(SIZE)
    assert "\n" not in str(error.value) and len(str(error.value)) < 300


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--fov", "60", "--focal", "500"], "--focal and --fov: expected one of them"),
        (["--pitch", "3"], "--pitch: expected --height with it"),
        (["--fov", "200"], "argument --fov: expected a number at least 1 and at most 175"),
    ],
)
def test_arguments_that_do_not_go_together_are_one_line(words, message, capsys):
    parser = d2ext_cli.CommandParser("")
    add_camera(parser)
    add_ground(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(words)
    assert message in capsys.readouterr().err
    args = parser.parse_args(["--fov", "90", "--height", "5", "--pitch", "10"])
    assert given_camera(args).of(SIZE).fx == pytest.approx(320)
    assert given_ground(args).plane()[3] == 5
