"""Recordings as the data of a config: columns, lanes and limits; labels that fit; broken ones left out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from detectron2.config import CfgNode, get_cfg
from detectron2.data import DatasetCatalog, MetadataCatalog

from d2ext.data.anomaly_mapper import AnomalyMapper
from d2ext.data.build import build_anomaly_test_loader, build_anomaly_train_loader
from d2ext.data.builtin import register_dataset
from d2ext.data.config import add_anomaly_data_config, add_grounding_data_config
from d2ext.data.formats import load_trajectories
from d2ext.data.recordings import column_map, graph_records, graph_spec, read_recording
from d2ext.data.trajectories import COLUMN_MAPS, LiveGraph, Tracks

HEAD = "track_id,time,lane,position\n"


@pytest.fixture
def cfg() -> CfgNode:
    cfg = get_cfg()
    add_grounding_data_config(cfg)
    add_anomaly_data_config(cfg)
    cfg.SEED = 1
    cfg.SOLVER.IMS_PER_BATCH = 1
    cfg.DATALOADER.NUM_WORKERS = 0
    for key in ("BRIGHTNESS", "CONTRAST", "SATURATION"):
        cfg.INPUT.COLOR_JITTER[key] = 0.0
    return cfg


@pytest.fixture
def root(tmp_path):
    """Dataset ``own_train`` and ``own_test`` of the folder."""
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        register_dataset(f"own_{split}", "trajectories", tmp_path, split)
    yield tmp_path
    for split in ("train", "test"):
        DatasetCatalog.remove(f"own_{split}")
        MetadataCatalog.remove(f"own_{split}")


def _rows(name: str, lane: str, start: float = 0.0, speed: float = 10.0) -> str:
    return "".join(f"{name},{t / 2},{lane},{start + speed * t / 2}\n" for t in range(60))


def _label(path: Path, name: str, start: float = 2, end: float = 9) -> None:
    anomaly = {"kind": "stopped", "tracks": [{"id": name, "start": start, "end": end}]}
    path.write_text(json.dumps({"anomalies": [anomaly]}))


def _graphs(cfg, root, **kwargs):
    records = load_trajectories(root, "test")
    return graph_records(records, graph_spec(cfg), 256, 64, column_map(cfg), **kwargs)


def test_a_labelled_vehicle_is_found_by_the_name_that_is_written(cfg, root):
    (root / "test/a.csv").write_text(HEAD + _rows("007", "1") + _rows("7", "2", 40))
    _label(root / "test/a.json", "007")
    (record,) = _graphs(cfg, root)
    mask = AnomalyMapper(cfg, False)(record)["mask"].numpy()
    height = graph_spec(cfg).panel_height
    assert mask[:height].any() and not mask[height + 4 :].any()  # lane 1's panel only


@pytest.mark.parametrize(
    "label, message",
    [
        (("07",), "a.json: anomaly 0: vehicle '07' is not in the recording"),
        (("8",), "vehicle '8' is not in the recording"),  # a single row, left out
        (("007", 90, 99), "vehicle '007' is there from 0 to 29.5 s, not from 90 to 99 s"),
    ],
)
def test_a_label_that_does_not_fit_is_one_line_with_file_and_vehicle(cfg, root, label, message):
    (root / "test/a.csv").write_text(HEAD + _rows("007", "1") + "8,0,1,5\n")
    _label(root / "test/a.json", *label)
    with pytest.raises(ValueError) as error:
        _graphs(cfg, root)
    assert message in str(error.value) and str(root / "test/a.json") in str(error.value)


def test_an_anomaly_outside_of_the_graphs_is_warned_of(cfg, root, caplog):
    (root / "test/a.csv").write_text(HEAD + _rows("1", "1") + _rows("2", "9"))
    _label(root / "test/a.json", "2")
    (record,) = _graphs(cfg, root)
    assert "a.csv: anomaly 0 (stopped) is outside of INPUT.GRAPH" in caplog.text
    assert AnomalyMapper(cfg, False)(record)["label"] == 0


def test_lanes_keep_their_names(cfg, root):
    text = HEAD + _rows("a", "1") + _rows("b", "01", 60) + _rows("c", "E0_0", 120)
    (root / "test/a.csv").write_text(text)
    height = graph_spec(cfg).panel_height

    def lit(lanes) -> list[bool]:
        cfg.INPUT.GRAPH.LANES = lanes
        mapper = AnomalyMapper(cfg, False)
        image = mapper(_graphs(cfg, root)[0])["image"].numpy().max(0)
        starts = range(0, len(lanes) * (height + 2), height + 2)
        return [bool((image[s : s + height] > 0).any()) for s in starts]

    assert lit([1, 2]) == [True, False]
    assert lit(["01", "1", "E0_0", "E0_1"]) == [True, True, True, False]
    cfg.INPUT.GRAPH.LANES = ["001", 5]
    with pytest.raises(
        ValueError, match="a.csv: has the lanes 01, 1, E0_0, none of INPUT.GRAPH.LANES: 001, 5"
    ):
        _graphs(cfg, root)


def test_recordings_of_which_nothing_would_be_drawn_are_refused(cfg, root, caplog):
    (root / "test/a.csv").write_text(HEAD + _rows("a", "1", start=2000))
    with pytest.raises(ValueError, match="a.csv: no vehicle on lanes 1, 2 from 0 to 381 m"):
        _graphs(cfg, root)
    (root / "test/a.csv").write_text(HEAD + "".join(f"a,{2 * t},1,{20 * t}\n" for t in range(9)))
    with pytest.raises(ValueError, match="a.csv: rows of a vehicle are 2 s apart, INPUT.GRAPH.MAX_GAP is 1"):
        _graphs(cfg, root)
    cfg.INPUT.GRAPH.MAX_GAP = 2.5
    assert len(_graphs(cfg, root)) == 1
    assert "no recording has the lanes 2 of INPUT.GRAPH.LANES" in caplog.text


@pytest.mark.parametrize(
    "key, value",
    [
        ("LANES", [1, "1"]), ("LANES", []), ("LANES", [1.5]), ("LANES", [True]), ("END", float("inf")),
        ("END", float("nan")), ("START", float("nan")), ("METRES_PER_PIXEL", float("nan")),
        ("METRES_PER_PIXEL", 1e-6), ("SECONDS_PER_PIXEL", float("inf")), ("SEPARATOR", -1),
        ("MAX_COLUMNS", 0), ("LANES", list(range(1000))), ("TOP_SPEED", 0.0),
    ],
)  # fmt: skip
def test_graphs_that_cannot_be_are_refused(cfg, key, value):
    cfg.INPUT.GRAPH[key] = value
    with pytest.raises(ValueError, match="^INPUT.GRAPH: ") as error:
        graph_spec(cfg)
    assert len(str(error.value)) < 300


def test_column_keys_reach_the_datasets(cfg, root):
    (root / "test/a.csv").write_text("Vehicle_ID;ms;Strip;ft\n" + _rows("a", "x", 600, -30).replace(",", ";"))
    r = cfg.INPUT.RECORDING
    r.TRACK_ID, r.TIME, r.LANE, r.POSITION = "Vehicle_ID", "ms", "Strip", "ft"
    r.LENGTH_UNIT, r.BACKWARD_LANES = 0.3048, ["x"]
    cfg.INPUT.GRAPH.LANES = ["x"]
    (record,) = [batch[0] for batch in build_anomaly_test_loader(cfg, "own_test")]
    image = record["image"].numpy()
    blue, green, red = image[:, image.sum(0) == image.sum(0).max()].mean(1)
    assert green > red > blue  # it drives, at 9 of 13.9 m/s; against the lane it would be blue
    tracks = read_recording(cfg, root / "test/a.csv")
    np.testing.assert_allclose(tracks.speed, 30 * 0.3048)
    r.LAYOUT = "highd"
    assert column_map(cfg).time_unit == COLUMN_MAPS["highd"].time_unit


@pytest.mark.parametrize(
    "key, value, message",
    [
        ("LAYOUT", "excel", "INPUT.RECORDING.LAYOUT: expected one of plain, highd"),
        ("LENGTH_UNIT", -1.0, "INPUT.RECORDING: length_unit must be"),
        ("POSITION", "Local_Y", "INPUT.RECORDING: column 'Local_Y' is in feet"),
        ("SEPARATOR", "ab", "INPUT.RECORDING: separator"),
    ],
)
def test_columns_that_cannot_be_are_refused(cfg, key, value, message):
    cfg.INPUT.RECORDING[key] = value
    with pytest.raises(ValueError, match=message):
        column_map(cfg)


def test_a_wrong_time_is_one_line_with_file_and_row_and_takes_no_memory(cfg, root):
    (root / "test/a.csv").write_text(HEAD + _rows("a", "1") + "a,1e11,1,900\n")
    with pytest.raises(
        ValueError, match=r"a.csv:62: 1e\+11 s from the first row to the last, expected at most"
    ):
        _graphs(cfg, root)
    (root / "test/a.csv").write_text(HEAD + _rows("a", "1"))
    cfg.INPUT.GRAPH.MAX_COLUMNS = 60
    assert len(_graphs(cfg, root)) == 1
    cfg.INPUT.GRAPH.MAX_COLUMNS = 59
    with pytest.raises(ValueError, match="a.csv:2: 29.5 s from the first row"):
        _graphs(cfg, root)


def test_a_wrong_time_in_a_stream_is_an_error(cfg):
    live = LiveGraph(graph_spec(cfg), 256, 16)

    def rows(*times: float) -> Tracks:
        time = np.array(times)
        one = np.ones(len(time))
        return Tracks(np.array(["a"]), np.zeros(len(time), int), time, one.astype(int), 10 * one, one)

    live.update(rows(0.0, 0.5, 1.0))
    with pytest.raises(ValueError, match="now is 1e"):
        live.update(rows(1e11))
    live.update(rows(1.5, 2.0))  # nothing was taken


def test_broken_recordings_are_left_out_and_counted_where_that_is_asked_for(cfg, root, caplog, monkeypatch):
    for split in ("train", "test"):
        (root / split / "a.csv").write_text(HEAD + _rows("a", "1"))
        (root / split / "b.csv").write_text(HEAD + _rows("a", "1") + "a,late,1,5\n")
    cfg.DATASETS.TRAIN, cfg.DATASETS.NORMAL = ("own_train",), ("own_test",)
    builds = (
        lambda: [x["image_id"] for batch in build_anomaly_test_loader(cfg, "own_test") for x in batch],
        lambda: [x["image_id"] for x in next(iter(build_anomaly_train_loader(cfg)))],
    )
    for build in builds:
        with pytest.raises(ValueError, match="b.csv:62: column 'time': expected a number, got 'late'"):
            build()
    monkeypatch.setenv("D2EXT_SKIP_BROKEN", "1")
    for build in builds:
        caplog.clear()
        assert build() == ["a"]
        assert "skipped 1 broken" in caplog.text and "b.csv:62" in caplog.text
    (root / "test/a.csv").write_text(HEAD)
    with pytest.raises(ValueError, match="no usable recording, the first: .*expected rows below the header"):
        builds[0]()


@pytest.mark.parametrize(
    "name, file, message",
    [
        ("digits.csv", "a.csv", "a.csv:2: column 'time': expected a number, got '0_0'"),
        ("time.csv", "a.csv", "a.csv:6: 1e+11 s from the first row to the last"),
        ("road_nan.json", "../road.json", "road.json: expected JSON: NaN"),
        ("labels_nan.json", "a.json", "a.json: expected JSON: NaN"),
        ("deep.json", "a.json", "a.json: expected JSON"),
        ("bigint.json", "../road.json", "road.json: expected"),
    ],
)
def test_hostile_files(cfg, root, shared_dir, name, file, message):
    source = shared_dir / "cases/bad_input" / name
    if not source.is_file():
        pytest.skip("needs ../shared")
    (root / "test/a.csv").write_text(HEAD + _rows("a", "1"))
    (root / "test" / file).write_bytes(source.read_bytes())
    with pytest.raises(ValueError) as error:
        _graphs(cfg, root)
    assert message in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 300
