"""Annotation files in the manner of COCO: images, annotations and categories, which name each other by id.

T.-Y. Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014; LVIS and Omni3D took the form over.
"""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detectron2.structures import BoxMode

from d2ext.data.formats.kitti import NOT_COMPUTED
from d2ext.data.formats.rows import BrokenRows
from d2ext.data.given_camera import USUAL_FOV, GivenCamera, exif_focal
from d2ext.data.image_io import read_image_size
from d2ext.reading import found_value, path_below, read_json, require
from d2ext.structures import check_projection, check_view
from d2ext.structures.vocabulary import Vocabulary

logger = logging.getLogger(__name__)

MAX_LISTING = 1 << 31  # bytes; LVIS's largest file has 1.1 GB
MAX_SIDE = 1 << 20  # pixels
MAX_PIXEL = 1e6  # coordinate of a box
Id = int | str


def read_numbers(item: dict[str, Any], key: str, count: int, where: str, limit: float) -> list[float]:
    """``count`` finite numbers of a JSON object's key, none of a magnitude beyond ``limit``.

    Raises:
        ValueError: anything else.
    """
    values = item.get(key)
    if isinstance(values, list) and len(values) == count:
        if all(type(v) in (int, float) and -limit <= v <= limit for v in values):
            return [float(v) for v in values]
    found = "nothing" if key not in item else found_value(values)
    raise ValueError(f"{where}: field {key!r}: expected {count} numbers of at most {limit:g}, got {found}")


def read_matrix(item: dict[str, Any], key: str, where: str, limit: float) -> list[list[float]]:
    """Three rows of three finite numbers, none of a magnitude beyond ``limit``.

    Raises:
        ValueError: anything else.
    """
    rows = require(item, key, list, where)
    if len(rows) != 3:
        raise ValueError(f"{where}: field {key!r}: expected 3 rows of 3 numbers, got {len(rows)}")
    return [read_numbers({key: row}, key, 3, f"{where}: row {i}", limit) for i, row in enumerate(rows)]


def corner_box(box: list[float], where: str, key: str = "bbox") -> list[float]:
    """A box (x1, y1, x2, y2) itself.

    Raises:
        ValueError: its corners are not in order.
    """
    if box[2] < box[0] or box[3] < box[1]:
        raise ValueError(f"{where}: field {key!r}: expected x1 <= x2 and y1 <= y2, got {box}")
    return box


def read_id(item: Any, key: str, where: str) -> Id:
    """A whole number or a text that names an image, annotation or category.

    Raises:
        ValueError: anything else.
    """
    return require(item, key, (int, str), where)


def flat_annotation(number: int, box: Sequence[float], category: int, name: str) -> dict[str, Any]:
    """An annotation of an object of which only the 2D box is known; see :mod:`d2ext.data`.

    Args:
        number: its ``id``.
        box: x1, y1, x2, y2, pixels.
        category, name: class, and what its file calls it.
    """
    return {
        "id": number,
        "bbox": list(box),
        "bbox_mode": BoxMode.XYXY_ABS,
        "category_id": category,
        "name": name,
        "truncated": 0.0,
        "occluded": 0,
        "alpha": NOT_COMPUTED,
        "has_3d": False,
        "location": [0.0, 0.0, 0.0],
        "dimensions": [0.0, 0.0, 0.0],
        "yaw": 0.0,
        "color": None,
    }


