"""What a tracker goes by. Times are seconds, so that nothing depends on the frame rate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from d2ext.structures.vocabulary import ROAD


@dataclass(frozen=True)
class Kind:
    """How objects of a class move.

    Attributes:
        gate: m, by which a detection may be off the place where its track is expected, just after it was
            seen.
        gate_growth: m more for each second in which the track was not seen.
        max_speed: m/s; how far a track that was seen once may have moved.
        speed_walk: m/s by which the speed drifts in a second (its random walk).
        turn_walk: rad/s by which the yaw rate drifts in a second.
    """

    gate: float = 2.5
    gate_growth: float = 4.0
    max_speed: float = 45.0
    speed_walk: float = 2.0
    turn_walk: float = 0.15


VEHICLE = Kind()
CYCLE = Kind(1.5, 2.5, 15.0, 1.0, 0.4)
PERSON = Kind(1.0, 1.5, 4.0, 0.7, 0.6)
STILL = Kind(0.7, 0.3, 1.0, 0.1, 0.1)
#: By the names of ``ROAD``; other classes move as vehicles.
KINDS: Mapping[str, Kind] = {
    "cyclist": CYCLE, "motorcyclist": CYCLE, "tricyclist": CYCLE,
    "pedestrian": PERSON, "person_sitting": PERSON, "barrow": PERSON,
    "trafficcone": STILL, "unknown_unmovable": STILL,
}  # fmt: skip


@dataclass(frozen=True)
class TrackerConfig:
    """Settings of a :class:`~d2ext.tracking.Tracker`; they are saved with its state.

    Attributes:
        motion: "turn" (on the ground, along the heading with a turn rate: for a fixed camera), "velocity" (on
            the ground, in any direction: for a moving camera) or "image" (2D boxes, where there is no
            calibration).
        classes: names, by the class ids of detections.
        kinds: how they move, by name; others as ``VEHICLE``.
        ground: (a, b, c, d) of the ground plane in camera coordinates on which boxes stand; None: they stand
            on the camera's x-z plane, as in KITTI.
        camera: the 12 numbers of the camera's projection P2, row by row; with ``image_size`` (height, width)
            a track without a detection is not reported where it is expected outside of the picture.
        high_score: detections from this score on start tracks and are matched first.
        low_score: detections below it are not used; those between go on with tracks that are there.
        along, along_share: standard deviation of a detection's place along the line of sight: m, and a share
            of the distance. Monocular depth errs so.
        across, across_share: the same across it.
        heading_deviation: rad.
        size_deviation, elevation_deviation: m, of a detection's sizes and of its height above the ground.
        size_walk, elevation_walk: m in a second, by which they drift.
        turn_decay: s, in which an unseen turn rate falls to a third; inf: a constant turn rate.
        camera_turn_walk: of "velocity": rad/s by which the turn rate of the camera drifts in a second; it
            moves what is far away most.
        first_speed: m/s, standard deviation of the speed of an object seen once.
        mahalanobis: standard deviations; detections farther from a track are not its own.
        overlap_weight: how much a full 3D overlap (or one of 2D boxes) counts beside the distance, whose
            share at the gate is 1.
        class_cost: added where a detection has another class than the track has.
        least_overlap: of "image": IoU below which boxes are not matched.
        birth_hits, birth_evidence: a new track is reported once it has so many detections, whose scores have
            this sum.
        tentative_seconds: without a detection, after which a track that was never reported is forgotten.
        bridge_seconds: without a detection, after which a reported track ends: longer occlusions break it.
        reentry_seconds: without a detection, up to which an ended track comes back under its number where
            a detection that no other track takes lies in its gate.
        report_seconds: for how long a track without a detection is reported where it is expected.
        report_deviation: standard deviation of the place, as a share of the object's width (or the shorter
            side of its 2D box), up to which such a track is reported.
        history: places that are kept of each track.
        max_tracks: at most so many, new ones included: bounds memory and time whatever is detected.
    """

    motion: str = "turn"
    classes: tuple[str, ...] = ROAD.names
    kinds: Mapping[str, Kind] = field(default_factory=lambda: dict(KINDS))
    ground: tuple[float, ...] | None = None
    camera: tuple[float, ...] | None = None
    image_size: tuple[int, ...] | None = None
    high_score: float = 0.4
    low_score: float = 0.1
    along: float = 0.25
    along_share: float = 0.02
    across: float = 0.2
    across_share: float = 0.004
    heading_deviation: float = 0.15
    size_deviation: float = 0.3
    elevation_deviation: float = 0.3
    size_walk: float = 0.05
    elevation_walk: float = 0.1
    turn_decay: float = 2.0
    camera_turn_walk: float = 0.1
    first_speed: float = 12.0
    mahalanobis: float = 3.5
    overlap_weight: float = 1.0
    class_cost: float = 0.5
    least_overlap: float = 0.2
    birth_hits: int = 2
    birth_evidence: float = 1.0
    tentative_seconds: float = 0.3
    bridge_seconds: float = 2.5
    reentry_seconds: float = 6.0
    report_seconds: float = 0.3
    report_deviation: float = 0.75
    history: int = 32
    max_tracks: int = 2000

    def __post_init__(self) -> None:
        """
        Raises:
            ValueError: names the setting and what it can be.
        """
        object.__setattr__(self, "classes", tuple(self.classes))
        positive = {
            "along", "across", "heading_deviation", "size_deviation", "elevation_deviation", "turn_decay",
            "first_speed", "mahalanobis", "birth_hits", "history", "max_tracks",
        }  # fmt: skip
        for f in fields(self):
            value = getattr(self, f.name)
            if not isinstance(value, int | float):
                continue
            if math.isnan(value) or value < 0 or (f.name in positive and value == 0):
                bound = "positive" if f.name in positive else "at least 0"
                raise ValueError(f"tracker setting {f.name}: expected a number, {bound}, got {value}")
        if not self.classes:
            raise ValueError("tracker setting classes: expected at least one name")
        if self.low_score > self.high_score:
            limit, found = self.high_score, self.low_score
            raise ValueError(f"tracker setting low_score: expected at most high_score {limit}, got {found}")
        for name, count in (("ground", 4), ("camera", 12), ("image_size", 2)):
            value = getattr(self, name)
            if value is not None and len(value) != count:
                raise ValueError(f"tracker setting {name}: expected {count} numbers, got {len(value)}")
            object.__setattr__(self, name, None if value is None else tuple(value))

    def kind_table(self) -> dict[str, Any]:
        """Each attribute of :class:`Kind` as a list over the classes."""
        kinds = [self.kinds.get(name, VEHICLE) for name in self.classes]
        return {f.name: [getattr(kind, f.name) for kind in kinds] for f in fields(Kind)}

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and texts, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> TrackerConfig:
        """The inverse of :meth:`to_dict`.

        Raises:
            ValueError: an unknown setting, or as the class.
        """
        unknown = sorted(set(settings) - {f.name for f in fields(cls)})
        if unknown:
            raise ValueError(f"tracker: unknown setting {unknown[0][:40]!r}")
        given = dict(settings)
        try:
            if "kinds" in given:
                given["kinds"] = {name: Kind(**kind) for name, kind in given["kinds"].items()}
            return cls(**given)
        except (TypeError, AttributeError) as error:
            raise ValueError(f"tracker settings: {error}") from None
