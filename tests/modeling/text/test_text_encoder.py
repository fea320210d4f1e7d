"""Text encoders: padding, cache, limits, and what happens without weights."""

import json
import math
import shutil

import numpy as np
import pytest
import torch

from d2ext.data.synthroad import refer, sentences_en, sentences_zh
from d2ext.data.synthroad.labels import make_frame
from d2ext.data.synthroad.layout import CAR
from d2ext.modeling import TextEncoder
from d2ext.modeling.text.encoder import blur_words
from d2ext.modeling.text.numbers import NUMBER_DIM
from d2ext.weights import resolve

TINY = "d2ext://text/tiny"
WORDS = "d2ext://text/words"
LONG = "The white car on the left is about 12 meters away from me."


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return TextEncoder(TINY, pretrained=False).eval()


def test_digits_are_tokens_of_their_own(encoder):
    words = encoder.tokenizer.backend.tokenize("about 12.5 meters")
    assert [w for w in words if w.isdigit()] == ["1", "2", "5"]


def test_tokens_of_a_number_carry_its_value(encoder):
    text = "The car about 34.5 meters away is 1.6 meters high, 4 long."
    ids, numbers = encoder.tokenize([text])
    words = encoder.tokenizer.backend.convert_ids_to_tokens(ids[0])
    told = [(w, float(v)) for w, v in zip(words, numbers[0], strict=True) if not np.isnan(v)]
    expected = [*zip("34.5", [34.5] * 4, strict=True), *zip("1.6", [1.6] * 3, strict=True), ("4", 4.0)]
    assert told == [(w, pytest.approx(v)) for w, v in expected]
    features, _ = encoder([text])
    row = words.index("3")
    assert features[0, row, -NUMBER_DIM:][1].item() == pytest.approx(math.log(34.5), abs=1e-6)
    assert (
        features[0, ~np.isfinite(np.pad(numbers[0], (0, features.shape[1] - len(words)))), -NUMBER_DIM:] == 0
    ).all()


def test_chinese_characters_are_tokens_and_numbers_carry_their_values(encoder):
    ids, numbers = encoder.tokenize(["距我34.5米左右的白色小轿车。"])
    words = encoder.tokenizer.backend.convert_ids_to_tokens(ids[0])
    assert words == ["[CLS]", *"距我34.5米左右的白色小轿车。", "[SEP]"]
    assert numbers[0][3:7].tolist() == [34.5] * 4 and np.isnan(np.delete(numbers[0], range(3, 7))).all()


@pytest.mark.parametrize("language", [sentences_en, sentences_zh])
def test_tiny_encoder_knows_and_holds_all_that_synthroad_says(language):
    encoder = TextEncoder(WORDS, pretrained=False)
    rng = np.random.default_rng(0)
    labels = make_frame(CAR, rng).labels
    chosen = [refer.single_target(labels, i % len(labels), rng) for i in range(60)]
    several = [said for _ in range(10) for said, _ in refer.multi_target(labels, (375, 1242), rng)]
    texts = [language.describe_one(said, rng) for said in chosen if said]
    texts += [language.describe_all(said, bool(i % 2), rng) for i, said in enumerate(several)]
    ids, _ = encoder.tokenize([text for text in texts if text])
    assert len(ids) > 60
    assert not any(encoder.tokenizer.backend.unk_token_id in row for row in ids)


def test_tiny_encoder_gives_chinese_the_last_ids(encoder):
    """The rows of the embedding table that trained English models know stay where they are."""
    words = sorted(encoder.tokenizer.backend.get_vocab().items(), key=lambda item: item[1])
    chinese = [not word.isascii() for word, _ in words]
    assert any(chinese) and chinese == sorted(chinese)


def test_padding_changes_no_feature(encoder):
    alone, own = encoder(["A bus."])
    features, mask = encoder(["A bus.", LONG + " " + LONG])
    assert features.shape[1] > alone.shape[1]
    assert own.sum() == mask[0].sum() == len(encoder.tokenize(["A bus."])[0][0])
    assert torch.allclose(features[0][mask[0]], alone[0][own[0]], atol=1e-5)
    assert (features[0][~mask[0]] == 0).all()


