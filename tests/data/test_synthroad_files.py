"""SynthRoad on disk: the same bytes again, files that the real loaders read, one-line refusals."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from d2ext.data.formats import load_mono3drefer, load_monomulti3d, load_rope3d
from d2ext.data.looks import add_looks
from d2ext.data.synthroad import generate
from d2ext.data.synthroad.__main__ import main
from d2ext.data.synthroad.models import SHAPES
from d2ext.data.synthroad.palette import COLORS
from d2ext.structures import ROAD

COUNTS = {"train": 2, "val": 1, "test": 1}


def _digest(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synthroad") / "data"
    assert generate(folder, 3, *COUNTS.values(), progress=False)
    return folder


def test_same_bytes_with_two_workers(root: Path, tmp_path: Path) -> None:
    generate(tmp_path / "again", 3, *COUNTS.values(), workers=2, progress=False)
    assert _digest(tmp_path / "again") == _digest(root)


def test_frames_do_not_depend_on_how_many_there_are(root: Path, tmp_path: Path) -> None:
    generate(tmp_path / "one", 3, 1, 0, 0, progress=False)
    for name in ("mono3drefer/images/000000.png", "monomulti3d/train/jsons/synthroad_000000.json"):
        assert (tmp_path / "one" / name).read_bytes() == (root / name).read_bytes()


def test_another_seed_gives_other_pictures(root: Path, tmp_path: Path) -> None:
    generate(tmp_path / "other", 4, 1, 0, 0, progress=False)
    name = "mono3drefer/images/000000.png"
    assert (tmp_path / "other" / name).read_bytes() != (root / name).read_bytes()


def test_complete_dataset_is_left_alone(root: Path) -> None:
    before = _digest(root)
    assert generate(root, 3, *COUNTS.values(), progress=False) is False
    assert _digest(root) == before


def test_unfinished_dataset_is_finished(root: Path, tmp_path: Path) -> None:
    generate(tmp_path / "part", 3, *COUNTS.values(), progress=False)
    settings = tmp_path / "part" / "synthroad.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "complete": False}))
    (tmp_path / "part" / "mono3drefer" / "Mono3DRefer.json").unlink()
    assert generate(tmp_path / "part", 3, *COUNTS.values(), progress=False)
    assert _digest(tmp_path / "part") == _digest(root)


def test_foreign_folders_and_other_settings_are_refused(root: Path, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    for folder, seed in ((tmp_path, 3), (root, 5)):
        with pytest.raises(FileExistsError, match="not empty"):
            generate(folder, seed, *COUNTS.values(), progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--root", "x"],
        ["--root", "x", "--seed", "one"],
        ["--root", "x", "--seed", "-1"],
        ["--root", "x", "--seed", "1", "--train", "-2"],
        ["--root", "x", "--seed", "1", "--train", "0", "--val", "0", "--test", "0"],
        ["--root", "x", "--seed", "1", "--workers", "0"],
    ],
)
def test_bad_arguments_end_with_one_line_and_code_2(arguments, capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_mono3drefer_loader_reads_it(root: Path, split: str) -> None:
    records = load_mono3drefer(str(root / "mono3drefer"), split)
    assert len(records) == COUNTS[split]
    for record in records:
        assert (record["height"], record["width"]) == (375, 1242)
        assert record["ground_plane"][3] == pytest.approx(1.65, abs=0.08)
        ids = {annotation["id"] for annotation in record["annotations"]}
        assert 1 <= len(ids) <= 16
        assert record["sentences"] and all(set(s["target_ids"]) <= ids for s in record["sentences"])
        assert all(len(s["target_ids"]) == 1 for s in record["sentences"])


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_monomulti3d_loader_reads_it(root: Path, split: str) -> None:
    records = load_monomulti3d(str(root / "monomulti3d"), split)
    assert len(records) == COUNTS[split]
    for record in records:
        assert (record["height"], record["width"]) == (540, 960)
        assert 2 <= len(record["annotations"]) <= 40
        assert all(annotation["color"] for annotation in record["annotations"])
        assert all(s["properties"] or not s["target_ids"] for s in record["sentences"])


@pytest.mark.parametrize("layout", ["mono3drefer", "rope3d", "monomulti3d"])
def test_every_label_has_its_look_beside_it(root: Path, layout: str) -> None:
    loaders = {"mono3drefer": load_mono3drefer, "rope3d": load_rope3d, "monomulti3d": load_monomulti3d}
    records = loaders[layout](str(root / layout), "train")
    colors = [[a.get("color") for a in record["annotations"]] for record in records]
    add_looks(records, root / layout / "looks.jsonl")
    for record, before in zip(records, colors, strict=True):
        for annotation, color in zip(record["annotations"], before, strict=True):
            assert annotation["color"] in COLORS and color in (None, annotation["color"])
            assert annotation["shape"] in SHAPES[ROAD.names[annotation["category_id"]]]


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_rope3d_loader_reads_the_same_pole_frames(root: Path, split: str) -> None:
    records = load_rope3d(str(root / "rope3d"), split)
    twins = load_monomulti3d(str(root / "monomulti3d"), split)
    assert len(records) == COUNTS[split]
    for record, twin in zip(records, twins, strict=True):
        assert record["image_id"] == twin["image_id"]
        assert record["camera"] == twin["camera"] and record["ground_plane"] == twin["ground_plane"]
        locations = [[a["location"] for a in item["annotations"]] for item in (record, twin)]
        assert locations[0] == locations[1]


def test_instance_ids_are_unique_and_subsets_cover_the_test_split(root: Path) -> None:
    base = root / "mono3drefer"
    items = json.loads((base / "Mono3DRefer.json").read_text())
    assert len({item["ann_id"] for item in items}) == len(items)
    by_instance: dict[int, set[tuple[str, str]]] = {}
    for item in items:
        by_instance.setdefault(item["instanceID"], set()).add((item["im_name"], item["label_2"]))
    assert all(len(objects) == 1 for objects in by_instance.values())
    test_images = (base / "Mono3DRefer_test_image.txt").read_text().split()
    tested = {item["instanceID"] for item in items if item["im_name"] in test_images}
    subsets = json.loads((base / "test_instanceID_split.json").read_text())
    for names in (("Near", "Medium", "Far"), ("Easy", "Moderate", "Hard")):
        members = [instance for name in names for instance in subsets[name]]
        assert len(members) == len(set(members)) and set(members) == tested
    assert subsets["Multiple"] == [] and set(subsets["Unique"]) <= tested
