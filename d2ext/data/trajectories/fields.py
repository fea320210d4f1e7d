"""Numbers in JSON files of recordings."""

from __future__ import annotations

import math
from typing import Any

from d2ext.reading import require


def finite(item: Any, key: str, where: str) -> float:
    """The number of a JSON object's key.

    Raises:
        ValueError: no number, or one that is not finite.
    """
    value = require(item, key, (int, float), where)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{where}: field {key!r}: expected a finite number")
    return number
