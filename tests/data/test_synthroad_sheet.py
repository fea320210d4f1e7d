"""SynthRoad's contact sheet: a page of pictures, some with boxes where the labels say."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from d2ext.data.synthroad.__main__ import main
from d2ext.data.synthroad.cameras import CAR
from d2ext.data.synthroad.labels import make_frame
from d2ext.data.synthroad.sheet import page, with_boxes, write_sheet


def test_every_picture_is_on_the_page() -> None:
    """Pictures of one gray level each: all levels are found, in as much area as the aspects say."""
    sizes = ((40, 100), (60, 100), (90, 100), (100, 100), (40, 130), (50, 90), (80, 90), (44, 99))
    images = [np.full((*size, 3), 20 + 20 * i, np.uint8) for i, size in enumerate(sizes)]
    sheet = page(images)
    assert sheet.shape[1] == 1920
    for i, (height, width) in enumerate(sizes):
        ys, xs = np.nonzero(sheet[..., 0] == 20 + 20 * i)
        assert len(ys) == (np.ptp(ys) + 1) * (np.ptp(xs) + 1)
        assert (np.ptp(xs) + 1) / (np.ptp(ys) + 1) == pytest.approx(width / height, rel=0.05)


def test_boxes_are_drawn_around_the_labels() -> None:
    frame = make_frame(CAR, np.random.default_rng([3, 1]))
    changed = (with_boxes(frame) != frame.rendering.image).any(axis=2)
    assert changed.any()
    ys, xs = np.nonzero(changed)
    # A bold line's half width and soft edge, up to four pixels.
    boxes = np.array([label.box for label in frame.labels])
    inside = (
        (xs[:, None] >= boxes[:, 0] - 4)
        & (xs[:, None] <= boxes[:, 2] + 4)
        & (ys[:, None] >= boxes[:, 1] - 4)
        & (ys[:, None] <= boxes[:, 3] + 4)
    )
    assert inside.any(axis=1).all() and inside.any(axis=0).all()


def test_the_same_seed_gives_the_same_sheet(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        write_sheet(tmp_path / name, "kitti,rope3d", 4, count=2, boxed=1)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert cv2.imread(str(tmp_path / "a.png")).shape[1] == 1920


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys) -> None:
    assert main(["--sheet", str(tmp_path / "a.txt"), "--seed", "1"]) == 2
    assert "no image format" in capsys.readouterr().err
    assert main(["--sheet", str(tmp_path / "a.jpg"), "--seed", "1", "--cameras", "moon"]) == 2
    assert "moon" in capsys.readouterr().err
    for arguments in (["--seed", "1"], ["--seed", "1", "--root", str(tmp_path), "--sheet", "a.jpg"]):
        with pytest.raises(SystemExit) as raised:
            main(arguments)
        assert raised.value.code == 2
        assert "one of --root" in capsys.readouterr().err
