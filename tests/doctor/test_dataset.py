"""The doctor of datasets: which are there, how much of what they hold, and what is broken."""

import cv2
import numpy as np
import pytest

from d2ext.doctor import check_dataset_folder, find_datasets, write_sheet

CALIB = "P2: 100 0 79.5 0 0 100 44.5 0 0 0 1 0\n"
CAR = "Car 0 0 0 10 10 60 60 1.5 1.6 4.0 0 1.6 12 0\n"


@pytest.fixture
def kitti(tmp_path):
    """Three images of KITTI's layout: of the second a label is broken, of the third the image is missing."""
    root = tmp_path / "datasets/mine"
    for folder in ("image_2", "label_2", "calib"):
        (root / "training" / folder).mkdir(parents=True)
    (root / "ImageSets").mkdir()
    (root / "ImageSets/train.txt").write_text("000000\n000001\n000002\n")
    for name in ("000000", "000001"):
        cv2.imwrite(str(root / f"training/image_2/{name}.png"), np.full((90, 160, 3), 90, np.uint8))
        (root / f"training/calib/{name}.txt").write_text(CALIB)
        (root / f"training/label_2/{name}.txt").write_text(CAR)
    with (root / "training/label_2/000001.txt").open("a") as file:
        file.write(CAR.replace("12", "far"))
    return root


def test_a_dataset_is_found_by_its_files_at_any_place_below_a_folder(kitti):
    for folder in (kitti, kitti.parent, kitti.parent.parent):
        (found,) = find_datasets(folder)
        assert (found.layout, found.root, found.splits) == ("kitti", kitti, ("train",))


def test_what_can_be_read_is_counted_and_what_is_broken_is_told_with_its_place(kitti):
    (checked,) = check_dataset_folder(*find_datasets(kitti))
    assert checked.counts == {"images": 2, "objects": 2, "with 3D boxes": 2}
    assert checked.classes == {"car": 2}
    assert len(checked.broken) == 2
    assert "000001.txt:2" in checked.broken[0] and "'000002' is not in" in checked.broken[1]
    text = "\n".join(checked.lines(most=1))
    assert "2 images, 2 objects" in text and "broken: 2" in text and "and 1 more" in text


def test_a_sheet_shows_the_pictures_with_their_boxes(kitti, tmp_path):
    checked = check_dataset_folder(*find_datasets(kitti))
    assert write_sheet(tmp_path / "sheet.png", checked) == 2
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert len(np.unique(sheet.reshape(-1, 3), axis=0)) > 3  # more than grey pictures on white


def test_a_split_of_which_nothing_can_be_read_is_broken_and_not_raised(kitti):
    (kitti / "ImageSets/val.txt").write_text("")
    checked = {one.name.split()[1]: one for one in check_dataset_folder(*find_datasets(kitti))}
    assert not checked["val"].records and "val.txt: expected image names" in checked["val"].broken[0]
    assert "nothing that can be read" in checked["val"].lines()[0]


def test_a_folder_without_datasets_says_what_was_expected(tmp_path):
    with pytest.raises(ValueError, match="no dataset in it: expected .*training/image_2") as error:
        find_datasets(tmp_path)
    assert len(str(error.value)) < 300
    with pytest.raises(ValueError, match="--layout coco: of a file"):
        find_datasets(tmp_path, "coco")
