"""Telling others of events. The queue is the file of events itself: how far it was told is kept beside it, so
that nothing is lost and memory does not grow, however long nobody listens."""

from __future__ import annotations

import importlib.util
import json
import logging
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from detectron2.config import CfgNode

from d2ext.files import write_json
from d2ext.reading import read_json

logger = logging.getLogger(__name__)

#: Sends one event, a line of JSON; raises OSError where that fails.
Send = Callable[[bytes], None]


class Teller:
    """Sends events in their order in a thread of its own, each until it was taken: one that was taken just
    before a crash may come twice, with the same ``id`` and ``state``.

    Args:
        name: of what is told; ``told_NAME.json`` beside the events says how far.
        events: the file.
        send: sends one.
        back_off: s before another try: the first time, and the longest.
    """

    def __init__(self, name: str, events: Path, send: Send, back_off: tuple[float, float]) -> None:
        self.name, self._events, self._send, self._back_off = name, events, send, back_off
        self._cursor = events.with_name(f"told_{name}.json")
        self._told = int(read_json(self._cursor)["offset"]) if self._cursor.is_file() else 0
        self._limit = 0
        self._news, self._closed = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"tell {name}", daemon=True)
        self._thread.start()

    def tell(self, size: int) -> None:
        """The file has ``size`` bytes that stay."""
        self._limit = size
        self._news.set()

    @property
    def waiting(self) -> int:
        """Bytes that were not told yet."""
        return max(0, self._limit - self._told)

    def close(self, patience: float = 0.0) -> None:
        """Stop; what was not told within ``patience`` s is told by the next run."""
        waited = threading.Event()
        while self.waiting and patience > 0 and self._thread.is_alive():
            waited.wait(0.05)
            patience -= 0.05
        self._closed.set()
        self._news.set()
        self._thread.join(1.0)

    def _run(self) -> None:
        delay, longest = self._back_off
        while not self._closed.is_set():
            self._news.wait()
            self._news.clear()
            while self.waiting and not self._closed.is_set():
                try:
                    self._next()
                    delay = self._back_off[0]
                except OSError as error:
                    logger.warning("%s: %s; tried again in %g s", self.name, str(error)[:100], delay)
                    self._closed.wait(delay)
                    delay = min(2 * delay, longest)

    def _next(self) -> None:
        with open(self._events, "rb") as file:
            file.seek(self._told)
            line = file.readline()
        if not line.endswith(b"\n"):
            raise OSError(f"{self._events}: ends within a line")
        self._send(line.strip())
        write_json(self._cursor, {"offset": self._told + len(line)})
        self._told += len(line)


def webhook(address: str, timeout: float) -> Send:
    """POSTs JSON; any answer of 2xx takes it.

    Raises:
        ValueError: no http(s) address.
    """
    place = urlsplit(address)
    if place.scheme not in ("http", "https") or not place.hostname:
        raise ValueError(f"ROAD_WATCH.NOTIFY.WEBHOOK: expected http(s)://HOST/..., got {address[:80]!r}")

    def send(line: bytes) -> None:
        row = json.loads(line)
        key = f"{row['id']}-{row['state']}"
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        request = urllib.request.Request(address, line, headers, method="POST")
        try:
            urllib.request.urlopen(request, timeout=timeout).close()
        except urllib.error.HTTPError as error:
            raise OSError(f"answered {error.code}") from None

    return send


def mqtt(address: str, timeout: float) -> Send:
    """Publishes JSON with quality of service 1, by paho.

    Raises:
        ValueError: no mqtt://HOST[:PORT]/TOPIC, or paho is not installed.
    """
    place = urlsplit(address)
    topic = place.path.strip("/")
    if place.scheme != "mqtt" or not place.hostname or not topic:
        raise ValueError(f"ROAD_WATCH.NOTIFY.MQTT: expected mqtt://HOST[:PORT]/TOPIC, got {address[:80]!r}")
    if importlib.util.find_spec("paho") is None:
        raise ValueError("ROAD_WATCH.NOTIFY.MQTT: expected the package paho-mqtt: pip install d2ext[watch]")
    host, port = place.hostname, place.port or 1883

    def send(line: bytes) -> None:
        from paho.mqtt import MQTTException, publish

        try:
            publish.single(topic, line, qos=1, hostname=host, port=port, keepalive=round(timeout) or 1)
        except MQTTException as error:
            raise OSError(str(error)) from None

    return send


def make_tellers(settings: CfgNode, events: Path) -> list[Teller]:
    """Of ``ROAD_WATCH.NOTIFY``.

    Raises:
        ValueError: an address that is none.
    """
    makers = (("webhook", settings.WEBHOOK, webhook), ("mqtt", settings.MQTT, mqtt))
    senders = [(name, make(address, settings.TIMEOUT)) for name, address, make in makers if address]
    first, longest = settings.BACK_OFF
    return [Teller(name, events, send, (first, longest)) for name, send in senders]
