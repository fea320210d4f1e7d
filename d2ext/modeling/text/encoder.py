"""Sentences to token features through any Hugging Face encoder."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from d2ext.hub import cache_if_offline
from d2ext.modeling.text.cache import TextFeatureStore
from d2ext.modeling.text.numbers import NUMBER_DIM, number_features, number_values
from d2ext.reading import one_line, whole_text
from d2ext.structures import transfer
from d2ext.weights import resolve

PIECE = 2.5  # letters of a piece of a word
_CJK = "\u3400-\u4dbf\u4e00-\u9fff"
_WORD = re.compile(rf"[{_CJK}]|[^\W\d_{_CJK}]+")
LENGTH_STEP = 16  # batches are padded to a multiple of this, so that kernels meet few shapes


class Tokens(NamedTuple):
    """S sentences padded on the right: ids (S, L) long, mask (S, L) True on tokens, and numbers (S, L), the
    value of the number that a token is part of, NaN for none."""

    ids: Tensor
    mask: Tensor
    numbers: Tensor


class SentenceTokenizer:
    """Sentences to token ids and the values of their numbers.

    Args:
        name: see :class:`TextEncoder`.
        max_tokens: longest sentence in tokens, special tokens included; 0 takes any.

    Attributes:
        backend: the Hugging Face tokenizer.
        config: the Hugging Face config of the encoder.

    Raises:
        FileNotFoundError: no tokenizer or config there; the message says what was expected.
    """

    def __init__(self, name: str, max_tokens: int = 0) -> None:
        self.name = name
        self.backend, self.config = _load_tokenizer(name)
        self.max_tokens = max_tokens or sys.maxsize

    def tokenize(self, sentences: Sequence[str]) -> tuple[list[list[int]], list[np.ndarray]]:
        """Token ids and :func:`number_values` of each sentence, special tokens included, not padded.

        Raises:
            ValueError: an empty sentence, one with half a character, or longer than the encoder takes.
        """
        for i, text in enumerate(sentences):
            if not text.strip():
                raise ValueError(f"sentence {i + 1} of {len(sentences)} is empty: expected words")
            whole_text(text, f"sentence {i + 1} of {len(sentences)}")
        if not sentences:
            return [], []
        tokens = self.backend(
            list(sentences), add_special_tokens=True, return_offsets_mapping=True, verbose=False
        )
        ids = tokens["input_ids"]
        for text, row in zip(sentences, ids, strict=True):
            if len(row) > self.max_tokens:
                raise ValueError(
                    f'sentence "{text[:60]}...": {len(row)} tokens, expected at most {self.max_tokens} '
                    f"({self.name})"
                )
        numbers = map(number_values, sentences, tokens["offset_mapping"])
        return ids, list(numbers)

    def unknown_words(self, text: str) -> tuple[list[str], int]:
        """The words of a sentence that mean nothing to the encoder, and how many words there are.

        Such a word is cut into pieces of less than ``PIECE`` letters on average, or not represented at all;
        numbers do not count, and a Chinese character is a word.
        """
        tokens = self.backend(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        ids, (starts, ends) = tokens["input_ids"], [*zip(*tokens["offset_mapping"], strict=True)] or [(), ()]
        words, unknown = list(_WORD.finditer(text)), []
        for word in words:
            mine = ids[bisect_right(ends, word.start()) : bisect_left(starts, word.end())]
            cut = len(mine) > 1 and len(word.group()) < PIECE * len(mine)
            if cut or not mine or self.backend.unk_token_id in mine:
                unknown.append(word.group())
        return unknown, len(words)

    def pad(self, ids: list[list[int]], numbers: list[np.ndarray]) -> Tokens:
        """One batch of what :meth:`tokenize` gives for at least one sentence."""
        length = min(-(-max(map(len, ids)) // LENGTH_STEP) * LENGTH_STEP, self.max_tokens)
        lengths = torch.tensor([len(row) for row in ids])
        mask = torch.arange(length) < lengths[:, None]
        pad = getattr(self.config, "pad_token_id", None) or 0  # RoBERTa counts positions by it
        tokens = torch.full(mask.shape, pad)
        tokens[mask] = torch.tensor([i for row in ids for i in row])
        values = torch.full(mask.shape, float("nan"))
        values[mask] = torch.from_numpy(np.concatenate(numbers))
        return Tokens(tokens, mask, values)


class TextEncoder(nn.Module):
    """A Hugging Face encoder that gives one feature per token: RoBERTa, XLM-R, BERT in any language, MiniLM,
    DistilBERT, the text half of CLIP, the encoder of T5, ...

    The last ``NUMBER_DIM`` channels of a token are :func:`d2ext.modeling.text.numbers.number_features`.

    Args:
        name: model name on the hub, local folder, or ``d2ext://text/tiny`` (shipped with the package).
        pretrained: True loads the published weights; False starts from random weights on purpose
            (only the folder's ``config.json`` and tokenizer are read).
        frozen: no gradients, evaluation mode, and features of each distinct sentence are kept in memory; they
            are computed in float32 also under autocast, so that they do not depend on who asks first.
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
        max_tokens: int = 0,
        cache_size: int = 20000,
        cache_dir: str = "",
    ) -> None:
        super().__init__()
        self.tokenizer = SentenceTokenizer(name)
        self.encoder = _load_encoder(name, self.tokenizer.config, pretrained)
        limit = _longest(self.encoder)
        self.tokenizer.max_tokens = min(max_tokens or limit, limit)
        self.dim: int = self.encoder.config.hidden_size + NUMBER_DIM
        self.frozen = frozen
        self._cache: OrderedDict[str, Tensor] = OrderedDict()
        self._cache_size = cache_size
        self._cache_dir = cache_dir
        self._store: TextFeatureStore | None = None
        self._whole_masks: bool | None = None
        if frozen:
            self.encoder.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> TextEncoder:
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    @property
    def device(self) -> torch.device:
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

    def _apply(self, fn, recurse=True):
        self.clear_cache()  # the features live on the old device or in the old precision
        return super()._apply(fn, recurse)

    def _load_from_state_dict(self, *args, **kwargs) -> None:
        self.clear_cache()
        super()._load_from_state_dict(*args, **kwargs)


