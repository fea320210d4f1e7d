"""The one way to read images: the size from the header, the pixels, and other sizes of them.

Damage is looked for as far as the formats allow it. PNG has checksums. JPEG has none: damage is found where
the data cannot be decoded to its end or is not used up, which is nearly always so where some KB are lost (297
of 300 frames of KITTI with 4 KB zeroed); so it is with compressed TIFF. For changed values that leave the
codes in step, for BMP, WebP and TIFF without compression there is no test.
"""

from __future__ import annotations

import logging
import os
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from PIL import Image

from d2ext.reading import MAX_BYTES, one_line, open_file, read_bytes

try:
    import simplejpeg
except ModuleNotFoundError:
    simplejpeg = None
    logging.getLogger(__name__).warning("simplejpeg is not installed: damaged JPEG data is not recognised")

#: Pixels of the largest image that is ever decoded; INPUT.MAX_PIXELS is the limit of a config.
MAX_PIXELS = 1 << 26
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"})
_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF")  # JPEG with pictures behind it is MPO to Pillow
_EIGHT_BITS = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr")  # modes of Pillow
_TAIL = 1024  # bytes; most files have their end marker there
#: What libjpeg says of data that does not decode to an image; of other oddities it recovers for certain.
_DAMAGE = ("Corrupt JPEG data: ", "Premature end of JPEG file")
_JPEG_START = b"\xff\xd8"
_HARMLESS = "bad ICC marker"
#: EXIF's tag (CIPA DC-008), and what sets its values upright.
_ORIENTATION = 0x0112
_TURNS = dict(
    enumerate(
        (
            Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_180, Image.Transpose.FLIP_TOP_BOTTOM,
            Image.Transpose.TRANSPOSE, Image.Transpose.ROTATE_270, Image.Transpose.TRANSVERSE,
            Image.Transpose.ROTATE_90,
        ),
        2,
    )
)  # fmt: skip


def one_thread(*_: object) -> None:
    """Begin a process that was forked: OpenCV's threads have not come with it, and it would wait for them."""
    cv2.setNumThreads(0)


def list_images(folder: str | Path) -> list[Path]:
    """The image files of a folder and all below it, by name.

    Raises:
        FileNotFoundError: no such folder, or no image in it.
    """
    folder = Path(folder)
    files = (
        sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES) if folder.is_dir() else []
    )
    if not files:
        raise FileNotFoundError(
            f"{folder}: expected a folder of images ({', '.join(sorted(IMAGE_SUFFIXES))})"
        )
    return files


def read_image_size(path: str | Path) -> tuple[int, int]:
    """(height, width) of an image file from its header, without decoding it.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: not an image, one of more than ``MAX_PIXELS``, or cut off (a PNG or JPEG file without its
            end marker; what follows that is ignored).
    """
    with open_file(path, "image file") as file:
        height, width, kind = _header(file, path)
        _check_pixels(height, width, MAX_PIXELS, path)
        if not _has_end(file, kind):
            raise ValueError(f"{path}: image file is cut off (its end marker is missing)")
    return height, width


