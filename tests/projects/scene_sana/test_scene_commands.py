"""The commands that draw: a picture, and datasets."""

import json

import cv2
import numpy as np
import pytest
import torch
from detectron2.data import DatasetCatalog, MetadataCatalog
from project_scripts import call_script, load_script
from toy_scenes import PLANE, PROJECTION, SIZE, record

from d2ext.data.builtin import register_all
from d2ext.data.image_io import read_image
from d2ext.projects.scene_sana.repeats import RepeatFilter
from d2ext.projects.scene_sana.uses import object_mask


@pytest.fixture
def call(trained):
    """Calls a command of the project; its exit status."""

    def run(name, *arguments) -> int:
        return call_script(
            load_script(name, "SceneSana"), "--config-file", trained / "scene/toy.yaml", *arguments
        )

    return run


@pytest.fixture(autouse=True)
def catalog_as_before():
    before = set(DatasetCatalog)
    yield
    for name in set(DatasetCatalog) - before:
        DatasetCatalog.remove(name)
        MetadataCatalog.pop(name, None)


@pytest.fixture
def layout(tmp_path):
    """Label, calibration and ground files of a toy scene, as arguments."""
    rows = []
    for a in record(1)["annotations"]:
        numbers = (*a["bbox"], *a["dimensions"], *a["location"], a["yaw"])
        name = "car" if a["category_id"] == 0 else "van"
        rows.append(" ".join([name, "0", "0", f"{a['alpha']:.4f}", *(f"{n:.4f}" for n in numbers)]))
    (tmp_path / "label.txt").write_text("\n".join(rows))
    (tmp_path / "calib.txt").write_text("P2: " + " ".join(str(x) for row in PROJECTION for x in row))
    (tmp_path / "ground.txt").write_text(" ".join(map(str, PLANE)))
    return (
        *("--layout", tmp_path / "label.txt", "--calib", tmp_path / "calib.txt"),
        *("--ground", tmp_path / "ground.txt", "--size", f"{SIZE[1]}x{SIZE[0]}"),
    )


def test_the_demo_draws_the_same_picture_for_the_same_seed(call, layout, model_options, tmp_path, capsys):
    names = [tmp_path / f"{n}.png" for n in "abc"]
    for name, seed in zip(names, (3, 3, 4), strict=True):
        rest = ("--boxes", tmp_path / "boxes.png", *model_options)
        assert call("demo", *layout, "--text", "a red car", "--seed", seed, "--output", name, *rest) == 0
    a, b, c = (cv2.imread(str(name)) for name in names)
    assert a.shape == (64, 64, 3) and np.array_equal(a, b) and not np.array_equal(a, c)
    boxes = cv2.imread(str(tmp_path / "boxes.png"))
    assert boxes.shape == a.shape and not np.array_equal(boxes, c)
    assert "caption: a red car" in capsys.readouterr().out


def test_the_demo_tells_the_layout_in_words_and_begins_with_a_picture(
    call, layout, model_options, tmp_path, capsys
):
    cv2.imwrite(str(tmp_path / "real.png"), np.full((*SIZE, 3), 200, np.uint8))
    start = ("--image", tmp_path / "real.png", "--strength", 0.5, "--steps", 4)
    assert call("demo", *layout, *start, "--output", tmp_path / "a.png", *model_options) == 0
    assert "m away" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((), "expected --layout and --calib with it"),
        (("--layout", "nothing.txt"), "nothing.txt: no such file"),
        (("--pretrained", "."), "expected one of --config-file and --pretrained"),
    ],
)
def test_wrong_arguments_of_the_demo_are_one_line(call, arguments, message, tmp_path, capsys):
    assert call("demo", *arguments, "--output", tmp_path / "a.png") == 2
    assert message in capsys.readouterr().err


def test_a_wrong_label_file_is_one_line(call, layout, model_options, tmp_path, capsys):
    (tmp_path / "label.txt").write_text("car 0 0")
    assert call("demo", *layout, "--output", tmp_path / "a.png", *model_options) == 1
    assert "label.txt:1: expected at least 15 fields" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name, arguments",
    [
        ("augment", ("--strength", 0.5, "--count", 2, "--text", "in rain")),
        ("generate", ("--images", 4)),
        ("harmonise", ("--strength", 0.5)),
    ],
)
def test_drawn_datasets_are_read_in_the_real_formats(call, name, arguments, model_options, tmp_path, capsys):
    root, sheet = tmp_path / "drawn", tmp_path / "sheet.jpg"
    rest = ("--root", root, "--sheet", sheet, "--limit", 3, "--keep-repeats", *arguments, *model_options)
    assert call(name, "--dataset", "toy_scenes_train", *rest) == 0
    count = {"augment": 6, "generate": 4, "harmonise": 3}[name]
    assert f"{count} pictures; 0 near-repeats" in capsys.readouterr().out and sheet.is_file()
    register_all(tmp_path)
    for kind in ("rope3d", "monomulti3d"):
        found = DatasetCatalog.get(f"drawn_{kind}_train")
        assert len(found) == count and any(r["annotations"] for r in found)
        assert read_image(found[0]["file_name"]).shape == (64, 64, 3)
    assert call(name, "--dataset", "toy_scenes_train", *rest) == 0
    assert "already there" in capsys.readouterr().out


