"""The encoder with its vectors, as transformers reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

#: Size of the vectors of positions beside those of words.
POSITIONS = 0.1


def build_model(config: dict[str, Any], vectors: np.ndarray) -> nn.Module:
    """A BERT whose words are ``vectors`` and whose layers, before training, pass on what they get."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    model = BertModel(BertConfig(**config), add_pooling_layer=False)
    with torch.no_grad():
        embeddings = model.embeddings
        embeddings.word_embeddings.weight.copy_(torch.from_numpy(vectors))
        embeddings.position_embeddings.weight.normal_(std=POSITIONS)
        embeddings.token_type_embeddings.weight.zero_()
        for layer in model.encoder.layer:
            layer.attention.output.dense.weight.zero_()
            layer.output.dense.weight.zero_()
    return model


def write_weights(model: nn.Module, folder: Path) -> None:
    """``model.safetensors`` in half precision."""
    state = {name: value.half().contiguous() for name, value in model.state_dict().items()}
    save_file(state, folder / "model.safetensors", {"format": "pt"})
