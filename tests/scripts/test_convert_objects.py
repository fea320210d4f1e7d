"""convert.py --to: datasets of objects from one format to another."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from object_files import coco, omni3d, write_json

import d2ext_cli
from d2ext.data import conversion
from d2ext.data.formats import load_kitti, load_odvg, load_omni3d
from d2ext.engine import one_line_errors
from d2ext.structures.vocabulary import Vocabulary

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/convert.py"


@pytest.fixture
def convert(capsys) -> Callable[..., tuple[int, str, str]]:
    """Calls the command in this process: status, output, errors."""
    spec = importlib.util.spec_from_file_location("convert_script", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)

    def call(*arguments: object) -> tuple[int, str, str]:
        status = 0
        try:
            with one_line_errors():
                script.main(script.build_parser().parse_args([*map(str, arguments)]))
        except SystemExit as error:
            status = int(error.code or 0)
        return status, *capsys.readouterr()

    return call


def test_coco_to_odvg_and_back(convert, tmp_path):
    path = write_json(tmp_path / "a.json", coco(tmp_path))
    status, out, err = convert(path, "--layout", "coco", "--to", "odvg", "--output", tmp_path / "b.jsonl")
    assert status == 0, err
    assert out.splitlines() == [
        f"{tmp_path / 'b.jsonl'}: 2 images, 3 objects of 3 classes",
        "odvg has no place for: crowds, classes of crowds",
    ]
    labels = tmp_path / "b_label_map.json"
    assert json.loads(labels.read_text()) == {"0": "car", "1": "tipper truck", "2": "zebra"}
    records, _ = load_odvg(tmp_path / "b.jsonl", tmp_path, label_map=labels)
    assert [len(r["annotations"]) for r in records] == [2, 1]
    back = (tmp_path / "b.jsonl", "--layout", "odvg", "--label-map", labels, "--to", "coco")
    status, out, err = convert(*back, "--images", tmp_path, "--output", tmp_path / "c.json")
    assert status == 0 and out.endswith("coco holds all of it\n"), err
    before, after = json.loads(path.read_text()), json.loads((tmp_path / "c.json").read_text())
    assert [a["bbox"] for a in after["annotations"]] == [
        a["bbox"] for a in before["annotations"] if not a.get("iscrowd")
    ]
    assert [i["file_name"] for i in after["images"]] == [i["file_name"] for i in before["images"]]


def test_omni3d_to_a_folder_of_kitti(convert, tmp_path):
    path = write_json(tmp_path / "a.json", omni3d(tmp_path))
    arguments = (path, "--layout", "omni3d", "--to", "kitti", "--output", tmp_path / "kitti")
    status, out, err = convert(*arguments, "--split", "val", "--link")
    assert status == 0, err
    assert out.splitlines()[1] == "kitti has no place for: visibility and counts of points"
    (record,) = load_kitti(tmp_path / "kitti", "val", vocabulary=Vocabulary.of_names(["car", "sofa"]))
    assert Path(record["file_name"]).is_symlink() and len(record["ignored_boxes"]) == 2
    assert [a["has_3d"] for a in record["annotations"]] == [True, False]
    folder = (tmp_path / "kitti", "--layout", "kitti", "--split", "val", "--to", "omni3d")
    status, _, err = convert(*folder, "--output", tmp_path / "b.json")
    assert status == 1 and "field 'type': unknown class 'Sofa'" in err
    status, out, err = convert(*folder, "--output", tmp_path / "b.json", "--classes", "car", "sofa")
    assert status == 0 and "1 images, 2 objects of 2 classes" in out, err
    (again,), _ = load_omni3d(tmp_path / "b.json", tmp_path / "kitti/training/image_2")
    before = record["annotations"][0]
    assert again["annotations"][0]["location"] == pytest.approx(before["location"])
    status, _, err = convert(*arguments)
    assert status == 1 and "kitti: is there already (--overwrite replaces it" in err
    assert convert(*arguments, "--overwrite")[0] == 0


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("a.json", "--layout", "coco", "--output", "b.json"), "--to: expected one of coco, lvis, omni3d"),
        (("a.json", "--layout", "coco", "--to", "lvis", "--output", "a.json"), "a.json: is there already"),
        (("no.json", "--layout", "coco", "--to", "lvis", "--output", "b.json"), "no.json: no such file"),
        (("a.json", "a.json", "--layout", "coco", "--to", "lvis", "--output", "b"), "expected one dataset"),
        (("a.json", "--to", "lvis", "--output", "b"), "of recordings"),
        (("a.json", "--layout", "coco", "--to", "dair_v2x_i", "--output", "b"), "needs 3D boxes"),
        (
            ("a.json", "--layout", "omni3d", "--to", "coco", "--output", "b"),
            "field 'file_path': expected str",
        ),
        ((".", "--layout", "rope3d", "--to", "coco", "--output", "b"), "train.txt: no such file"),
        (
            ("a.json", "--layout", "coco", "--images", "sub", "--to", "lvis", "--output", "b"),
            "'a.jpg' is not",
        ),
    ],
)
def test_errors_are_one_line_and_nothing_is_written(convert, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    text = write_json(tmp_path / "a.json", coco(tmp_path)).read_text()
    status, _, err = convert(*arguments)
    assert status in (1, 2) and message in err and len(err.strip().splitlines()) == 1 and len(err) < 310
    assert not list(tmp_path.glob("b*")) and (tmp_path / "a.json").read_text() == text


def test_all_formats_are_offered():
    assert set(d2ext_cli.WRITTEN_LAYOUTS) == set(conversion.WRITTEN)
    assert set(d2ext_cli.OBJECT_LAYOUTS) == set(conversion.READ)
