"""Answers and pictures against plain loops; real folders in both layouts; what is wrong in one line."""

import json
import shutil
import sys

import numpy as np
import pytest
import torch
from detectron2.modeling import build_model

from d2ext.modeling.describe import loading
from d2ext.shipped import RESOURCES

SPEECH = RESOURCES / "text/speech"


def image(seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, (3, 64, 64), generator=torch.Generator().manual_seed(seed)).to(torch.uint8)


def test_answers_are_the_likeliest_tokens_of_a_plain_loop(toy_model):
    model = toy_model().eval()
    prompts = ["Is there any red car?", "图中有多少轿车？它们在哪里，离我有多远？"]
    found = model.answer([[image()], [image(1)]], prompts)
    for prompt, seen, text in zip(prompts, (image(), image(1)), found, strict=True):
        row = model.talk.question(prompt, 1)
        ids = torch.tensor([row.ids])
        with torch.no_grad():
            for _ in range(model.settings.MAX_ANSWER):
                logits = model.network(input_ids=ids, pixel_values=model.pixels([seen])).logits[0, -1]
                ids = torch.cat([ids, logits.argmax().view(1, 1)], 1)
                if ids[0, -1] == model.talk.eos:
                    break
        new = model.tokenizer.decode(ids[0, len(row.ids) :], skip_special_tokens=True)
        assert text == new.strip()


def test_drawn_answers_differ_and_are_as_many_as_asked_for(toy_model):
    model = toy_model("MODEL.JANUS.TEMPERATURE", 1.0).eval()
    torch.manual_seed(0)
    found = model.answer([[image(), image(2)], [image(1), image(3)]], ["What?", "Where?"], count=5)
    assert [len(texts) for texts in found] == [5, 5] and len(set(found[0])) > 1


def test_pictures_are_guided_away_from_what_no_words_give(toy_model):
    """The first token under guidance, computed apart: u + g (c - u)."""
    model = toy_model("MODEL.JANUS.GUIDANCE", 3.0).eval()
    network, talk = model.network, model.talk
    scores = []
    for drop in (False, True):
        row = talk.drawing("a red car on a road.", drop)
        with torch.no_grad():
            embedded = network.get_input_embeddings()(torch.tensor([row.ids[: row.drawn]]))
            hidden = network.model.language_model(inputs_embeds=embedded).last_hidden_state[:, -1]
            scores.append(network.model.generation_head(hidden)[0])
    guided = scores[1] + 3.0 * (scores[0] - scores[1])
    row = talk.drawing("a red car on a road.")
    ids = torch.tensor([row.ids[: row.drawn]])
    codes = network.generate(
        inputs=ids, attention_mask=torch.ones_like(ids), generation_mode="image", guidance_scale=3.0,
        do_sample=False,
    )  # fmt: skip
    assert codes.shape == (1, talk.image_tokens) and codes[0, 0] == guided.argmax()


def test_without_guidance_a_picture_is_what_its_words_give(toy_model):
    """The likeliest image tokens one after the other, each from the whole sequence before it."""
    model = toy_model("MODEL.JANUS.GUIDANCE", 1.0, "MODEL.JANUS.DRAW_TEMPERATURE", 1e-4).eval()
    network, row = model.network, model.talk.drawing("a red car on a road.")
    with torch.no_grad():
        embedded = network.get_input_embeddings()(torch.tensor([row.ids[: row.drawn]]))
        codes = []
        for _ in range(model.talk.image_tokens):
            hidden = network.model.language_model(inputs_embeds=embedded).last_hidden_state[:, -1]
            codes.append(network.model.generation_head(hidden).argmax(-1))
            drawn = network.prepare_embeddings_for_image_generation(codes[-1][:, None])
            embedded = torch.cat([embedded, drawn], 1)
        pixels = network.model.vqmodel.decode(torch.stack(codes, 1))
    expected = (pixels * 127.5 + 127.5).round().clamp(0, 255)
    difference = (model.draw(["a red car on a road."]).float() - expected).abs()
    assert difference.max() <= 1


def test_a_seed_gives_the_same_picture(toy_model):
    model = toy_model().eval()
    pictures = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        pictures.append(model.draw(["a bus"])[0])
    assert pictures[0].shape == (3, 64, 64) and pictures[0].dtype == torch.uint8
    assert torch.equal(pictures[0], pictures[1]) and not torch.equal(pictures[0], pictures[2])


