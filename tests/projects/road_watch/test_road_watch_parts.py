"""Rules, alarms, counts, sources and messages, each on its own."""

from __future__ import annotations

import http.server
import json
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from d2ext.data.trajectories import Road, Tracks, lane_flow
from d2ext.projects.road_watch import AlarmBook, Reader, Signal
from d2ext.projects.road_watch.counts import LaneCounter
from d2ext.projects.road_watch.notify import Teller, mqtt, webhook
from d2ext.projects.road_watch.rules import Rules, Vehicle
from d2ext.projects.road_watch.source import Picture, Stream

CAR = Vehicle(1, "1", 50.0, 10.0, True, 4.5)


def kinds(signals) -> set[str]:
    return {s.kind for s in signals if s.score >= 1}


@pytest.mark.parametrize(
    "vehicles, expected",
    [
        ([CAR], set()),
        ([replace(CAR, speed=0.1)], {"stopped"}),
        ([replace(CAR, speed=0.1, lane="2", position=45.0)], set()),  # a stop line is ahead
        ([replace(CAR, speed=0.1, lane="2", position=70.0)], {"stopped"}),  # and behind it
        ([replace(CAR, speed=0.1), replace(CAR, id=2, position=60.0, speed=0.1)], {"stopped"}),
        ([replace(CAR, speed=-3.0)], {"reversing"}),
        ([replace(CAR, speed=-3.0, forward=False)], {"wrong_way"}),
        ([replace(CAR, speed=-0.8)], set()),
        ([replace(CAR, speed=15.0)], set()),  # above the limit, below its share
        ([replace(CAR, speed=19.0)], {"speeding"}),
        ([replace(CAR, id=i, position=20.0 + 8 * i, speed=1.5) for i in range(3)], {"phantom_queue"}),
        ([replace(CAR, id=i, position=20.0 + 8 * i, speed=1.5, lane="2") for i in range(3)], set()),
        ([replace(CAR, id=i, position=30.0 * i, speed=1.5) for i in range(3)], set()),
    ],
)
def test_rules_of_a_moment(settings, vehicles, expected):
    rules = Rules(settings("ROAD_WATCH.RULES.STOP_LINES", [["2", 60.0]]).ROAD_WATCH.RULES)
    assert kinds(rules.look(0.0, vehicles)) == expected


def test_of_a_standing_row_the_first_alone_stands_for_no_reason(settings):
    rules = Rules(settings().ROAD_WATCH.RULES)
    row = [replace(CAR, id=i, position=40.0 - 8 * i, speed=0.0) for i in range(2)]
    stopped = [s for s in rules.look(0.0, row) if s.kind == "stopped"]
    assert [s.vehicles for s in stopped] == [(0,)]


@pytest.mark.parametrize("pause, expected", [(2.0, True), (9.0, False)])
def test_changing_lanes_again_and_again(settings, pause, expected):
    rules, found = Rules(settings().ROAD_WATCH.RULES), set()
    for i in range(4):
        for wait in (0.0, 0.5):  # on the new lane
            found |= kinds(rules.look(i * pause + wait, [replace(CAR, lane=str(i % 2))]))
    assert ("weaving" in found) == expected


def test_the_speed_of_a_new_track_is_no_alarm_yet(settings):
    rules = Rules(settings().ROAD_WATCH.RULES)
    for age in (0.1, 0.75, 0.85, 5.0):
        book, raised = AlarmBook(0.6, 1.0), []
        for step in range(7):  # as fast from the first moment on
            seen = age - 0.6 + step / 10
            raised += book.update(step / 10, rules.look(step / 10, [replace(CAR, speed=-3.0, age=seen)]))[0]
        assert bool(raised) == (age >= 0.8)


def test_who_slows_down_goes_on_reversing(settings):
    rules, book, events = Rules(settings().ROAD_WATCH.RULES), AlarmBook(0.6, 1.0), []
    for step in range(120):
        speed = -1.2 if step % 60 < 30 else -0.9
        events += book.update(step / 10, rules.look(step / 10, [replace(CAR, speed=speed)]))
    assert sum(len(part) for part in events) == 1


