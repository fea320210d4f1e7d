#!/usr/bin/env python3
"""Make the small text encoder that ships with d2ext: a WordPiece tokenizer and a two-layer BERT
configuration.

    .venv/bin/python scripts/build_tiny_encoder.py --root datasets/en/synthroad datasets/zh/synthroad \\
        --output my_encoder
    .venv/bin/python scripts/build_tiny_encoder.py --root datasets/zh/synthroad \\
        --extend d2ext/resources/text/tiny --output d2ext/resources/text/tiny

It has no weights: MODEL.TEXT.PRETRAINED False trains it with the model. Digits are tokens of their own, so
that numbers compose; words that SynthRoad does not use fall apart into pieces, down to single characters. A
Chinese character is a token; those that SynthRoad does not use are unknown. --extend keeps the ids of a
tokenizer, which the weights of trained models depend on, and gives the characters it lacks the next ones.
"""

from __future__ import annotations

import argparse
import json
import string
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, existing_folder, integer, output_folder, run_command

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
MAX_TOKENS = 160


def sentences(root: Path) -> list[str]:
    """All training sentences of a SynthRoad folder, in any language."""
    train = set((root / "mono3drefer/Mono3DRefer_train_image.txt").read_text().split())
    items = json.loads((root / "mono3drefer/Mono3DRefer.json").read_text(encoding="utf-8"))
    texts = [e["description"] for e in items if e["im_name"] in train]
    for path in sorted((root / "monomulti3d/train/jsons").glob("*.json")):
        texts += [e["public_description"] for e in json.loads(path.read_text(encoding="utf-8"))]
    return texts


def build_tokenizer(texts: list[str], vocab_size: int) -> Tokenizer:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.BertPreTokenizer(), pre_tokenizers.Digits(individual_digits=True)]
    )
    characters = string.ascii_lowercase + string.digits + string.punctuation
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size, special_tokens=SPECIAL, initial_alphabet=list(characters), show_progress=False
    )
    alphabet = [c + "".join(d for d in characters if d.isalnum()) for c in characters]
    tokenizer.train_from_iterator(texts + alphabet, trainer)
    ids = [(t, tokenizer.token_to_id(t)) for t in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ids)
    return tokenizer


def extend_tokenizer(tokenizer: Tokenizer, texts: list[str]) -> None:
    """Give every character that the tokenizer splits off but does not know an id after all others."""
    from tokenizers import models

    vocabulary = tokenizer.get_vocab(with_added_tokens=False)
    split = tokenizer.pre_tokenizer.pre_tokenize_str
    words = {word for text in texts for word, _ in split(tokenizer.normalizer.normalize_str(text))}
    new = sorted(word for word in words if len(word) == 1 and word not in vocabulary)
    vocabulary |= {word: len(vocabulary) + i for i, word in enumerate(new)}
    tokenizer.model = models.WordPiece(vocabulary, unk_token="[UNK]")


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    parser.add_argument(
        "--root",
        type=existing_folder,
        nargs="+",
        required=True,
        help="SynthRoad folders whose training sentences are used",
    )
    parser.add_argument(
        "--extend",
        type=existing_folder,
        help="folder of a tokenizer that keeps its ids and gets new ones",
    )
    parser.add_argument("--output", type=output_folder, required=True, help="folder to write")
    parser.add_argument("--vocab-size", type=integer(1), default=1500)
    return parser


def main(args: argparse.Namespace) -> None:
    from tokenizers import Tokenizer

    texts = [text for root in args.root for text in sentences(root)]
    if args.extend:
        tokenizer = Tokenizer.from_file(str(args.extend / "tokenizer.json"))
        extend_tokenizer(tokenizer, texts)
    else:
        tokenizer = build_tokenizer(texts, args.vocab_size)
    args.output.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(args.output / "tokenizer.json"))
    config = {
        "model_type": "bert",
        "hidden_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 256,
        "vocab_size": tokenizer.get_vocab_size(),
        "max_position_embeddings": MAX_TOKENS,
        "pad_token_id": 0,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }
    special = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep")}
    tokens = {"tokenizer_class": "PreTrainedTokenizerFast", **special, "model_max_length": MAX_TOKENS}
    for name, content in (("config.json", config), ("tokenizer_config.json", tokens)):
        (args.output / name).write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    run_command(build_parser(), main)
