from __future__ import annotations

import numpy as np
import pytest

from d2ext.structures.calibration.view import GroundView, PixelGrid
from d2ext.visualization.canvas import PALETTE
from d2ext.visualization.ground_grid import draw_ground_grid

SIZE = (540, 960)


def near(picture, color, most=60):
    return np.abs(picture.astype(int) - color).sum(-1) < most


@pytest.mark.parametrize("roll", [0.0, 0.03])
def test_lines_lie_where_the_road_is_so_far_away(roll):
    view = GroundView(1100.0, 0.2, roll, 7.0, PixelGrid(SIZE))
    dark = np.zeros((*SIZE, 3), np.uint8)
    picture = draw_ground_grid(dark, view)
    drawn = picture.sum(-1) > 90
    for x, z in [(0, 25), (-5, 37.5), (10, 50), (5, 27.0)]:  # on lines across or along
        u, v = np.rint(view.project(np.array([x, 0.0, z]))).astype(int)
        assert drawn[v - 2 : v + 3, u - 2 : u + 3].any(), (x, z)
    for x, z in [(2.5, 27.5), (-2.5, 32.5), (7.5, 37.5)]:  # in the middle of meshes
        u, v = np.rint(view.project(np.array([x, 0.0, z]))).astype(int)
        assert not drawn[v - 2 : v + 3, u - 2 : u + 3].any(), (x, z)
    assert not dark.any()


def test_the_horizon_is_where_points_far_away_are():
    view = GroundView(800.0, 0.1, 0.05, 6.0, PixelGrid(SIZE))
    picture = draw_ground_grid(np.zeros((*SIZE, 3), np.uint8), view)
    red = near(picture, PALETTE[4])
    for x in (-3e5, 0.0, 3e5):
        u, v = np.rint(view.project(np.array([x, 0.0, 1e6]))).astype(int)
        assert red[v - 2 : v + 3, u].any()


def test_points_that_were_used_are_marked():
    view = GroundView(800.0, 0.1, 0.0, 1.5, PixelGrid(SIZE))
    plain = draw_ground_grid(np.zeros((*SIZE, 3), np.uint8), view)
    marked = draw_ground_grid(np.zeros((*SIZE, 3), np.uint8), view, marks=np.array([[300.0, 30.0]]))
    rows, columns = np.nonzero((plain != marked).any(-1))
    assert abs(rows.mean() - 30) < 1 and abs(columns.mean() - 300) < 1 and len(rows) > 50
