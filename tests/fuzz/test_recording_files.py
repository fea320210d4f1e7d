"""Any bytes as a recording, road or label file: what they hold, or one line that names the file."""

from __future__ import annotations

import json
import math
import random
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hostile import fuzz
from hypothesis import given
from hypothesis import strategies as st

from d2ext.data.trajectories import (
    COLUMN_MAPS,
    GraphSpec,
    Road,
    SpaceTimeRenderer,
    Tracks,
    anomaly_mask,
    check_labels,
    read_labels,
    read_road,
    read_tracks,
    tracks_to_csv,
)

SECONDS, MEGABYTES = 2.0, 500
# Files are made from a number: strategies that are built of many take ten times as long as the readers.
SEEDS = st.integers(0, 2**48).map(random.Random)
SPEC = GraphSpec(("1", "2"), 0, 100)
ROAD = Road({"1": np.array([[0.0, 0.0], [100.0, 0.0]])}, origin=(37.9, 23.7))

#: What numbers look like in files, and what only looks like them.
NUMBERS = [
    "", " 1 ", "-3", "17.25", "1e3", "1e11", "1e39", "-1e308", "1e999", "-0", "5e-324", "nan", "-inf", "0_0",
    "0x10", "1,5", "٣", "１", "½", "1.2.3", "E0", '"4"', "9" * 400, "x" * 9000, "x" * 200_000, "\0", "\ud800",
]  # fmt: skip
NAMES = [
    "1", "2", "01", "007", "9223372036854775808", "E0_0", "车道", "", " ", '"', '"a,b"', "a\0b", "a\u2028b",
    "a\x85", "'", "x" * 201, "\ud800", "-", "\u202e1", "y" * 200_000,
]  # fmt: skip
SEPARATORS = [",", ";", "\t", ", ", " "]
LINE_ENDS = ["\n", "\r\n", "\r", "\n\n"]
BYTES = [
    b"",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"\n",
    b"\r",
    b'"',
    b",",
    b";",
    b"<",
    b"&",
    b"9" * 50,
]


def _check(path: Path, read: Callable[[], Any]) -> Any:
    """What ``read`` gives, or None after an error that is as it should be."""
    start = time.process_time()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        return read()
    except (ValueError, FileNotFoundError) as error:
        message = str(error)
        assert type(error) in (ValueError, FileNotFoundError), type(error)
        assert path.name in message and len(message) < 300, message
        assert len(message.splitlines()) == 1 and message.isprintable(), message
        return None
    finally:
        assert time.process_time() - start < SECONDS
        assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < MEGABYTES


def _check_recording(path: Path, layout: str) -> None:
    tracks = _check(path, lambda: read_tracks(path, COLUMN_MAPS[layout], ROAD))
    if tracks is None:
        return
    assert isinstance(tracks, Tracks) and len(tracks) >= 2
    for part in (tracks.time, tracks.position, tracks.speed):
        assert np.isfinite(part).all()
    same = np.diff(tracks.track) == 0
    assert (np.diff(tracks.track) >= 0).all() and (np.diff(tracks.time)[same] > 0).all()
    assert set(np.unique(tracks.track)) == set(range(len(tracks.ids)))
    renderer = SpaceTimeRenderer(tracks, SPEC)
    try:
        start = renderer.columns().start
    except ValueError:
        return  # longer than the limit
    renderer.render(start, 32)
    copy = path.with_name("copy.csv")
    copy.write_bytes(tracks_to_csv(tracks))
    try:
        again = read_tracks(copy)
    except ValueError:  # two times or speeds that the rounding of the file makes one, or unfit
        return
    assert again.ids.tolist() == tracks.ids.tolist() and again.lane.tolist() == tracks.lane.tolist()


def _table(rng: random.Random, layout: str) -> bytes:
    """A file in a layout, with some fields, rows or bytes of it wrong."""
    columns = COLUMN_MAPS[layout]
    names = [columns.track_id, columns.time, columns.lane, columns.position, columns.x, columns.y]
    header = [name for name in dict.fromkeys((*names, columns.speed, columns.box_length)) if name is not None]
    header += [condition.partition("!")[0] for condition in columns.where]
    if rng.random() < 0.5:
        rng.shuffle(header)
    share, count = rng.choice((0, 0, 0.03, 0.2)), rng.randrange(9)  # of fields that are wrong
    rows = []
    for number in range(count):
        row = []
        for name in header:
            is_name = name in (columns.track_id, columns.lane)
            usual = (
                rng.choice("117") if is_name else str(number if name == columns.time else rng.randrange(9))
            )
            row.append(rng.choice(NAMES if is_name else NUMBERS) if rng.random() < share else usual)
        rows.append(row[: rng.randrange(len(row))] if rng.random() < share / 4 else row)
    if columns.headers and rng.random() < 0.5:
        rows = [_full_row(columns.headers[-1], header, row) for row in rows]
    else:
        rows.insert(0, header)
    separator, end = rng.choice(SEPARATORS), rng.choice(LINE_ENDS)
    return _damaged(rng, end.join(separator.join(row) for row in rows))