def test_harmonised_pictures_keep_what_is_far_from_objects(call, model_options, tmp_path):
    root = tmp_path / "drawn"
    rest = ("--root", root, "--keep-repeats", "--strength", 1.0, *model_options)
    assert call("harmonise", "--dataset", "toy_scenes_train", *rest) == 0
    register_all(tmp_path)
    pairs = zip(*(DatasetCatalog.get(n) for n in ("drawn_rope3d_train", "toy_scenes_train")), strict=True)
    far, near = [], []
    for r, source in pairs:
        picture = read_image(r["file_name"]).astype(int)
        real = read_image(source["file_name"])[:, 16:80].astype(int)  # the middle of 96 columns
        mask = object_mask(r["annotations"], (64, 64))
        changed = np.abs(picture - real)
        far.append(changed[mask < 1e-3])
        near.append(changed[mask > 0.99])
    assert all(len(part) > 200 and part.mean() < 6 for part in far)  # JPEG
    assert np.concatenate(near).mean() > 2 * np.concatenate(far).mean()


def test_near_repeats_are_dropped_and_counted(call, model_options, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(RepeatFilter, "keeps", lambda self, images: [i % 2 == 0 for i in range(len(images))])
    rest = ("--root", tmp_path / "drawn", *model_options)
    assert call("augment", "--dataset", "toy_scenes_train", *rest) == 0
    assert "3 pictures; 3 near-repeats of training pictures dropped" in capsys.readouterr().out


def test_training_pictures_themselves_are_repeats_and_others_are_not(trained, toy_scenes):
    from d2ext.data.scenes.mapper import SceneMapper
    from d2ext.engine import load_config
    from d2ext.projects.scene_sana import add_scene_sana_config

    cfg = load_config(add_scene_sana_config, str(trained / "scene/toy.yaml"))
    found, mapper = RepeatFilter.from_config(cfg), SceneMapper(cfg, False)
    seen, unseen = (DatasetCatalog.get(f"toy_scenes_{split}") for split in ("train", "test"))
    nearly = mapper(seen[0])["image"].int() + 1
    images = [
        mapper(seen[1])["image"],
        nearly.clamp(0, 255).to(torch.uint8),
        *(mapper(r)["image"] for r in unseen),
    ]
    assert found.keeps(images) == [False, False, True, True, True]
    assert (found.kept, found.dropped) == (3, 2)


def test_a_dataset_that_is_none_is_one_line(call, model_options, tmp_path, capsys):
    assert (
        call("generate", "--dataset", "nothing", "--images", 1, "--root", tmp_path / "a", *model_options) == 1
    )
    assert capsys.readouterr().err == "error: --dataset nothing: no registered dataset\n"


def test_crops_and_the_language_model_are_made_by_commands(toy_scenes, tmp_path, capsys):
    crops = ("--root", tmp_path / "crops", "--train", "toy_scenes_train", "--size", 32, 64, "--crops", 2)
    assert call_script(load_script("make_crops", "SceneSana"), *crops) == 0
    register_all(tmp_path)
    sizes = ("--steps", 3, "--width", 32, "--layers", 1, "--batch", 2, "--vocabulary", 400)
    text = load_script("train_text", "SceneSana")
    assert (
        call_script(text, "--datasets", "crops_monomulti3d_train", "--output", tmp_path / "lm", *sizes) == 0
    )
    assert "nats a token" in capsys.readouterr().out and (tmp_path / "lm/model.safetensors").is_file()


def test_captions_without_a_grounder_have_the_score_0(call, tmp_path, capsys):
    assert call("score_captions", "--dataset", "toy_scenes_train", "--output", tmp_path / "s.json") == 0
    scores = json.loads((tmp_path / "s.json").read_text())
    assert scores.keys() == {f"{n:03}" for n in range(6)}
    assert {s for row in scores.values() for s in row.values()} == {0.0}
