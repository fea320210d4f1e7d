"""Training and evaluation of the autoencoder and of SceneSana, and what of them comes back."""

import json

import pytest
import torch
from toy_scenes import call_train_net, toy_config

from d2ext.engine import load_config, read_checkpoint
from d2ext.projects.scene_sana import SceneSanaTrainer, add_scene_sana_config


def weights(folder, name="model_final.pth"):
    return read_checkpoint(folder / name)["model"]


def figures(folder):
    return json.loads((folder / "inference/toy_scenes_test/metrics.json").read_text())


def test_the_autoencoder_is_trained_and_evaluated(trained):
    found = figures(trained / "ae/output")["autoencoder"]
    assert found.keys() == {"PSNR", "SSIM", "tokens"} and found["tokens"] == 64 and found["PSNR"] > 5
    assert (trained / "ae/output/inference/toy_scenes_test/sheet.jpg").is_file()


def test_scenes_start_from_the_autoencoder_and_measure_its_latents(trained):
    ae, scene = (weights(trained / name / "output") for name in ("ae", "scene"))
    shared = [name for name in ae if name.startswith("autoencoder.")]
    assert shared and all(torch.equal(ae[name], scene[name]) for name in shared)
    assert (scene["latent_std"] != 1).all() and (scene["latent_mean"] != 0).any()


def test_evaluation_gives_the_figures_and_eval_only_the_same(trained):
    folder = trained / "scene/output"
    found = figures(folder)["scenes"]
    named = {"pictures", "Frechet", "nearest", "nearest real", "near repeats", "colour", "colour real"}
    assert found.keys() == named and found["pictures"] == 3 and found["colour real"] == 100
    assert len(list((folder / "inference/toy_scenes_test/pictures").glob("*.png"))) == 3
    options = ("MODEL.WEIGHTS", folder / "model_final.pth", "OUTPUT_DIR", trained / "again")
    again = call_train_net(trained / "scene/toy.yaml", "--eval-only", *options)
    assert again["scenes"] == pytest.approx(found, rel=1e-4)


def test_a_training_that_goes_on_ends_bit_for_bit_like_one_that_never_stopped(toy_scenes, tmp_path):
    path = toy_config(tmp_path / "toy.yaml")
    options = ["SOLVER.EMA.ENABLED", True, "SOLVER.CHECKPOINT_PERIOD", 2, "DATASETS.TEST", "()"]
    options += ["MODEL.SCENE.OFFSET_NOISE", 0.1]
    call_train_net(path, *options, "OUTPUT_DIR", tmp_path / "whole")
    call_train_net(path, *options, "OUTPUT_DIR", tmp_path / "parts", "SOLVER.MAX_ITER", 4)
    (tmp_path / "parts/model_final.pth").unlink()
    (tmp_path / "parts/last_checkpoint").write_text("model_0000001.pth")
    call_train_net(path, "--resume", *options, "OUTPUT_DIR", tmp_path / "parts")
    one, two = (read_checkpoint(tmp_path / name / "model_final.pth") for name in ("whole", "parts"))
    assert one["model"].keys() == two["model"].keys() and one["iteration"] == two["iteration"] == 3
    assert all(torch.equal(one["model"][name], two["model"][name]) for name in one["model"])


@pytest.mark.parametrize(
    "options",
    [
        ("MODEL.SCENE.DENOISER", "DiT"),
        (
            "MODEL.SCENE.DENOISER",
            "LDM",
            "MODEL.SCENE.PROCESS",
            "ddpm",
            "MODEL.SCENE.SAMPLER",
            "DDIMScheduler",
        ),
    ],
)
def test_the_relatives_run_on_the_same_trainer_and_data(toy_scenes, tmp_path, options):
    path = toy_config(tmp_path / "toy.yaml")
    call_train_net(path, *options, "SOLVER.MAX_ITER", 1)
    assert figures(tmp_path / "output")["scenes"]["pictures"] == 3


