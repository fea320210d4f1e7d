"""Pictures as files."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from d2ext.visualization import check_picture_path, write_picture

PICTURE = np.random.default_rng(0).integers(0, 255, (5, 7, 3), np.uint8)


@pytest.mark.parametrize("kind", [str, lambda p: p], ids=["str", "Path"])
def test_a_path_may_be_text(tmp_path, kind):
    path = tmp_path / "a.png"
    check_picture_path(kind(path))
    write_picture(kind(path), PICTURE)
    assert np.array_equal(cv2.imread(str(path)), PICTURE)


@pytest.mark.parametrize("picture", [None, "a.png", PICTURE / 255, PICTURE[None], PICTURE[:0]], ids=str)
def test_what_is_no_picture_is_one_clear_line(tmp_path, picture):
    with pytest.raises(ValueError, match="a.png: ") as error:
        write_picture(tmp_path / "a.png", picture)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize("name", ["a", "a.txt"])
def test_what_is_no_name_of_a_picture_is_one_clear_line(tmp_path, name):
    for write in (check_picture_path, lambda path: write_picture(path, PICTURE)):
        with pytest.raises(ValueError, match=f"{name}: .*expected"):
            write(str(tmp_path / name))
