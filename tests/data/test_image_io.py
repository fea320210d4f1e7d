from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from d2ext.data.image_io import read_image, read_image_size


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)


def test_size_and_pixels_agree(tmp_path, pixels):
    path = tmp_path / "Bild-ü-图.png"
    Image.fromarray(pixels[..., ::-1]).save(path)
    assert read_image_size(path) == (40, 60)
    np.testing.assert_array_equal(read_image(path), pixels)


def test_exif_orientation_is_ignored(tmp_path, pixels):
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees on display
    path = tmp_path / "turned.jpg"
    Image.fromarray(pixels).save(path, exif=exif)
    assert read_image_size(path) == read_image(path).shape[:2] == (40, 60)


def test_missing_file(tmp_path):
    for read in (read_image, read_image_size):
        with pytest.raises(FileNotFoundError, match="none.png: no such file"):
            read(tmp_path / "none.png")


@pytest.mark.parametrize("content", [b"", b"this is text, not pixels", b"\x89PNG\r\n\x1a\n"])
def test_not_an_image(tmp_path, content):
    path = tmp_path / "fake.png"
    path.write_bytes(content)
    for read in (read_image, read_image_size):
        with pytest.raises(ValueError, match="fake.png: expected an image file"):
            read(path)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_cut_off_file_is_found_from_the_header(tmp_path, pixels, suffix):
    data = cv2.imencode(suffix, np.tile(pixels, (8, 8, 1)))[1].tobytes()
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(data)
    assert read_image_size(path) == (320, 480)
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="image file is cut off"):
        read_image_size(path)
    with pytest.raises(ValueError, match="cannot be decoded|damaged"):
        read_image(path)
