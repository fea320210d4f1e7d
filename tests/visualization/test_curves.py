from __future__ import annotations

import itertools
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from d2ext.visualization import draw_curves
from d2ext.visualization.curves import plot_curves

SVG = "{http://www.w3.org/2000/svg}"


def lines(picture: bytes) -> list[str]:
    """The paths of the curves, by matplotlib's ids of lines inside of the axes."""
    root = ElementTree.fromstring(picture)
    return [
        path.get("d") for path in root.iter(f"{SVG}path") if path.get("style", "").count("stroke-width: 1.2")
    ]


def test_every_curve_is_drawn_and_equal_curves_give_equal_bytes() -> None:
    curves = {"a": [(0, 9.0), (20, 1.0)], "b": [(0, 2.0), (20, 1.5)], "c": [(0, 0.1), (20, 0.2), (40, 0.3)]}
    picture = draw_curves(curves)
    assert len([d for d in lines(picture) if d.count("L") in (1, 2)]) >= 3
    assert draw_curves(curves) == picture


def test_logarithmic_where_allowed_and_values_span_much() -> None:
    def slopes(points: list[tuple[int, float]], logarithmic: bool = True) -> list[float]:
        (path,) = (d for d in lines(draw_curves({"y": points}, logarithmic)) if d.count("L") == 2)
        y = [
            float(part.split()[2])
            for part in path.replace("\n", " ").replace("L", "\nL").strip().splitlines()
        ]
        return [y[1] - y[0], y[2] - y[1]]

    first, second = slopes([(0, 100.0), (1, 10.0), (2, 1.0)])
    assert first == pytest.approx(second, rel=1e-3)
    first, second = slopes([(0, 100.0), (1, 10.0), (2, 1.0)], False)
    assert first == pytest.approx(10 * second, rel=1e-3)
    first, second = slopes([(0, 3.0), (1, 2.0), (2, 1.0)])
    assert first == pytest.approx(second, rel=1e-3)


@pytest.mark.parametrize("name", ["$x^", "_hidden", "<script>alert(1)</script>", "a & b"])
def test_names_are_text_only(name: str) -> None:
    picture = draw_curves({name: [(0, float("nan")), (1, 2.0)], "other": [(0, 1.0)]})
    assert not list(ElementTree.fromstring(picture).iter(f"{SVG}script"))


def apart(boxes: list[Bbox]) -> bool:
    """Whether no two boxes overlap by more than a fraction of a pixel."""
    pairs = (Bbox.intersection(a, b) for a, b in itertools.combinations(boxes, 2))
    return all(shared is None or min(shared.width, shared.height) < 0.5 for shared in pairs)


def inside(box: Bbox, figure: Figure) -> bool:
    return bool(np.all(box.min >= -0.5) and np.all(box.max <= figure.bbox.max + 0.5))


RANGES = [(1.0, 2.0), (1.0, 40.0), (0.004, 40.0), (1e-9, 1e-3), (-0.6, 1.5), (0.0, 100.0), (1e-9, 1.1e-9)]


@pytest.mark.parametrize("low, high", RANGES)
@pytest.mark.parametrize("last", [19, 70_000, 5_000_000])
def test_ticks_are_few_and_their_labels_apart_and_inside(low: float, high: float, last: int) -> None:
    figure = plot_curves({"a": [(0, high), (last // 2, low + 0.1 * (high - low)), (last, low)]}, True)
    (axes,) = figure.axes
    figure.canvas.draw()
    for axis, (least, most) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        ticks = [
            *zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=True),
            *zip(axis.get_minorticklocs(), axis.get_minorticklabels(), strict=False),
        ]
        shown = [label for place, label in ticks if least <= place <= most and label.get_text()]
        boxes = [label.get_window_extent() for label in shown]
        assert 2 <= len(shown) <= 8 and apart(boxes)
        assert all(inside(box, figure) for box in [*boxes, axis.get_offset_text().get_window_extent()])


@pytest.mark.parametrize("length", [1, 25, 200])
@pytest.mark.parametrize("count", [1, 2, 12, 36])
def test_names_are_below_the_plot_whatever_their_number(count: int, length: int) -> None:
    curves = {f"{'m' * length}{i}": [(0, 1.0 + i), (1, 2.0)] for i in range(count)}
    figure = plot_curves(curves)
    figure.canvas.draw()
    (axes,) = figure.axes
    inner, outer = axes.get_window_extent(), axes.get_tightbbox()
    assert inner.height > 1.5 * figure.dpi and inner.width > 0.75 * figure.bbox.width
    assert inside(outer, figure)
    legend = axes.get_legend()
    if count == 1:
        assert legend is None
        return
    texts = [text.get_window_extent() for text in legend.get_texts()]
    label = axes.xaxis.label.get_window_extent()
    assert len(texts) == count and apart([*texts, label, inner])
    assert all(inside(box, figure) for box in texts) and max(box.y1 for box in texts) < label.y0
    looks = {(line.get_color(), line.get_linestyle()) for line in axes.get_lines()}
    assert len(looks) == count


def test_nothing_to_draw() -> None:
    ElementTree.fromstring(draw_curves({}))