def _load_tokenizer(name: str) -> tuple[Any, Any]:
    from transformers import AutoConfig, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    source = resolve(name)
    if os.sep in source and not os.path.isdir(source) and source.count("/") != 1:
        raise FileNotFoundError(f"MODEL.TEXT.NAME {name}: no such folder")
    try:
        with cache_if_offline(not os.path.isdir(source)):
            tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
            config = AutoConfig.from_pretrained(source, trust_remote_code=False)
        # Transformers makes a tokenizer without words of a lone config.json.
        if len(tokenizer) <= len(tokenizer.all_special_tokens):
            raise ValueError("a tokenizer without words")
    except Exception as e:  # a broken or foreign tokenizer.json can raise anything
        _refuse_code(name, e)
        why = one_line((str(e).splitlines() or [repr(e)])[0], 100)
        raise FileNotFoundError(
            f"MODEL.TEXT.NAME {name}: no tokenizer and config there ({why}); expected a "
            "hub name that can be reached or a folder with tokenizer.json and config.json"
        ) from e
    if not tokenizer.is_fast:
        raise ValueError(
            f"MODEL.TEXT.NAME {name}: {type(tokenizer).__name__} does not say where in the text its tokens "
            "are; expected a tokenizer with tokenizer.json"
        )
    return tokenizer, config


def _refuse_code(name: str, error: Exception) -> None:
    """Raise ValueError if transformers failed because of the code that an encoder brings."""
    if "trust_remote_code" in str(error):
        raise ValueError(
            f"MODEL.TEXT.NAME {name}: asks for Python code of its own to be run, which is not done; expected "
            "an encoder of a kind that transformers knows"
        ) from error


def _load_encoder(name: str, config: Any, pretrained: bool) -> Any:
    from transformers import AutoModel

    if not pretrained:
        return _token_encoder(AutoModel.from_config(config, trust_remote_code=False))
    source = resolve(name)
    try:
        with cache_if_offline(not os.path.isdir(source)):
            return _token_encoder(AutoModel.from_pretrained(source, trust_remote_code=False))
    except (OSError, ValueError) as e:
        _refuse_code(name, e)
        why = one_line(str(e).splitlines()[0], 100)
        raise FileNotFoundError(
            f"MODEL.TEXT.NAME {name}: no weights there ({why}); put model.safetensors "
            "into that folder, or set MODEL.TEXT.PRETRAINED False to start from random weights"
        ) from e


def _token_encoder(model: Any) -> Any:
    """The part of a model that turns tokens into features, without what would get no gradient."""
    if model.config.is_encoder_decoder:
        model = model.get_encoder()  # T5 and its kin
    model = getattr(model, "text_model", model)  # CLIP and its kin
    if getattr(model, "pooler", None) is not None:
        model.pooler = None
    return model


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


def _longest(encoder: nn.Module) -> int:
    """Longest input in tokens: as many as there are learned positions, if the encoder has such."""
    for name, module in encoder.named_modules():
        if isinstance(module, nn.Embedding) and name.endswith(("position_embeddings", "position_embedding")):
            # RoBERTa and its kin count positions from after the padding index.
            first = 0 if module.padding_idx is None else module.padding_idx + 1
            return module.num_embeddings - first
    limit = getattr(encoder.config, "max_position_embeddings", None) or 0
    return limit if limit > 0 else sys.maxsize
