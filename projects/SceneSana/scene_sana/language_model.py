"""A tiny causal language model of captions, built and trained from nothing.

Its tokenizer is byte-level BPE (Sennrich et al., ACL 2016) of the captions; the model is a Llama (Touvron et
al., 2023) of a few layers. A folder of transformers comes out, which MODEL.CAPTION.NAME takes.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from d2ext.files import atomic_folder

logger = logging.getLogger(__name__)

FIRST, LAST, PAD = "<s>", "</s>", "<pad>"
STATE = "state.pth"


def build_tokenizer(texts: Iterable[str], size: int) -> Any:
    """A tokenizer of at most ``size`` tokens for texts like these; all others can be told by their bytes."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[PAD, FIRST, LAST],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=FIRST, eos_token=LAST, pad_token=PAD)


def build_model(vocabulary: int, width: int, layers: int, longest: int) -> Any:
    """A random one."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=3 * width,
        num_hidden_layers=layers,
        num_attention_heads=max(1, width // 32),
        max_position_embeddings=longest,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        tie_word_embeddings=True,
    )
    return LlamaForCausalLM(config)


def train(
    model: Any,
    rows: Sequence[Sequence[int]],
    steps: int,
    *,
    batch: int = 32,
    rate: float = 2e-3,
    seed: int = 0,
    folder: Path | None = None,
    period: int = 200,
) -> list[float]:
    """Next-token training, in place; gives the loss of each step.

    Args:
        rows: token ids of texts.
        steps: step ``i`` has the same texts however the training was interrupted.
        rate: learning rate, which falls to 0 as a cosine.
        folder: keeps the state every ``period`` steps, and goes on from it.
    """
    optimizer = torch.optim.AdamW(model.parameters(), rate, weight_decay=0.01)
    state = folder / STATE if folder is not None else None
    losses: list[float] = []
    if state is not None and state.is_file():
        kept = torch.load(state, weights_only=True)
        model.load_state_dict(kept["model"])
        optimizer.load_state_dict(kept["optimizer"])
        losses = kept["losses"]
    model.train()
    for step in range(len(losses), steps):
        chosen = np.random.default_rng((seed, step)).integers(len(rows), size=batch)
        ids, mask = padded([rows[i] for i in chosen])
        warm = min(1.0, (step + 1) / 50)
        for group in optimizer.param_groups:
            group["lr"] = rate * warm * (1 + math.cos(math.pi * step / steps)) / 2
        logits = model(input_ids=ids, attention_mask=mask.long()).logits[:, :-1]
        goal = ids[:, 1:].masked_fill(~mask[:, 1:], -100)
        loss = F.cross_entropy(logits.flatten(0, 1), goal.flatten(), ignore_index=-100)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        if state is not None and (step + 1) % period == 0:
            state.parent.mkdir(parents=True, exist_ok=True)
            content = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "losses": losses}
            torch.save(content, state.with_suffix(".tmp"))
            state.with_suffix(".tmp").replace(state)
            logger.info(f"step {step + 1} of {steps}: {np.mean(losses[-period:]):.3f} nats a token")
    model.eval()
    return losses


def padded(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """(B, L) ids and mask, with the tokens that begin and end a text."""
    tokens = [torch.tensor([1, *row, 2]) for row in rows]
    ids = torch.nn.utils.rnn.pad_sequence(tokens, batch_first=True)
    lengths = torch.tensor([len(t) for t in tokens])
    return ids, torch.arange(ids.shape[1])[None] < lengths[:, None]


def save(folder: str | Path, model: Any, tokenizer: Any) -> None:
    """Write a folder of transformers; weights in half precision."""
    with atomic_folder(folder) as new:
        tokenizer.save_pretrained(new)
        model.half().save_pretrained(new, safe_serialization=True)
        model.float()
