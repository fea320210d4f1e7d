"""Cameras of real frames out of the boxes of their labels, against the files that came with them."""

import numpy as np
import pytest

from d2ext.data.formats.kitti import read_calib, read_ground, read_labels
from d2ext.data.formats.rows import BrokenRows
from d2ext.data.image_io import read_image_size
from d2ext.structures.calibration.vehicle_boxes import SeenVehicles
from d2ext.structures.calibration.vehicles import calibrate_vehicles
from d2ext.structures.calibration.view import PixelGrid
from d2ext.structures.vocabulary import ROAD

SIZE = {"kitti": (375, 1242), "rope3d": (1080, 1920)}


def seen_by(camera, data):
    """Classes and boxes of all frames of the camera, its focal lengths, and its planes."""
    if camera == "rope3d":
        folders = [(data / "rope3d/training", "image_2", "denorm")]
    else:
        folders = [(data / root, "images", "planes") for root in ("mono3drefer", "plain/mono3drefer")]
        folders.append((data / "kitti/training", "image_2", "planes"))
    names, boxes, planes = [], [], []
    for root, images, grounds in folders:
        for image in sorted((root / images).iterdir()):
            if read_image_size(image) != SIZE[camera]:
                continue
            projection = np.array(read_calib(root / f"calib/{image.stem}.txt"))
            ground = root / f"{grounds}/{image.stem}.txt"
            planes += [read_ground(ground)] if ground.is_file() else []
            for row in read_labels(root / f"label_2/{image.stem}.txt", BrokenRows(False)):
                if row["truncated"] <= 0.05 and row["occluded"] <= 1:
                    names.append(ROAD.names[row["category_id"]])
                    boxes.append(row["bbox"])
    grid = PixelGrid(SIZE[camera], tuple(projection[:2, 2]), projection[1, 1] / projection[0, 0])
    seen = SeenVehicles.of_classes(names, np.array(boxes), SIZE[camera])
    return seen, grid, float(projection[0, 0]), np.mean(planes, 0)


@pytest.mark.parametrize(("camera", "pitch_off", "height_off"), [("kitti", 1.0, 0.08), ("rope3d", 1.0, 0.2)])
def test_vehicles_below_a_known_lens_give_the_plane_of_the_files(shared_dir, camera, pitch_off, height_off):
    seen, grid, focal, plane = seen_by(camera, shared_dir / "data")
    found = calibrate_vehicles(seen, grid, {"focal": focal})
    pitch = np.degrees(np.arcsin(-plane[2]))
    print(camera, len(seen.boxes), found.lines(), "the files:", round(pitch, 2), round(plane[3], 2))
    assert np.degrees(found.view.pitch) == pytest.approx(pitch, abs=pitch_off)
    assert found.view.height == pytest.approx(plane[3], rel=height_off)


@pytest.mark.slow
@pytest.mark.parametrize("camera", ["kitti", "rope3d"])
def test_vehicles_alone_give_a_focal_length_as_near_as_they_say(shared_dir, camera):
    seen, grid, focal, _ = seen_by(camera, shared_dir / "data")
    found = calibrate_vehicles(seen, grid)
    print(camera, len(seen.boxes), found.lines(), "the files:", round(focal, 1))
    assert abs(found.view.focal - focal) < 3 * found.deviation["focal"]
    assert found.deviation["focal"] < 0.25 * found.view.focal
