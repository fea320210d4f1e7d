from __future__ import annotations

import json
import zipfile
from itertools import permutations

import numpy as np
import pytest

from d2ext.evaluation import assign_objects, submission_flags, write_json, write_kitti, write_submission


def test_json_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "predictions.json"
    write_json(path, [{"score": 0.5}])
    with pytest.raises(ValueError):
        write_json(path, [float("nan")])
    assert json.loads(path.read_text()) == [{"score": 0.5}]
    assert [p.name for p in path.parent.iterdir()] == ["predictions.json"]


def test_kitti_text(tmp_path):
    row = {
        "category_id": 1,
        "score": 0.75,
        "alpha": -1.5,
        "bbox": [1.0, 2.0, 30.25, 40.0],
        "dimensions": [1.5, 1.6, 3.9],
        "location": [-2.0, 1.7, 25.0],
        "yaw": 0.125,
    }
    write_kitti(tmp_path / "000001.txt", [row], ["car", "van"])
    write_kitti(tmp_path / "000002.txt", [], ["car", "van"])
    fields = (tmp_path / "000001.txt").read_text().split()
    assert fields[:3] == ["van", "-1", "-1"]
    assert [float(f) for f in fields[3:]] == [-1.5, 1, 2, 30.25, 40, 1.5, 1.6, 3.9, -2, 1.7, 25, 0.125, 0.75]
    assert (tmp_path / "000002.txt").read_text() == ""


def test_objects_are_assigned_one_to_one_with_the_largest_overlap():
    rng = np.random.default_rng(0)
    for _ in range(20):
        iou = np.where(rng.random((3, 5)) < 0.5, 0.0, rng.random((3, 5)))
        flags = assign_objects(iou)
        totals = {p: sum(iou[i, j] for i, j in enumerate(p)) for p in permutations(range(5), 3)}
        best = max(totals, key=totals.get)
        assert (iou[:, flags == 1].max(axis=0) > 0).all()
        assert set(np.flatnonzero(flags)) == {j for i, j in enumerate(best) if iou[i, j] > 0}
    assert assign_objects(np.zeros((2, 3))).tolist() == [0, 0, 0]
    assert assign_objects(np.zeros((0, 2))).tolist() == [0, 0]


def test_submission(tmp_path):
    def box(i, x, has_3d=True):
        return {
            "id": i,
            "has_3d": has_3d,
            "location": [x, 1.5, 20.0],
            "dimensions": [1.5, 1.8, 4.2],
            "yaw": 1.5,
        }

    record = {
        "ground_plane": [0.0, -0.98, -0.2, 7.0],
        "annotations": [box(0, 0.0), box(1, 4.0, has_3d=False), box(3, 8.0)],
        "sentences": [{"id": 0}, {"id": 1}, {"id": 2}],
    }
    flags = submission_flags(record, {0: [box(0, 0.3)], 2: [box(0, 8.4), box(0, 0.0), box(0, 50.0)]})
    assert flags.tolist() == [[1, 0, 1], [0, 0, 0], [0, 0, 0], [0, 0, 1]]
    path = tmp_path / "submission.zip"
    write_submission(path, {"a": flags, "b": np.zeros((0, 3))})
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["a.txt", "b.txt"]
        assert archive.read("a.txt").decode() == "1 0 1\n0 0 0\n0 0 0\n0 0 1\n"
    first = path.read_bytes()
    write_submission(path, {"a": flags, "b": np.zeros((0, 3))})
    assert path.read_bytes() == first
