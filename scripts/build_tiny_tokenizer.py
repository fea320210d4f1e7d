#!/usr/bin/env python3
"""Make the small tokenizer of models that write: every byte has a token, so it loses nothing of any language.

    .venv/bin/python scripts/build_tiny_tokenizer.py --output d2ext/resources/text/speech

Pieces of words are learnt (byte-pair encoding) from SynthRoad's English and Chinese sentences, questions,
answers and captions about scenes that are laid out and not drawn; digits stand alone. The same versions of
the libraries give the same files. Half a minute.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this checkout's modules, from any folder
from d2ext_cli import CommandParser, integer, output_folder, run_command

PAD, BOS, EOS = "<pad>", "<bos>", "<eos>"


def build_parser() -> CommandParser:
    parser = CommandParser(__doc__)
    parser.add_argument("--output", type=output_folder, required=True, help="folder to write")
    parser.add_argument("--words", type=integer(300), default=2048, help="tokens (default 2048)")
    parser.add_argument("--scenes", type=integer(1), default=400, help="to read about (default 400)")
    return parser


def main(args: argparse.Namespace) -> None:
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    from d2ext.modeling.describe.loading import BEGIN_IMAGE, END_IMAGE, IMAGE
    from d2ext.modeling.describe.sequences import ASSISTANT, USER

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\d"), "isolated"),
            pre_tokenizers.Split(Regex(r" ?\p{L}+| ?[^\s\p{L}\d]+|\s+"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    signs = [PAD, BOS, EOS, IMAGE, BEGIN_IMAGE, END_IMAGE]
    trainer = trainers.BpeTrainer(
        vocab_size=args.words,
        special_tokens=signs,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator((f"{USER}{text}{ASSISTANT}" for text in texts(args.scenes)), trainer)
    args.output.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(args.output / "tokenizer.json"), pretty=False)
    named = {"pad_token": PAD, "bos_token": BOS, "eos_token": EOS}
    images = {"image_token": IMAGE, "boi_token": BEGIN_IMAGE, "eoi_token": END_IMAGE}
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **named,
        "extra_special_tokens": images,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 1024,
    }
    (args.output / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    print(f"{args.output}: {tokenizer.get_vocab_size()} tokens")


def texts(scenes: int) -> Iterator[str]:
    import numpy as np

    from d2ext.data.describe.box_input import numbers_text
    from d2ext.data.describe.captions import caption
    from d2ext.data.describe.questions import ask
    from d2ext.data.synthroad import refer, sentences_en, sentences_zh
    from d2ext.data.synthroad.cameras import find_cameras
    from d2ext.data.synthroad.labels import label_of
    from d2ext.data.synthroad.layout import sample_scene

    rng = np.random.default_rng(0)
    kinds = find_cameras("kitti,rope3d")
    for index in range(scenes):
        scene = sample_scene(kinds[index % len(kinds)], rng)
        labels = [label_of(o, scene.view, float(rng.choice([0.0, 0.3, 0.7]))) for o in scene.objects]
        if len(labels) < 2:
            continue
        size = (scene.view.height, scene.view.width)
        for language in (sentences_en, sentences_zh):
            for target in refer.referable(labels, rng):
                chosen = refer.single_target(labels, target, rng)
                yield (chosen and language.describe_one(chosen, rng)) or ""
            for chosen, _ in refer.multi_target(labels, size, rng):
                yield language.describe_all(chosen, False, rng) or ""
            yield caption(labels, rng, language is sentences_zh)
        yield from (numbers_text(label) for label in labels)
        for question in ask(labels, rng, 6):
            yield f"{question.text} {question.answer(labels, size)}"


if __name__ == "__main__":
    run_command(build_parser(), main)
