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
        (("--input", "far.csv", "--output", "no.png/out.png"), 2, "no.png is a file, expected a folder"),
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


def _purple(path: str, size: tuple[int, int], box: tuple[int, int, int, int] | None) -> None:
    """A gray image (height, width) with a purple box x0, y0, x1, y1."""
    image = np.full((*size, 3), 100, np.uint8)
    if box:
        image[box[1] : box[3], box[0] : box[2]] = (255, 0, 255)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(path, image)


def _lines(path: str) -> list[dict]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def test_a_folder_of_images_has_a_line_and_a_picture_each_and_bad_ones_stop_nothing(demo, capsys):
    _purple("in/b/spot.png", (512, 768), (300, 100, 420, 180))
    _purple("in/a.TIF", (90, 100), None)
    _purple("in/a.png", (90, 100), None)
    _purple("in/thin.png", (8, 600), (0, 0, 600, 8))
    whole = Path("in/a.png").read_bytes()
    Path("in/broken.jpg").write_bytes(b"no picture")
    Path("in/cut.png").write_bytes(whole[: len(whole) // 2])
    Path("in/notes.txt").write_text("no recording")
    assert demo("--input", "in", "--output", "in/found") == 0
    rows = {row["input"]: row for row in _lines("in/found/results.jsonl")}
    assert list(rows) == ["a.TIF", "a.png", "b/spot.png", "broken.jpg", "cut.png", "thin.png"]
    for name in ("broken.jpg", "cut.png"):
        assert rows[name].keys() == {"input", "error"} and name in rows[name]["error"]
        assert "\n" not in rows[name]["error"] and len(rows[name]["error"]) < 300
    assert [rows[n]["verdict"] for n in ("a.TIF", "a.png", "b/spot.png", "thin.png")] == [
        *("normal", "normal", "abnormal", "abnormal")
    ]
    spot = rows["b/spot.png"]
    assert spot["score"] == 1 and spot["threshold"] == 0.2
    (region,) = spot["regions"]
    assert np.abs(np.array(region["box"]) - (300, 100, 420, 180)).max() <= 3  # three pixels of it are one
    assert rows["a.png"]["regions"] == [] and rows["thin.png"]["regions"][0]["box"] == [0, 0, 600, 8]
    pictures = sorted(p.relative_to("in/found").as_posix() for p in Path("in/found").rglob("*.png"))
    assert pictures == ["a.TIF.png", "a.png.png", "b/spot.png.png", "thin.png.png"]
    assert read_image("in/found/b/spot.png.png").shape[1] > 2 * 768
    out, err = capsys.readouterr()
    assert "6 files: 2 abnormal; 2 could not be used" in out and "6/6" in err
    before = Path("in/found/results.jsonl").read_bytes()
    assert demo("--input", "in", "--output", "in/found") == 0  # its own pictures are no input
    assert Path("in/found/results.jsonl").read_bytes() == before


def test_a_line_of_a_folder_is_what_the_file_alone_gives(demo):
    _purple("in/spot.png", (64, 64), (10, 20, 30, 40))
    assert demo("--input", "in/spot.png", "--output", "out.png", "--json", "one.json") == 0
    assert demo("--input", "in", "--output", "all", "--json", "all.jsonl") == 0
    (row,) = _lines("all.jsonl")
    assert row == json.loads(Path("one.json").read_text()) | {"input": "spot.png"}
    assert (read_image("out.png") == read_image("all/spot.png.png")).all()
    assert not Path("all/results.jsonl").exists()


def test_a_folder_of_recordings_names_vehicles(demo, recording):
    Path("in").mkdir()
    Path("in/one.csv").write_bytes(tracks_to_csv(recording.tracks))
    Path("in/two.csv").write_text("track_id,time,lane,position\na,1,1,10\na,2,1,x\n")
    Path("in/one.json").write_text("{}")
    assert demo("--input", "in", "--output", "out") == 0
    one, two = _lines("out/results.jsonl")
    (label,) = recording.intervals
    assert one["tracks"][0]["id"] == label.track_id and one["verdict"] == "abnormal"
    assert two["error"].startswith("in/two.csv:3: ")
    assert Path("out/one.csv.png").is_file()


@pytest.mark.parametrize(
    "arguments, status, message",
    [
        (("--input", "nowhere", "--output", "out"), 2, "--input: nowhere: no such file or folder"),
        (("--input", "empty", "--output", "out"), 1, "empty: expected images or recordings"),
        (("--input", "bad", "--output", "out"), 1, "none of 2 files in bad could be used: bad/a.png: "),
        (("--input", "bad", "--output", "bad"), 1, "bad: expected another folder for what is found"),
        (("--input", "bad", "--output", "file/out"), 2, "--output: file/out: file is a file"),
        (("--input", "bad", "--output", "out", "--runtime", "onnx"), 2, "--runtime onnx: expected --onnx"),
    ],
)
def test_a_folder_that_cannot_be_used_is_one_line(demo, capsys, arguments, status, message):
    Path("empty/below").mkdir(parents=True)
    Path("bad").mkdir()
    for name in ("bad/a.png", "bad/b.png", "file"):
        Path(name).write_text("no picture")
    assert demo(*arguments) == status
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ") and message in error


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