class ImageFolder:
    """Image files below a folder. Folders are listed once, so that no file is asked for on its own."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self._names: dict[Path, frozenset[str]] = {}

    def holds(self, path: Path) -> bool:
        """Whether there is a file or folder of this name."""
        folder = path.parent
        if folder not in self._names:
            found = os.listdir(folder) if folder.is_dir() else []
            self._names[folder] = frozenset(found)
        return path.name in self._names[folder]

    def find(self, name: str, where: str) -> Path:
        """The path of a file that is named relative to the folder.

        Raises:
            FileNotFoundError: there is none.
            ValueError: a name that leads out of the folder.
        """
        path = path_below(self.root, name, where)
        if not self.holds(path):
            raise FileNotFoundError(f"{where}: image {name[:60]!r} is not in {self.root}")
        return path


@dataclass(frozen=True)
class AssumedCamera:
    """The camera of images that come without one.

    Attributes:
        fov: field of view across, degrees.
        exif: first ask the image files for their focal length, which reads each.
    """

    fov: float = USUAL_FOV
    exif: bool = False

    def of(self, size: tuple[int, int], path: Path) -> list[list[float]]:
        """P (3, 4) of an image of ``size`` (height, width).

        Raises:
            ValueError: a field of view that no camera has.
        """
        focal = exif_focal(path, size) if self.exif else None
        return GivenCamera(focal=focal, fov=self.fov).of(size).P.tolist()


def read_size(item: dict[str, Any], path: Path, where: str) -> tuple[int, int]:
    """(height, width) of an entry; where it has none, of its file.

    Raises:
        FileNotFoundError, ValueError: no whole positive numbers, or an image that cannot be read.
    """
    if "height" not in item and "width" not in item:
        return read_image_size(path)
    size = (require(item, "height", int, where), require(item, "width", int, where))
    if not 0 < min(size) <= max(size) <= MAX_SIDE:
        raise ValueError(f"{where}: expected a height and width of 1 to {MAX_SIDE} pixels, got {size}")
    return size


def read_camera(item: dict[str, Any], size: tuple[int, int], where: str) -> list[list[float]]:
    """P (3, 4) from the intrinsics ``K`` of an entry.

    Raises:
        ValueError: no intrinsics of an image of ``size`` (height, width).
    """
    P = [[*row, 0.0] for row in read_matrix(item, "K", where, 1e7)]
    try:
        check_projection(P)
        check_view(P, size)
    except ValueError as error:
        raise ValueError(f"{where}: field 'K': {error}") from None
    return P


class Listing:
    """The entries of an annotation file, checked against each other.

    Attributes:
        path: the file.
        data: all of it.
        categories: name by id, in the order of the ids.

    Raises:
        FileNotFoundError, ValueError: no such file, not JSON, a list that is missing, an id that is none or
            twice, an annotation of an image or category that is not listed; what is wrong with one entry
            is skipped where ``broken`` says so.
    """

    def __init__(self, path: str | Path, broken: BrokenRows) -> None:
        self.path, self.broken = Path(path), broken
        self.data = read_json(path, MAX_LISTING, non_finite=True)
        self.categories: dict[Id, str] = {}
        for where, entry in self._entries("categories"):
            with broken:
                number = read_id(entry, "id", where)
                if number in self.categories:
                    raise ValueError(f"{where}: field 'id': {number!r} is there twice")
                name = require(entry, "name", str, where).strip()
                if not name or len(name) > 200:
                    raise ValueError(f"{where}: field 'name': expected 1 to 200 characters")
                self.categories[number] = name
        self.categories = dict(sorted(self.categories.items(), key=lambda pair: _order(pair[0])))
        if not self.categories:
            raise ValueError(f"{path}: field 'categories': expected at least one")
        self._images = self._read_images()
        self._of_image = self._read_annotations()

    def _entries(self, key: str) -> Iterator[tuple[str, Any]]:
        for index, entry in enumerate(require(self.data, key, list, str(self.path))):
            yield f"{self.path}: {key}[{index}]", entry

    def _read_images(self) -> dict[Id, tuple[str, dict[str, Any]]]:
        found: dict[Id, tuple[str, dict[str, Any]]] = {}
        for where, entry in self._entries("images"):
            with self.broken:
                number = read_id(entry, "id", where)
                if number in found:
                    raise ValueError(f"{where}: field 'id': image {number!r} is there twice")
                found[number] = (where, entry)
        return found

    def _read_annotations(self) -> dict[Id, list[tuple[str, dict[str, Any]]]]:
        found = defaultdict(list)
        numbers: set[Id] = set()
        for where, entry in self._entries("annotations"):
            with self.broken:
                image = read_id(entry, "image_id", where)
                if image not in self._images:
                    raise ValueError(f"{where}: field 'image_id': no image {str(image)[:40]!r}")
                category = read_id(entry, "category_id", where)
                if category not in self.categories:
                    raise ValueError(f"{where}: field 'category_id': no category {str(category)[:40]!r}")
                if "id" in entry:
                    number = read_id(entry, "id", where)
                    if number in numbers:
                        raise ValueError(f"{where}: field 'id': {str(number)[:40]!r} is there twice")
                    numbers.add(number)
                found[image].append((where, entry))
        return found

    def images(self) -> Iterator[tuple[str, Id, dict[str, Any], list[tuple[str, dict[str, Any]]]]]:
        """Place, id and entry of every image, in the order of the file, with place and entry of each of its
        annotations."""
        for number, (where, entry) in self._images.items():
            yield where, number, entry, self._of_image.get(number, [])


def _order(number: Id) -> tuple[bool, int, str]:
    is_text = isinstance(number, str)
    return is_text, 0 if is_text else int(number), str(number)


@dataclass(frozen=True)
class Classes:
    """Which class of a vocabulary a category of a file is.

    Attributes:
        vocabulary: of the dataset: the file's own categories, by their ids, or the one that was asked for.
        numbers: class by category id; categories that are no class have none.
    """

    vocabulary: Vocabulary
    numbers: dict[Id, int]

    @classmethod
    def of(cls, listing: Listing, vocabulary: Vocabulary | None, none: Collection[Id] = ()) -> Classes:
        """Of the categories of a listing without those ``none``. Several of one name are one class.

        Raises:
            ValueError: no class is left.
        """
        names = {number: name for number, name in listing.categories.items() if number not in none}
        if vocabulary is None and names:
            vocabulary = Vocabulary.of_names(dict.fromkeys(names.values()))
            place = {name: i for i, name in enumerate(vocabulary.names)}
            return cls(vocabulary, {number: place[name] for number, name in names.items()})
        wanted = vocabulary or Vocabulary(("object",))
        numbers = {}
        for number, name in names.items():
            try:
                numbers[number] = wanted.id_of(name)
            except ValueError:
                continue
        if not numbers:
            raise ValueError(f"{listing.path}: field 'categories': none is one of {', '.join(wanted.names)}")
        return cls(wanted, numbers)