def test_frozen_encoder_computes_each_sentence_once(monkeypatch):
    torch.manual_seed(0)
    frozen = TextEncoder(TINY, pretrained=False, frozen=True, cache_size=2)
    seen = []
    encode = frozen._encode
    monkeypatch.setattr(frozen, "_encode", lambda *x: seen.append(len(x[0])) or encode(*x))
    first, mask = frozen(["A bus.", LONG, "A bus."])
    again, _ = frozen.train()([LONG, "A bus."])
    assert seen == [2]
    assert torch.equal(first[1, mask[1]], again[0, : mask[1].sum()])
    assert not first.requires_grad and not frozen.encoder.training
    frozen(["A van.", "A truck."])
    frozen(["A bus."])
    assert seen == [2, 2, 1]


def test_new_weights_empty_the_cache():
    frozen = TextEncoder(TINY, pretrained=False, frozen=True)
    before, _ = frozen([LONG])
    frozen.load_state_dict({k: torch.randn_like(v) for k, v in frozen.state_dict().items()})
    after, _ = frozen([LONG])
    assert not torch.allclose(before, after)


def test_features_on_disk_serve_the_same_weights_only(tmp_path, monkeypatch):
    def encoder(seed):
        torch.manual_seed(seed)
        model = TextEncoder(TINY, pretrained=False, frozen=True, cache_dir=str(tmp_path))
        seen = []
        encode = model._encode
        monkeypatch.setattr(model, "_encode", lambda *x: seen.append(len(x[0])) or encode(*x))
        return model, seen

    first, seen_first = encoder(0)
    second, seen_second = encoder(0)
    other, seen_other = encoder(1)
    assert first.identity() == second.identity() != other.identity()
    expected, mask = first([LONG, "A bus."])
    got, got_mask = second(["A bus.", LONG, "A van."])
    other([LONG])
    assert (seen_first, seen_second, seen_other) == ([2], [1], [1])
    assert torch.equal(got[1, got_mask[1]], expected[0, mask[0]])
    assert torch.equal(got[0, got_mask[0]], expected[1, mask[1]])
    first(["A van."])
    assert seen_first == [2]  # what another process has written meanwhile


def test_frozen_features_do_not_depend_on_autocast():
    torch.manual_seed(0)
    frozen = TextEncoder(TINY, pretrained=False, frozen=True)
    with torch.autocast("cpu", torch.bfloat16):
        first, _ = frozen([LONG])
    frozen.clear_cache()
    assert torch.equal(first, frozen([LONG])[0])


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_empty_sentence(encoder, text):
    with pytest.raises(ValueError, match=r"sentence 2 of 2 is empty: expected words"):
        encoder([LONG, text])


def test_sentence_with_half_a_character(encoder):
    with pytest.raises(ValueError, match=r"sentence 2 of 2: expected text, got half a character at 4"):
        encoder([LONG, "car \ud800"])


def test_sentence_longer_than_the_encoder_takes(encoder):
    with pytest.raises(ValueError, match=r'sentence "car car .*: 402 tokens, expected at most 160 .*tiny'):
        encoder(["car " * 400])


def test_no_sentence_at_all(encoder):
    assert encoder.tokenize([]) == ([], [])


def test_missing_weights_are_an_error_that_says_what_to_do():
    with pytest.raises(
        FileNotFoundError, match=r"MODEL.TEXT.NAME d2ext://text/tiny: no weights .*PRETRAINED False"
    ):
        TextEncoder(TINY, pretrained=True)


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"MODEL.TEXT.NAME .*nowhere"):
        TextEncoder(str(tmp_path / "nowhere"), pretrained=False)


def test_saved_weights_are_loaded(tmp_path, encoder):
    shutil.copytree(resolve(TINY), tmp_path, dirs_exist_ok=True)
    encoder.encoder.save_pretrained(tmp_path)
    loaded = TextEncoder(str(tmp_path), pretrained=True).eval()
    assert torch.allclose(loaded([LONG])[0], encoder([LONG])[0], atol=1e-6)


