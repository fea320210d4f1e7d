"""Prompts as tensors: words to embeddings, computed once for a vocabulary; what is asked of each image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d2ext.modeling.box3d.word_sizes import WordSizedHead
from d2ext.modeling.detection.prompt_fusion import PromptFusion
from d2ext.modeling.text.encoder import TextEncoder
from d2ext.modeling.text.numbers import NUMBER_DIM
from d2ext.modeling.text.pooling import SentencePooling
from d2ext.structures import transfer

#: Bound of the scale of a size that was told: a tenth.
TOLD_LOG_SCALE = -2.3


class PromptTable(NamedTuple):
    """S prompts.

    Attributes:
        vectors: (S, D), of length 1.
        log_sizes: (S, 3) logarithms of the height, width and length in metres that they speak of.
        size_log_scales: (S, 3) Laplace log scales of these.
        shifts: (S,), added to the logits, so that a score means the same for every prompt.
        states: of each map that prompts are fused into (S, ...); none where they are not.
    """

    vectors: Tensor
    log_sizes: Tensor
    size_log_scales: Tensor
    shifts: Tensor
    states: tuple[Tensor, ...] = ()

    def rows(self, index: Any) -> PromptTable:
        """Some of the prompts."""
        return self.map(lambda t: t[index])

    def map(self, function: Callable[[Tensor], Tensor]) -> PromptTable:
        """The same with a function applied to every tensor."""
        *fields, states = self
        return PromptTable._make([*map(function, fields), tuple(map(function, states))])

    def mean(self) -> PromptTable:
        """One prompt that is between all of these: their mean direction, size and state, the widest scale."""
        one = self.map(lambda t: t.mean(0, keepdim=True))
        scales = self.size_log_scales.amax(0, keepdim=True)
        return one._replace(vectors=F.normalize(one.vectors, dim=-1), size_log_scales=scales)

    def told_size(self, size: Sequence[float]) -> PromptTable:
        """The same with the size (height, width, length in metres) of all of them told."""
        told = torch.as_tensor(size, dtype=torch.float32, device=self.vectors.device).log()
        return self._replace(
            log_sizes=told.expand_as(self.log_sizes),
            size_log_scales=torch.full_like(self.size_log_scales, TOLD_LOG_SCALE),
        )

    @staticmethod
    def join(tables: Sequence[PromptTable], function: Callable[[Any], Tensor]) -> PromptTable:
        """What a function makes of each tensor of several tables."""
        fields = zip(*(t[:4] for t in tables), strict=True)
        states = zip(*(t.states for t in tables), strict=True)
        return PromptTable._make([*map(function, fields), tuple(map(function, states))])

    @staticmethod
    def cat(tables: Sequence[PromptTable]) -> PromptTable:
        """The prompts of several, one after the other."""
        return PromptTable.join(tables, torch.cat)


class Prompts(NamedTuple):
    """What is asked of B images: K prompts each, filled up to the same number, and after them the prompt that
    every object answers to.

    Attributes:
        table: fields (B, K + 1, ...).
        exists: (B, K + 1) bool, False where it was filled up.
    """

    table: PromptTable
    exists: Tensor

    @staticmethod
    def of_images(
        tables: Sequence[PromptTable], generic: PromptTable, labelled: Sequence[bool] | None = None
    ) -> Prompts:
        """The prompts of each image, and the one (of a table of one) for every object; in training that one
        counts in images all of whose objects are ``labelled`` only."""
        count = max(len(t.vectors) for t in tables)
        filled = [
            PromptTable.cat([t, *[generic] * (count + 1 - len(t.vectors))]) for t in tables
        ]  # what fills up is never looked at; the last is asked
        stacked = PromptTable.join(filled, torch.stack)
        device = generic.vectors.device
        whole = labelled or [True] * len(tables)
        rows = [
            [*(i < len(t.vectors) for i in range(count)), every]
            for t, every in zip(tables, whole, strict=True)
        ]
        (exists,) = transfer([torch.tensor(rows)], device)
        return Prompts(stacked, exists)

    def expand(self, images: int) -> Prompts:
        """The prompts of one image for so many."""
        table = self.table.map(lambda t: t.expand(images, *t.shape[1:]))
        return Prompts(table, self.exists.expand(images, -1))

    def sizes(self, images: Tensor, prompts: Tensor) -> dict[str, Tensor]:
        """What N prompts, by image (N,) and place there (N,), say of sizes, as
        :class:`~d2ext.modeling.box3d.word_sizes.WordSizedHead` wants it."""
        return {
            "word_log_size": self.table.log_sizes[images, prompts],
            "word_size_log_scale": self.table.size_log_scales[images, prompts],
        }

    def image(self, i: int) -> Prompts:
        """Those of the i-th image alone."""
        return Prompts(self.table.map(lambda t: t[i : i + 1]), self.exists[i : i + 1])


class PromptEncoder(nn.Module):
    """Prompts to a :class:`PromptTable`.

    Each prompt is encoded without regard to the others. In evaluation every text is encoded once and kept
    until the weights change. State dicts are without what the text encoder was loaded with and does not
    train: half of a small detector would be vectors of words that come with the encoder.

    Args:
        text_encoder: of any kind.
        loaded: its weights are those that its name stands for.
        dim: width of the words, a multiple of 4.
        prompt_dim: width of the embeddings.
        generic: the prompt that every object answers to.
        learnt: texts whose embeddings are parameters of their own, in the place of what their words say.
        fusion: takes the words to states that maps are told; None: maps are not.
    """

    def __init__(
        self,
        text_encoder: TextEncoder,
        loaded: bool,
        dim: int,
        prompt_dim: int,
        generic: str,
        learnt: Sequence[str] = (),
        fusion: PromptFusion | None = None,
    ) -> None:
        super().__init__()
        self.text_encoder = text_encoder
        fixed = (name for name, p in text_encoder.named_parameters() if loaded and not p.requires_grad)
        self.fixed = [f"text_encoder.{name}" for name in fixed]
        self.register_state_dict_post_hook(_leave_out_fixed)
        self.words = nn.Sequential(nn.Linear(text_encoder.dim, dim), nn.LayerNorm(dim))
        self.pooling = SentencePooling(dim, number_heads=1)
        self.vector = nn.Sequential(
            nn.Linear(self.pooling.dim, prompt_dim), nn.GELU(), nn.Linear(prompt_dim, prompt_dim)
        )
        self.size = nn.Sequential(
            nn.Linear(self.pooling.dim, prompt_dim), nn.GELU(), nn.Linear(prompt_dim, 6)
        )
        nn.init.normal_(self.size[-1].weight, std=0.01)  # type: ignore[arg-type]
        nn.init.zeros_(self.size[-1].bias)  # type: ignore[arg-type]
        self.generic = generic
        self.learnt: list[str] = []
        self.learnt_vectors, self.learnt_sizes = nn.ParameterList(), nn.ParameterList()
        for text in learnt:
            self._learn(text, torch.zeros(prompt_dim), torch.zeros(6))
        self.fusion = fusion
        #: What names that are no plain text stand for (several texts, an exemplar, a size that was told).
        self.defined: dict[str, PromptTable] = {}
        #: By text what is added to its logits, and to those of all others.
        self.shifts: Mapping[str, float] = {}
        self.default_shift = 0.0
        self._kept: dict[str, PromptTable] = {}

    def forward(self, texts: Sequence[str]) -> PromptTable:
        """S texts -> their table, float32 also under autocast.

        Raises:
            ValueError: a text that the encoder cannot take.
        """
        if self.training:
            return self._encode(texts)
        new = [t for t in dict.fromkeys(texts) if t not in self._kept and t not in self.defined]
        if new:
            with torch.no_grad():
                table = self._encode(new)
            own = torch.tensor([float(self.shifts.get(t, self.default_shift)) for t in new])
            (shifts,) = transfer([own], table.shifts.device)
            table = table._replace(shifts=shifts)
            self._kept |= {text: table.rows(slice(i, i + 1)) for i, text in enumerate(new)}
        return PromptTable.cat([self.defined.get(t) or self._kept[t] for t in texts])

    def _encode(self, texts: Sequence[str]) -> PromptTable:
        features, mask = self.text_encoder(texts)
        with torch.autocast(features.device.type, enabled=False):
            words = self.words(features.float())
            pooled = self.pooling(words, features[..., -NUMBER_DIM:].float(), mask)
            vectors, sizes = self._with_learnt(texts, self.vector(pooled), self.size(pooled))
            states = () if self.fusion is None else self.fusion.encode(words, mask)
        said = WordSizedHead.said_sizes(sizes)
        return PromptTable(F.normalize(vectors, dim=-1), *said, vectors.new_zeros(len(vectors)), states)

    def _with_learnt(self, texts: Sequence[str], vectors: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor]:
        rows = [i for i, text in enumerate(texts) if text in self.learnt]
        if not rows:
            return vectors, sizes
        own = [self.learnt.index(texts[i]) for i in rows]
        (index,) = transfer([torch.tensor(rows)], vectors.device)
        vectors = vectors.index_copy(0, index, torch.stack([self.learnt_vectors[i] for i in own]))
        return vectors, sizes.index_copy(0, index, torch.stack([self.learnt_sizes[i] for i in own]))

    def learn(self, text: str) -> list[nn.Parameter]:
        """Give a text an embedding and a size of its own, at first those that its words have; returns what is
        to be trained.

        Raises:
            ValueError: it has one already.
        """
        if text in self.learnt:
            raise ValueError(f"{text!r} has been learnt already, expected another name")
        with torch.no_grad():
            features, mask = self.text_encoder([text])
            words = self.words(features.float())
            pooled = self.pooling(words, features[..., -NUMBER_DIM:].float(), mask)
            self._learn(text, self.vector(pooled)[0].clone(), self.size(pooled)[0].clone())
        self.forget()
        return [self.learnt_vectors[-1], self.learnt_sizes[-1]]

    def _learn(self, text: str, vector: Tensor, size: Tensor) -> None:
        self.learnt.append(text)
        self.learnt_vectors.append(nn.Parameter(vector))
        self.learnt_sizes.append(nn.Parameter(size))

    def forget(self) -> None:
        """Drop what was kept and defined: the weights have changed."""
        self._kept.clear()
        self.defined.clear()

    def train(self, mode: bool = True) -> PromptEncoder:
        """As of every module; where it changes from training to evaluation or back, what was kept is
        dropped."""
        if mode != self.training:
            self.forget()
        super().train(mode)
        return self

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> PromptEncoder:
        self.forget()
        return super()._apply(fn, recurse)

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        self.forget()
        for name in self.fixed:
            state_dict.setdefault(prefix + name, self.get_parameter(name).detach())
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


def _leave_out_fixed(module: nn.Module, state: dict[str, Any], prefix: str, _: Any) -> None:
    """Of a :class:`PromptEncoder`."""
    assert isinstance(module, PromptEncoder)
    for name in module.fixed:
        del state[prefix + name]
