"""SceneSana: where its chance comes from, what conditions do, what is kept."""

import pytest
import torch
from toy_scenes import record, records, toy_config

from d2ext.data.scenes.mapper import SceneMapper
from d2ext.engine import load_config
from d2ext.modeling.meta_arch.scene_sana import SceneSana
from d2ext.projects.scene_sana import add_scene_sana_config


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A tiny model, and mapper dicts of training for it."""
    folder = tmp_path_factory.mktemp("scene")
    cfg = load_config(add_scene_sana_config, str(toy_config(folder / "toy.yaml")))
    torch.manual_seed(0)
    model = SceneSana(cfg)
    mapper = SceneMapper(cfg, False)
    inputs = [mapper(r) | {"drop": 0.9, "noise_seed": i} for i, r in enumerate(records(folder, range(3)))]
    return model, inputs


def loss(model, inputs) -> float:
    return model.train().losses(inputs)["loss_scene"].item()


def test_the_loss_of_a_batch_is_the_mean_of_its_images_whatever_the_generators(scene):
    model, inputs = scene
    torch.manual_seed(1)
    whole = loss(model, inputs)
    torch.manual_seed(2)
    assert whole == pytest.approx(sum(loss(model, [x]) for x in inputs) / 3, rel=1e-5)


def test_conditions_are_left_out_in_the_shares_that_are_asked_for(scene):
    model, inputs = scene
    model.drop_text, model.drop_layout, model.drop_both = 0.2, 0.2, 0.2
    try:
        with_drop = lambda drop: loss(model, [inputs[0] | {"drop": drop}])  # noqa: E731
        blank = inputs[0] | {"caption": "", "layout": torch.zeros_like(inputs[0]["layout"])}
        assert with_drop(0.1) == loss(model, [inputs[0] | {"caption": ""}])
        assert with_drop(0.3) != with_drop(0.1) and with_drop(0.3) != with_drop(0.9)
        assert with_drop(0.5) != loss(model, [blank])  # an empty layout is not the same as none
        assert with_drop(0.7) == loss(model, inputs[:1])
        other = inputs[0] | {"layout": 1 - inputs[0]["layout"], "caption": "another one"}
        assert with_drop(0.5) == loss(model, [other | {"drop": 0.5}])
    finally:
        model.drop_text = model.drop_layout = model.drop_both = 0.0


def test_pictures_follow_their_seed_and_their_conditions(scene):
    model, inputs = scene
    model.eval()
    found = model.draw(inputs)
    assert found.shape == (3, 3, 64, 64) and found.dtype == torch.uint8
    assert torch.equal(model.draw(inputs), found)
    alone = model.draw(inputs[1:2])[0].int() - found[1].int()
    assert alone.abs().max() <= 1  # sums in another order
    assert not torch.equal(model.draw([inputs[1] | {"noise_seed": 99}])[0], found[1])
    assert torch.equal(model([inputs[1]])[0]["image"], model.draw(inputs[1:2])[0])


@pytest.mark.parametrize("process, sampler", [("flow", ""), ("ddpm", "DDPMScheduler")])
def test_without_guidance_one_pass_gives_what_three_do(scene, process, sampler, tmp_path):
    cfg = load_config(
        add_scene_sana_config,
        str(toy_config(tmp_path / "toy.yaml")),
        ["MODEL.SCENE.PROCESS", process, "MODEL.SCENE.STEPS", "4"]
        + (["MODEL.SCENE.SAMPLER", sampler] if sampler else []),
    )
    torch.manual_seed(0)
    model, inputs = SceneSana(cfg).eval(), scene[1]
    plain = model.draw(inputs, text_guidance=1.0, layout_guidance=1.0)
    nearly = model.draw(inputs, text_guidance=1.0 + 1e-6, layout_guidance=1.0)
    assert (plain.int() - nearly.int()).abs().max() <= 1


def test_cells_that_are_kept_are_those_of_the_picture(scene):
    model, inputs = scene
    model.eval()
    keep = torch.zeros(3, 1, 8, 8, dtype=torch.bool)
    keep[..., :4] = True
    seen = []
    decode = model.autoencoder.decode
    model.autoencoder.decode = lambda latents: seen.append(latents) or decode(latents)
    try:
        model.draw(inputs, keep=keep)
        model.draw(inputs, strength=1.0)
    finally:
        del model.autoencoder.decode
    real = model.encode(inputs) * model.latent_std + model.latent_mean
    assert torch.allclose(seen[0][..., :4], real[..., :4], atol=1e-5)
    assert not torch.allclose(seen[0][..., 4:], real[..., 4:], atol=1e-2)
    assert not torch.allclose(seen[1][..., :4], real[..., :4], atol=1e-2)


def test_latents_are_kept_in_training_and_are_the_same(scene):
    model, inputs = scene
    model.train()
    model._latents.clear()
    first = model.encode(inputs)
    assert model._latents.keys() == {x["latent_key"] for x in inputs}
    blank = [x | {"image": torch.zeros_like(x["image"])} for x in inputs]
    assert torch.equal(model.encode(blank), first)
    assert not torch.equal(model.encode([x | {"latent_key": None} for x in blank]), first)


def test_measured_latents_have_mean_0_and_deviation_1(scene):
    model, inputs = scene
    model.measure_latents([inputs[:2], inputs[2:]])
    latents = model.encode(inputs).transpose(0, 1).flatten(1)
    assert torch.allclose(latents.mean(1), torch.zeros(4), atol=1e-4)
    assert torch.allclose(latents.std(1, correction=0), torch.ones(4), atol=1e-3)


def test_only_denoiser_and_layout_are_trained(scene):
    model, inputs = scene
    model.zero_grad()
    model.train().losses(inputs)["loss_scene"].backward()
    trained = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None}
    assert trained == {"denoiser", "layout"}
    frozen = {name.split(".")[0] for name, p in model.named_parameters() if not p.requires_grad}
    assert frozen == {"autoencoder", "captions"} and not model.autoencoder.training


def test_the_layout_reaches_the_picture(scene):
    model, inputs = scene
    model.eval()
    other = inputs[0] | {"layout": inputs[1]["layout"].roll(4, 2)}
    guided = {"layout_guidance": 3.0}
    assert not torch.equal(model.draw(inputs[:1], **guided), model.draw([other], **guided))
    assert record(0)["annotations"]  # there is something in it
