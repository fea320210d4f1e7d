"""Captions read by a causal language model."""

import pytest
import torch

from d2ext.modeling.generation.captions import CaptionEncoder
from d2ext.projects.scene_sana import language_model as lm

TEXTS = ["a red car and two buses", "an empty road", "a white van 12 m away on the left", "three cars"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny Llama with a tokenizer of its own."""
    path = tmp_path_factory.mktemp("text") / "lm"
    tokenizer = lm.build_tokenizer([*TEXTS, "Tell of the road: "], 400)
    torch.manual_seed(0)
    model = lm.build_model(len(tokenizer), 32, 2, 128)
    lm.save(path, model, tokenizer)
    return path


def encoder(folder, **options):
    return CaptionEncoder(str(folder), **{"instruction": "Tell of the road: ", "max_tokens": 24} | options)


def test_features_are_of_length_one_a_channel_and_do_not_depend_on_others(folder):
    read = encoder(folder)
    features, mask = read(TEXTS)
    assert features.shape == (4, mask.sum(1).max(), 32)
    assert torch.allclose(features[mask].square().mean(-1), torch.ones(int(mask.sum())), atol=1e-3)
    assert not features[~mask].any()
    for i, text in enumerate(TEXTS):
        alone, whole = encoder(folder)([text])
        assert whole.all() and torch.equal(alone[0], features[i][mask[i]])


def test_a_causal_model_reads_the_beginning_alike_whatever_follows(folder):
    features, _ = encoder(folder)(["three cars", "three cars and two buses"])
    count = len(encoder(folder)(["three cars"]).features[0])
    assert torch.allclose(features[0, :count], features[1, :count], atol=1e-5)


def test_the_instruction_changes_captions_and_not_the_empty_one(folder):
    plain, told = encoder(folder, instruction=""), encoder(folder)
    assert not torch.allclose(plain(TEXTS[:1]).features, told(TEXTS[:1]).features, atol=1e-3)
    assert torch.equal(plain([""]).features, told([""]).features)
    assert told([""]).mask.shape == (1, 1)


def test_longer_captions_are_cut_and_others_kept(folder):
    read = encoder(folder, max_tokens=3)
    assert read(["a red car and two buses and one more"]).mask.sum() == 4
    assert read._kept("an empty road") is read._kept("an empty road")


def test_the_scale_multiplies(folder):
    one, two = encoder(folder)(TEXTS), encoder(folder, scale=2.0)(TEXTS)
    assert torch.allclose(2 * one.features, two.features)


def test_autocast_changes_nothing(folder):
    plain = encoder(folder)(TEXTS)
    with torch.autocast("cpu", torch.bfloat16):
        found = encoder(folder)(TEXTS)
    assert found.features.dtype == torch.float32 and torch.equal(found.features, plain.features)


def test_nothing_of_it_is_trained(folder):
    read = encoder(folder).train()
    assert not read.model.training and not any(p.requires_grad for p in read.parameters())


@pytest.mark.parametrize(
    "options, message",
    [
        ({"max_tokens": 200}, "MODEL.CAPTION.INSTRUCTION: expected an instruction and 200 tokens of at most"),
        ({"instruction": "word " * 200}, "MODEL.CAPTION.INSTRUCTION: expected"),
    ],
)
def test_what_the_model_cannot_read_is_one_line(folder, options, message):
    with pytest.raises(ValueError, match=message) as error:
        encoder(folder, **options)
    assert len(str(error.value)) < 300 and "\n" not in str(error.value)


def test_a_folder_without_a_model_is_one_line(tmp_path):
    with pytest.raises(FileNotFoundError, match="^MODEL.CAPTION.NAME .* no tokenizer and config there"):
        CaptionEncoder(str(tmp_path))


def test_training_lowers_the_loss_and_goes_on_where_it_stopped(tmp_path):
    tokenizer = lm.build_tokenizer(TEXTS, 300)
    rows = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in TEXTS]

    def model():
        torch.manual_seed(0)
        return lm.build_model(len(tokenizer), 32, 1, 64)

    whole, parts = model(), model()
    losses = lm.train(whole, rows, 12, batch=4, rate=1e-2)
    lm.train(parts, rows, 12, batch=4, rate=1e-2, folder=tmp_path / "state", period=5)
    again = model()
    kept = lm.train(again, rows, 12, batch=4, rate=1e-2, folder=tmp_path / "state", period=5)
    assert losses[-1] < losses[0] and kept == losses
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), again.parameters(), strict=True))