def _full_row(names: tuple[str, ...], header: list[str], row: list[str]) -> list[str]:
    values = dict(zip(header, row, strict=False))
    return [values.get(name, "0") for name in names]


def _pneuma(rng: random.Random) -> bytes:
    rows = ["track_id; type; traveled_d; avg_speed; lat; lon; speed; lon_acc; lat_acc; time"]
    share = rng.choice((0, 0, 0.02, 0.2))
    for number in range(rng.randrange(4)):
        row = [str(number), " Car", " 10.0", " 5.0"]
        for moment in range(rng.randrange(5)):
            row += [" 37.9", f" {23.7 + 1e-5 * moment:.6f}", " 3.0", " 0.0", " 0.0", f" {moment / 25:.6f}"]
        row = [rng.choice(NUMBERS + NAMES) if rng.random() < share else field for field in row]
        rows.append(";".join(row[: rng.randrange(len(row))] if rng.random() < share else row) + "; ")
    return _damaged(rng, "\n".join(rows))


def _damaged(rng: random.Random, text: str) -> bytes:
    data = bytearray(text.encode("utf-8", "surrogatepass"))
    if rng.random() < 0.3 and data:
        for _ in range(rng.randrange(1, 4)):
            place = rng.randrange(len(data) + 1)
            data[place : place + rng.randrange(4)] = rng.choice(BYTES)
    if rng.random() < 0.05:
        data = bytearray(rng.randbytes(rng.randrange(60)))
    return (b"\xef\xbb\xbf" if rng.random() < 0.1 else b"") + bytes(data)


@fuzz
@given(rng=SEEDS)
def test_recordings_as_text(tmp_path, rng):
    layout = rng.choice(list(COLUMN_MAPS))
    path = tmp_path / "recording.csv"
    path.write_bytes(_table(rng, layout))
    _check_recording(path, layout)


@fuzz
@given(rng=SEEDS)
def test_recordings_of_a_line_a_vehicle(tmp_path, rng):
    path = tmp_path / "pneuma.csv"
    path.write_bytes(_pneuma(rng))
    _check_recording(path, "pneuma")


@fuzz
@given(rng=SEEDS)
def test_metadata_of_highd(tmp_path, rng):
    path = tmp_path / "01_tracks.csv"
    path.write_text("frame,id,x,width,xVelocity,laneId\n1,1,50,4,-25,2\n2,1,49,4,-25,2\n")
    meta = "id,frameRate,upperLaneMarkings\n1,25,8.5;12.6;16.4\n"
    tracks = "id,drivingDirection\n1,1\n2,2\n"
    for name, text in (("01_recordingMeta.csv", meta), ("01_tracksMeta.csv", tracks)):
        fields = [rng.choice(NUMBERS + NAMES) if rng.random() < 0.1 else f for f in text.split(",")]
        path.with_name(name).write_bytes(_damaged(rng, ",".join(fields)))
    found = _check(tmp_path / "01_", lambda: read_tracks(path, COLUMN_MAPS["highd"]))
    assert found is None or np.isfinite(found.time).all()


HEADS = [
    "", "", "", '<?xml version="1.0" encoding="UTF-8"?>\n', '<?xml version="1.0" encoding="latin-1"?>',
    '<?xml version="1.0" encoding="UTF-16"?>', '<?xml version="1.0" encoding="klingon"?>',
    '<?xml version="1.0" encoding="gb2312"?>', '<!DOCTYPE fcd-export [<!ENTITY a "b">]>',
]  # fmt: skip


