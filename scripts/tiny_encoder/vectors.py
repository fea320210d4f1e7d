"""The table of vectors that a model begins with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from tiny_encoder.known import move_to_known
from tiny_encoder.meanings import Retrofit, unit, with_parents
from tiny_encoder.minilm import MiniLM
from tiny_encoder.vocabulary import SPECIAL, topics
from tiny_encoder.wordnet import WordNet

#: Of a character's vector: share of its English words; the rest is drawn, so that characters differ.
OF_GLOSS = 0.7
#: Ridge of the map from a piece's embedding to a word's vector.
RIDGE = 1e-2
_SEED = 0


def word_vectors(
    minilm: MiniLM,
    net: WordNet,
    pieces: Sequence[str],
    new: Sequence[str],
    glosses: Mapping[str, Sequence[str]],
    known: Iterable[str],
    width: int,
) -> np.ndarray:
    """(4 + pieces + new + characters, width) float32, of mean square 1: of special tokens, of pieces of BERT,
    of more words and of characters; ``known``: words that training sentences hold."""
    whole = [word for word in (*pieces, *new) if word[:1].isalpha() and len(word) > 1]
    meant = {word for key in with_parents(net, topics(net), whole) for word in net.meanings[key].words}
    read = sorted({*whole, *meant})
    raw = minilm.read(read)
    center = raw[[i for i, word in enumerate(read) if word in {*whole}]].mean(0)
    raw -= center
    raw /= np.linalg.norm(raw, axis=1, keepdims=True)
    retrofit = Retrofit(net, dict(zip(read, raw, strict=True)))
    vectors = dict(zip(whole, map(retrofit, whole), strict=True))
    _add_pieces(vectors, minilm, pieces)
    generator = np.random.default_rng(_SEED)
    table = project(vectors, [*pieces, *new], whole, topics_of(net, vectors), width)
    ids = {word: i for i, word in enumerate([*pieces, *new]) if word.isalpha()}
    table = move_to_known(table, ids, net, known)
    of_words = {word: row for word, row in zip([*pieces, *new], table, strict=True)}
    drawn = generator.standard_normal((len(SPECIAL) + len(glosses), width)).astype(np.float32)
    characters = []
    for row, words in zip(drawn[len(SPECIAL) :], glosses.values(), strict=True):
        gloss = sum((of_words[word] for word in words), np.zeros(width, np.float32))
        share = OF_GLOSS if words else 0.0
        scale = np.linalg.norm(table, axis=1).mean()
        characters.append(scale * unit(share * unit(gloss) + (1 - share) * unit(row)))
    table = np.concatenate([drawn[: len(SPECIAL)] * table.std(), table, np.stack(characters)])
    return (table / table.std()).astype(np.float32)


def topics_of(net: WordNet, words: Mapping[str, np.ndarray]) -> list[str]:
    """The words that mean a vehicle, a traveller, clothes or a colour."""
    return sorted({word for key in topics(net) for word in net.meanings[key].words if word in words})


def _add_pieces(vectors: dict[str, np.ndarray], minilm: MiniLM, pieces: Sequence[str]) -> None:
    """Pieces of words and signs, which mean nothing alone, by a linear map that fits whole words."""
    ids = {piece: i for i, piece in enumerate(minilm.pieces)}
    embeddings = minilm.embeddings - minilm.embeddings.mean(0)
    known = [piece for piece in pieces if piece in vectors]
    x, y = embeddings[[ids[piece] for piece in known]], np.stack([vectors[piece] for piece in known])
    gram = x.T @ x
    ridge = RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
    matrix = np.linalg.solve(gram + ridge, x.T @ y)
    for piece in pieces:
        if piece not in vectors:
            vectors[piece] = embeddings[ids[piece]] @ matrix


def project(
    vectors: Mapping[str, np.ndarray],
    words: Sequence[str],
    common: Sequence[str],
    topical: Sequence[str],
    width: int,
) -> np.ndarray:
    """(words, width) principal components, of all common words and of the topical ones in equal shares."""
    center = np.mean([vectors[word] for word in common], axis=0)
    groups = [np.stack([vectors[word] for word in group]) - center for group in (common, topical)]
    groups.append(groups[1] - groups[1].mean(0))  # what tells topical words apart
    covariance = sum(group.T @ group / len(group) / np.square(group).sum(1).mean() for group in groups)
    _, axes = np.linalg.eigh(covariance)
    return (np.stack([vectors[word] for word in words]) - center) @ axes[:, ::-1][:, :width]
