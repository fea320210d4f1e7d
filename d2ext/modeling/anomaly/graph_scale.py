"""The scale of space-time graphs, which belongs to the weights that were trained on them."""

from __future__ import annotations

from collections.abc import Sequence

#: What a graph's scale holds (:meth:`d2ext.data.trajectories.GraphSpec.scale`), as messages call it.
GRAPH_SCALE = (
    "lanes", "pixels of a lane", "SEPARATOR", "WIDTH", "SECONDS_PER_PIXEL", "METRES_PER_PIXEL",
    "VEHICLE_LENGTH",
)  # fmt: skip


def check_scale(trained: Sequence[float], scale: Sequence[float]) -> None:
    """Check that graphs look as those that weights were trained on.

    Args:
        trained: zeros where it is not known, or there were none.
        scale: of the graphs.

    Raises:
        ValueError: names what differs.
    """
    # Half-precision files round.
    wrong = [i for i, (a, b) in enumerate(zip(trained, scale, strict=True)) if abs(a - b) > 1e-3 * b]
    if any(trained) and wrong:
        parts = [f"{GRAPH_SCALE[i]} {scale[i]:g} (trained: {trained[i]:.4g})" for i in wrong]
        raise ValueError(f"INPUT.GRAPH: other graphs than these weights were trained for: {', '.join(parts)}")
