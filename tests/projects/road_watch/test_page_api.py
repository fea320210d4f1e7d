"""The page's server: answers, limits, and that whatever it is asked it never breaks."""

from __future__ import annotations

import json
import math
import random
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the page needs the extra [serve]")
pytest.importorskip("httpx", reason="FastAPI's test client needs httpx")

from fastapi.testclient import TestClient
from page_parts import OneBox, watched

from d2ext.data.formats.kitti import parse_label, read_calib, read_ground
from d2ext.data.trajectories import GraphSpec, SpaceTimeRenderer, Tracks
from d2ext.projects.road_watch import setup, shown
from d2ext.projects.road_watch.asker import Asker
from d2ext.projects.road_watch.guard import Buckets, Limits
from d2ext.projects.road_watch.live import Live, Moment
from d2ext.projects.road_watch.page import build_app
from d2ext.projects.road_watch.pictures import MAX_BYTES, HandCamera

FREE = Limits(1e6, 1e6, 1e6, 1e6)


def client(asker=None, live=None, **guard) -> TestClient:
    app = build_app(live or Live(), asker, **{"limits": FREE, **guard})
    return TestClient(app, raise_server_exceptions=False)


def picture(height: int = 90, width: int = 160) -> bytes:
    return cv2.imencode(".png", np.full((height, width, 3), 90, np.uint8))[1].tobytes()


def bring(page: TestClient, data: bytes | None = None, kind: str = "image/png"):
    return page.post("/api/pictures", content=data or picture(), headers={"Content-Type": kind})


def decoded(answer) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    return cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)


def refused(answer, status: int, *words: str) -> None:
    line = answer.json()["error"]
    assert answer.status_code == status and "\n" not in line and len(line) < 300
    assert all(word in line for word in words), line


@pytest.fixture
def on_the_road(settings, pictures, place, tmp_path):
    """A page with a run that is over."""
    live, model = Live(), OneBox()
    watched(live, settings(), place, pictures, tmp_path / "out")
    return client(Asker(model), live), model


def test_one_encoder_pass_serves_all_who_ask_about_a_frame(on_the_road):
    page, model = on_the_road
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda i: page.post("/api/ask", json={"text": f"Car {i}."}), range(6)))
    assert {a.status_code for a in answers} == {200}
    assert model.encoded == page.get("/api/status").json()["passes"] == 1
    assert model.most_at_once == 1
    assert len({a.json()["answer"] for a in answers}) == 6


def test_a_view_is_drawn_once_for_all_viewers(on_the_road):
    page, _ = on_the_road
    for view in ("picture", "above", "graph"):
        first, second = (page.get(f"/api/live/{view}.jpg") for _ in range(2))
        assert decoded(first).std() > 0 and first.content == second.content
        known = page.get(f"/api/live/{view}.jpg", headers={"If-None-Match": first.headers["etag"]})
        assert known.status_code == 304 and not known.content


def test_alarms_have_pictures_and_clips(on_the_road):
    page, _ = on_the_road
    alarms = page.get("/api/alarms").json()
    assert {alarm["kind"] for alarm in alarms} == {"stopped", "wrong_way"}
    for alarm in alarms:
        assert alarm["state"] == "over" and alarm["clip"] >= 10
        path = f"/api/alarms/{alarm['id']}"
        assert decoded(page.get(f"{path}/picture.jpg")).shape == (48, 64, 3)
        # The pictures' gray value is their number, and there are ten a second: the clip is around the alarm.
        shades = [decoded(page.get(f"{path}/clip/{i}.jpg")).mean() for i in range(alarm["clip"])]
        assert shades == sorted(shades)
        assert shades[0] / 10 < alarm["raised"] <= shades[-1] / 10 + 0.2
        refused(page.get(f"{path}/clip/{alarm['clip']}.jpg"), 404)
    refused(page.get("/api/alarms/99/picture.jpg"), 404)


def test_alarms_of_an_earlier_run_are_listed(on_the_road, tmp_path):
    page, _ = on_the_road
    live = Live()
    live.begin(type("Run", (), {"tally": None, "watch": None})(), tmp_path / "out")
    again = client(None, live).get("/api/alarms").json()
    keep = [{key: row[key] for key in ("id", "kind", "state", "end")} for row in again]
    assert keep == [{key: row[key] for key in keep[0]} for row in page.get("/api/alarms").json()]


