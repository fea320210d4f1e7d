"""Folders of Sana pipelines in diffusers' layout, tiny and random."""

import json

import numpy as np
import pytest
import torch
from diffusers import AutoencoderDC, DPMSolverMultistepScheduler, SanaPipeline, SanaTransformer2DModel
from project_scripts import call_script, load_script
from transformers import Gemma2Config, Gemma2Model

from d2ext.projects.scene_sana import language_model as lm
from d2ext.projects.scene_sana.pretrained import PretrainedSana

NETWORK = {
    "in_channels": 4, "out_channels": 4, "num_attention_heads": 2, "attention_head_dim": 4, "num_layers": 2,
    "num_cross_attention_heads": 2, "cross_attention_head_dim": 4, "cross_attention_dim": 8,
    "caption_channels": 16, "sample_size": 32, "patch_size": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("sana") / "pipeline"
    tokenizer = lm.build_tokenizer(["a red car on a road"], 300)
    text = Gemma2Model(
        Gemma2Config(
            vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=1,
            num_attention_heads=2, num_key_value_heads=1, head_dim=8,
        )
    )  # fmt: skip
    sides = {
        "block_types": ("ResBlock", "EfficientViTBlock"), "block_out_channels": (8, 8),
        "layers_per_block": (1, 1), "qkv_multiscales": ((), (5,)),
    }  # fmt: skip
    both = {f"{side}_{key}": value for side in ("encoder", "decoder") for key, value in sides.items()}
    vae = AutoencoderDC(
        latent_channels=4, attention_head_dim=4, downsample_block_type="Conv",
        upsample_block_type="interpolate", scaling_factor=0.4, **both,
    )  # fmt: skip
    transformer = SanaTransformer2DModel(**NETWORK)
    scheduler = DPMSolverMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
    )
    SanaPipeline(tokenizer, text, vae, transformer, scheduler).save_pretrained(path)
    return path


def test_a_pipeline_folder_draws_and_follows_its_seed(folder):
    sana = PretrainedSana(folder)
    a, b, c = (sana("a red car", (64, 32), seed, steps=2) for seed in (1, 1, 2))
    assert a.shape == (64, 32, 3) and a.dtype == np.uint8
    assert np.array_equal(a, b) and not np.array_equal(a, c) and not sana.takes_layout
    with pytest.raises(ValueError, match="size: expected multiples of 32, got 40x64"):
        sana("a red car", (64, 40))


def test_a_controlnet_folder_follows_the_drawn_layout(folder, tmp_path):
    """Where the installed diffusers has it."""
    diffusers = pytest.importorskip("diffusers")
    if not hasattr(diffusers, "SanaControlNetPipeline"):
        pytest.skip("diffusers without SanaControlNetPipeline")
    torch.manual_seed(1)
    controlnet = diffusers.SanaControlNetModel(**NETWORK)
    for parameter in controlnet.parameters():  # some begin as zeros
        torch.nn.init.normal_(parameter, std=0.2)
    parts = SanaPipeline.from_pretrained(folder).components
    diffusers.SanaControlNetPipeline(**parts, controlnet=controlnet).save_pretrained(tmp_path / "control")
    sana = PretrainedSana(tmp_path / "control")
    layouts = np.zeros((64, 64, 3), np.uint8), np.full((64, 64, 3), 255, np.uint8)
    a, b = (sana("a red car", (64, 64), 1, steps=1, layout=layout) for layout in layouts)
    assert sana.takes_layout and a.shape == (64, 64, 3) and not np.array_equal(a, b)
    with pytest.raises(ValueError, match="SanaControlNetPipeline: expected a layout"):
        sana("a red car", (64, 64))


def test_the_demo_takes_the_folder(folder, tmp_path, capsys):
    demo = load_script("demo", "SceneSana")
    start = ("--pretrained", folder, "--output", tmp_path / "a.png")
    assert call_script(demo, *start, "--text", "a car", "--size", "64x64", "--steps", 1) == 0
    assert (tmp_path / "a.png").is_file()
    assert (
        call_script(demo, *start) == 2 and "--pretrained: expected --text with it" in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    "change, message",
    [
        ({"_class_name": "StableDiffusionPipeline"}, "expected one of SanaPipeline, SanaControlNetPipeline"),
        ({"vae": ["own_code", "Autoencoder"]}, "vae: expected a part of diffusers and transformers"),
        ({"scheduler": ["diffusers", "NoSuchScheduler"]}, "no whole SanaPipeline folder"),
    ],
)
def test_other_folders_are_one_line_and_run_no_code(folder, tmp_path, change, message):
    index = json.loads((folder / "model_index.json").read_text())
    (tmp_path / "model_index.json").write_text(json.dumps(index | change))
    with pytest.raises(ValueError, match=message) as error:
        PretrainedSana(tmp_path)
    assert len(str(error.value)) < 300 and "\n" not in str(error.value)


def test_no_folder_is_one_line(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected the folder of a Sana pipeline"):
        PretrainedSana(tmp_path)
