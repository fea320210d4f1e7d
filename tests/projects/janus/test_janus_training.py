"""The stages of Janus: what is trained, what is not, and the losses against plain ones."""

import pytest
import torch
import torch.nn.functional as F
from detectron2.data import DatasetCatalog

from d2ext.data.describe.mapper import DescribeMapper
from d2ext.engine import read_checkpoint
from d2ext.modeling.describe.parts import PARTS, part_modules
from d2ext.modeling.describe.vq import decode, image_tokens, quantise, straight_through
from d2ext.projects.janus import JanusTrainer

STAGES = {
    "vq": ["generation_encoder"],
    "stage 1": ["understanding_adaptor", "generation_adaptor", "image_head"],
    "stage 2": ["understanding_adaptor", "generation_adaptor", "image_head", "language_model"],
    "stage 3": [part for part in PARTS if part != "generation_encoder"],
}
ONLY_PICTURES = [
    "MODEL.JANUS.OBJECTIVE", "pictures", "INPUT.RATIOS.DESCRIBE", 0.0, "INPUT.RATIOS.ASK", 0.0,
    "INPUT.RATIOS.TEXT", 0.0,
]  # fmt: skip


def options(stage: str) -> list:
    return ["MODEL.JANUS.TRAINED", STAGES[stage], *(ONLY_PICTURES if stage == "vq" else [])]


def samples(cfg, count: int = 12) -> list[dict]:
    import numpy as np

    mapper, made = DescribeMapper(cfg, True), DatasetCatalog.get(cfg.DATASETS.TRAIN[0])
    found = [mapper(made[i % len(made)], np.random.default_rng(i)) for i in range(count)]
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_changes_its_parts_and_leaves_all_others_bit_by_bit(stage, toy_cfg):
    trainer = JanusTrainer(toy_cfg(*options(stage)))
    network = trainer.model.network
    before = {name: value.clone() for name, value in network.state_dict().items()}
    trainer.train()
    after = network.state_dict()
    changed = {name for name, value in before.items() if not torch.equal(value, after[name])}
    parts = {part: {id(p) for m in part_modules(network, part) for p in m.parameters()} for part in PARTS}
    for name, parameter in network.named_parameters():
        part = next(part for part in PARTS if id(parameter) in parts[part])
        assert (name in changed) == (part in STAGES[stage]), (name, part)


@pytest.mark.parametrize("stage", STAGES)
def test_gradients_reach_every_tensor_that_is_trained(stage, toy_cfg, toy_model):
    cfg, model = toy_cfg(*options(stage)), toy_model(*options(stage)).train()
    batch = samples(cfg)
    if stage != "vq":
        assert {sample["kind"] for sample in batch} == {"describe", "ask", "draw", "text"}
    sum(model(batch).values()).backward()
    for name, parameter in model.network.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name
        if parameter.requires_grad:
            assert torch.isfinite(parameter.grad).all() and parameter.grad.abs().sum() > 0, name


def test_resuming_gives_the_same_weights_bit_by_bit(toy_cfg, tmp_path):
    torch.manual_seed(0)
    options_of_whole = [*options("stage 3"), "OUTPUT_DIR", str(tmp_path / "whole"), "SOLVER.MAX_ITER", 4]
    whole = JanusTrainer(toy_cfg(*options_of_whole))
    whole.train()
    torch.manual_seed(0)
    parts = [*options("stage 3"), "OUTPUT_DIR", str(tmp_path / "parts"), "SOLVER.CHECKPOINT_PERIOD", 2]
    first = JanusTrainer(toy_cfg(*parts, "SOLVER.MAX_ITER", 4))
    first.max_iter = 2
    first.train()
    second = JanusTrainer(toy_cfg(*parts, "SOLVER.MAX_ITER", 4))
    second.resume_or_load(resume=True)
    assert second.start_iter == 2
    second.train()
    for folder, trainer in (("whole", whole), ("parts", second)):
        saved = read_checkpoint(str(tmp_path / folder / "model_final.pth"))["model"]
        for name, value in trainer.model.state_dict().items():
            assert torch.equal(saved[name], value), name
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[name]), name


