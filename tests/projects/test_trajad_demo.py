"""TrajAD's demo.py with a model that finds the colour of reversing vehicles."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from detectron2.modeling import META_ARCH_REGISTRY
from project_scripts import ROOT, call_script, load_script
from safetensors.torch import save_file
from torch import nn

from d2ext.data.image_io import read_image
from d2ext.data.synthtraffic.generate import SPEC
from d2ext.data.synthtraffic.simulate import simulate
from d2ext.data.trajectories import SpaceTimeRenderer, tracks_to_csv
from d2ext.projects.trajad.predictor import stitch


@META_ARCH_REGISTRY.register()
class FindsPurple(nn.Module):
    """Its anomaly map is 1 where the image is purple, else 0."""

    def __init__(self, cfg) -> None:
        super().__init__()
        self.height = nn.Parameter(torch.ones(()))

    def threshold(self) -> float:
        return 0.2

    def forward(self, batched_inputs: list[dict]) -> list[dict]:
        maps = []
        for x in batched_inputs:
            blue, green, red = x["image"].int()
            maps.append(((blue > green + 80) & (red > green + 80)) * self.height)
        return [{"anomaly_map": m, "score": float(m.max())} for m in maps]


@pytest.fixture
def demo(tmp_path, monkeypatch):
    """Calls demo.py as a command; returns its exit status."""
    save_file({"height": torch.ones(())}, tmp_path / "model.safetensors")
    config = tmp_path / "stub.yaml"
    model = {
        "META_ARCHITECTURE": "FindsPurple",
        "DEVICE": "cpu",
        "WEIGHTS": str(tmp_path / "model.safetensors"),
    }
    base = str(ROOT / "configs/TrajAD/Base-TrajAD.yaml")
    config.write_text(yaml.safe_dump({"_BASE_": base, "MODEL": model}))
    script = load_script("demo", "TrajAD")
    monkeypatch.chdir(tmp_path)

    def call(*arguments) -> int:
        return call_script(script, "--config-file", config, *arguments)

    return call


@pytest.fixture(scope="module")
def recording():
    return simulate("reversing", [1, 2, 0])


def test_a_recording_gives_a_picture_and_the_vehicle_that_reverses(demo, recording, tmp_path, capsys):
    Path("tracks.csv").write_bytes(tracks_to_csv(recording.tracks))
    assert demo("--input", "tracks.csv", "--output", "out.png", "--json", "out.json") == 0
    found = json.loads(Path("out.json").read_text())
    (label,) = recording.intervals
    assert found["score"] == 1 and found["threshold"] == 0.2
    first = found["regions"][0]["tracks"][0]
    assert first["id"] == label.track_id
    assert label.start - 2 <= first["start"] < first["end"] <= label.end + 2
    assert found["tracks"][0] == {"id": label.track_id, "share": 1.0}
    assert f"vehicles {label.track_id}" in capsys.readouterr().out
    assert read_image("out.png").shape[1] > 2 * 256


def test_an_image_gives_regions_at_its_own_size(demo, recording):
    image = SpaceTimeRenderer(recording.tracks, SPEC).render(0, 256).image
    large = cv2.resize(image, (512, 768), interpolation=cv2.INTER_NEAREST)
    cv2.imwrite("graph.png", large)
    assert demo("--input", "graph.png", "--output", "out.png", "--json", "out.json") == 0
    (region,) = json.loads(Path("out.json").read_text())["regions"]
    rows, columns = np.nonzero(
        (large[..., 0] > large[..., 1] + 80.0) & (large[..., 2] > large[..., 1] + 80.0)
    )
    expected = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert np.abs(np.array(region["box"]) - expected).max() <= 6  # resized there and back
    assert "tracks" not in region


def test_a_normal_recording_has_no_regions(demo, capsys):
    Path("tracks.csv").write_bytes(tracks_to_csv(simulate("good", [1, 2, 1]).tracks))
    assert demo("--input", "tracks.csv", "--output", "out.png", "--json", "out.json") == 0
    assert json.loads(Path("out.json").read_text())["regions"] == []
    assert "tracks.csv: normal, score 0.00, threshold 0.2" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, status, message",
    [
        (("--input", "no.csv", "--output", "out.png"), 2, "argument --input: no.csv: no such file"),
        (("--input", "other.csv", "--output", "out.png"), 1, "other.csv: has the lanes 7, none of"),
        (("--input", "no.png", "--output", "out.png"), 1, "no.png: expected an image file"),
        (("--input", "far.csv", "--output", "nowhere/out.png"), 2, "nowhere/out.png: no folder nowhere"),
        (("--input", "far.csv", "--output", "out.txt"), 1, "out.txt: expected a picture name"),
        (("--input", "late.csv", "--output", "out.png"), 1, "late.csv:4: the time goes backwards"),
        (("--input", "far.csv", "--output", "out.png"), 1, "far.csv: no vehicle on lanes 1, 2 from 0 to 381"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(demo, tmp_path, capsys, arguments, status, message):
    head = "track_id,time,lane,position\n"
    Path("late.csv").write_text(head + "a,1,1,10\na,2,1,20\na,1.5,1,30\n")
    Path("far.csv").write_text(head + "a,1,1,1010\na,2,1,1020\n")
    Path("other.csv").write_text(head + "a,1,7,10\na,2,7,20\n")
    Path("no.png").write_text("no picture")
    assert demo(*arguments) == status
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ") and message in error and "\n" not in error
    assert not list(tmp_path.rglob("out.*"))


def test_overlapping_maps_meet_in_the_middle_of_the_overlap():
    whole = np.arange(25.0)[None].repeat(2, 0)
    starts = [3, 9, 13]
    maps = [whole[:, s : s + 10].copy() for s in starts]
    assert (stitch(maps, starts) == whole[:, 3:23]).all()
    for m in maps[:-1]:
        m[:, -1] = -1  # an edge inside the recording does not count
    for m in maps[1:]:
        m[:, 0] = -1
    assert (stitch(maps, starts) == whole[:, 3:23]).all()
