"""A run and its files: whatever ends it, nothing is missing and nothing is there twice."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from small_road import FRAMES, SIZE

from d2ext.data.formats.kitti_tracking import read_kitti_tracks
from d2ext.data.trajectories import read_tracks
from d2ext.projects.road_watch import Recorder, Watch, outputs
from d2ext.projects.road_watch.outputs import HEADERS, tracks_of
from d2ext.projects.road_watch.setup import make_run, make_watch

FORK = multiprocessing.get_context("fork")


def contents(folder: Path) -> dict[str, bytes]:
    """All that a run found."""
    return {name: (folder / name).read_bytes() for name in HEADERS}


def go(cfg, pictures: Path, place, output: Path, delay: float = 0.0, **options) -> None:
    """A run in which each picture takes a while."""
    run = make_run(cfg, str(pictures), place, output, seen=lambda *_: time.sleep(delay), **options)
    run.go()
    run._recorder.close()


def test_what_is_on_the_road_is_written(settings, pictures, place, tmp_path):
    go(settings(), pictures, place, tmp_path / "out")
    events = [json.loads(line) for line in (tmp_path / "out/events.jsonl").read_text().splitlines()]
    raised = {e["kind"]: e for e in events if e["state"] == "raised"}
    over = {e["kind"]: e for e in events if e["state"] == "over"}
    assert set(raised) == set(over) == {"stopped", "wrong_way"}
    assert raised["stopped"]["raised"] == pytest.approx(2.1, abs=0.3)  # it stands from the beginning
    assert raised["wrong_way"]["start"] == pytest.approx(3.2, abs=0.3)
    assert {e["by"] for e in events} == {"rule"}
    assert over["stopped"]["end"] == pytest.approx((FRAMES - 1) / 10)
    assert over["stopped"]["place"]["lane"] == "2"
    assert over["stopped"]["place"]["position"] == pytest.approx(35, abs=0.5)
    for event in raised.values():
        assert (tmp_path / "out" / event["picture"]).is_file()
    tracks = read_tracks(tmp_path / "out/tracks.csv")
    fast = tracks.speed > 5
    assert set(tracks.lane[fast]) == {"1"} and len(set(tracks.track[fast])) == 1
    assert np.median(tracks.speed[fast]) == pytest.approx(8, abs=0.1)
    boxes = read_kitti_tracks(tmp_path / "out/boxes.txt")
    assert len(boxes.times) == FRAMES and len(np.unique(boxes.ids)) == 3
    assert (tmp_path / "out/counts.csv").read_text().splitlines()[1].startswith("1,0.000,1,8.0")


def test_killed_at_random_moments(settings, pictures, place, tmp_path):
    cfg = settings("ROAD_WATCH.OUTPUT.COMMIT_SECONDS", 0.3)
    go(cfg, pictures, place, tmp_path / "whole")
    rng, kills, began = np.random.default_rng(0), 0, time.monotonic()
    while time.monotonic() - began < 60:
        child = FORK.Process(target=go, args=(cfg, pictures, place, tmp_path / "cut", 0.02))
        child.start()
        child.join(rng.uniform(0.05, 0.6) if kills < 20 else 50)
        if child.exitcode == 0:
            break
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        kills += 1
    assert child.exitcode == 0 and kills >= 2
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


def test_stopped_and_started_again_at_any_picture(settings, pictures, place, tmp_path):
    cfg = settings()
    go(cfg, pictures, place, tmp_path / "whole")
    for most in (1, 2, 30, 33, 0):
        go(cfg, pictures, place, tmp_path / "parts", most=most)
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")
    go(cfg, pictures, place, tmp_path / "parts")  # it is complete
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_a_full_disk_is_waited_for(settings, pictures, place, tmp_path, monkeypatch):
    cfg, full = settings(), iter([False, True, True, False, True] + 1000 * [False])
    go(cfg, pictures, place, tmp_path / "whole")
    write = outputs.append

    def append(path: Path, data: bytes) -> None:
        if next(full):
            write(path, data[: len(data) // 2])  # as much as there was room for
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, data)

    monkeypatch.setattr(outputs, "append", append)
    monkeypatch.setattr(outputs, "_FIRST", 0.01)
    go(cfg, pictures, place, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_disk_that_stays_full_ends_the_run_in_one_line(settings, pictures, place, tmp_path, monkeypatch):
    def append(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    cfg = settings("ROAD_WATCH.OUTPUT.DISK_PATIENCE", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(outputs, "append", append)
        with pytest.raises(OSError, match="cannot be written: No space left on device; start again"):
            go(cfg, pictures, place, tmp_path / "out")
    go(cfg, pictures, place, tmp_path / "out")
    go(cfg, pictures, place, tmp_path / "whole")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda out: (out / "state.json").unlink(), None),
        (lambda out: (out / "mine.txt").touch() or (out / "state.json").unlink(), "an empty folder"),
        (lambda out: (out / "tracks.csv").write_bytes(b""), "at least .* bytes"),
        (lambda out: (out / "state.json").write_text("[]"), "the state of a run"),
    ],
)
def test_folders_of_other_things_are_refused(settings, pictures, place, tmp_path, spoil, message):
    out = tmp_path / "out"
    go(settings(), pictures, place, out, most=12)
    spoil(out)
    if message is None:
        go(settings(), pictures, place, out, most=12)
        return
    with pytest.raises(ValueError, match=message):
        make_run(settings(), str(pictures), place, out)


def test_another_run_and_other_settings_are_refused(settings, pictures, place, tmp_path):
    first = make_run(settings(), str(pictures), place, tmp_path / "out")
    with pytest.raises(ValueError, match="another run writes there"):
        make_run(settings(), str(pictures), place, tmp_path / "out")
    first._most = 12
    first.go()
    first._recorder.close()
    with pytest.raises(ValueError, match="with other settings"):
        make_run(settings("ROAD_WATCH.COUNT_LINE", 0.4), str(pictures), place, tmp_path / "out")


def test_memory_and_state_do_not_grow(settings, place, tmp_path):
    """Cars pass one after the other for as long as one likes."""
    from d2ext.tracking import Detections

    class Endless:
        class_names = ("car",)

        def find(self, image, number, expected):
            y = np.array([10 + (number * 0.8 + 30 * k) % 90 for k in range(3)])
            zero, one = np.zeros(3), np.ones(3)
            size = np.stack([1.5 * one, 1.8 * one, 4.5 * one], 1)
            return Detections(
                0.9 * one, np.zeros(3, int), np.stack([zero, y], 1), one * np.pi / 2, size, zero
            )

    watch = make_watch(settings(), place, SIZE)
    watch = Watch(settings(), Endless(), watch.road, watch.camera, watch.frame.ground)
    image, sizes = np.zeros((*SIZE, 3), np.uint8), []
    for number in range(900):
        watch.look(image, number, number / 10)
        if number % 180 == 179:
            sizes.append(len(json.dumps(watch.state())))
    assert watch.tracker._next_id > 20  # many have come and gone
    assert max(sizes) < 1.5 * sizes[0]


def test_a_run_that_was_killed_at_once_begins_again(tmp_path):
    for identity in ("wrong camera", "me", "me"):  # and with other settings: nothing was written yet
        recorder = Recorder(tmp_path / "out", identity, 0.0)
        assert recorder.state is None
        (tmp_path / "out/video").mkdir(exist_ok=True)
        recorder.close()
    recorder = Recorder(tmp_path / "out", "me", 0.0)
    recorder.add("tracks.csv", b"1,0.000,1,2.00,5.00\n")
    recorder.commit({"at": 1}, 0.0)
    recorder.close()
    text = "track_id,time,lane,position,speed\n1,0.000,1,2.00,5.00\n"
    assert (tmp_path / "out/tracks.csv").read_text() == text
    with pytest.raises(ValueError, match="holds a run of another input"):
        Recorder(tmp_path / "out", "you", 0.0)


def test_the_end_of_a_long_recording_is_read_alone(tmp_path):
    recorder = Recorder(tmp_path / "out", "me", 0.0)
    lines = [f"{i % 7},{i / 2:.3f},1,{i % 90}.00,5.00\n".encode() for i in range(400)]
    for i, line in enumerate(lines):
        recorder.add("tracks.csv", line)
        if i % 10 == 9:
            recorder.commit({}, i / 2)
    expected = tracks_of([line.decode().strip().split(",") for line in lines[300:]])
    found = recorder.rows_since(150.0)
    assert (found.time == expected.time).all() and (found.position == expected.position).all()
    assert (found.ids[found.track] == expected.ids[expected.track]).all()


def test_of_the_annotated_video_so_many_parts_stay(settings, pictures, place, tmp_path):
    cfg = settings()
    output = cfg.ROAD_WATCH.OUTPUT
    output.VIDEO_SECONDS, output.VIDEO_PARTS, output.BOXES = 2.0, 2, False
    go(cfg, pictures, place, tmp_path / "out", most=50)
    (tmp_path / "out/video/00000050.part.mp4").write_bytes(b"cut off")  # as a killed run leaves it
    go(cfg, pictures, place, tmp_path / "out")
    names = sorted(path.name for path in (tmp_path / "out/video").iterdir())
    assert names == ["00000050.mp4", "00000070.mp4"]
    video = cv2.VideoCapture(str(tmp_path / "out/video/00000050.mp4"))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 20
    assert (tmp_path / "out/boxes.txt").read_bytes() == b""
