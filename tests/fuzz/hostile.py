"""Wrong files by the thousand: valid ones with parts exchanged, and what all readers promise of them."""

from __future__ import annotations

import copy
import json
import math
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

SECONDS = 2
#: 200 examples of each property in the default run, the same every time; as many as wanted in a long one.
fuzz = settings(
    max_examples=int(os.environ.get("D2EXT_FUZZ_EXAMPLES", "200")),
    deadline=None,  # processor time is what counts, below
    database=None,
    derandomize="D2EXT_FUZZ_EXAMPLES" not in os.environ,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)

TOKENS = [
    b"", b" ", b"\n", b"\r", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", "٣".encode(), "５".encode(),
    b"nan", b"-inf", b"Infinity", b"1e39", b"-1e308", b"1e999", b"1e-30", b"0_0", b"1_000", b"-1", b"0",
    b"9" * 400, b"0x10", b"true", b"null", b'"\\ud800"', b"[", b"]", b"{", b"}", b'"', b"'", b",", b":",
    b"\\", b"[" * 2000, b"DontCare", b"../../..", b"!!python/name:os.system", b"&a", b"*a", b"<<", b"- ",
    b"# ", b"P2: ", b"x" * 200_000,
]  # fmt: skip
VALUES: list[Any] = [
    None, True, 0, -1, 10**17, 10**40, 0.5, 1e39, -1e308, 1e-30, math.nan, -math.inf, "", " ", "nan", "1e39",
    "0_0", "٣", "a\0b", "\ud800", "x" * 200_000, "../../x", "/dev/zero", [], [[]], [1, [2]], {}, {"a": 1},
    ["a"] * 3, [None] * 9,
]  # fmt: skip

# Choices come from a number: strategies that are built of many take ten times as long as the readers.
seeds = st.integers(0, 2**48)


def mutated(data: bytes) -> st.SearchStrategy[bytes]:
    """``data`` with one to three pieces exchanged, or anything."""
    return seeds.map(lambda seed: mutate(data, random.Random(seed)))


def changed_json(value: Any) -> st.SearchStrategy[bytes]:
    """JSON of ``value`` with one of its parts, at any depth, exchanged, taken out or twice; or mutated."""
    return seeds.map(lambda seed: change_json(value, random.Random(seed)))


def mutate(data: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.1:
        return rng.randbytes(rng.randrange(60))
    for _ in range(rng.randint(1, 3)):
        start = rng.randint(0, len(data))
        length = rng.choice([0, 1, 2, 5, 20, 10**6])
        token = rng.choice(TOKENS) if rng.random() < 0.6 else rng.randbytes(rng.randint(0, 8))
        data = data[:start] + token + data[start + length :]
    return data


def change_json(value: Any, rng: random.Random) -> bytes:
    if rng.random() < 0.3:
        return mutate(json.dumps(value).encode(), rng)
    content = copy.deepcopy(value)
    *above, last = rng.choice(list(_places(value)))
    node = content
    for key in above:
        node = node[key]
    how = rng.random()
    if how < 0.15:
        del node[last]
    elif how < 0.3 and isinstance(node, list):
        node.append(node[last])
    else:
        node[last] = rng.choice(VALUES)
    return json.dumps(content).encode()


def _places(value: Any, above: tuple = ()) -> Iterator[tuple]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield (*above, key)
        yield from _places(part, (*above, key))


def result_or_message(read: Callable[[], Any], path: Path) -> Any:
    """What a reader gives, None where it refuses: with ValueError or FileNotFoundError, of one line of fewer
    than 300 characters that names the file or a file beside it."""
    start = time.process_time()
    try:
        return read()
    except (ValueError, FileNotFoundError) as error:
        message = str(error)
        kind = type(error)
        assert kind in (ValueError, FileNotFoundError), kind
        assert len(message) < 300 and message.isprintable() and "\n" not in message, message
        assert any(part in message for part in (path.name, path.parent.name)), message
        return None
    finally:
        assert time.process_time() - start < SECONDS


def check_record(record: dict[str, Any]) -> None:
    """A record holds numbers and texts that everything after it can work with."""
    _check_values(record)
    assert record["height"] > 0 and record["width"] > 0
    ids = {a["id"] for a in record.get("annotations", ())}
    for annotation in record.get("annotations", ()):
        x1, y1, x2, y2 = annotation["bbox"]
        assert x1 <= x2 and y1 <= y2 and abs(annotation["yaw"]) <= 10
        assert not annotation["has_3d"] or min(annotation["dimensions"]) > 0
    for x1, y1, x2, y2 in record.get("ignored_boxes", ()):
        assert x1 <= x2 and y1 <= y2
    for sentence in record.get("sentences", ()):
        assert sentence["text"].strip() and (
            sentence["target_ids"] is None or ids >= set(sentence["target_ids"])
        )


def _check_values(value: Any) -> None:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for part in value:
            _check_values(part)
    elif isinstance(value, str):
        value.encode()
    elif isinstance(value, float):
        assert math.isfinite(value) and abs(value) < 3.4e38