def test_real_roberta_tokenizer(shared_dir, tmp_path):
    shutil.copytree(shared_dir / "data/roberta-base", tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"num_hidden_layers": 1, "hidden_size": 24, "intermediate_size": 24}
    (tmp_path / "config.json").chmod(0o644)
    (tmp_path / "config.json").write_text(json.dumps(config))
    roberta = TextEncoder(str(tmp_path), pretrained=False).eval()
    assert roberta.tokenizer.max_tokens == 512
    ids, numbers = roberta.tokenize(["Hello world"])
    assert ids == [[0, 31414, 232, 2]]  # <s> Hello Ġworld </s> in the published vocabulary
    assert np.isnan(numbers[0]).all()
    features, mask = roberta(["Hello world", LONG])
    ids, numbers = roberta.tokenize([LONG])
    assert features.shape[2] == 24 + NUMBER_DIM and mask.sum(1).tolist() == [4, len(ids[0])]
    assert set(numbers[0][~np.isnan(numbers[0])]) == {12.0}


def test_an_encoder_that_brings_code_is_refused_and_nothing_of_it_runs(tmp_path):
    folder = tmp_path / "encoder"
    shutil.copytree(resolve(TINY), folder)
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass A: pass\n")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.A", "AutoModel": "own.A"}}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="MODEL.TEXT.NAME .*: asks for Python code of its own") as error:
        TextEncoder(str(folder), pretrained=False)
    assert "\n" not in str(error.value) and not (tmp_path / "ran").exists()


def test_words_that_no_sentence_holds_lie_beside_those_that_do():
    """Of eight colours the vector of scarlet is nearest to that of red; likewise for names of vehicles."""
    encoder = TextEncoder(WORDS, frozen_words=True)
    table, tokens = encoder.encoder.get_input_embeddings().weight, encoder.tokenizer.backend
    assert table.dtype == torch.float32 and not table.requires_grad
    assert all(p.requires_grad for p in encoder.parameters() if p is not table)

    def unit(word: str) -> torch.Tensor:
        ids = tokens(word, add_special_tokens=False)["input_ids"]
        return torch.nn.functional.normalize(table[ids].mean(0), dim=0)

    colors = "red blue green yellow brown gray black white".split()
    names = "car van truck bus pedestrian cyclist tram".split()
    near = {"scarlet": "red", "navy": "blue", "emerald": "green", "ebony": "black", "ivory": "white"}
    near |= {"lorry": "truck", "automobile": "car", "walker": "pedestrian", "streetcar": "tram", "红": "red"}
    for word, meant in near.items():
        known = colors if meant in colors else names
        closeness = [float(unit(name) @ unit(word)) for name in known]
        assert known[closeness.index(max(closeness))] == meant, word


def test_an_encoder_with_its_vectors_passes_on_words_before_it_is_trained():
    """Its layers add nothing: a word has the same features wherever its position is the same."""
    encoder = TextEncoder(WORDS).eval()
    features, _ = encoder(["a red car", "the red bus"])
    assert torch.allclose(features[0, 2], features[1, 2], atol=1e-5)
    assert not torch.allclose(features[0, 3], features[1, 3], atol=0.5)


def test_noise_moves_words_towards_others_in_training_only():
    torch.manual_seed(0)
    table = torch.nn.Embedding(50, 6)
    ids = torch.arange(50).repeat(40, 1)
    vectors = table(ids)
    assert blur_words(table.eval(), vectors, 0.4) is vectors
    moved = blur_words(table.train(), vectors, 0.4)
    # A share of the way to a row of the table: the residual to the best such row is zero.
    steps = table.weight[None, None] - vectors[:, :, None]
    step = (moved - vectors)[:, :, None]
    share = ((step * steps).sum(-1) / steps.square().sum(-1).clamp(min=1e-9)).clamp(0, 0.4)
    residual = (step - share[..., None] * steps).norm(dim=-1).amin(-1)
    assert residual.max() < 1e-4
    lengths = step[:, :, 0].norm(dim=-1) / steps.norm(dim=-1).mean()
    assert lengths.max() > 0.3 and 0.15 < lengths.mean() < 0.25


def test_the_noise_is_of_the_config_and_frozen_words_get_no_gradient():
    encoder = TextEncoder(WORDS, frozen_words=True, word_noise=0.4)
    one, two = (encoder.train()(["the red car"])[0] for _ in range(2))
    assert not torch.equal(one, two)
    one.sum().backward()
    assert encoder.encoder.get_input_embeddings().weight.grad is None
    assert torch.equal(*(encoder.eval()(["the red car"])[0] for _ in range(2)))