def read_image(path: str | Path, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decode an image file, ignoring EXIF orientation so that the pixels agree with the calibration.

    Args:
        max_pixels: an image of more is refused before it is decoded.

    Returns:
        (H, W, 3) uint8, BGR.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is larger, cannot be decoded, or its data is damaged.
    """
    data = read_bytes(path, "image file")
    height, width, kind = _header(BytesIO(data), path)
    _check_pixels(height, width, min(max_pixels, MAX_PIXELS), path)
    if kind == "JPEG" and simplejpeg is not None:
        try:
            return simplejpeg.decode_jpeg(data, "BGR")
        except ValueError as error:
            message = str(error)
            if message.startswith(_DAMAGE) and _HARMLESS not in message:
                raise ValueError(f"{path}: image file is damaged ({one_line(message, 80)})") from None
    pixels = _decode_tiff(data, path) if kind == "TIFF" else None
    return _decode(data, cv2.IMREAD_COLOR, path) if pixels is None else pixels


def read_photograph(path: str | Path, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """As :func:`read_image`, and turned as its EXIF orientation says: as people see it, and as no calibration
    in pixels has it."""
    image, turn = read_image(path, max_pixels), _TURNS.get(read_orientation(path))
    return image if turn is None else np.asarray(Image.fromarray(image).transpose(turn))


def read_orientation(path: str | Path) -> int:
    """EXIF's orientation, 1 to 8; 1, as it is stored, where the file tells none.

    Raises:
        FileNotFoundError: there is no such file.
    """
    with open_file(path, "image file") as file:
        try:
            with Image.open(file) as image:  # its header alone
                return int(image.getexif().get(_ORIENTATION, 1))
        except Exception:  # damaged tags stumble in any way, and the pixels may be whole
            return 1


def read_mask(path: str | Path, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """The marked pixels of a mask: those that are not black, or of a JPEG, whose black is not pure, the light
    ones.

    Args:
        path: file, or folder of files that mark parts each.

    Returns:
        (H, W) bool.

    Raises:
        FileNotFoundError, ValueError: as :func:`read_image`; a mask that marks nothing; parts of different
            sizes.
    """
    mask = np.zeros((1, 1), bool)
    for part in mask_files(Path(path)):
        marked = _marked(part, max_pixels)
        if mask.size > 1 and mask.shape != marked.shape:
            raise ValueError(f"{part}: expected a mask of the size of the others in its folder")
        mask = mask | marked
    if not mask.any():
        raise ValueError(f"{path}: expected a mask of abnormal pixels, got one without any")
    return mask


def mask_files(path: Path) -> list[Path]:
    """The files of a mask: itself, or those in its folder."""
    return list_images(path) if path.is_dir() else [path]


def _marked(path: Path, max_pixels: int) -> np.ndarray:
    colors = read_image(path, max_pixels)
    data = read_bytes(path)
    if data.startswith(_JPEG_START):
        return colors.max(2) > 127
    values = _decode(data, cv2.IMREAD_UNCHANGED, path)  # 1 of 16 bits is black in 8 bits
    return (values if values.ndim == 2 else values[..., :3].max(2)) > 0


def _decode_tiff(data: bytes, path: str | Path) -> np.ndarray | None:
    """As :func:`_decode`, which goes on where data is damaged and darkens pixels by their alpha; None for
    what is not of 8 bits."""
    try:
        with Image.open(BytesIO(data), formats=("TIFF",)) as image:
            image.load()
            if image.mode not in _EIGHT_BITS:
                return None
            return np.ascontiguousarray(np.asarray(image.convert("RGB"))[..., ::-1])
    except Exception as error:  # as in _header
        raise ValueError(f"{path}: image file is damaged ({one_line(str(error), 80)})") from error


def _decode(data: bytes, flags: int, path: str | Path) -> np.ndarray:
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        image = None
    if image is None:
        raise ValueError(f"{path}: image file cannot be decoded (corrupt or not an image)")
    return image


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """An image or mask (H, W, ...) at ``size`` (height, width), its aspect ratio not kept.

    Along an axis that shrinks pixels are averaged, along one that grows they are interpolated.
    """
    height, width = image.shape[:2]
    smaller = (min(height, size[0]), min(width, size[1]))
    if smaller != (height, width):
        image = cv2.resize(image, smaller[::-1], interpolation=cv2.INTER_AREA)
    return image if smaller == size else cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR)


def resize_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A mask (H, W) bool at ``size`` (height, width): the pixels of which half is covered.

    A region that is too thin for that, such as a scratch of one pixel, keeps the pixels of which it covers
    at least half as much as of any other: nothing that is marked vanishes.
    """
    share = resize(mask.astype(np.float32), size)
    found = share >= 0.5
    count, region = cv2.connectedComponents((share > 0).astype(np.uint8))
    most = np.zeros(count, np.float32)
    np.maximum.at(most, region.ravel().astype(np.intp), share.ravel())
    thin = (most < 0.5) & (most > 0)
    return found | (thin[region] & (share > 0) & (share >= most[region] / 2))


def _header(file: BinaryIO, path: str | Path) -> tuple[int, int, str]:
    """Height, width and the name of the format."""
    try:
        with Image.open(file, formats=_FORMATS) as image:
            width, height = image.size
            kind = image.format or ""
    except Image.DecompressionBombError as error:
        raise ValueError(f"{path}: image of more than {MAX_PIXELS} pixels") from error
    except Exception as error:  # a damaged header can make its reader stumble in any way
        raise ValueError(f"{path}: expected an image file, got one that cannot be identified") from error
    return height, width, "JPEG" if kind == "MPO" else kind


def _check_pixels(height: int, width: int, limit: int, path: str | Path) -> None:
    if height * width > limit:
        more = "" if limit == MAX_PIXELS else " (INPUT.MAX_PIXELS)"
        raise ValueError(f"{path}: image of {width} x {height}, expected at most {limit} pixels{more}")


def _has_end(file: BinaryIO, kind: str) -> bool:
    marker = {"PNG": b"IEND", "JPEG": b"\xff\xd9"}.get(kind)
    if marker is None:
        return True
    file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
    return marker in file.read() or (_png_ends(file) if kind == "PNG" else _jpeg_ends(file))


def _png_ends(file: BinaryIO) -> bool:
    """Whether the chunks lead to an IEND."""
    position = 8
    while True:
        file.seek(position)
        head = file.read(8)
        if len(head) < 8 or head[4:] == b"IEND":
            return len(head) == 8
        position += 12 + int.from_bytes(head[:4], "big")


def _jpeg_ends(file: BinaryIO) -> bool:
    """Whether an end marker follows the first scan; the data of a scan cannot hold one."""
    file.seek(0)
    data = file.read(MAX_BYTES)
    position = 2
    while data[position : position + 1] == b"\xff":
        kind = data[position + 1 : position + 2]
        if kind == b"\xff":  # padding
            position += 1
            continue
        if kind == b"\xda":
            return data.find(b"\xff\xd9", position) >= 0
        position += 2 + max(2, int.from_bytes(data[position + 2 : position + 4], "big"))
    return False