def test_shuffled_layouts_are_those_of_other_pictures(toy_scenes, tmp_path):
    path = str(toy_config(tmp_path / "toy.yaml"))
    plain, mixed = (
        [x for batch in SceneSanaTrainer.build_test_loader(cfg, "toy_scenes_test") for x in batch]
        for cfg in (
            load_config(add_scene_sana_config, path, ["TEST.SCENES.SHUFFLE_LAYOUTS", str(s)])
            for s in (False, True)
        )
    )
    assert [x["image_id"] for x in plain] == [x["image_id"] for x in mixed]
    assert all(torch.equal(a["image"], b["image"]) for a, b in zip(plain, mixed, strict=True))
    assert not any(torch.equal(a["layout"], b["layout"]) for a, b in zip(plain, mixed, strict=True))


def test_single_objects_are_told_in_colours_by_turns(toy_scenes, tmp_path):
    path = str(toy_config(tmp_path / "toy.yaml"))
    cfg = load_config(add_scene_sana_config, path, ["TEST.SCENES.SINGLE_OBJECTS", "True"])
    found = [x for batch in SceneSanaTrainer.build_test_loader(cfg, "toy_scenes_test") for x in batch]
    assert [len(x["objects"]) for x in found] == [1, 1, 1]
    colors = [x["objects"][0]["color"] for x in found]
    assert colors == ["white", "black", "gray"]
    assert all(color in x["caption"] for color, x in zip(colors, found, strict=True))


@pytest.mark.parametrize(
    "key, value, message",
    [
        ("MODEL.AUTOENCODER.WIDTHS", "[8, 9]", "MODEL.AUTOENCODER.WIDTHS: expected 2 to 7 multiples of 8"),
        ("MODEL.AUTOENCODER.WIDTHS", "[8, 24, 40, 40]", "each a divisor of four times the one before"),
        ("MODEL.AUTOENCODER.LATENT_CHANNELS", "5", "LATENT_CHANNELS: expected a divisor of 32, got 5"),
        ("MODEL.AUTOENCODER.ATTENTION_HEAD_DIM", "9", "ATTENTION_HEAD_DIM: expected a divisor of 32"),
        ("MODEL.AUTOENCODER.LAYERS", "[1]", "MODEL.AUTOENCODER.LAYERS: expected 4 numbers"),
        ("INPUT.SIZE", "(60, 64)", "INPUT.SIZE: expected multiples of the autoencoder's factor, 8"),
        ("MODEL.SCENE.SAMPLER", "DDIMScheduler", "MODEL.SCENE.SAMPLER: expected of the process flow one of"),
        ("MODEL.SCENE.DENOISER", "GAN", "MODEL.SCENE.DENOISER: expected one of DiT, LDM, Sana, got 'GAN'"),
        ("MODEL.SCENE.WIDTH", "33", "MODEL.SCENE.WIDTH: expected a multiple of HEADS and of CROSS_HEADS"),
        ("MODEL.SCENE.DROP_TEXT", "0.95", "expected shares that come to at most 1"),
        ("INPUT.LAYOUT_STRIDE", "3", "INPUT.LAYOUT_STRIDE: expected a divisor of the autoencoder's factor"),
        ("INPUT.CAPTIONS.TEMPERATURE", "0.0", "INPUT.CAPTIONS.TEMPERATURE: expected a number greater than 0"),
    ],
)
def test_keys_that_cannot_be_are_one_line(tmp_path, key, value, message):
    with pytest.raises(ValueError, match=message) as error:
        load_config(add_scene_sana_config, str(toy_config(tmp_path / "toy.yaml")), [key, value])
    assert len(str(error.value)) < 300 and "\n" not in str(error.value)


def test_a_checkpoint_without_autoencoder_is_one_line(toy_scenes, tmp_path):
    torch.save({"model": {"other": torch.zeros(1)}}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="AUTOENCODER_WEIGHTS .*other.pth: holds no autoencoder"):
        call_train_net(
            toy_config(tmp_path / "toy.yaml"), "MODEL.SCENE.AUTOENCODER_WEIGHTS", tmp_path / "other.pth"
        )