def test_files_of_the_run_are_given_and_no_others(on_the_road, tmp_path):
    page, _ = on_the_road
    for name in ("tracks.csv", "boxes.txt", "events.jsonl", "counts.csv"):
        assert page.get(f"/api/files/{name}").content == (tmp_path / "out" / name).read_bytes()
    for name in ("state.json", "..%2Fout%2Ftracks.csv", "%2Fetc%2Fpasswd", ".lock", "tracks.csv%00"):
        assert page.get(f"/api/files/{name}").status_code == 404
        assert page.get(f"/page/{name}").status_code == 404


@pytest.mark.parametrize("form, has_road", [("kitti.txt", False), ("rope3d.txt", True)])
def test_labels_are_read_again_as_they_were_found(form, has_road):
    page = client(Asker(OneBox()))
    name = bring(page).json()["picture"]
    answer = page.post("/api/ask", json={"text": "Das rote Auto? 红色的车", "picture": name}).json()
    (row,) = page.get(f"/api/answers/{answer['answer']}/{form}").text.splitlines()
    label = parse_label(row.split()[:15], "row")
    (found,) = answer["objects"]
    assert label["location"] == pytest.approx(found["location"], abs=1e-3)
    assert label["dimensions"] == pytest.approx(found["dimensions"], abs=1e-3)
    assert label["bbox"] == pytest.approx(found["bbox"], abs=1e-3)
    assert float(row.split()[15]) == pytest.approx(0.9)
    whole = page.get(f"/api/answers/{answer['answer']}/labels.json").json()
    assert whole["text"] == "Das rote Auto? 红色的车" and len(whole["objects"]) == 1


def test_the_lines_of_a_box_are_its_projected_edges():
    page = client(Asker(OneBox()))
    name = bring(page, picture(360, 640)).json()["picture"]
    answer = page.post("/api/ask", json={"text": "Car.", "picture": name}).json()
    lines = np.array(answer["objects"][0]["lines"])
    assert lines.shape == (12, 4)
    P = np.array(answer["P2"])
    length, yaw = 4.4, 0.3
    along = np.array([math.cos(yaw), 0, -math.sin(yaw)]) * length / 2
    across = np.array([math.sin(yaw), 0, math.cos(yaw)]) * 0.9
    foot = np.array([1.0, 3.0, 20.0])
    corners = [foot + i * along + j * across - [0, h, 0] for i in (1, -1) for j in (1, -1) for h in (0, 1.5)]
    expected = np.array([(P @ [*c, 1])[:2] / (P @ [*c, 1])[2] for c in corners])
    ends = lines.reshape(-1, 2)
    distance = np.linalg.norm(ends[:, None] - expected[None], axis=2)
    assert distance.min(1).max() < 0.1 and distance.min(0).max() < 0.1


