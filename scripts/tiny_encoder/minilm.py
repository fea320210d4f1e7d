"""What the sentence encoder makes of a word."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

#: W. Wang et al., "MiniLM", NeurIPS 2020; trained for sentences by the sentence-transformers project.
TEMPLATES = ("a kind of {}",)


class MiniLM:
    """all-MiniLM-L6-v2 in a folder."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModel, AutoTokenizer

        self.tokenizer: Any = AutoTokenizer.from_pretrained(str(folder))
        self.model: Any = AutoModel.from_pretrained(str(folder)).eval()

    @property
    def pieces(self) -> list[str]:
        """Its tokens in the order of their ids."""
        return self.tokenizer.convert_ids_to_tokens(range(len(self.tokenizer)))

    @property
    def embeddings(self) -> np.ndarray:
        """(tokens, 384), before the first layer."""
        return self.model.get_input_embeddings().weight.detach().numpy()

    @torch.no_grad()
    def read(self, words: Sequence[str], batch: int = 128) -> np.ndarray:
        """(words, 384): the mean of the last layer at a word's pieces, and over TEMPLATES."""
        found = np.zeros((len(words), self.model.config.hidden_size), np.float32)
        order = sorted(range(len(words)), key=lambda i: (len(words[i]), words[i]))  # little padding
        for start in tqdm(range(0, len(order), batch), unit="batch", desc="words"):
            chosen = order[start : start + batch]
            for template in TEMPLATES:
                found[chosen] += self._read([words[i] for i in chosen], template) / len(TEMPLATES)
        return found

    def _read(self, words: list[str], template: str) -> np.ndarray:
        texts = [template.format(word) for word in words]
        tokens = self.tokenizer(texts, return_tensors="pt", padding=True, return_offsets_mapping=True)
        spans = tokens.pop("offset_mapping")
        features = self.model(**tokens).last_hidden_state
        inside = (spans[..., 1] > spans[..., 0]) & (spans[..., 0] >= template.index("{}"))
        return ((features * inside[..., None]).sum(1) / inside.sum(1, keepdim=True)).numpy()
