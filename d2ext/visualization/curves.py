"""Curves of a training run."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence

from matplotlib import rc_context
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

Curve = Sequence[tuple[int, float]]  # (iteration, value)

COLUMNS = 2
LOG_SPAN = 30.0  # largest over smallest value from which on a positive panel is logarithmic


def draw_curves(panels: Mapping[str, Mapping[str, Curve]]) -> bytes:
    """Draw panels of curves over the iterations.

    Args:
        panels: title -> name -> points; values that are not finite leave a gap.

    Returns:
        an SVG file; equal curves give equal bytes.
    """
    rows = math.ceil(len(panels) / COLUMNS)
    figure = Figure(figsize=(6.4 * COLUMNS, 3.4 * max(rows, 1)), layout="constrained")
    for i, (title, curves) in enumerate(panels.items()):
        axes = figure.add_subplot(rows, COLUMNS, i + 1)
        for k, (name, points) in enumerate(curves.items()):
            x, y = zip(*points, strict=True)
            marker = "." if len(points) < 30 else ""
            style = ("-", "--", ":")[k // 10 % 3]  # matplotlib has ten colours
            axes.plot(x, y, linewidth=1.2, marker=marker, linestyle=style, label=_plain(name))
        values = [v for points in curves.values() for _, v in points if math.isfinite(v)]
        if values and min(values) > 0 and max(values) > LOG_SPAN * min(values):
            axes.set_yscale("log")
        axes.set_title(_plain(title), fontsize=10)
        axes.set_xlabel("iteration", fontsize=8)
        axes.tick_params(labelsize=8)
        axes.grid(color="0.9")
        axes.spines[["top", "right"]].set_visible(False)
        if len(curves) > 1:
            axes.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    file = io.BytesIO()
    with rc_context({"svg.hashsalt": "d2ext"}):
        FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None})
    return file.getvalue()


def _plain(text: str) -> str:
    """``text`` with nothing in it that matplotlib takes for mathematics or hides."""
    return text.replace("$", r"\$").lstrip("_")
