from __future__ import annotations

import os
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from d2ext.data.image_io import (
    read_image,
    read_image_size,
    read_mask,
    read_photograph,
    resize,
    resize_mask,
)


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)


def test_size_and_pixels_agree(tmp_path, pixels):
    path = tmp_path / "Bild-ü-图.png"
    Image.fromarray(pixels[..., ::-1]).save(path)
    assert read_image_size(path) == (40, 60)
    np.testing.assert_array_equal(read_image(path), pixels)


@pytest.mark.parametrize("orientation", range(10))
def test_photographs_are_upright_as_pillow_has_them(tmp_path, pixels, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    for suffix in (".jpg", ".png"):
        path = tmp_path / f"a{suffix}"
        Image.fromarray(pixels[..., ::-1]).save(path, exif=exif)
        stored = read_image(path)
        with Image.open(path) as image:
            upright = np.asarray(ImageOps.exif_transpose(image))[..., ::-1]
        assert stored.shape == (40, 60, 3)
        assert np.abs(read_photograph(path).astype(int) - upright).max() <= 2  # two decoders of JPEG


def test_tiff_is_decoded_strictly_and_without_its_alpha(tmp_path):
    """OpenCV alone gives an image for damaged data, and darkens pixels by their alpha."""
    rng = np.random.default_rng(0)
    pixels = cv2.resize(rng.integers(0, 255, (6, 8, 4), np.uint8), (80, 60))
    path = tmp_path / "a.tif"
    for mode in ("RGBA", "RGB", "L"):
        image = Image.fromarray(pixels).convert(mode)
        image.save(path, compression="tiff_lzw")
        expected = np.asarray(image.convert("RGB"))[..., ::-1]
        assert (read_image(path) == expected).all() and read_image_size(path) == (60, 80)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 200] = bytes(200)
    path.write_bytes(bytes(data))
    with pytest.raises(ValueError, match="a.tif: image file is damaged"):
        read_image(path)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_formats(tmp_path, pixels, suffix):
    path = tmp_path / f"a{suffix}"
    cv2.imwrite(str(path), pixels)
    assert read_image_size(path) == (40, 60)
    np.testing.assert_array_equal(read_image(path), pixels)


def test_a_jpeg_with_a_second_picture(tmp_path, pixels):
    path = tmp_path / "a.jpg"
    first, second = Image.fromarray(pixels), Image.fromarray(255 - pixels[:20])
    first.save(path, "MPO", save_all=True, append_images=[second])
    assert Image.open(path).format == "MPO"
    assert read_image_size(path) == read_image(path).shape[:2] == (40, 60)


def test_exif_orientation_is_ignored(tmp_path, pixels):
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees on display
    path = tmp_path / "turned.jpg"
    Image.fromarray(pixels).save(path, exif=exif)
    assert read_image_size(path) == read_image(path).shape[:2] == (40, 60)


def test_missing_file(tmp_path):
    for read in (read_image, read_image_size):
        with pytest.raises(FileNotFoundError, match="none.png: no such image file"):
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


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("more", [b"\0" * 5000, b"\xff" * 3000, b"any bytes" * 1000])
def test_bytes_after_the_end_mean_nothing(tmp_path, pixels, suffix, more):
    data = cv2.imencode(suffix, pixels)[1].tobytes()
    path = tmp_path / f"more{suffix}"
    path.write_bytes(data + more)
    assert read_image_size(path) == (40, 60)
    np.testing.assert_array_equal(
        read_image(path), cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    )


def test_the_end_of_a_thumbnail_is_not_the_end_of_the_image(tmp_path, pixels):
    path = tmp_path / "a.jpg"
    thumbnail = cv2.imencode(".jpg", pixels)[1].tobytes()
    big = Image.fromarray(np.tile(pixels, (9, 9, 1)))
    big.save(path, exif=b"Exif\0\0" + thumbnail + bytes(2000))
    data = path.read_bytes()
    assert read_image_size(path) == (360, 540)
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="cut off"):
        read_image_size(path)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
def test_jpeg_pixels_are_those_of_opencv(tmp_path, pixels, mode, options):
    path = tmp_path / "a.jpg"
    Image.fromarray(np.tile(pixels, (3, 3, 1))).convert(mode).save(path, **options)
    np.testing.assert_array_equal(read_image(path), cv2.imread(str(path)))


