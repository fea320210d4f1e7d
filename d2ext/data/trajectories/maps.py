"""Roads out of files: JSON, and maps: SUMO's nets (by sumolib) and OpenDRIVE (by pyxodr), the optional extra
``maps``."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from d2ext.reading import clear_errors, read_json, require

from .fields import finite
from .road import Road
from .rows import xml_root
from .table import name_fault

#: Lanes of OpenDRIVE on which vehicles drive.
_DRIVING = frozenset(
    ("driving", "entry", "exit", "onRamp", "offRamp", "connectingRamp", "bidirectional", "bus", "taxi", "HOV")
)
_STEP = 1.0  # m between points of a centre line of OpenDRIVE


def read_map(path: str | Path) -> Road:
    """The lanes of a map for cars, in the direction in which they are driven.

    Their names are SUMO's (``edge_0``), or of OpenDRIVE ``road_lane``; ``road_section_lane`` where a road has
    several sections.

    Raises:
        FileNotFoundError, ValueError: no such file; no such map; a library that is missing.
    """
    path = Path(path)
    readers = {"net": _sumo_lanes, "OpenDRIVE": _opendrive_lanes}
    root = xml_root(path)
    if root not in readers:
        raise ValueError(f"{path}: expected SUMO's <net> or <OpenDRIVE>, got <{root[:40]}>")
    try:
        lanes = readers[root](path)
    except ImportError as error:
        raise ValueError(
            f"{path}: {error.name} is missing, which reads it: pip install d2ext[maps]"
        ) from error
    except Exception as error:  # the libraries trust their input, and stumble in any way
        raise ValueError(f"{path}: not a whole map ({type(error).__name__}: {str(error)[:100]})") from error
    if not lanes:
        raise ValueError(f"{path}: no lane for cars")
    try:
        return Road({name: _without_repeats(line) for name, line in lanes.items()})
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _sumo_lanes(path: Path) -> dict[str, np.ndarray]:
    net = importlib.import_module("sumolib").net
    lanes: list[Any] = [lane for edge in net.readNet(str(path)).getEdges() for lane in edge.getLanes()]
    shapes = {lane.getID(): np.array(lane.getShape(), float) for lane in lanes if lane.allows("passenger")}
    return {name: shape[:, :2] for name, shape in shapes.items()}


def _opendrive_lanes(path: Path) -> dict[str, np.ndarray]:
    network = importlib.import_module("pyxodr.road_objects.network").RoadNetwork(str(path), resolution=_STEP)
    found = {}
    for road in network.get_roads():
        for number, section in enumerate(road.lane_sections):
            place = f"{road.id}_{number}" if len(road.lane_sections) > 1 else f"{road.id}"
            for lane in section.lanes:
                if lane.id and lane.type in _DRIVING:
                    found[f"{place}_{lane.id}"] = np.array(lane.traffic_flow_line, float)[:, :2]
    return found


def _without_repeats(line: np.ndarray) -> np.ndarray:
    return line[np.append(True, (np.diff(line, axis=0) != 0).any(1))]


@clear_errors
def read_road(path: str | Path) -> Road:
    """Read a road from JSON: ``{"lanes": {"1": [[x, y], ...], ...}, "half_width": 2.5, "backward_lanes":
    ["1"], "origin": [latitude, longitude], "camera_to_road": [[...], [...], [...]]}``; every key is optional,
    lanes may have any name. Files named ``.xml`` and ``.xodr`` are maps (:func:`read_map`).

    Raises:
        FileNotFoundError, ValueError: names the file and the field.
    """
    if Path(path).suffix.lower() in (".xml", ".xodr"):
        return read_map(path)
    data = read_json(path)
    if not isinstance(data, dict):
        raise ValueError(f"{path}: expected an object, got {type(data).__name__}")
    keys = ("lanes", "half_width", "backward_lanes", "origin", "camera_to_road")
    unknown = sorted(set(data) - set(keys))
    if unknown:
        raise ValueError(f"{path}: unknown field {unknown[0][:40]!r}, expected {', '.join(keys)}")
    half_width = finite({"half_width": Road.half_width, **data}, "half_width", str(path))
    backward = require({"backward_lanes": [], **data}, "backward_lanes", list, str(path))
    if not all(type(name) in (int, str) and not name_fault(str(name)) for name in backward):
        raise ValueError(f"{path}: field 'backward_lanes': expected names of lanes, got {str(backward)[:60]}")
    origin = data.get("origin")
    if origin is not None and not (isinstance(origin, list) and len(origin) == 2):
        raise ValueError(f"{path}: field 'origin': expected [latitude, longitude], got {str(origin)[:60]}")
    lanes = {}
    for key, line in require({"lanes": {}, **data}, "lanes", dict, str(path)).items():
        if name_fault(key):
            raise ValueError(f"{path}: field 'lanes': expected {name_fault(key)}")
        lanes[key] = _points(line, f"{path}: lane {key[:40]}")
    transform = data.get("camera_to_road")
    if transform is not None:
        transform = _points(transform, f"{path}: field 'camera_to_road'", "three rows of four numbers")
    degrees = None
    if origin is not None:
        latitude, longitude = (finite({"origin": value}, "origin", str(path)) for value in origin)
        degrees = (latitude, longitude)
    try:
        return Road(lanes, half_width, tuple(backward), degrees, transform)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _points(points: Any, where: str, expected: str = "a list of points [x, y]") -> np.ndarray:
    """An array of a list of lists of numbers."""
    try:
        if all(type(value) in (int, float) for point in points for value in point):
            return np.array(points, dtype=float)
    except (ValueError, TypeError, OverflowError):
        pass
    raise ValueError(f"{where}: expected {expected}")
