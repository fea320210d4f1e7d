"""Files that people met and that were refused, or read wrongly, though whole: ``../shared/cases/reports``."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from d2ext.data.formats import load_dair_v2x_i, load_mono3drefer, load_mvtec_ad, load_rope3d
from d2ext.data.formats.kitti import read_calib
from d2ext.data.image_io import read_image_size, read_mask
from d2ext.structures import Boxes3D, height_above_plane


@pytest.fixture
def reports(shared_dir: Path) -> Path:
    if not (shared_dir / "cases/reports").is_dir():
        pytest.skip("no folder ../shared/cases/reports")
    return shared_dir / "cases/reports"


@pytest.mark.parametrize("case", ["bom_calib", "bom_label_2", "uppercase_suffix", "jpeg_trailing_bytes"])
def test_whole_files_are_read(reports, case):
    (record,) = load_rope3d(reports / case / "rope3d", "train")
    (car,) = record["annotations"]
    assert (record["image_id"], car["location"]) == ("a", [-1.3, 5, 30])
    assert np.array(record["camera"])[0, 0] == 90


def test_an_item_may_name_its_image_with_a_suffix(reports):
    (record,) = load_mono3drefer(reports / "mono3drefer_im_name_jpg/mono3drefer", "train")
    assert [s["text"] for s in record["sentences"]] == ["The car ahead."]


def test_masks_of_small_values_mark_what_they_mark(reports):
    root = reports / "mvtec_mask_0_1/mvtec_ad/widget"
    for record in load_mvtec_ad(root, "test"):
        if record["label"]:
            assert read_mask(record["mask_file"]).sum() == 900


def test_the_published_matrix_moves_points_and_its_nearest_rotation_turns_boxes(reports, caplog):
    root = reports / "dair_skewed_rotation/dair_v2x_i"
    (record,) = load_dair_v2x_i(root, "train")
    assert "no exact rotation" in caplog.text and len(caplog.records) == 1
    pose = json.loads((root / "calib/virtuallidar_to_camera/000009.json").read_text())
    (item,) = json.loads((root / "label/camera/000009.json").read_text())
    matrix, translation = np.array(pose["rotation"]), np.ravel(pose["translation"])
    (car,) = record["annotations"]
    place = np.array([item["3d_location"][n] for n in "xyz"]) - [0, 0, item["3d_dimensions"]["h"] / 2]
    assert car["location"] == pytest.approx(matrix @ place + translation)
    # The nearest rotation by Newton's iteration for the polar decomposition (Higham 1986), not by SVD.
    rotation = matrix
    for _ in range(50):
        rotation = (rotation + np.linalg.inv(rotation).T) / 2
    forward = rotation @ [math.cos(item["rotation"]), math.sin(item["rotation"]), 0]
    plane = torch.tensor(record["ground_plane"], dtype=torch.float64)
    fields = [torch.tensor([car[key]], dtype=torch.float64) for key in ("location", "dimensions", "yaw")]
    box = Boxes3D.from_kitti(*fields, plane)
    flat = forward - plane[:3].numpy() * (plane[:3].numpy() @ forward)
    assert box.rotation[0, :, 0].numpy() == pytest.approx(flat / np.linalg.norm(flat), abs=1e-6)
    # Every point of the LiDAR's floor at the box's height lies on the plane.
    floor = np.random.default_rng(0).uniform(-50, 50, (9, 3)) * [1, 1, 0] + [0, 0, place[2]]
    points = torch.from_numpy(floor @ matrix.T + translation)
    assert height_above_plane(points, plane).abs().max() < 1e-4


def test_the_calibration_of_another_image_size_is_refused(reports):
    case = reports / "calib_of_other_size"
    read_calib(case / "c.txt")
    with pytest.raises(ValueError, match=r"c.txt:1: .*\(970, 550\) outside of the image of 480 x 270"):
        read_calib(case / "c.txt", read_image_size(case / "half.jpg"))
