"""Which words and pieces of words are tokens of the small encoder."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from tiny_encoder.wordnet import Key, WordNet

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
_PIECE = re.compile(r"(##)?[a-z]+|[!-/:-@\[-`{-~0-9]")
#: Classes of road users that WordNet does not know.
_NAMES = ("tricyclist", "tricyclists")
_WORD = re.compile(r"[a-z]{2,}")
#: What sentences about roads speak of, by a word, its part of speech and another word of the synset.
_TOPICS = (
    ("conveyance", "n", "transport"), ("wheeled vehicle", "n", "wheeled vehicle"),
    ("traveler", "n", "traveller"), ("clothing", "n", "article of clothing"),
    ("chromatic color", "n", "chromatic colour"), ("achromatic color", "n", "achromatic colour"),
    ("chromatic", "a", "chromatic"), ("achromatic", "a", "neutral"),
)  # fmt: skip


def topics(net: WordNet) -> set[Key]:
    """The synsets of vehicles, travellers, clothes and colours."""
    return net.below(key for word, part, other in _TOPICS for key in net.find(word, part, other))


def colors(net: WordNet) -> set[Key]:
    """The synsets of colours."""
    return net.below(key for word, part, other in _TOPICS[4:] for key in net.find(word, part, other))


def choose_words(pieces: Sequence[str], net: WordNet) -> tuple[list[str], list[str]]:
    """Tokens in the order of their ids, but for special tokens and Chinese characters.

    Args:
        pieces: the tokens of a BERT.
        net: its words that occur in tagged texts, and all about roads, become whole.

    Returns:
        those of ``pieces`` that English is written in, without numbers; and new words.
    """
    kept = [piece for piece in pieces if _PIECE.fullmatch(piece)]
    about_roads = {word for key in topics(net) for word in net.meanings[key].words}
    plurals = {plural(word) for key in topics(net) if key[0] == "n" for word in net.meanings[key].words}
    met = {word for word, senses in net.senses.items() if sum(senses.values()) > len(senses)}
    new = {word for word in met | about_roads | plurals | {*_NAMES} if _WORD.fullmatch(word)} - {*kept}
    return kept, sorted(new)


def plural(noun: str) -> str:
    """The regular plural: buses, lorries, cars."""
    if re.search(r"(s|x|z|ch|sh)$", noun):
        return f"{noun}es"
    return f"{noun[:-1]}ies" if re.search(r"[^aeiou]y$", noun) else f"{noun}s"


def singulars(word: str) -> list[str]:
    """What a word may be the regular plural of."""
    found = [word[:-1], word[:-2], f"{word[:-3]}y"]
    return [noun for noun in found if len(noun) > 2 and plural(noun) == word]


def build_tokenizer(words: Iterable[str]) -> Tokenizer:
    """A WordPiece tokenizer with an id for every word, after the special tokens. Digits and Chinese
    characters are tokens of their own, so that numbers compose."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    vocabulary = {token: i for i, token in enumerate([*SPECIAL, *words])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.BertPreTokenizer(), pre_tokenizers.Digits(individual_digits=True)]
    )
    ids = [(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ids)
    return tokenizer
