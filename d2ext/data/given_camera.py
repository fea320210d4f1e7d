"""The one way from what people have to a camera and a ground plane: a calibration, a matrix, an angle, what a
photograph says of itself, or nothing."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from detectron2.utils.logger import log_first_n
from PIL import Image

from d2ext.data.formats.kitti import parse_floats, read_calib, read_ground
from d2ext.data.image_io import MAX_PIXELS, read_image, read_orientation, read_photograph
from d2ext.reading import read_bytes, read_text
from d2ext.structures import Camera, check_ground, check_projection, check_view, plane_of_tilt

USUAL_FOV = 60.0  # degrees across, of a camera of which nothing is known
_FEWEST_DEGREES = 3.2  # what is less is rather an angle in radians
_FILM_DIAGONAL = math.hypot(36.0, 24.0)  # mm, of the film to which EXIF refers
# EXIF's tags (CIPA DC-008): the sub-folder, and in it focal length, that on 35 mm film, the sensor's pixels
# across a unit of length, the unit, and the picture's width.
_EXIF, _FOCAL, _FILM, _DENSITY, _UNIT, _WIDTH = 0x8769, 0x920A, 0xA405, 0xA20E, 0xA210, 0xA002
_MILLIMETRES = {2: 25.4, 3: 10.0, 4: 1.0}  # of EXIF's units of length


@dataclass(frozen=True)
class GivenCamera:
    """What is known of the camera; the first that is there counts.

    Attributes:
        calib: file with a P2 line, or a folder with NAME.txt for a photograph NAME.
        intrinsics: 9 numbers of a 3x3 matrix, row by row, in text, or a file of them.
        focal: pixels.
        fov: field of view across, degrees.
        sensor_width: mm, for a photograph that tells its focal length in mm only.
    """

    calib: Path | None = None
    intrinsics: str | None = None
    focal: float | None = None
    fov: float | None = None
    sensor_width: float | None = None

    def read(self, photograph: str | Path, max_pixels: int = MAX_PIXELS) -> np.ndarray:
        """(H, W, 3) uint8 BGR of a photograph of this camera: upright, as its EXIF data say, but as it is
        stored where a calibration is of that, with a warning.

        Raises:
            FileNotFoundError, ValueError: as :func:`~d2ext.data.image_io.read_image`.
        """
        if self.calib is None and self.intrinsics is None:
            return read_photograph(photograph, max_pixels)
        if read_orientation(photograph) != 1:
            warning = (
                f"{photograph}: is turned when shown (EXIF), but taken as it is stored, as the "
                "calibration is; with --focal or --fov it is turned"
            )
            log_first_n(logging.WARNING, warning, name=__name__)
        return read_image(photograph, max_pixels)

    def of(self, size: tuple[int, int], photograph: Path | None = None) -> Camera:
        """The camera of images of ``size`` (height, width).

        Where nothing is given it is that of the photograph's EXIF data, and without them one of
        ``USUAL_FOV``, of which a warning speaks once.

        Raises:
            FileNotFoundError, ValueError: a file or number that makes no camera of this size.
        """
        if self.calib is not None:
            return Camera(read_calib(_file_of(self.calib, photograph), size), size)
        if self.intrinsics is not None:
            return Camera(read_intrinsics(self.intrinsics, size), size)
        focal = self.focal
        if focal is None and self.fov is not None:
            focal = focal_of_fov(self.fov, size[1])
        if focal is None and photograph is not None:
            focal = exif_focal(photograph, size, self.sensor_width)
        if focal is None:
            focal = focal_of_fov(USUAL_FOV, size[1])
            warning = (
                f"camera unknown: taken as {USUAL_FOV:g} degrees across (focal length {focal:.0f} pixels), "
                "distances scale with it: give --calib, --intrinsics, --focal or --fov"
            )
            log_first_n(logging.WARNING, warning, name=__name__)
        return Camera(_matrix(focal, size), size)


@dataclass(frozen=True)
class GivenGround:
    """What is known of the road below the camera: a file, or numbers.

    Attributes:
        ground: Rope3D's denorm file or KITTI's planes file, or a folder with NAME.txt for a photograph NAME.
        height: metres of the camera above the road; pitch, roll: degrees, down and the horizon falling to
            the right are positive.
    """

    ground: Path | None = None
    height: float | None = None
    pitch: float = 0.0
    roll: float = 0.0

    def plane(self, photograph: Path | None = None) -> list[float] | None:
        """[a, b, c, d] with a unit normal pointing up; None where nothing is given.

        Raises:
            FileNotFoundError, ValueError: no such file, or no ground below a camera.
        """
        if self.ground is not None:
            return read_ground(_file_of(self.ground, photograph))
        if self.height is None:
            return None
        plane = plane_of_tilt(self.height, math.radians(self.pitch), math.radians(self.roll))
        check_ground(plane)
        return plane


class CameraOfEach:
    """Camera and ground of one image after the other.

    A camera that is given in pixels is that of one size of images: the first image's.
    """

    def __init__(self, camera: GivenCamera, ground: GivenGround) -> None:
        self.camera, self.ground = camera, ground
        of_one = camera.calib is not None and not camera.calib.is_dir()
        self._of_one = of_one or camera.intrinsics is not None or camera.focal is not None
        self._size: tuple[int, int] | None = None

    def __call__(
        self, size: tuple[int, int], photograph: Path | None = None
    ) -> tuple[Camera, list[float] | None]:
        """Of an image of ``size`` (height, width).

        Raises:
            FileNotFoundError, ValueError: as :meth:`GivenCamera.of` and :meth:`GivenGround.plane`; another
                size than the camera's.
        """
        if self._of_one and self._size not in (None, size):
            height, width = self._size
            raise ValueError(
                f"image of {size[1]} x {size[0]} pixels: the camera is given for {width} x {height}, as the "
                "first is; expected one size, --fov, or a folder of calib files"
            )
        found = self.camera.of(size, photograph), self.ground.plane(photograph)
        self._size = self._size or size
        return found


def _file_of(path: Path, photograph: Path | None) -> Path:
    """A file itself, or the one of a photograph in a folder."""
    if not path.is_dir():
        return path
    if photograph is None:
        raise ValueError(f"{path}: expected a file: a folder has one for each image of a folder")
    return path / f"{photograph.stem}.txt"


def focal_of_fov(fov: float, width: int) -> float:
    """Pixels, of a field of view in degrees across ``width`` pixels.

    Raises:
        ValueError: an angle that no pinhole camera has.
    """
    if not 1 <= fov <= 175:
        raise ValueError(f"field of view: expected 1 to 175 degrees across, got {fov:g}")
    if fov < _FEWEST_DEGREES:
        degrees = math.degrees(fov)
        told = f"field of view: {fov:g} degrees, as a telescope has; if these are radians, give {degrees:.0f}"
        log_first_n(logging.WARNING, told, name=__name__)
    return width / 2 / math.tan(math.radians(fov) / 2)


def read_intrinsics(text: str, size: tuple[int, int]) -> list[list[float]]:
    """A 3x3 matrix from 9 numbers, separated by blanks or commas, or from a file of them.

    Raises:
        ValueError: other than 9 numbers, or no matrix of a camera of ``size`` (height, width).
    """
    fields = _fields(text)
    is_file = Path(text).is_file() or (len(fields) != 9 and any(c.isalpha() and c not in "eE" for c in text))
    where = text if is_file else "intrinsics"
    fields = _fields(read_text(text)) if is_file else fields
    if len(fields) != 9:
        raise ValueError(f"{where}: expected the 9 numbers of a 3x3 matrix, got {len(fields)}")
    values = parse_floats(fields, [f"K[{i // 3},{i % 3}]" for i in range(9)], where)
    K = [values[:3], values[3:6], values[6:]]
    try:
        check_projection([[*row, 0.0] for row in K])
        check_view(K, size)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    return K


def _fields(text: str) -> list[str]:
    return text.translate(str.maketrans(",;[]", "    ")).split()


def exif_focal(path: Path, size: tuple[int, int], sensor_width: float | None = None) -> float | None:
    """Focal length in pixels that a photograph tells; None where it tells none.

    FocalLengthIn35mmFilm is that of the same diagonal field of view on film of 36 x 24 mm. FocalLength, in
    mm, needs the width of the sensor: as given, or from FocalPlaneXResolution.

    Args:
        size: (height, width) of the image as it is read, turned or not.
        sensor_width: mm.

    Raises:
        FileNotFoundError, ValueError: no such file, or not an image.
    """
    tags, stored = _exif_tags(path)
    millimetres, film = _number(tags.get(_FOCAL)), _number(tags.get(_FILM))
    height, width = size
    if stored == size:
        width, height = size  # the sensor's width is that of the image before it was turned
    if sensor_width is not None and millimetres:
        return millimetres / sensor_width * width
    if film:
        return film / _FILM_DIAGONAL * math.hypot(width, height)
    density = _number(tags.get(_DENSITY))
    unit = _MILLIMETRES.get(int(_number(tags.get(_UNIT)) or 2))
    if millimetres and density and unit:
        taken = _number(tags.get(_WIDTH)) or float(width)  # a smaller copy keeps the numbers of the original
        return millimetres * density / unit * width / taken
    return None


def _exif_tags(path: Path) -> tuple[dict[int, Any], tuple[int, int]]:
    """The tags, and width and height of the image as it is stored."""
    data = read_bytes(path, "image file")
    try:
        with Image.open(BytesIO(data)) as image:
            return dict(image.getexif().get_ifd(_EXIF)), image.size
    except Exception:  # damaged tags stumble in any way, and the pixels may be whole
        return {}, (0, 0)


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if 0 < number < 1e7 else None


def _matrix(focal: float, size: tuple[int, int]) -> list[list[float]]:
    height, width = size
    matrix = [[focal, 0.0, (width - 1) / 2], [0.0, focal, (height - 1) / 2], [0.0, 0.0, 1.0]]
    try:
        check_projection([[*row, 0.0] for row in matrix])
    except ValueError as error:
        raise ValueError(f"focal length: {error}") from None
    return matrix
