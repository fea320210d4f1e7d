"""Captions as the last hidden states of a causal language model, after an instruction.

Source: Xie et al., "SANA", ICLR 2025, section 2.3: a small decoder-only language model reads a complex human
instruction and then the caption; what it makes of the caption's tokens, normalised and scaled, is what
pictures are drawn from.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from d2ext.modeling.text.loading import load_encoder, load_tokenizer, longest_input
from d2ext.reading import one_line, whole_text
from d2ext.structures import transfer

EPSILON = 1e-6
KEY = "MODEL.CAPTION.NAME"


class CaptionFeatures(NamedTuple):
    """Of B captions: features (B, L, D) and mask (B, L), True on tokens, the first of which every one has."""

    features: Tensor
    mask: Tensor


class CaptionEncoder(nn.Module):
    """A frozen causal language model; every caption is read once and kept.

    Args:
        name: hub name, folder or ``d2ext://text/...`` of any causal language model of transformers.
        pretrained: False starts from random weights.
        instruction: text in front of every caption but the empty one.
        max_tokens: of a caption; what is longer is cut off at the end.
        scale: of the normalised features.
        cache_size: captions that are kept.

    Raises:
        FileNotFoundError, ValueError: no such model, or an instruction that it cannot read.
    """

    def __init__(
        self,
        name: str,
        *,
        pretrained: bool = True,
        instruction: str = "",
        max_tokens: int = 120,
        scale: float = 1.0,
        cache_size: int = 20000,
    ) -> None:
        super().__init__()
        self.tokenizer, config = load_tokenizer(name, KEY)
        self.model: Any = load_encoder(name, config, pretrained, KEY)
        self.model.float().requires_grad_(False).eval()  # weights may be stored in half precision
        self.dim: int = self.model.config.hidden_size
        self.max_tokens, self.scale = max_tokens, scale
        self.instruction = self._ids(instruction)
        longest = longest_input(self.model)
        if len(self.instruction) + max_tokens + 1 > longest:
            needed = f"an instruction and {max_tokens} tokens of at most {longest} in all"
            got = f"{len(self.instruction)} of {one_line(repr(instruction), 60)}"
            raise ValueError(f"MODEL.CAPTION.INSTRUCTION: expected {needed}, got {got}")
        self._cache: OrderedDict[str, Tensor] = OrderedDict()
        self._cache_size = cache_size

    def train(self, mode: bool = True) -> CaptionEncoder:
        """As of every module; the model stays in evaluation."""
        super().train(mode)
        self.model.eval()
        return self

    def forward(self, captions: Sequence[str]) -> CaptionFeatures:
        """Features of captions; the empty one stands for none."""
        found = [self._kept(caption) for caption in captions]
        device, longest = next(self.model.parameters()).device, max(map(len, found))
        features = torch.stack([torch.nn.functional.pad(f, (0, 0, 0, longest - len(f))) for f in found])
        counts = torch.tensor([len(f) for f in found])
        mask = torch.arange(longest)[None] < counts[:, None]
        return CaptionFeatures(*transfer([features, mask], device))

    def _kept(self, caption: str) -> Tensor:
        """On the host: one caption alone, so that it is the same whatever was asked before."""
        if caption not in self._cache:
            self._cache[caption] = self._read(caption).cpu()
        self._cache.move_to_end(caption)
        while len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)
        return self._cache[caption]

    @torch.no_grad()
    def _read(self, caption: str) -> Tensor:
        own = self._ids(whole_text(caption, "caption"))[: self.max_tokens]
        before = [self._first, *(self.instruction if own else ())]
        device = next(self.model.parameters()).device
        ids = torch.tensor([before + own], device=device)
        with torch.autocast(device.type, enabled=False):
            states = self.model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0]
            states = torch.cat([states[:1], states[len(before) :]])  # the first token and the caption's
            return self.scale * states / (states.square().mean(-1, keepdim=True) + EPSILON).sqrt()

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"] if text else []

    @property
    def _first(self) -> int:
        """The token that begins a text, or what stands in for it."""
        known = (self.tokenizer.bos_token_id, self.tokenizer.eos_token_id, self.tokenizer.pad_token_id, 0)
        return next(token for token in known if token is not None)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> CaptionEncoder:
        self._cache.clear()
        return super()._apply(fn, recurse)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self._cache.clear()
        super()._load_from_state_dict(*args, **kwargs)
