"""serve.py: what is wrong is told in one line, and repeated runs do not fill the disk."""

from __future__ import annotations

import importlib.util
import itertools
import socket

import pytest
from project_scripts import ROOT, call_script, load_script

serve = load_script("serve", "RoadWatch")
needs_server = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, serve._NEEDS)), reason="the page needs the extra [serve]"
)


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["--input", "rtsp://camera"], "--config-file"),
        (["--port", "70000"], "65535"),
        (["--token", "two words"], "--token"),
        (["--road", "nowhere.json"], "nowhere.json"),
        (["--fov", "60", "--focal", "500"], "expected one of them"),
    ],
    ids=str,
)
def test_wrong_arguments_are_one_line(capsys, arguments, told):
    assert call_script(serve, *arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and told in line and len(line) < 300


@pytest.mark.parametrize("missing", ["fastapi", "uvicorn"])
def test_a_missing_package_is_one_line_that_names_the_extra(capsys, monkeypatch, missing):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else find(name))
    monkeypatch.setattr(serve, "_NEEDS", (missing,))
    assert call_script(serve, "--no-ask") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert missing in line and "d2ext[serve]" in line


@needs_server
def test_a_port_in_use_or_a_foreign_address_is_one_line_before_anything_is_built(capsys, monkeypatch):
    monkeypatch.setattr(serve, "make_asker", lambda args: pytest.fail("a model was built"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        for host, port in (("127.0.0.1", taken.getsockname()[1]), ("192.0.2.1", 0)):
            assert call_script(serve, "--host", host, "--port", str(port)) == 1
            (line,) = capsys.readouterr().err.splitlines()
            assert line.startswith("error: ") and f"--host {host} --port {port}" in line


@needs_server
@pytest.mark.parametrize(
    "change, told",
    [
        ({"--input": "nowhere.mp4"}, "nowhere.mp4"),
        ({"--opts": "ROAD_WATCH.RULES.SPEED"}, "ROAD_WATCH.RULES.SPEED"),
        ({"--road": "{road}"}, "road.json"),
    ],
    ids=str,
)
def test_what_cannot_be_watched_is_one_line_before_anything_is_built(
    capsys, monkeypatch, tmp_path, change, told
):
    monkeypatch.setattr(serve, "make_asker", lambda args: pytest.fail("a model was built"))
    monkeypatch.setattr(serve, "listen", lambda host, port: None)
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures/0.png").write_bytes(b"")
    road = tmp_path / "road.json"
    road.write_text("{}" if "--road" in change else '{"lanes": {"1": [[0, 0], [0, 50]]}}')
    config = ROOT / "configs/RoadWatch/road_watch_synthroad.yaml"
    given = {"--config-file": config, "--input": tmp_path / "pictures", "--output": tmp_path / "out"}
    given |= {"--road": road} | {k: v for k, v in change.items() if k not in ("--road", "--opts")}
    options = ["--opts", change["--opts"], "1"] if "--opts" in change else []
    words = [str(word) for pair in given.items() for word in pair]
    assert call_script(serve, *words, *options) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and told in line and len(line) < 300
    assert not (tmp_path / "out").exists()


def test_a_free_port_is_found():
    with serve.listen("127.0.0.1", 0) as listener:
        assert socket.create_connection(listener.getsockname(), 2).close() is None


def test_a_repeated_run_keeps_two_folders_of_its_own(tmp_path):
    (tmp_path / "0002").mkdir()  # of somebody else
    for folder in itertools.islice(serve.passes(tmp_path), 4):
        folder.mkdir()
        assert len(list(tmp_path.iterdir())) <= 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0002", "0004", "0005"]


def test_every_file_that_the_page_names_is_there():
    web = ROOT / "projects/RoadWatch/road_watch/web"
    sources = sorted(path.stem for path in (web / "src").glob("*.ts"))
    assert sorted(path.stem for path in (web / "built").glob("*.js")) == sources
    index = (web / "index.html").read_text()
    assert "http://" not in index and "https://" not in index  # no resource from outside
    assert "<script>" not in index and " style=" not in index and " on" + "click" not in index
