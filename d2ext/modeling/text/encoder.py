"""Sentences to token features through any Hugging Face encoder."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from d2ext.modeling.text.cache import TextFeatureStore
from d2ext.modeling.text.loading import load_encoder, longest_input
from d2ext.modeling.text.numbers import NUMBER_DIM, number_features
from d2ext.modeling.text.tokenizer import LENGTH_STEP, SentenceTokenizer, Tokens
from d2ext.structures import transfer


class TextEncoder(nn.Module):
    """A Hugging Face encoder that gives one feature per token: RoBERTa, XLM-R, BERT in any language, MiniLM,
    DistilBERT, the text half of CLIP, the encoder of T5, ...

    The last ``NUMBER_DIM`` channels of a token are :func:`d2ext.modeling.text.numbers.number_features`.

    Args:
        name: model name on the hub, local folder, ``d2ext://text/words`` or ``d2ext://text/tiny`` (shipped
            with the package).
        pretrained: True loads the published weights; False starts from random weights on purpose
            (only the folder's ``config.json`` and tokenizer are read).
        frozen: no gradients, evaluation mode, and features of each distinct sentence are kept in memory; they
            are computed in float32 also under autocast, so that they do not depend on who asks first.
        frozen_words: no gradients for the vectors of words.
        word_noise: most that the vectors of words are blurred in training, see :func:`blur_words`.
        max_tokens: longest sentence in tokens, special tokens included; 0 takes the encoder's own limit.
        cache_size: distinct sentences whose features a frozen encoder keeps in memory.
        cache_dir: folder where a frozen encoder keeps the features of all sentences, those of other weights
            apart from each other; empty for none.

    Raises:
        FileNotFoundError: tokenizer, config or weights that cannot be had; the message says how to get them.
        ValueError: a tokenizer that cannot tell where in the text its tokens are.
    """

    def __init__(
        self,
        name: str,
        *,
        pretrained: bool = True,
        frozen: bool = False,
        frozen_words: bool = False,
        word_noise: float = 0.0,
        max_tokens: int = 0,
        cache_size: int = 20000,
        cache_dir: str = "",
    ) -> None:
        super().__init__()
        self.tokenizer = SentenceTokenizer(name)
        self.encoder = load_encoder(name, self.tokenizer.config, pretrained)
        limit = longest_input(self.encoder)
        self.tokenizer.max_tokens = min(max_tokens or limit, limit)
        self.dim: int = self.encoder.config.hidden_size + NUMBER_DIM
        self.frozen = frozen
        self._cache: OrderedDict[str, Tensor] = OrderedDict()
        self._cache_size = cache_size
        self._cache_dir = cache_dir
        self._store: TextFeatureStore | None = None
        self._whole_masks: bool | None = None
        if frozen_words or word_noise:  # not every encoder of old transformers tells where its words are
            words = self.encoder.get_input_embeddings()
            words.weight.requires_grad_(not frozen_words)
        if word_noise:
            words.register_forward_hook(lambda table, _, vectors: blur_words(table, vectors, word_noise))
        if frozen:
            self.encoder.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> TextEncoder:
        """As of every module; a frozen encoder stays in evaluation."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    @property
    def device(self) -> torch.device:
        """Of the encoder's weights."""
        return next(self.encoder.parameters()).device

    def tokenize(self, sentences: Sequence[str]) -> tuple[list[list[int]], list[np.ndarray]]:
        """:meth:`SentenceTokenizer.tokenize`."""
        return self.tokenizer.tokenize(sentences)

    def forward(self, sentences: Sequence[str]) -> tuple[Tensor, Tensor]:
        """S sentences -> token features (S, L, dim) and mask (S, L), True on tokens; padding is on the right.

        Raises:
            ValueError: see :meth:`tokenize`.
        """
        if not self.frozen:
            return self._encode(*self.tokenize(sentences))
        rows = self._cached(sentences)
        lengths = torch.tensor([len(r) for r in rows])
        mask = torch.arange(-(-int(lengths.max()) // LENGTH_STEP) * LENGTH_STEP) < lengths[:, None]
        # One gather of all rows in a row: to pad them one by one costs a GPU as many launches.
        index = (mask.flatten().cumsum(0) * mask.flatten()).view(mask.shape)
        mask, index = transfer([mask, index], self.device)
        table = torch.cat([rows[0].new_zeros(1, rows[0].shape[1]), *rows])
        return table[index], mask

    def encode(self, tokens: Tokens) -> Tensor:
        """Tokens -> features (S, L, dim), zero on padding."""
        mask = self._mask(tokens.mask)
        features = self.encoder(input_ids=tokens.ids, attention_mask=mask).last_hidden_state
        features = torch.cat([features, number_features(tokens.numbers).to(features.dtype)], -1)
        return features * tokens.mask[..., None]

    def _mask(self, mask: Tensor) -> Tensor:
        """What the encoder is given for mask (S, L). Of one with two dimensions Transformers asks whether
        anything is padding, for which the host must wait for a GPU."""
        if mask.device.type == "cpu" or torch.compiler.is_compiling():
            return mask.long()
        if self._whole_masks is None:
            self._whole_masks = _takes_whole_masks(self.encoder)
        return whole_mask(mask) if self._whole_masks else mask.long()

    def _encode(self, ids: list[list[int]], numbers: list[np.ndarray]) -> tuple[Tensor, Tensor]:
        tokens = Tokens(*transfer(self.tokenizer.pad(ids, numbers), self.device))
        return self.encode(tokens), tokens.mask

    def _cached(self, sentences: Sequence[str]) -> list[Tensor]:
        rows = zip(sentences, *self.tokenize(sentences), strict=True)
        new = {s: row for s, *row in rows if s not in self._cache}
        known = {s: self._cache[s] for s in sentences if s not in new}
        if new and self._cache_dir:
            if self._store is None:
                self._store = TextFeatureStore(Path(self._cache_dir) / self.identity())
            stored = self._store.find(new)
            known |= {s: f.to(self.device) for s, f in stored.items()}
            new = {s: row for s, row in new.items() if s not in stored}
        if new:
            with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
                ids, numbers = map(list, zip(*new.values(), strict=True))
                features, _ = self._encode(ids, numbers)
            computed = {s: f[: len(row)].clone() for s, row, f in zip(new, ids, features, strict=True)}
            if self._store is not None:
                self._store.add(computed)
            known |= computed
        for s in known:
            self._cache[s] = known[s]
            self._cache.move_to_end(s)
        while len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)
        return [known[s] for s in sentences]

    def identity(self) -> str:
        """What the features depend on: the encoder's name and a digest of its tokenizer and weights."""
        digest = hashlib.sha256(f"{self.dim} {self.tokenizer.backend.backend_tokenizer.to_str()}".encode())
        for key, value in sorted(self.encoder.state_dict().items()):
            digest.update(key.encode())
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        return f"{Path(self.tokenizer.name).name}-{digest.hexdigest()[:20]}"

    def clear_cache(self) -> None:
        """Forget the features in memory, and that the weights were those of a folder on disk."""
        self._cache.clear()
        self._store = None

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> TextEncoder:
        self.clear_cache()  # the features live on the old device or in the old precision
        return super()._apply(fn, recurse)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self.clear_cache()
        super()._load_from_state_dict(*args, **kwargs)


def blur_words(table: nn.Embedding, vectors: Tensor, most: float) -> Tensor:
    """Vectors (..., dim) of words, in training each a share of the way to that of a word drawn from all of
    the table; the share is drawn between 0 and ``most``."""
    if not table.training:
        return vectors
    others = table.weight.detach()[
        torch.randint(len(table.weight), vectors.shape[:-1], device=vectors.device)
    ]
    share = most * torch.rand_like(vectors[..., :1])
    return torch.lerp(vectors, others.to(vectors.dtype), share)


def whole_mask(mask: Tensor) -> Tensor:
    """mask (S, L), True on tokens -> (S, 1, L, L), which token looks at which."""
    return mask[:, None, None].expand(-1, -1, mask.shape[1], -1)


@torch.no_grad()
def _takes_whole_masks(encoder: nn.Module) -> bool:
    """Whether an encoder takes :func:`whole_mask` for what it means; one that also looks ahead only, adds
    positions to its mask, or is of an older Transformers, does not."""
    device, training = next(encoder.parameters()).device, encoder.training
    mask = torch.tensor([[True, True, True, True], [True, True, False, False]], device=device)
    ids = torch.arange(4, 8, device=device).expand(2, -1)
    try:
        encoder.eval()
        a, b = (
            encoder(input_ids=ids, attention_mask=m).last_hidden_state[mask].float()
            for m in (mask.long(), whole_mask(mask))
        )
        return torch.allclose(a, b, rtol=1e-2, atol=1e-2)
    except (IndexError, RuntimeError, TypeError, ValueError):
        return False
    finally:
        encoder.train(training)
