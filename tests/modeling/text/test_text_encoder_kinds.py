"""Text encoders of many architectures and tokenizers, tiny and random: one contract for all of them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from pretend_device import listed, move, needs_transformers_5, pretend_device
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from d2ext.modeling import TextEncoder
from d2ext.modeling.text.numbers import NUMBER_DIM

SENTENCES = [
    "The white car 34.5 meters away on the left.",
    "A bus.",
    "距我34.5米左右的那辆白色小轿车，高1.62米。",
]
WIDTHS = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
POSITIONS = 72


def _word_piece(folder: Path, lowercase: bool) -> int:
    """vocab.txt, as Chinese BERT and RoBERTa have it."""
    characters = sorted({c for s in SENTENCES for c in (s.lower() if lowercase else s) if c != " "})
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters, *(f"##{c}" for c in characters)]
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": lowercase})
    )
    return len(words)


def _byte_pairs(folder: Path, first: str, pad: str, last: str, suffix: str = "") -> int:
    """suffix marks the end of a word; CLIP has one, and its digits are words."""
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix=suffix))
    split = [pre_tokenizers.Digits(individual_digits=True)] if suffix else []
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [*split, pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = list(dict.fromkeys([first, pad, last, "<unk>", "<mask>"]))
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        initial_alphabet=alphabet,
        show_progress=False,
        end_of_word_suffix=suffix,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return _save(tokenizer, folder, first, last)


def _unigram(folder: Path, first: str, last: str) -> int:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = list(dict.fromkeys([first or "<pad>", "<pad>", last, "<unk>", "<mask>"]))
    trainer = trainers.UnigramTrainer(
        vocab_size=120, special_tokens=special, unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return _save(tokenizer, folder, first, last)


def _save(tokenizer: Tokenizer, folder: Path, first: str, last: str) -> int:
    ends = [(name, tokenizer.token_to_id(name)) for name in (first, last) if name]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}".strip(), special_tokens=ends
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    return tokenizer.get_vocab_size()


def _encoder_folder(kind: str, folder: Path) -> Path:
    t = transformers
    limits = {**WIDTHS, "max_position_embeddings": POSITIONS}
    if kind == "bert-chinese":
        config = t.BertConfig(vocab_size=_word_piece(folder, True), **limits)
    elif kind == "electra":
        config = t.ElectraConfig(vocab_size=_word_piece(folder, False), embedding_size=8, **limits)
    elif kind == "distilbert":
        size = _word_piece(folder, True)
        config = t.DistilBertConfig(
            vocab_size=size, dim=16, n_layers=1, n_heads=2, hidden_dim=16, max_position_embeddings=POSITIONS
        )
    elif kind == "roberta":
        size = _byte_pairs(folder, "<s>", "<pad>", "</s>")
        config = t.RobertaConfig(vocab_size=size, **limits)
    elif kind == "clip":
        size = _byte_pairs(folder, "<|startoftext|>", "<|endoftext|>", "<|endoftext|>", "</w>")
        text = {"vocab_size": size, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1, **limits}
        config = t.CLIPConfig(text_config=text, vision_config={**WIDTHS, "image_size": 32, "patch_size": 16})
    elif kind == "xlm-roberta":
        size = _unigram(folder, "<s>", "</s>")
        config = t.XLMRobertaConfig(vocab_size=size, **limits)
    else:
        size = _unigram(folder, "", "</s>")
        config = t.T5Config(vocab_size=size, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    config.save_pretrained(folder)
    return folder


# The longest sentence in tokens: RoBERTa's two first positions are not for tokens, T5 has no positions.
LONGEST = {
    "bert-chinese": POSITIONS,
    "electra": POSITIONS,
    "distilbert": POSITIONS,
    "roberta": POSITIONS - 2,
    "xlm-roberta": POSITIONS - 2,
    "clip": POSITIONS,
    "t5": None,
}


@pytest.fixture(scope="module", params=LONGEST)
def kind(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def folder(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _encoder_folder(kind, tmp_path_factory.mktemp(kind))


@pytest.fixture(scope="module")
def encoder(folder: Path) -> TextEncoder:
    torch.manual_seed(0)
    return TextEncoder(str(folder), pretrained=False).eval()


def test_one_feature_a_token_and_padding_does_not_leak(encoder: TextEncoder) -> None:
    features, mask = encoder(SENTENCES)
    ids, _ = encoder.tokenize(SENTENCES)
    assert mask.sum(1).tolist() == [len(row) for row in ids]
    assert features.shape == (*mask.shape, encoder.dim) and encoder.dim == 16 + NUMBER_DIM
    assert (features[~mask] == 0).all()
    for i, sentence in enumerate(SENTENCES):
        alone, own = encoder([sentence])
        torch.testing.assert_close(features[i, mask[i]], alone[0, own[0]], atol=1e-5, rtol=1e-5)


@needs_transformers_5
def test_a_device_gives_the_same_features_and_is_not_waited_for(folder: Path, kind: str) -> None:
    """Encoders whose mask means more than which tokens are padding, CLIP's and T5's, may wait."""
    torch.manual_seed(0)
    encoder = TextEncoder(str(folder), pretrained=False).eval()
    expected, mask = encoder(SENTENCES)
    with pretend_device() as waits, torch.no_grad():
        move(encoder)
        encoder(SENTENCES)  # finds out which masks the encoder takes
        waits.clear()
        features, _ = encoder(SENTENCES)
        if kind not in ("clip", "t5"):
            assert not waits, listed(waits)
        torch.testing.assert_close(features.cpu(), expected, atol=1e-5, rtol=1e-5)


def test_tokens_of_a_number_carry_its_value_and_no_others(encoder: TextEncoder, kind: str) -> None:
    for sentence, expected in zip(SENTENCES, ({34.5}, set(), {34.5, 1.62}), strict=True):
        (ids,), (numbers,) = encoder.tokenize([sentence])
        words = encoder.tokenizer.backend.convert_ids_to_tokens(ids)
        told = [not np.isnan(value) for value in numbers]
        assert {round(float(v), 4) for v in numbers[told]} == expected
        for word, has_value in zip(words, told, strict=True):
            # A lone word mark of a Unigram model belongs to the word after it.
            assert has_value == any(c in "0123456789" for c in word) or word in (".", "##.", ".</w>", "▁"), (
                word
            )


def test_longest_sentence(encoder: TextEncoder, kind: str) -> None:
    limit = LONGEST[kind]
    if limit is None:
        encoder(["bus " * 300])
        return
    assert encoder.tokenizer.max_tokens == limit
    ends = len(encoder.tokenize(["5"])[0][0]) - len(encoder.tokenizer.backend.tokenize("5"))
    words = 1
    while len(encoder.tokenizer.backend.tokenize("A bus." + " 5" * words)) + ends < limit:
        words += 1
    text = "A bus." + " 5" * words
    if (
        len(encoder.tokenizer.backend.tokenize(text)) + ends > limit
    ):  # two tokens a word: a letter less is one less
        text = "A bus" + " 5" * words
    features, mask = encoder([text])
    assert mask.sum() == limit and features.isfinite().all()
    with pytest.raises(ValueError, match=f"expected at most {limit}"):
        encoder([text + " 5"])


def test_every_parameter_gets_a_gradient(encoder: TextEncoder) -> None:
    """Parameters without one stop training on several processes."""
    encoder(SENTENCES)[0].sum().backward()
    assert [name for name, p in encoder.named_parameters() if p.grad is None] == []


def test_saved_weights_are_loaded(kind: str, folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    whole = transformers.AutoModel.from_config(transformers.AutoConfig.from_pretrained(folder))
    whole.save_pretrained(tmp_path)
    loaded = TextEncoder(str(tmp_path), pretrained=True)
    published = dict(whole.named_parameters())
    prefix = {"clip": "text_model.", "t5": "encoder."}.get(kind, "")
    for name, value in loaded.encoder.named_parameters():
        shared = prefix + name if prefix + name in published else "shared.weight"
        assert torch.equal(value, published[shared]), name


def test_missing_weights(folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"MODEL.TEXT.NAME .*: no weights .*PRETRAINED False"):
        TextEncoder(str(folder))


def test_accents_and_wide_characters_do_not_shift_numbers(tmp_path: Path) -> None:
    encoder = TextEncoder(str(_encoder_folder("bert-chinese", tmp_path)), pretrained=False)
    (ids,), (numbers,) = encoder.tokenize(["é e\u0301\u0301 ｍ 34.5 meters"])
    words = encoder.tokenizer.backend.convert_ids_to_tokens(ids)
    assert [w.strip("#") for w, v in zip(words, numbers, strict=True) if v == 34.5] == [*"34.5"]


def test_tokenizer_without_offsets(tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_text('{"<unk>": 0, "a</w>": 1, "b</w>": 2}')
    (tmp_path / "merges.txt").write_text("#version: 0.2\na b\n")
    (tmp_path / "config.json").write_text('{"model_type": "ctrl"}')
    with pytest.raises(ValueError, match=r"MODEL.TEXT.NAME .*CTRLTokenizer .*tokenizer.json"):
        TextEncoder(str(tmp_path), pretrained=False)


@pytest.mark.parametrize("tokenizer", [None, "{}", "not json", '{"version": "1.0", "model": {}}'])
def test_no_tokenizer_in_the_folder(tokenizer: str | None, tmp_path: Path) -> None:
    transformers.BertConfig(vocab_size=9, **WIDTHS).save_pretrained(tmp_path)
    if tokenizer is not None:
        (tmp_path / "tokenizer.json").write_text(tokenizer)
    with pytest.raises(
        FileNotFoundError, match=r"MODEL.TEXT.NAME .*: no tokenizer and config there"
    ) as error:
        TextEncoder(str(tmp_path), pretrained=False)
    assert len(str(error.value).splitlines()) == 1