def test_losses_are_those_of_the_samples_one_by_one(toy_cfg, toy_model):
    """Against transformers' own loss for text, and a loop over the tokens of pictures."""
    cfg, model = toy_cfg(), toy_model().train()
    network, talk, batch = model.network, model.talk, samples(cfg)
    text, words, image, codes = 0.0, 0, 0.0, 0
    for sample in batch:
        row = model.row(sample)
        ids = torch.tensor([row.ids])
        if sample["kind"] == "draw":
            tokens = image_tokens(network.model.vqmodel, model.pixels([sample["target"]]))
            start = row.drawn
            embedded = network.get_input_embeddings()(ids[:, :start])
            for place in range(talk.image_tokens):
                hidden = network.model.language_model(inputs_embeds=embedded).last_hidden_state[:, -1]
                image += F.cross_entropy(network.model.generation_head(hidden), tokens[:, place]).item()
                new = network.prepare_embeddings_for_image_generation(tokens[:, place : place + 1])
                embedded = torch.cat([embedded, new], 1)
            codes += talk.image_tokens
            continue
        labels = torch.full_like(ids, -100)
        labels[0, row.learnt] = ids[0, row.learnt]
        pixels = {"pixel_values": model.pixels(sample["images"])} if sample["images"] else {}
        loss = network(input_ids=ids, labels=labels, **pixels).loss.item()
        text, words = text + loss * len(row.learnt), words + len(row.learnt)
    found = model(batch)
    assert found["loss_text"].item() == pytest.approx(text / words, rel=1e-4)
    assert found["loss_image"].item() == pytest.approx(image / codes, rel=1e-4)


def test_masked_questions_are_not_learnt(toy_cfg, toy_model):
    sample = next(s for s in samples(toy_cfg()) if s["kind"] == "ask")
    masked = toy_model("MODEL.JANUS.MASK_QUESTION", True).row(sample)
    model = toy_model()
    whole = model.row(sample)
    assert masked.ids == whole.ids and set(masked.learnt) < set(whole.learnt)
    learnt = model.tokenizer.decode([masked.ids[place] for place in masked.learnt[:-1]])
    assert learnt and f" {sample['answer']}".startswith(learnt)


def test_the_pass_through_the_codes_is_that_of_transformers_with_a_gradient(toy_cfg, toy_model):
    model = toy_model(*options("vq"))
    vqmodel = model.network.model.vqmodel
    pixels = model.pixels([s["target"] for s in samples(toy_cfg(*options("vq")), 2)])
    found = quantise(vqmodel, pixels)
    drawn = decode(vqmodel, straight_through(found))
    torch.testing.assert_close(drawn, vqmodel.decode(found.numbers), rtol=1e-4, atol=1e-4)
    # The nearest direction, by a loop.
    table = F.normalize(vqmodel.quantize.embedding.weight, dim=-1)
    for latent, number in zip(found.latents.flatten(0, 2), found.numbers.flatten(), strict=True):
        assert number == min(range(len(table)), key=lambda k: (table[k] - latent).square().sum().item())
    # As if the codes were the latents: the gradient of the decoder's input arrives at the encoder's output.
    latents = found.latents.detach().requires_grad_()
    through = straight_through(found._replace(latents=latents))
    weight = torch.randn_like(through)
    (through * weight).sum().backward()
    torch.testing.assert_close(latents.grad, weight)


def test_a_dropped_prompt_is_what_generation_leaves_out(toy_model):
    talk = toy_model().talk
    kept, dropped = talk.drawing("a red car"), talk.drawing("a red car", drop=True)
    assert len(kept.ids) == len(dropped.ids)
    inner = dropped.ids[1 : dropped.drawn - 1]
    assert (
        set(inner) == {talk.pad}
        and dropped.ids[0] == talk.bos
        and dropped.ids[dropped.drawn - 1] == talk.begin
    )


def test_image_tokens_alone_need_pictures_alone(toy_cfg):
    with pytest.raises(ValueError, match="INPUT.RATIOS of DRAW alone"):
        JanusTrainer(toy_cfg("MODEL.JANUS.OBJECTIVE", "pictures"))
    with pytest.raises(ValueError, match="expected TRAINED"):
        JanusTrainer(toy_cfg(*ONLY_PICTURES))