def test_bfloat16_answers_and_draws(toy_model):
    model = toy_model().eval()
    with torch.autocast("cpu", torch.bfloat16):
        assert model.draw(["a bus"]).shape == (1, 3, 64, 64)
        assert len(model.answer([[image()]], ["What is there?"])) == 1
        assert model.redraw([image()]).dtype == torch.uint8


@pytest.fixture
def hf_folder(toy_model, tmp_path):
    """A random model in transformers' layout."""
    model = toy_model()
    folder = tmp_path / "hf"
    model.network.save_pretrained(str(folder))
    for file in SPEECH.iterdir():
        shutil.copy(file, folder)
    return folder, model.network


def released(name: str, value: torch.Tensor, state: dict) -> tuple[str, torch.Tensor] | None:
    """Name and value in the release of a weight of transformers, written down from the released code."""
    pairs = [
        ("model.vision_model.embeddings.patch_embedding", "vision_model.vision_tower.patch_embed.proj"),
        ("model.vision_model.post_layernorm", "vision_model.vision_tower.norm"),
        ("model.vision_model.encoder.layers", "vision_model.vision_tower.blocks"),
        ("model.aligner.fc1", "aligner.layers.0"), ("model.aligner.hidden_layers.0", "aligner.layers.2"),
        ("model.generation_aligner.fc1", "gen_aligner.layers.0"),
        ("model.generation_aligner.hidden_layers.0", "gen_aligner.layers.2"),
        ("model.generation_embeddings", "gen_embed"),
        ("model.generation_head.proj_out", "gen_head.output_mlp_projector"),
        ("model.generation_head.vision_head", "gen_head.vision_head"),
        ("model.language_model", "language_model.model"), ("lm_head", "language_model.lm_head"),
        ("model.vqmodel", "gen_vision_model"),
    ]  # fmt: skip
    if name.endswith("position_embedding.weight"):
        return "vision_model.vision_tower.pos_embed", value[None]
    if (
        name.endswith("position_ids")
        or ".k_proj." in name
        and "vision" in name
        or ".v_proj." in name
        and ("vision" in name)
    ):
        return None
    if ".q_proj." in name and "vision" in name:
        value = torch.cat([state[name.replace("q_proj", f"{part}_proj")] for part in "qkv"])
    for new, old in pairs:
        if name.startswith(new):
            name = old + name[len(new) :]
            break
    if name.startswith("vision_model."):
        for new, old in (
            ("layer_norm", "norm"), ("self_attn.projection_layer", "attn.proj"),
            ("self_attn.q_proj", "attn.qkv"),
        ):  # fmt: skip
            name = name.replace(new, old)
    if name.startswith("gen_vision_model."):
        for new, old in (
            ("encoder.down.", "encoder.conv_blocks."), ("decoder.up.", "decoder.conv_blocks."),
            (".block.", ".res."), ("mid.block_1", "mid.0"), ("mid.attn_1", "mid.1"), ("mid.block_2", "mid.2"),
        ):  # fmt: skip
            name = name.replace(new, old)
    return name, value


@pytest.fixture
def released_folder(toy_model, tmp_path):
    """A random model in the layout of deepseek-ai/Janus-Pro-1B: config.json, pytorch_model.bin, tokenizer."""
    network = toy_model("MODEL.JANUS.VISION_HEADS", 1).network
    network.lm_head.weight = torch.nn.Parameter(torch.randn_like(network.lm_head.weight))  # not tied there
    state = network.state_dict()
    named = (released(name, value, state) for name, value in state.items())
    weights = {name: value.clone() for name, value in filter(None, named)}
    weights["vision_model.vision_tower.attn_pool.latent"] = torch.zeros(1)
    folder = tmp_path / "release"
    shutil.copytree(SPEECH, folder)
    torch.save(weights, folder / "pytorch_model.bin")
    text = network.config.text_config
    language = {
        "hidden_size": text.hidden_size, "intermediate_size": text.intermediate_size, "model_type": "llama",
        "max_position_embeddings": 256, "num_attention_heads": 2, "num_hidden_layers": 2,
        "num_key_value_heads": 2, "torch_dtype": "bfloat16", "vocab_size": text.vocab_size,
    }  # fmt: skip
    config = {"model_type": "multi_modality", "language_config": language, "torch_dtype": "bfloat16"}
    (folder / "config.json").write_text(json.dumps(config))
    return folder, network