@pytest.mark.parametrize("horizon", [-0.5, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("roll", [0.0, 7.0])
def test_the_horizon_is_where_the_slider_is(horizon, roll):
    """A point far ahead on the road is seen there: projected with numpy from the files that are given."""
    page = client()
    name = bring(page, picture(120, 200)).json()["picture"]
    given = {"horizon": horizon, "height": 5.0, "fov": 50.0, "roll": roll}
    path = f"/api/pictures/{name}"
    calib, ground = (page.get(f"{path}/{file}.txt", params=given).text for file in ("calib", "denorm"))
    P = np.array(calib.split()[1:], float).reshape(3, 4)
    a, b, c, d = map(float, ground.split())
    assert 200 / 2 / P[0, 0] == pytest.approx(math.tan(math.radians(25)), rel=0.01)
    assert np.hypot(np.hypot(a, b), c) == pytest.approx(1) and d == pytest.approx(5.0)
    z = 1e7
    far = np.array([0.0, -(c * z + d) / b, z, 1.0])  # on the plane, straight ahead
    assert (P @ far)[1] / z == pytest.approx(horizon * 120 - 0.5, abs=1e-2)


def test_calibration_files_are_read_by_the_readers(tmp_path):
    page = client()
    name = bring(page).json()["picture"]
    for file, read in (("calib", read_calib), ("denorm", read_ground)):
        path = tmp_path / f"{file}.txt"
        path.write_bytes(page.get(f"/api/pictures/{name}/{file}.txt", params={"focal": 123}).content)
        numbers = read(path)
    assert len(numbers) == 4


def test_the_grid_follows_the_slider():
    page = client()
    name = bring(page).json()["picture"]
    grids = [decoded(page.get(f"/api/pictures/{name}/grid.jpg?horizon={h}")) for h in (0.3, 0.6)]
    assert grids[0].shape == (90, 160, 3)
    assert np.abs(grids[0].astype(int) - grids[1]).max() > 50


def test_a_camera_that_looks_straight_down_is_refused():
    with pytest.raises(ValueError, match="horizon"):
        HandCamera(-3.0, 5.0, focal=1.0).view((1000, 100))


@pytest.mark.parametrize(
    "data, kind, status, word",
    [
        (b"not a picture", "image/png", 422, "picture"),
        (picture()[:-30], "image/png", 422, "picture"),
        (picture(4, 4), "image/png", 422, "16"),
        (picture(), "text/html", 415, "image/jpeg"),
        (b"\xff" * (MAX_BYTES + 1), "image/png", 413, "8 MiB"),
    ],
    ids=["text", "cut off", "tiny", "kind", "large"],
)
def test_what_is_no_picture_is_refused_in_one_line(data, kind, status, word):
    answer = bring(client(), data, kind)
    refused(answer, status, word)
    assert "/tmp" not in answer.text


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded():
    refused(bring(client(), picture(4000, 4000)), 422, "pixels")


def test_a_token_is_asked_for():
    page = client(token="s3cret")
    refused(page.get("/"), 401)
    refused(page.get("/?token=other"), 401)
    refused(page.get("/api/status", headers={"Authorization": "Bearer other"}), 401)
    assert page.get("/api/status", headers={"Authorization": "Bearer s3cret"}).status_code == 200
    first = page.get("/?token=s3cret", follow_redirects=False)
    assert first.status_code == 303 and first.headers["location"] == "/"
    assert {"HttpOnly", "SameSite=Strict"} <= set(first.headers["set-cookie"].split("; "))
    assert page.get("/").status_code == 200  # the cookie is known now


def test_other_sites_and_names_are_refused():
    page = client(hosts=("testserver",))
    assert page.get("/api/status").status_code == 200
    refused(page.get("/api/status", headers={"Host": "evil.example"}), 421)
    headers = {"Origin": "http://evil.example", "Content-Type": "image/png"}
    refused(page.post("/api/pictures", content=picture(), headers=headers), 403)


def test_every_answer_has_the_headers():
    page = client()
    for path in ("/", "/page/app.js", "/nothing", "/api/status", "/api/live/picture.jpg"):
        headers = page.get(path).headers
        policy = headers["content-security-policy"]
        assert "script-src 'self';" in policy and "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff" and headers["x-frame-options"] == "DENY"


def test_a_bucket_gives_its_burst_and_then_its_rate():
    bucket = Buckets(rate=2.0, burst=3.0)
    assert [bucket.take("a", 0.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.take("b", 0.0)
    assert [bucket.take("a", 1.0) for _ in range(3)] == [True, True, False]
    for i in range(5000):
        bucket.take(str(i), 2.0)
    assert len(bucket._left) <= 1000


def test_too_many_requests_are_told_to_wait():
    page = client(limits=Limits(rate=0.001, burst=5, heavy_rate=0.001, heavy_burst=2))
    assert [bring(page).status_code for _ in range(3)] == [200, 200, 429]
    answers = [page.get("/api/status") for _ in range(4)]
    refused(answers[-1], 429)
    assert answers[-1].headers["retry-after"] == "1"


def test_a_run_is_shown_while_sentences_wait_for_its_models(settings, pictures, place, tmp_path, monkeypatch):
    """Tracing a model disturbs what other threads run, so no sentence may be answered meanwhile."""
    asker, live, held, make_watch = Asker(OneBox()), Live(), [], setup.make_watch

    def make(*given):
        held.append(asker.lock.locked())
        return make_watch(*given)

    monkeypatch.setattr(setup, "make_watch", make)
    cfg = settings("ROAD_WATCH.SOURCE.FPS", 2.0)
    line = shown.show_run(cfg, str(pictures), place, tmp_path / "out", live, asker)
    assert held == [True] and not asker.lock.locked()
    assert "pictures" in line and live.number > 0


def test_a_failure_of_the_model_is_told_in_one_line(monkeypatch):
    page = client(Asker(OneBox()))
    name = bring(page).json()["picture"]
    monkeypatch.setattr(OneBox, "answer", lambda *_: 1 / 0)
    refused(page.post("/api/ask", json={"text": "A car.", "picture": name}), 500, "log")


def test_without_video_and_model_the_page_says_so():
    page = client()
    assert page.get("/api/status").json()["state"] == "none"
    refused(page.post("/api/ask", json={"text": "All cars."}), 409, "model")
    refused(page.get("/api/live/picture.jpg"), 409)
    refused(client(Asker(OneBox())).post("/api/ask", json={"text": "All cars."}), 409, "live")
    refused(page.get("/api/answers/1/kitti.txt"), 404)


VALUES = [None, 3, [], {}, "", '\0\t"/', "a" * 10_000, True, 1e308, float("nan"), "\ud800", "\U0001f600"]
NUMBERS = ["nan", "-inf", "1e999", "", "x", "-1", "9" * 5000, "0x10", "\u0663"]
KINDS = ["application/json", "image/png", "text/plain", "", "multipart/form-data", "a;b=" * 9]
METHODS = ["PUT", "DELETE", "TRACE", "OPTIONS", "PATCH"]
FOLDERS = ["page", "api/files", "api/live", "api/pictures/..", "api/pictures/%2e%2e%2f", ""]


def bad_request(page: TestClient, dice: random.Random):
    """One of many kinds, drawn."""
    pick, number = dice.choice, dice.choice(NUMBERS)
    question = {pick(["text", "picture", "hand", "single", "x"]): pick(VALUES) for _ in range(3)}
    body = json.dumps({"text": "A car.", **question}).encode()
    headers, kind = {"Content-Type": pick(KINDS)}, {"Content-Type": "application/json"}
    broken = pick([b"[" * 5000, b"\xff", b"", body[:-3]])
    strange = {"Range": "bytes=9-1", "Content-Length": pick(["x", "-1", "9" * 99])}
    makers = [
        lambda: page.post("/api/ask", content=body, headers=kind),
        lambda: page.post("/api/ask", content=broken, headers=headers),
        lambda: page.post("/api/pictures", content=dice.randbytes(dice.randrange(99)), headers=headers),
        lambda: page.get("/api/pictures/none/grid.jpg", params={"horizon": number, "fov": number}),
        lambda: page.get("/api/pictures/none/calib.txt", params={"height": number, "x": number}),
        lambda: page.get(f"/api/alarms/{number}/clip/{dice.randrange(-5, 5)}.jpg"),
        lambda: page.get(f"/api/answers/{dice.randrange(10**9)}/{pick(['kitti.txt', 'x', '..'])}"),
        lambda: page.get(f"/{pick(FOLDERS)}/../../etc/{dice.randrange(9)}"),
        lambda: page.request(pick(METHODS), "/api/ask"),
        lambda: page.get("/api/status", headers=strange),
    ]
    return pick(makers)()


def test_a_thousand_bad_requests_break_nothing():
    page, dice = client(Asker(OneBox())), random.Random(7)
    statuses = [bad_request(page, dice).status_code for _ in range(1000)]
    assert max(statuses) < 500
    assert statuses.count(200) < 300  # most of them were bad
    assert page.get("/api/status").status_code == 200


def test_fifty_at_once_are_answered_or_told_to_wait():
    page = client(Asker(OneBox()))
    name = bring(page).json()["picture"]
    with ThreadPoolExecutor(50) as pool:
        asked = pool.map(lambda i: page.post("/api/ask", json={"text": f"C {i}", "picture": name}), range(50))
        statuses = [answer.status_code for answer in asked]
    assert set(statuses) <= {200, 503} and statuses.count(200) >= 9


def test_the_graph_shows_the_models_heat_map_once_there_is_one(settings, pictures, place, tmp_path):
    """A hot place of the map changes the picture of the graph."""
    live = Live()
    watched(live, settings("ROAD_WATCH.SOURCE.FPS", 2.0), place, pictures, tmp_path / "out")
    page, moment = client(None, live), live._moment
    plain = decoded(page.get("/api/live/graph.jpg"))
    one, time = np.ones(60, int), np.arange(0, 30.0, 0.5)
    tracks = Tracks(np.array(["a"]), 0 * one, time, one, 10 * time, np.full(60, 10.0))
    graph = SpaceTimeRenderer(tracks, GraphSpec((1, 2), 0, 300)).render(0, 128)
    heat = np.zeros(graph.image.shape[:2], np.float32)
    heat[10:20, 30:60] = 1.0
    live._moment = Moment(moment.look, moment.image, moment.watch, (graph, heat))
    hot = decoded(page.get("/api/live/graph.jpg"))
    assert hot.shape != plain.shape
    live._moment = Moment(moment.look, moment.image, moment.watch, (graph, 0 * heat))
    cold = decoded(page.get("/api/live/graph.jpg"))
    assert np.abs(hot.astype(int) - cold).max(2).sum() > 100 * 30 * 10