def test_who_drives_on_the_line_changes_no_lane(settings):
    rules, found = Rules(settings().ROAD_WATCH.RULES), set()
    behind = replace(CAR, id=2, position=42.0, speed=12.0)
    for i in range(40):
        found |= kinds(rules.look(i / 10, [replace(CAR, lane=str(1 + i % 4 // 2)), behind]))
    assert found == set()


@pytest.mark.parametrize("gap, expected", [(4.0, True), (20.0, False), (-2.0, False)])
def test_cutting_in(settings, gap, expected):
    rules = Rules(settings().ROAD_WATCH.RULES)
    behind = replace(CAR, id=2, lane="2", position=50.0 - 4.5 - gap, speed=12.0)
    rules.look(0.0, [CAR, behind])
    assert not rules.look(0.1, [replace(CAR, lane="2"), behind])
    signals = rules.look(0.6, [replace(CAR, lane="2"), behind])
    assert (("cut_in" in kinds(signals)), {s.vehicles for s in signals}) == (
        (True, {(1, 2)}) if expected else (False, signals and {(1, 2)} or set())
    )


def test_alarms_need_time_and_end_after_a_silence():
    book, raised, over = AlarmBook(0.5, 1.0), [], []
    scores = {0.0: 2.0, 1.0: 2.0, 1.1: 2.0}  # a moment; then nothing
    signal = Signal("reversing", "rule", (4,), 1.0, "1", 20.0, keep=0.5)
    for step in range(100):
        t = step / 10
        score = scores.get(t, 0.0) if t < 3 else (1.2 if t < 4 else 0.7 if t < 5 else 0.4)
        a, b = book.update(t, [replace(signal, score=score, position=20 + t)])
        raised, over = raised + a, over + b
    assert len(raised) == len(over) == 1
    (event,) = over
    assert (event.start, event.raised) == (3.0, pytest.approx(3.5))
    assert event.end == pytest.approx(4.9) and event.score == 1.2
    assert event.place["to"] == pytest.approx(24.9)
    assert json.loads(json.dumps(event.row()))["state"] == "over" and event.id == raised[0].id


def test_alarms_go_on_from_their_state():
    signal = Signal("stopped", "rule", (4,), 1.0, "1", 20.0)
    whole, parts, done = AlarmBook(0.5, 1.0), AlarmBook(0.5, 1.0), ([], [])
    for step in range(60):
        said = [signal] if step % 40 < 20 else []
        for book, events in zip((whole, parts), done, strict=True):
            events.extend(book.update(step / 10, said))
        again = AlarmBook(0.5, 1.0)
        again.restore(json.loads(json.dumps(parts.state())))
        parts = again
    assert done[0] == done[1] and any(done[0])


def test_counts_are_those_of_the_whole_recording():
    rng, rows = np.random.default_rng(0), []
    for number in range(60):
        start, speed, lane = rng.uniform(0, 200), rng.uniform(5, 15), str(rng.integers(1, 3))
        for t in np.arange(np.ceil(10 * start), np.floor(10 * (start + 90 / speed))) / 10:
            rows.append((t, number, lane, speed * (t - start), speed))
    road = Road({lane: np.array([[0.0, 0.0], [90.0, 0.0]]) for lane in "12"})
    counter, flows = LaneCounter(road, 0.5), []
    times = sorted({r[0] for r in rows})
    for t in times:
        flows += counter.update(t, [r[1:] for r in rows if r[0] == t])
        again = LaneCounter(road, 0.5)
        again.restore(json.loads(json.dumps(counter.state())))
        counter = again
    flows += counter.finish()
    rows.sort(key=lambda r: (r[1], r[0]))
    time_, track, lane, position, speed = (np.array(c) for c in zip(*rows, strict=True))
    whole = lane_flow(Tracks(np.arange(60).astype(str), track, time_, lane, position, speed), 45.0)
    assert {(f.lane, f.start): (f.vehicles, round(f.speed, 6)) for f in flows if f.vehicles} == {
        (f.lane, f.start): (f.vehicles, round(f.speed, 6)) for f in whole if f.vehicles
    }
    assert sum(f.vehicles for f in flows) > 40


def test_what_stands_on_the_line_or_changes_lanes_is_counted_once():
    rng, road = (
        np.random.default_rng(1),
        Road({n: np.array([[0.0, 0.0], [d, 0.0]]) for n, d in (("a", 90), ("b", 120))}),
    )

    def counts(rows):
        counter, flows = LaneCounter(road, 0.5), []
        for step, (lane, position, speed) in enumerate(rows):
            flows += counter.update(step / 10, [(1, lane, position, speed)])
        found = {}
        for flow in flows + counter.finish():
            found[flow.lane] = found.get(flow.lane, 0) + flow.vehicles
        return found

    assert counts([("a", 45 + x, 0.0) for x in rng.normal(0, 0.3, 600)]) == {"a": 0, "b": 0}
    # past both lanes' places, the change of lanes between them; and never at one while it flickers
    assert counts([("a" if x < 52 else "b", x, 10.0) for x in np.arange(30, 80.0)]) == {"a": 1, "b": 1}
    assert counts([("ab"[i % 2], 47 + i / 10, 1.0) for i in range(60)]) == {"a": 0, "b": 0}
    # a change of lanes on the line itself, where the lines are beside each other
    road = Road({n: np.array([[0.0, y], [90.0, y]]) for n, y in (("a", 0.0), ("b", 3.5))})
    assert counts([("a" if x < 45 else "b", x, 10.0) for x in np.arange(30.5, 80)]) == {"a": 0, "b": 1}


def test_a_stream_that_stops_is_opened_again(settings):
    cfg = settings("ROAD_WATCH.SOURCE.BACK_OFF", (0.01, 0.04)).ROAD_WATCH.SOURCE
    opened = []

    def capture():
        opened.append(time.monotonic())
        if len(opened) in (2, 3):
            raise OSError("unreachable")
        for value in range(3):
            yield np.full((4, 4, 3), value, np.uint8)
            time.sleep(0.002)

    reader, seen = Reader(Stream("rtsp://nowhere", 1.0, capture=capture), cfg), []
    for picture in reader:
        seen.append(picture)
        if len(opened) >= 5:
            break
    reader.close()
    assert reader.stopped >= 4
    numbers, times = [p.number for p in seen], [p.time for p in seen]
    assert numbers == sorted(set(numbers)) and times == sorted(set(times))
    waited = np.diff(opened)
    assert waited[1] >= 0.02 and waited[2] >= 0.04  # twice as long each time it fails


def test_pictures_that_come_too_fast_are_dropped_and_counted(settings):
    cfg = settings("ROAD_WATCH.SOURCE.QUEUE", 2).ROAD_WATCH.SOURCE
    count, given = 200, threading.Event()

    def capture():
        for _ in range(count):
            yield np.zeros((2, 2, 3), np.uint8)
            time.sleep(0.0005)
        given.set()
        time.sleep(5)

    reader, looked = Reader(Stream("rtsp://nowhere", 0.1, capture=capture), cfg), 0
    for _ in reader:
        looked += 1
        assert reader._queue.qsize() <= 2
        time.sleep(0.01)
        if given.is_set() and reader._queue.empty():
            break
    assert reader.read == count == looked + reader.dropped and reader.dropped > 0
    reader._closed.set()


def test_a_file_waits_and_loses_nothing(settings):
    class File:
        live, fps = False, 10.0

        def open(self, start):
            for number in range(start, 50):
                yield Picture(number, number / 10, np.zeros((2, 2, 3), np.uint8))

    all_of_it = [p.number for p in Reader(File(), settings().ROAD_WATCH.SOURCE)]
    assert all_of_it == list(range(50))
    half = settings("ROAD_WATCH.SOURCE.FPS", 5.0).ROAD_WATCH.SOURCE
    assert [p.number for p in Reader(File(), half)] == list(range(0, 50, 2))
    assert [p.number for p in Reader(File(), half, 21, 2.0)] == list(range(22, 50, 2))  # as if not stopped


def test_a_webhook_gets_every_event_once_it_listens(tmp_path):
    got, refused = [], iter([503, 503] + 100 * [200])

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            code = next(refused)
            if code == 200:
                got.append((self.headers["Idempotency-Key"], json.loads(body)["id"]))
            self.send_response(code)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    events, lines = tmp_path / "events.jsonl", []
    for number in range(6):
        lines.append(json.dumps({"id": number, "state": "raised"}).encode() + b"\n")
    events.write_bytes(b"".join(lines))
    send = webhook(f"http://127.0.0.1:{server.server_port}/x", 2.0)
    for known in (2, 6):  # a second run goes on where the first one ended
        teller = Teller("webhook", events, send, (0.01, 0.05))
        teller.tell(sum(map(len, lines[:known])))
        teller.close(5.0)
    server.shutdown()
    assert got == [(f"{number}-raised", number) for number in range(6)]


@pytest.mark.parametrize(
    "make, address, message",
    [
        (webhook, "ftp://x/y", r"WEBHOOK: expected http\(s\)"),
        (webhook, "http://", r"WEBHOOK: expected http\(s\)"),
        (mqtt, "mqtt://host", "MQTT: expected mqtt://HOST"),
    ],
)
def test_addresses_that_are_none(make, address, message):
    with pytest.raises(ValueError, match=message):
        make(address, 1.0)
