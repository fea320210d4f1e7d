"""Roads out of maps: SUMO's nets (by sumolib) and OpenDRIVE (by pyxodr), the optional extra ``maps``."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from .road import Road
from .rows import xml_root

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
