"""SynthTraffic on disk: the same bytes again, unfinished runs finished, files that the loaders read."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from d2ext.data.formats import load_mvtec_ad, load_trajectories
from d2ext.data.synthtraffic import generate
from d2ext.data.synthtraffic.__main__ import main
from d2ext.data.synthtraffic.generate import SPEC
from d2ext.data.trajectories import SpaceTimeRenderer, anomaly_mask, read_tracks

COUNTS = (2, 1, 18)  # train, val, test: one test recording of each kind


def _digest(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synthtraffic") / "data"
    assert generate(folder, 3, *COUNTS, progress=False)
    return folder


@pytest.fixture(scope="module")
def records(root: Path) -> tuple[list[dict], list[dict]]:
    """Test recordings and test graphs, in one order."""
    recordings = load_trajectories(root / "trajectories", "test")
    graphs = load_mvtec_ad(root / "mvtec_ad" / "arterial", "test")
    graphs.sort(key=lambda graph: Path(graph["file_name"]).stem)
    return recordings, graphs


def test_an_unfinished_benchmark_is_finished_with_the_same_bytes_by_two_workers(root, tmp_path):
    generate(tmp_path / "part", 3, 1, 0, 0, progress=False)
    part = tmp_path / "part"
    settings = json.loads((root / "synthtraffic.json").read_text())
    (part / "synthtraffic.json").write_text(json.dumps({**settings, "complete": False}))
    kept = part / "trajectories/train/000000.csv"
    before = kept.stat().st_mtime_ns
    assert generate(part, 3, *COUNTS, workers=2, progress=False)
    assert _digest(part) == _digest(root)
    assert kept.stat().st_mtime_ns == before


def test_a_complete_benchmark_is_left_alone_and_other_settings_are_refused(root):
    before = _digest(root)
    assert generate(root, 3, *COUNTS, progress=False) is False
    with pytest.raises(FileExistsError, match="not empty"):
        generate(root, 4, *COUNTS, progress=False)
    assert _digest(root) == before


def test_another_seed_gives_other_traffic(root, tmp_path):
    generate(tmp_path / "other", 4, 1, 0, 0, progress=False)
    name = "trajectories/train/000000.csv"
    assert (tmp_path / "other" / name).read_bytes() != (root / name).read_bytes()


def test_half_of_the_test_is_normal_and_training_is_all_normal(root, records):
    recordings, graphs = records
    for found in records:
        assert len(found) == COUNTS[2] and sum(record["label"] for record in found) == COUNTS[2] // 2
    assert [r["kind"] for r in recordings] == [g["kind"] for g in graphs]
    assert len({g["kind"] for g in graphs}) == 10
    for split, count in zip(("train", "val"), COUNTS, strict=False):
        assert [r["label"] for r in load_trajectories(root / "trajectories", split)] == [0] * count
        assert [r["label"] for r in load_mvtec_ad(root / "mvtec_ad/arterial", split)] == [0] * count


def test_graphs_and_masks_are_those_of_the_recordings(records):
    for recording, graph_record in zip(*records, strict=True):
        graph = SpaceTimeRenderer(read_tracks(recording["file_name"]), SPEC).render(0, 256)
        image = cv2.imread(graph_record["file_name"])
        assert image.shape == (256, 256, 3)
        np.testing.assert_array_equal(image, graph.image)
        if graph_record["mask_file"]:
            mask = cv2.imread(graph_record["mask_file"], cv2.IMREAD_GRAYSCALE)
            assert set(np.unique(mask)) == {0, 255}
            np.testing.assert_array_equal(mask > 0, anomaly_mask(graph, recording["anomalies"]))


def test_most_of_a_mask_is_drawn_by_the_labelled_vehicles(records):
    for recording, graph_record in zip(*records, strict=True):
        if not recording["label"]:
            continue
        graph = SpaceTimeRenderer(read_tracks(recording["file_name"]), SPEC).render(0, 256)
        mask = cv2.imread(graph_record["mask_file"], cv2.IMREAD_GRAYSCALE) > 0
        assert 20 < mask.sum() < mask.size / 3
        named = graph.tracks_in(mask)
        labelled = {i.track_id for i in recording["anomalies"][0].intervals}
        assert sum(named.get(name, 0) for name in labelled) > 0.7 * sum(named.values())


@pytest.mark.parametrize(
    "arguments",
    [
        ["--root", "x"],
        ["--root", "x", "--seed", "-1"],
        ["--root", "x", "--seed", "1", "--train", "-2"],
        ["--root", "x", "--seed", "1", "--train", "0", "--val", "0", "--test", "0"],
        ["--root", "x", "--seed", "1", "--workers", "0"],
    ],
)
def test_bad_arguments_end_with_one_line_and_code_2(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())
