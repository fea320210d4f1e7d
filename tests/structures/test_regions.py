"""Regions of heat maps."""

import numpy as np

from d2ext.structures import find_regions, label_regions


def test_regions_cover_what_is_above_the_threshold_once():
    values = np.random.default_rng(0).random((30, 40)).astype(np.float32)
    regions = find_regions(values, 0.7)
    covered = sum((region.cut(np.ones_like(values)) for region in regions), np.zeros_like(values))
    assert (covered == (values >= 0.7)).all()
    for region in regions:
        x0, y0, x1, y1 = region.box
        assert region.mask.any(0)[[0, -1]].all() and region.mask.any(1)[[0, -1]].all()  # a tight box
        assert region.score == region.cut(values).max() == values[y0:y1, x0:x1][region.mask].max()
    assert [r.score for r in regions] == sorted((r.score for r in regions), reverse=True)


def test_two_regions_in_one_box_are_kept_apart():
    values = np.zeros((5, 5))
    values[0, :] = values[:, 0] = 2
    values[3, 3] = 1
    outer, inner = find_regions(values, 0.5)
    assert outer.box == (0, 0, 5, 5) and not outer.mask[3, 3]
    assert inner.box == (3, 3, 4, 4) and inner.score == 1


def test_a_region_goes_on_over_corners():
    assert label_regions(np.eye(6, dtype=bool))[1] == 1


def test_nothing_above_the_threshold_is_no_region():
    assert find_regions(np.zeros((3, 4)), 0.1) == []
