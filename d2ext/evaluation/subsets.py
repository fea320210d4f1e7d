"""Subsets that results are broken down by: distance, difficulty, number of targets."""

from __future__ import annotations

CAR_DISTANCES = (15.0, 35.0)  # metres; Near, Medium, Far of Mono3DVG (Zhan et al., AAAI 2024)
ROADSIDE_DISTANCES = (30.0, 60.0, 90.0)  # metres


def difficulty(truncated: float, occluded: int) -> str:
    """Easy: fully visible, truncated < 0.15; Moderate: at most partly occluded, < 0.3; Hard: the rest."""
    if occluded == 0 and truncated < 0.15:
        return "Easy"
    if occluded <= 1 and truncated < 0.3:
        return "Moderate"
    return "Hard"


def distance_range(depth: float, edges: tuple[float, ...]) -> str:
    """Name of the depth range, for example ``0-30m`` or ``>90m``; an edge belongs to the farther range."""
    lower = 0.0
    for edge in edges:
        if depth < edge:
            return f"{lower:g}-{edge:g}m"
        lower = edge
    return f">{lower:g}m"


def distance_names(edges: tuple[float, ...]) -> list[str]:
    """All names that ``distance_range`` gives, in order."""
    return [distance_range(lower, edges) for lower in (0.0, *edges)]


TARGET_GROUPS = ("0", "1", "2-3", "4+")


def target_group(number: int) -> str:
    """Group of sentences with this many targets: 0, 1, 2-3 or 4+."""
    return ("0", "1", "2-3", "2-3")[number] if number < 4 else "4+"
