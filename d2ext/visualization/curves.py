"""Curves of a training run."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

Curve = Sequence[tuple[int, float]]  # (iteration, value)

WIDTH, PLOT_HEIGHT = 5.0, 2.6  # inches; the legend is below the plot
LOG_SPAN = 30.0  # largest over smallest value from which on positive values are drawn logarithmically
DECADES = 2.5  # up to which a logarithmic axis is labelled at 1 and 3 times the powers of ten
COLORS, STYLES = 10, ("-", "--", ":", "-.")  # matplotlib has ten colours: 40 curves are told apart
SMALL = 8  # points, of all text
LONGEST_NAME = 40  # characters
GAP = 0.12  # inches between legend columns and around the figure


def draw_curves(curves: Mapping[str, Curve], logarithmic: bool = False) -> bytes:
    """Draw curves over the iterations, their names below in columns.

    Args:
        curves: name -> points; values that are not finite leave a gap.
        logarithmic: where the values are positive and span much.

    Returns:
        an SVG file, higher the more names there are; equal curves give equal bytes.
    """
    figure = plot_curves(curves, logarithmic)
    file = io.BytesIO()
    with rc_context({"svg.hashsalt": "d2ext"}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()


def plot_curves(curves: Mapping[str, Curve], logarithmic: bool = False) -> Figure:
    """The figure of :func:`draw_curves`."""
    figure = Figure(figsize=(WIDTH, PLOT_HEIGHT))
    FigureCanvasAgg(figure)  # measures text
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    for k, (name, points) in enumerate(curves.items()):
        x, y = zip(*points, strict=True)
        marker = "." if len(points) < 30 else ""
        style = STYLES[k // COLORS % len(STYLES)]
        axes.plot(x, y, f"C{k % COLORS}", linewidth=1.2, marker=marker, linestyle=style, label=_plain(name))
    _set_scales(axes, [v for points in curves.values() for _, v in points], logarithmic)
    axes.tick_params(labelsize=SMALL)
    axes.grid(color="0.9")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("iteration", fontsize=SMALL)
    _lay_out(figure, axes, with_legend=len(curves) > 1)
    return figure


def _set_scales(axes: Axes, values: Sequence[float], logarithmic: bool) -> None:
    """Few ticks, as whole iterations and plain numbers."""
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))
    axes.yaxis.get_offset_text().set_fontsize(SMALL)
    values = [v for v in values if math.isfinite(v)]
    if not logarithmic or not values or not 0 < LOG_SPAN * min(values) < max(values):
        return
    axes.set_yscale("log")
    few = math.log10(max(values) / min(values)) < DECADES
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0) if few else (1.0,), numticks=6))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _lay_out(figure: Figure, axes: Axes, with_legend: bool) -> None:
    """Fit the plot with its tick labels into the width, and put the legend below it, in as many columns as
    fit."""
    left, under, above = _margins(axes)
    legend_height = 0.0
    if with_legend:
        legend = _legend(axes, 1)
        number = len(legend.get_texts())
        width, _ = _inches(legend)
        legend = _legend(axes, max(1, min(number, int((WIDTH - GAP) / (width + GAP)))))
        legend_height = _inches(legend)[1] + GAP
    height = PLOT_HEIGHT + legend_height
    figure.set_size_inches(WIDTH, height)
    if with_legend:
        legend.set_bbox_to_anchor((GAP / WIDTH, GAP / height), figure.transFigure)
    box = (left, under + legend_height, WIDTH - left - 2 * GAP, PLOT_HEIGHT - under - above)
    axes.set_position((box[0] / WIDTH, box[1] / height, box[2] / WIDTH, box[3] / height))


def _legend(axes: Axes, columns: int) -> Legend:
    return axes.legend(
        fontsize=SMALL, frameon=False, loc="lower left", borderpad=0, borderaxespad=0, handlelength=2.6,
        columnspacing=1.2, ncols=columns,
    )  # fmt: skip


def _inches(legend: Legend) -> tuple[float, float]:
    """Width and height."""
    box = legend.get_window_extent()
    return box.width / legend.figure.dpi, box.height / legend.figure.dpi


def _margins(axes: Axes) -> tuple[float, float, float]:
    """Inches that the labels need on the left, below and above."""
    axes.set_position((0.2, 0.3, 0.7, 0.6))
    whole, inner = axes.get_tightbbox(), axes.get_window_extent()
    assert whole is not None  # only of an invisible plot
    lengths = inner.x0 - whole.x0, inner.y0 - whole.y0, whole.y1 - inner.y1
    left, below, above = (length / axes.figure.dpi + GAP for length in lengths)
    return left, below, above


def _plain(text: str) -> str:
    """``text`` on one line of bounded length, with nothing in it that matplotlib takes for mathematics or
    hides."""
    text = " ".join(text.split()).lstrip("_")
    if len(text) > LONGEST_NAME:
        text = f"…{text[1 - LONGEST_NAME :]}"
    return text.replace("$", r"\$")