def test_lost_jpeg_data_is_found(tmp_path, shared_dir):
    frame = next((shared_dir / "data/video/kitti_drive0052/frames").glob("*.jpg")).read_bytes()
    path, rng, found = tmp_path / "a.jpg", np.random.default_rng(0), 0
    for start in rng.integers(len(frame) // 5, len(frame) * 4 // 5, 40):
        path.write_bytes(frame[:start] + bytes(4096) + frame[start + 4096 :])
        try:
            read_image(path)
        except ValueError as error:
            assert "a.jpg: image file is damaged" in str(error)
            found += 1
    assert found >= 38


def png_header(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims any size."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
    )


@pytest.mark.parametrize("size", [(40_000, 40_000), (16_000, 16_000), (10_000, 7_000)])
def test_an_image_too_large_to_decode_is_refused_by_its_header(tmp_path, size):
    path = tmp_path / "huge.png"
    path.write_bytes(png_header(*size))
    for read in (read_image, read_image_size):
        with pytest.raises(ValueError, match="huge.png: image of .*pixels"):
            read(path)


def test_the_limit_of_a_config_is_named(tmp_path, pixels):
    path = tmp_path / "a.png"
    Image.fromarray(pixels).save(path)
    assert read_image(path, 2400).shape == (40, 60, 3)
    with pytest.raises(
        ValueError, match=r"a.png: image of 60 x 40, expected at most 2399 .*INPUT.MAX_PIXELS"
    ):
        read_image(path, 2399)


def test_pipes_devices_folders_and_impossible_names(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    cases = {tmp_path / "pipe": "pipe", "/dev/zero": "device", tmp_path: "folder", "a\0b": "name of a file"}
    for read in (read_image, read_image_size, read_mask):
        for path, message in cases.items():
            if read is read_mask and message == "folder":
                continue  # of masks
            with pytest.raises(ValueError, match=message):
                read(path)


@pytest.mark.parametrize("shape", [(200, 1024), (1024, 200), (1024, 1024), (100, 90)])
def test_a_pattern_finer_than_the_new_size_becomes_its_mean(shape):
    image = np.zeros((*shape, 3), np.uint8)
    if shape[1] >= shape[0]:
        image[:, ::4] = 255
    if shape[0] >= shape[1]:
        image[::4] = 255
    small = resize(image, (256, 256) if max(shape) > 256 else (50, 200))
    assert abs(float(small.mean()) - float(image.mean())) < 4
    np.testing.assert_array_equal(
        resize(image.transpose(1, 0, 2).copy(), small.shape[1::-1]), small.transpose(1, 0, 2)
    )


@pytest.mark.parametrize("size", [(256, 256), (256, 1024), (100, 333), (2000, 1500)])
def test_no_marked_region_vanishes_from_a_mask(size):
    mask = np.zeros((1024, 1024), bool)
    mask[100:101, 50:900] = mask[300:800, 77] = True  # scratches
    mask[950, 950] = True
    mask[600:700, 300:400] = True
    small = resize_mask(mask, size)
    assert small.dtype == bool and small.shape == size
    count = cv2.connectedComponents(mask.astype(np.uint8))[0]
    assert cv2.connectedComponents(small.astype(np.uint8))[0] == count == 5
    scale = np.array(size) / 1024
    area = small[int(500 * scale[0]) :, int(250 * scale[1]) : int(450 * scale[1])].sum()
    assert area == pytest.approx(10_000 * scale.prod(), rel=0.12)
    assert not resize_mask(np.zeros((30, 40), bool), (7, 9)).any()


@pytest.mark.parametrize("value", [1, 7, 127, 255])
@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_marked_pixels_of_any_value(tmp_path, value, depth):
    mask = np.zeros((20, 30), depth)
    mask[3:9, 4:8] = value
    path = tmp_path / "m.png"
    cv2.imwrite(str(path), mask)
    np.testing.assert_array_equal(read_mask(path), mask > 0)
    cv2.imwrite(str(path), np.zeros((20, 30), np.uint8))
    with pytest.raises(ValueError, match="m.png: expected a mask of abnormal pixels"):
        read_mask(path)


def test_the_dark_noise_of_a_jpeg_marks_nothing(tmp_path):
    mask = np.zeros((64, 64), np.uint8)
    mask[10:30, 21:43] = 255
    path = tmp_path / "m.jpg"
    cv2.imwrite(str(path), mask)
    np.testing.assert_array_equal(read_mask(path), mask > 0)


def test_a_mask_with_transparency(tmp_path):
    mask = np.zeros((20, 30, 4), np.uint8)
    mask[..., 3] = 255
    mask[2:5, 6:9, :3] = 1
    cv2.imwrite(str(tmp_path / "m.png"), mask)
    assert read_mask(tmp_path / "m.png").sum() == 9
