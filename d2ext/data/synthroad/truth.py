"""Truth of three values: None is near a border, where a reader may say either."""

from __future__ import annotations

from collections.abc import Iterable

Truth = bool | None


def every(truths: Iterable[Truth]) -> Truth:
    """Three-valued conjunction: one False decides, else one None leaves it open."""
    result: Truth = True
    for truth in truths:
        if truth is False:
            return False
        if truth is None:
            result = None
    return result


def band(value: float, sure: float, never: float) -> Truth:
    """True up to `sure`, False from `never` on, None between."""
    return True if value <= sure else (False if value >= never else None)
