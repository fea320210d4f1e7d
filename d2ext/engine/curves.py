"""The scalars of a training run, arranged in plots."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from d2ext.reading import read_text
from d2ext.tables import OTHER_UNITS

Points = Sequence[tuple[int, float]]  # (iteration, value)

LARGEST = 12  # curves in a plot of figures


@dataclass
class Plot:
    """A plot of curves by name; ``logarithmic`` where they may be."""

    title: str
    curves: dict[str, Points]
    logarithmic: bool = False


def read_curves(path: str | Path) -> dict[str, list[tuple[int, float]]]:
    """Every scalar of Detectron2's ``metrics.json`` over the iterations.

    A training that was resumed, or started anew in the same folder, writes iterations again: of those the
    last written counts. Lines that a kill cut off are left out, and values may be nan.

    Raises:
        ValueError: names the line that is JSON but no object of numbers with an iteration.
    """
    curves: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if not isinstance(row, dict) or not all(map(_is_number, row.values())):
            raise ValueError(f"{path}:{number}: expected an object of numbers")
        iteration = row.pop("iteration", None)
        if not isinstance(iteration, int) or iteration < 0:
            raise ValueError(f"{path}:{number}: field 'iteration': expected a whole number from 0 on")
        for name, value in row.items():
            points = curves[name]
            while points and points[-1][0] >= iteration:
                points.pop()
            points.append((iteration, value))
    return dict(curves)


def _is_number(value: object) -> bool:
    if isinstance(value, int):  # one that a float can hold
        return not isinstance(value, bool) and abs(value) < 1 << 63
    return isinstance(value, float)


def arrange_losses(curves: Mapping[str, Points]) -> list[Plot]:
    """Plots of the losses and the learning rate."""
    names = {
        "total loss": ["total_loss"],
        "losses": [name for name in curves if name.startswith("loss") and "/" not in name],
        "learning rate": ["lr"],
    }
    plots = [
        Plot(title, {n: curves[n] for n in group if n in curves}, True) for title, group in names.items()
    ]
    return [plot for plot in plots if plot.curves]


def arrange_figures(curves: Mapping[str, Points], datasets: Collection[str]) -> list[Plot]:
    """Plots of the overall figures of each dataset that was evaluated more than once, in per cent.

    Args:
        curves: names are ``[DATASET/]SECTION/[ROW/]COLUMN``, the dataset where there are several.
        datasets: names of the datasets; they may hold slashes.
    """
    sections: dict[tuple[str, str], dict[tuple[str, str], Points]] = defaultdict(dict)
    for name, points in curves.items():
        dataset = max((d for d in datasets if name.startswith(f"{d}/")), key=len, default="")
        section, _, figure = name[len(dataset) :].lstrip("/").partition("/")
        row, _, column = figure.rpartition("/")
        if column and column not in OTHER_UNITS and len(points) > 1:
            sections[dataset, section][row, column] = points
    plots: dict[str, dict[tuple[str, str, str], Points]] = defaultdict(dict)
    for (dataset, section), figures in sections.items():
        least = min(row.count("/") + bool(row) for row, _ in figures)  # the other rows are of subsets
        for (row, column), points in figures.items():
            if row.count("/") + bool(row) == least:
                plots[dataset][section, row, column] = points
    return [plot for dataset, figures in plots.items() for plot in _by_section(dataset, figures)]


def _by_section(dataset: str, figures: Mapping[tuple[str, str, str], Points]) -> list[Plot]:
    """One plot of few figures; otherwise by section, and a large section by row or by column."""
    if dataset and len(figures) <= LARGEST:
        return [Plot(dataset, {_join(*name): points for name, points in figures.items()})]
    plots = []
    for section, group in _grouped(figures, 0).items():
        title = f"{dataset}: {section}" if dataset else section
        if len(group) <= LARGEST:
            plots.append(Plot(title, {_join(*name[1:]): points for name, points in group.items()}))
            continue
        by_row, by_column = _grouped(group, 1), _grouped(group, 2)
        rest, parts = min(((2, by_row), (1, by_column)), key=lambda split: _cost(split[1]))
        for part, few in parts.items():
            plots.append(Plot(f"{title}, {part}", {name[rest]: points for name, points in few.items()}))
    return plots


def _grouped(
    figures: Mapping[tuple[str, str, str], Points], part: int
) -> dict[str, dict[tuple[str, str, str], Points]]:
    groups: dict[str, dict[tuple[str, str, str], Points]] = defaultdict(dict)
    for name, points in figures.items():
        groups[name[part]][name] = points
    return groups


def _cost(groups: Mapping[str, Mapping]) -> tuple[bool, int]:
    """Plots that are not too large are better, then fewer of them."""
    return max(map(len, groups.values())) > LARGEST, len(groups)


def _join(*parts: str) -> str:
    return "/".join(filter(None, parts))
