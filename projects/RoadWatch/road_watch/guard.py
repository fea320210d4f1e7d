"""What every request passes first: whose it is, how large, how often; and headers of every answer."""

from __future__ import annotations

import hmac
import json
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE = "d2ext_token"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = [
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
]
_MOST_CLIENTS = 1000


@dataclass(frozen=True)
class Limits:
    """Of each client.

    Attributes:
        rate, burst: requests a second in the long run, and at once.
        heavy_rate, heavy_burst: of those that bring something.
        body: bytes that a request may bring.
    """

    rate: float = 200.0
    burst: float = 400.0
    heavy_rate: float = 2.0
    heavy_burst: float = 10.0
    body: int = 8 << 20


class Buckets:
    """Token buckets by client."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str, now: float) -> bool:
        """Whether the client may have one more at ``now`` s."""
        left, last = self._left.pop(client, (self._burst, now))
        left = min(self._burst, left + (now - last) * self._rate)
        allowed = left >= 1
        self._left[client] = (left - allowed, now)
        while len(self._left) > _MOST_CLIENTS:
            self._left.popitem(last=False)
        return allowed


class Guard:
    """An ASGI application around another.

    Args:
        app: that one.
        token: that viewers must know; "": nobody is asked.
        hosts: names under which the server may be called, so that no other site's name can point at it;
            empty: all.
        limits: of each client.
    """

    def __init__(
        self, app: App, token: str = "", hosts: Collection[str] = (), limits: Limits | None = None
    ) -> None:
        limits = limits or Limits()
        self._app, self._token, self._hosts, self._limits = app, token.encode(), set(hosts), limits
        self._all = Buckets(limits.rate, limits.burst)
        self._heavy = Buckets(limits.heavy_rate, limits.heavy_burst)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            return None

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                names = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(h for h in _HEADERS if h[0] not in names)]
                if b"cache-control" not in names:
                    message["headers"].append((b"cache-control", b"no-store"))
            await send(message)

        refused = self._refusal(scope)
        if refused is None:
            return await self._app(scope, receive, send_with_headers)
        status, text, headers = refused
        body = json.dumps({"error": text}).encode()
        headers = [*headers, (b"content-type", b"application/json")]
        await send_with_headers({"type": "http.response.start", "status": status, "headers": headers})
        await send_with_headers({"type": "http.response.body", "body": body})

    def _refusal(self, scope: Scope) -> tuple[int, str, list[tuple[bytes, bytes]]] | None:
        """Status, one line, and headers; None: it may pass."""
        headers = {name: value for name, value in scope["headers"]}
        host = headers.get(b"host", b"").decode("latin-1")
        client = (scope.get("client") or ("", 0))[0]
        heavy = scope["method"] not in ("GET", "HEAD")
        now = time.monotonic()
        if not self._all.take(client, now) or (heavy and not self._heavy.take(client, now)):
            return 429, "too many requests: try again in a moment", [(b"retry-after", b"1")]
        if self._hosts and _name(host) not in self._hosts:
            return 421, "this server is not called by that name", []
        origin = headers.get(b"origin", b"").decode("latin-1")
        if heavy and origin and urlsplit_host(origin) != host:
            return 403, "requests of other sites are not answered", []
        if self._token and not self._known(headers):
            given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
            if scope["path"] == "/" and self._same(given.encode()):
                cookie = COOKIE.encode() + b"=" + self._token + b"; HttpOnly; SameSite=Strict; Path=/"
                return 303, "this way", [(b"location", b"/"), (b"set-cookie", cookie)]
            return 401, "expected the token that the server was started with", []
        return self._too_large(heavy, headers)

    def _too_large(
        self, heavy: bool, headers: dict[bytes, bytes]
    ) -> tuple[int, str, list[tuple[bytes, bytes]]] | None:
        length = headers.get(b"content-length")
        if length is None:
            without = heavy or b"transfer-encoding" in headers
            return (411, "expected the header Content-Length", []) if without else None
        if not length.isdigit() or len(length) > 12 or int(length) > self._limits.body:
            return 413, f"expected at most {self._limits.body >> 20} MiB", [(b"connection", b"close")]
        return None

    def _known(self, headers: dict[bytes, bytes]) -> bool:
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() == b"bearer" and self._same(given.strip()):
            return True
        cookies = headers.get(b"cookie", b"").split(b";")
        return any(self._same(c.strip().removeprefix(COOKIE.encode() + b"=")) for c in cookies if c)

    def _same(self, given: bytes) -> bool:
        return hmac.compare_digest(given, self._token)


def _name(host: str) -> str:
    """Without the port."""
    return host.rsplit(":", 1)[0] if not host.endswith("]") else host


def urlsplit_host(origin: str) -> str:
    """Host and port of an origin; "" of one that is none."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""
