"""What the shipped TrajAD checkpoint finds in recordings of another seed than it was trained on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from project_scripts import ROOT

from d2ext.data.synthtraffic.__main__ import main as synthesize
from d2ext.data.synthtraffic.anomalies import STRUCTURAL
from d2ext.data.trajectories import anomaly_mask, read_labels, read_tracks
from d2ext.engine import load_config
from d2ext.projects.trajad import TrajADPredictor, add_trajad_config

pytestmark = pytest.mark.slow

CONFIG = ROOT / "configs/TrajAD/trajad_synthtraffic.yaml"
WEIGHTS = ROOT / "projects/TrajAD/weights/trajad_synthtraffic.safetensors"


@pytest.fixture(scope="module")
def datasets(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("datasets")
    counts = ("--train", "2", "--val", "2", "--test", "216", "--workers", "2")
    assert synthesize(["--root", str(root / "synthtraffic"), "--seed", "77", *counts]) == 0
    return root


@pytest.fixture(scope="module")
def abnormal(datasets) -> list[Path]:
    labels = sorted((datasets / "synthtraffic/trajectories/test").glob("*.json"))
    found = [path for path in labels if read_labels(path)]
    assert len(found) == 108
    return found


def test_recordings_are_told_apart_and_anomalies_located(datasets, tmp_path):
    command = [sys.executable, "projects/TrajAD/train_net.py", "--config-file", str(CONFIG), "--eval-only"]
    options = ["MODEL.WEIGHTS", str(WEIGHTS), "OUTPUT_DIR", str(tmp_path)]
    environment = os.environ | {"DETECTRON2_DATASETS": str(datasets)}
    subprocess.run([*command, *options], cwd=ROOT, env=environment, check=True)
    path = tmp_path / "inference/synthtraffic_trajectories_test/metrics.json"
    result = json.loads(path.read_text())["anomaly"]
    assert result["image AUROC"] >= 95 and result["pixel AUROC"] >= 95 and result["AUPRO"] >= 85


def test_the_heat_lies_on_the_anomaly_and_names_its_vehicle(abnormal):
    """The responsible vehicle is named first; of a queue, a vehicle in it."""
    cfg = load_config(add_trajad_config, str(CONFIG), ["MODEL.WEIGHTS", str(WEIGHTS)])
    predictor = TrajADPredictor(cfg)
    named, hotter = [], []
    for path in abnormal:
        (label,) = read_labels(path)
        graph, heat = predictor.recording(read_tracks(path.with_suffix(".csv")))
        first = next(iter(graph.tracks_in(heat.clip(0))))
        ids = [interval.track_id for interval in label.intervals]
        named.append(first in (ids[:1] if label.kind in STRUCTURAL else ids))
        mask = anomaly_mask(graph, [label])
        hotter.append(heat[mask].mean() > heat[~mask].mean())
    assert np.mean(named) >= 0.8
    assert np.mean(hotter) >= 0.95