def _fcd(rng: random.Random) -> bytes:
    share = rng.choice((0, 0, 0.02, 0.2))
    root = rng.choice(["fcd-export"] * 9 + ["routes"])
    steps = []
    for number in range(rng.randrange(6)):
        vehicles = ""
        for name in rng.sample("abc", rng.randrange(4)):
            fields = {"id": name, "lane": "E_0", "pos": str(3 * number), "speed": "3", "x": "1", "y": "2"}
            for key in list(fields):
                if rng.random() < share:
                    fields[key] = rng.choice(NUMBERS + NAMES).replace("\0", "&#0;").replace('"', "&quot;")
                if rng.random() < share / 4:
                    del fields[key]
            vehicles += "<vehicle " + " ".join(f'{key}="{value}"' for key, value in fields.items()) + "/>"
        time = rng.choice(NUMBERS).replace('"', "") if rng.random() < share / 2 else number
        steps.append(f'<timestep time="{time}">{vehicles}</timestep>')
    return _damaged(rng, f"{rng.choice(HEADS)}<{root}>{''.join(steps)}</{root}>")


@fuzz
@given(rng=SEEDS)
def test_recordings_as_xml(tmp_path, rng):
    path = tmp_path / "fcd.xml"
    path.write_bytes(_fcd(rng))
    _check_recording(path, "sumo")


VALUES: list[Any] = [
    None, True, 0, -1, 10**17, 10**400, 0.5, 1e39, -1e308, math.nan, -math.inf, "", " ", "nan", "01", "٣",
    "a\0b", "\ud800", "x" * 200_000, [], [[]], [1, [2]], {}, {"a": 1}, ["a"] * 3, [None] * 9, [[0, 0]] * 3,
]  # fmt: skip
TEXTS = [
    b"[" * 100_000,
    b'{"lanes":' * 50_000,
    b"9" * 5000,
    b"",
    b"{}",
    b'{"half_width": 1, "half_width": 2}',
]
ROAD_FILE = {
    "lanes": {"1": [[0, 0], [50, 0.5], [100, 0]], "01": [[0, 4], [100.0, 4]]},
    "half_width": 2.5,
    "backward_lanes": [1, "01"],
    "origin": [37.9, 23.7],
}
LABEL_FILE = {
    "anomalies": [
        {
            "kind": "stopped",
            "tracks": [{"id": "a", "start": 1, "end": 2.5}, {"id": "a", "start": 0, "end": 9}],
        },
        {"kind": "none", "tracks": [{"id": "a", "start": 3.0, "end": 3.0}]},
    ]
}


def _changed(rng: random.Random, value: Any, share: float) -> Any:
    """A copy in which some parts are others."""
    if rng.random() < share:
        return rng.choice(VALUES)
    if isinstance(value, dict):
        changed = {
            rng.choice(NAMES) if rng.random() < share / 2 else key: _changed(rng, part, share)
            for key, part in value.items()
            if rng.random() >= share / 2
        }
        return changed
    return [_changed(rng, part, share) for part in value] if isinstance(value, list) else value


def _json(rng: random.Random, value: Any) -> bytes:
    if rng.random() < 0.03:
        return rng.choice(TEXTS)
    text = json.dumps(_changed(rng, value, rng.choice((0, 0.05, 0.3))), ensure_ascii=rng.random() < 0.5)
    return _damaged(rng, text)


@fuzz
@given(rng=SEEDS)
def test_roads(tmp_path, rng):
    path = tmp_path / "road.json"
    path.write_bytes(_json(rng, ROAD_FILE))
    road = _check(path, lambda: read_road(path))
    if road is not None:
        lane, position, on_road = road.project(np.array([0.0, 20.0]), np.array([1.0, -1.0]))
        assert 0 < road.half_width < np.inf and np.isfinite(position[on_road]).all()
        assert (lane[~on_road] == "").all()


@fuzz
@given(rng=SEEDS)
def test_labels(tmp_path, rng):
    path = tmp_path / "a.json"
    path.write_bytes(_json(rng, LABEL_FILE))
    anomalies = _check(path, lambda: read_labels(path))
    time = np.arange(10.0)
    one = np.ones(10, np.int64)
    tracks = Tracks(np.array(["a"]), 0 * one, time, one, 8 * time, np.full(10, 8.0))
    if anomalies is not None and _check(path, lambda: check_labels(anomalies, tracks, path) or True):
        graph = SpaceTimeRenderer(tracks, SPEC).render(0, 24)
        shown = [i for anomaly in anomalies for i in anomaly.intervals if i.start < 5 and i.end > 0]
        assert anomaly_mask(graph, anomalies).any() >= bool(shown)
