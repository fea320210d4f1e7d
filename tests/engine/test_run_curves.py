"""The scalars of a run, read and arranged in plots."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from d2ext.engine.curves import LARGEST, arrange_figures, arrange_losses, read_curves

TWICE = [(0, 1.0), (1, 2.0)]


def names(plots) -> dict[str, list[str]]:
    return {plot.title: list(plot.curves) for plot in plots}


def test_curves_of_a_resumed_run_hold_every_iteration_once(tmp_path: Path) -> None:
    rows = [{"iteration": i, "loss": float(i), "lr": 0.1} for i in (0, 20, 40)]
    again = [{"iteration": i, "loss": -float(i)} for i in (20, 60)]
    lines = [json.dumps(row) for row in rows] + ['{"iteration": 60, "lo' + json.dumps(again[0])]
    lines += [json.dumps(row) for row in again] + [json.dumps({"val/Acc": 3.0, "iteration": 10}), '{"iter']
    (tmp_path / "metrics.json").write_text("\n".join(lines))
    curves = read_curves(tmp_path / "metrics.json")
    assert curves["loss"] == [(0, 0.0), (20, -20.0), (60, -60.0)]
    assert curves["val/Acc"] == [(10, 3.0)]


def test_losses_and_rate_are_plotted_and_times_are_not() -> None:
    curves = dict.fromkeys(["total_loss", "loss_a", "loss_b", "lr", "time", "v/published/Acc"], TWICE)
    assert names(arrange_losses(curves)) == {
        "total loss": ["total_loss"],
        "losses": ["loss_a", "loss_b"],
        "learning rate": ["lr"],
    }


def test_figures_are_the_overall_ones_in_per_cent_evaluated_more_than_once() -> None:
    rows = ["Acc", "Near/Acc", "TP", "threshold"]
    curves = dict.fromkeys([f"v/published/{row}" for row in rows], TWICE)
    curves |= {"v/exact/Acc": TWICE, "published/Acc": [(2, 1.0)], "total_loss": TWICE}
    assert names(arrange_figures(curves, ["v"])) == {"v": ["published/Acc", "exact/Acc"]}


@pytest.mark.parametrize("dataset", ["", "mvtec_ad/bottle_test"])
def test_a_dataset_may_have_a_slash_or_no_name(dataset: str) -> None:
    prefix = f"{dataset}/" if dataset else ""
    curves = {f"{prefix}anomaly/{figure}": TWICE for figure in ("AUPRO", "cut_in/AUPRO")}
    (plot,) = arrange_figures(curves, ["mvtec_ad", dataset or "other"])
    assert dataset in plot.title and [name.removeprefix("anomaly/") for name in plot.curves] == ["AUPRO"]


@pytest.mark.parametrize("dataset", ["", "d/"])
@pytest.mark.parametrize("rows, columns", [(10, 4), (4, 7), (1, 13), (40, 1)])
def test_many_figures_are_shared_among_plots_none_left_out(dataset: str, rows: int, columns: int) -> None:
    """A table of 10 rows and 4 columns, for example, is four plots of ten curves."""
    keys = [f"row {r}/{c}" for r in range(rows) for c in range(columns)]
    curves = {f"{dataset}{section}/{key}": TWICE for section in ("a", "b") for key in keys}
    plots = arrange_figures(curves, ["d"])
    assert sum(len(plot.curves) for plot in plots) == len(curves)
    assert len({plot.title for plot in plots}) == len(plots)
    if min(rows, columns) > 1:
        assert max(len(plot.curves) for plot in plots) <= LARGEST
        assert len(plots) == 2 * min(rows, columns)
