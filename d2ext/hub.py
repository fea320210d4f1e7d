"""The Hugging Face hub on a machine that cannot reach it."""

from __future__ import annotations

import functools
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from huggingface_hub import constants

#: Seconds in which the hub has to answer.
PATIENCE = 3.0


@contextmanager
def cache_if_offline(needed: bool = True) -> Iterator[None]:
    """Where the hub does not answer its client looks into its cache only; by itself it would try again and
    again for a minute.

    Args:
        needed: False where nothing is asked of the hub: nothing is done then.
    """
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or (needed and not hub_answers())
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


@functools.cache
def hub_answers() -> bool:
    """Whether something listens where the hub should be; asked once in the life of the process."""
    place = urlsplit(constants.ENDPOINT)
    if place.scheme in urllib.request.getproxies():
        return True  # only the proxy knows
    port = place.port or {"http": 80}.get(place.scheme, 443)
    try:
        socket.create_connection((place.hostname or "", port), PATIENCE).close()
    except OSError:
        return False
    return True
