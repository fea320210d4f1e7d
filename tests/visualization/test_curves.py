from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from d2ext.visualization import draw_curves

SVG = "{http://www.w3.org/2000/svg}"


def lines(picture: bytes) -> list[str]:
    """The paths of the curves, by matplotlib's ids of lines inside of the axes."""
    root = ElementTree.fromstring(picture)
    return [
        path.get("d") for path in root.iter(f"{SVG}path") if path.get("style", "").count("stroke-width: 1.2")
    ]


def test_every_curve_is_drawn_and_equal_curves_give_equal_bytes() -> None:
    panels = {
        "loss": {"a": [(0, 9.0), (20, 1.0)], "b": [(0, 2.0), (20, 1.5)]},
        "lr": {"lr": [(0, 0.1), (20, 0.2), (40, 0.3)]},
    }
    picture = draw_curves(panels)
    assert len([d for d in lines(picture) if d.count("L") in (1, 2)]) >= 3
    assert draw_curves(panels) == picture


def test_logarithmic_where_values_span_much() -> None:
    def slopes(points: list[tuple[int, float]]) -> list[float]:
        (path,) = (d for d in lines(draw_curves({"x": {"y": points}})) if d.count("L") == 2)
        y = [
            float(part.split()[2])
            for part in path.replace("\n", " ").replace("L", "\nL").strip().splitlines()
        ]
        return [y[1] - y[0], y[2] - y[1]]

    first, second = slopes([(0, 100.0), (1, 10.0), (2, 1.0)])
    assert first == pytest.approx(second, rel=1e-3)
    first, second = slopes([(0, 3.0), (1, 2.0), (2, 1.0)])
    assert first == pytest.approx(second, rel=1e-3)


@pytest.mark.parametrize("name", ["$x^", "_hidden", "<script>alert(1)</script>", "a & b"])
def test_names_are_text_only(name: str) -> None:
    picture = draw_curves({name: {name: [(0, float("nan")), (1, 2.0)], "other": [(0, 1.0)]}})
    assert not list(ElementTree.fromstring(picture).iter(f"{SVG}script"))


def test_nothing_to_draw() -> None:
    ElementTree.fromstring(draw_curves({}))