@pytest.mark.parametrize("layout", ["hf_folder", "released_folder"])
def test_folders_of_real_models_load_by_path(layout, request, toy_cfg):
    folder, network = request.getfixturevalue(layout)
    model = build_model(toy_cfg("MODEL.JANUS.NAME", str(folder))).eval()
    network.eval()
    ids = torch.tensor([model.talk.question("Where is the bus?", 1).ids])
    pixels = model.pixels([image()])
    with torch.no_grad():
        expected = network(input_ids=ids, pixel_values=pixels).logits
        torch.testing.assert_close(model.network(input_ids=ids, pixel_values=pixels).logits, expected)
        codes = torch.arange(16).view(1, -1)
        drawn = network.model.vqmodel.decode(codes)
        torch.testing.assert_close(model.network.model.vqmodel.decode(codes), drawn)
        head = network.model.generation_head(network.prepare_embeddings_for_image_generation(codes))
        own = model.network.model.generation_head(
            model.network.prepare_embeddings_for_image_generation(codes)
        )
        torch.testing.assert_close(own, head)


def test_a_folder_that_is_none_is_told_in_one_line(released_folder, toy_cfg, tmp_path):
    folder, _ = released_folder
    weights = torch.load(folder / "pytorch_model.bin", weights_only=True)

    def message(path) -> str:
        with pytest.raises((ValueError, FileNotFoundError)) as caught:
            build_model(toy_cfg("MODEL.JANUS.NAME", str(path)))
        text = str(caught.value)
        assert "\n" not in text and len(text) < 300
        return text

    assert "no such folder" in message(tmp_path / "nowhere/there")
    torch.save({**weights, "something.else": torch.zeros(1)}, folder / "pytorch_model.bin")
    assert "something.else" in message(folder)
    weights.pop("gen_embed.weight")
    torch.save(weights, folder / "pytorch_model.bin")
    assert "generation_embeddings" in message(folder)
    (folder / "pytorch_model.bin").unlink()
    assert "pytorch_model.bin" in message(folder)
    shutil.copytree(RESOURCES / "text/words", tmp_path / "words")
    assert loading.IMAGE in message(tmp_path / "words")


def test_an_old_transformers_is_told_which_version_is_needed(monkeypatch):
    import transformers

    class Old:
        __version__ = "4.44.0"
        utils = transformers.utils

    monkeypatch.setitem(sys.modules, "transformers", Old)
    with pytest.raises(ValueError, match=rf"needs transformers {loading.NEEDED} or newer, this is 4.44.0"):
        loading.janus_classes()


@pytest.mark.parametrize(
    "options, expected",
    [
        (["MODEL.JANUS.PATCH", 8], "PATCH: expected 16"),
        (["MODEL.JANUS.VQ_CHANNELS", 16], "multiple of 32"),
        (["MODEL.JANUS.HEADS", 3], "WIDTH of HEADS"),
    ],
)
def test_sizes_that_do_not_go_together(options, expected, toy_model):
    with pytest.raises(ValueError, match=expected):
        toy_model(*options)


def test_signs_of_pictures_in_a_text_are_no_pictures(toy_model):
    talk = toy_model().talk
    row = talk.question(f"What is {loading.IMAGE}{loading.BEGIN_IMAGE}?", 1)
    assert row.ids.count(talk.image) == talk.image_tokens and row.ids.count(talk.begin) == 1


def test_a_question_that_is_too_long(toy_model):
    with pytest.raises(ValueError, match="MAX_TOKENS"):
        toy_model().talk.question("car " * 400, 1)


def test_the_tokenizer_loses_nothing():
    tokenizer = loading.load_tokenizer("d2ext://text/speech", "MODEL.JANUS.TOKENIZER")
    for text in (
        "The car is 34.5 m away; über 🚗.",
        "在我左侧约7.0米处的灰色轿车。",
        "[12 40 20 47] There are two.",
    ):
        assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text
    rng = np.random.default_rng(0)
    text = "".join(chr(int(code)) for code in rng.integers(0x20, 0x3000, 200))
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text


def test_a_text_says_nothing_of_its_own_end_and_is_not_too_long_to_be_drawn(toy_model):
    talk = toy_model().talk
    written = f"a {talk.tokenizer.eos_token}{talk.tokenizer.bos_token} car"
    assert {talk.eos, talk.bos} < set(talk.tokenizer(written, add_special_tokens=False)["input_ids"])
    assert not {talk.eos, talk.bos} & set(talk.words(written)) and len(talk.words(written)) > 2
    with pytest.raises(ValueError, match=r"a text of \d+ tokens to draw: expected at most \d+ \(MODEL.JANUS"):
        talk.drawing("a red car on a road. " * 500)
