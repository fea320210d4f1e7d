"""Turns a dataset dict with sentences into the input of a grounding model."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode, configurable
from detectron2.data import MetadataCatalog

from d2ext.structures.vocabulary import ROAD, Vocabulary

from .absent import absent_sentence
from .mapper import DetectionMapper
from .sentences import flip_sentence
from .typos import misspell


class GroundingMapper(DetectionMapper):
    """One image with its sentences: read, augmented and fitted once for all of them.

    The result has beside that of :class:`DetectionMapper`

    * ``sentences``, a list of texts, and their ``sentence_ids``: all of them, or in training a sample;
    * ``single_target`` (every sentence refers to exactly one object);
    * in training ``sentence_targets``, per sentence the indices (long) into ``instances``.

    In training it is None when cropping has left none of the record's sentences.
    """

    subject_key, subject = "sentences", "a sentence"

    @configurable
    def __init__(
        self,
        is_train: bool,
        *,
        max_sentences: int,
        negative_sentences: float = 0.0,
        typo_prob: float = 0.0,
        road_classes: bool = False,
        **options: Any,
    ) -> None:
        """
        Args:
            is_train: augment, sample sentences and give the ground truth.
            max_sentences: ``INPUT.MAX_SENTENCES``, explained in ``d2ext.data.config``.
            negative_sentences: ``INPUT.NEGATIVE_SENTENCES``, explained there too.
            typo_prob: ``INPUT.TYPO_PROB``.
            road_classes: the records' classes are those of ``ROAD``: sentences may name one that is missing.
            options: of :class:`DetectionMapper`.
        """
        super().__init__(is_train, **options)
        self.max_sentences = max_sentences
        self.negative_sentences = negative_sentences
        self.typo_prob = typo_prob
        self.road_classes = road_classes

    @classmethod
    def from_config(cls, cfg: CfgNode, is_train: bool = True) -> dict[str, Any]:
        """The arguments out of the keys of INPUT."""
        known = [Vocabulary.of_metadata(MetadataCatalog.get(name)) for name in cfg.DATASETS.TRAIN]
        return super().from_config(cfg, is_train) | {
            "road_classes": all(vocabulary == ROAD for vocabulary in known),
            "max_sentences": cfg.INPUT.MAX_SENTENCES,
            "negative_sentences": cfg.INPUT.NEGATIVE_SENTENCES,
            "typo_prob": cfg.INPUT.TYPO_PROB,
        }

    def __call__(
        self,
        dataset_dict: dict[str, Any],
        rng: np.random.Generator | None = None,
        of_batch: np.random.Generator | None = None,
    ) -> dict[str, Any] | None:
        """As :class:`DetectionMapper`, with sentences; None for a sample in which none has a target left."""
        output = super().__call__(dataset_dict, rng, of_batch)
        if output is None:
            return None
        output["single_target"] = dataset_dict.get("single_target", False)
        if not self.is_train:
            output["sentences"] = [sentence["text"] for sentence in dataset_dict["sentences"]]
            output["sentence_ids"] = [sentence["id"] for sentence in dataset_dict["sentences"]]
        return output

    def _choose(
        self,
        dataset_dict: dict[str, Any],
        annotations: list[dict[str, Any]],
        output: dict[str, Any],
        flip: bool,
        rng: np.random.Generator,
    ) -> bool | None:
        """Sample sentences about visible objects; mirror only if all of them can be."""
        index = {annotation["id"]: i for i, annotation in enumerate(annotations)}
        sentences = [
            s for s in dataset_dict["sentences"] if all(t in index for t in _targets(s, dataset_dict))
        ]
        if dataset_dict["sentences"] and not sentences:
            return None
        sentences = sample_sentences(sentences, self.max_sentences, rng)
        texts: list[str | None] = [sentence["text"] for sentence in sentences]
        if flip:
            flipped = [flip_sentence(sentence["text"]) for sentence in sentences]
            flip = None not in flipped
            texts = flipped if flip else texts
        output["sentences"] = texts
        output["sentence_ids"] = [sentence["id"] for sentence in sentences]
        output["sentence_targets"] = [
            torch.tensor([index[t] for t in sentence["target_ids"]], dtype=torch.long)
            for sentence in sentences
        ]
        if self.negative_sentences:
            self._add_negative(dataset_dict, output, rng)
        if self.typo_prob:
            output["sentences"] = [
                misspell(text, rng) if rng.random() < self.typo_prob else text for text in output["sentences"]
            ]
        return flip

    def _add_negative(
        self, dataset_dict: dict[str, Any], output: dict[str, Any], rng: np.random.Generator
    ) -> None:
        """Sentences without a target, in a language that the record's sentences have."""
        count = int(self.negative_sentences + rng.random())
        present = None
        if self.road_classes:
            present = {ROAD.names[a["category_id"]] for a in dataset_dict["annotations"]}
        chinese = [not text.isascii() for text in output["sentences"]] or [False]
        texts = [absent_sentence(present, rng, chinese[rng.integers(len(chinese))]) for _ in range(count)]
        output["sentences"] = [*output["sentences"], *texts]
        output["sentence_ids"] = [*output["sentence_ids"], *([-1] * count)]
        output["sentence_targets"] += [torch.empty(0, dtype=torch.long)] * count


def _targets(sentence: dict[str, Any], dataset_dict: dict[str, Any]) -> list[int]:
    if sentence["target_ids"] is None:
        raise ValueError(
            f"{dataset_dict['file_name']}: expected the targets of every sentence, this split has none"
        )
    return sentence["target_ids"]


def sample_sentences(
    sentences: list[dict[str, Any]], count: int, rng: np.random.Generator
) -> list[dict[str, Any]]:
    """At most ``count`` sentences, drawn without replacement and spread over distinct sets of targets.

    The sets take turns in random order, so a second sentence about the same objects comes only after every
    other set has had its first.
    """
    if len(sentences) <= count:
        return sentences
    groups: dict[frozenset[int], list[int]] = defaultdict(list)
    for position in rng.permutation(len(sentences)):
        groups[frozenset(sentences[position]["target_ids"])].append(position)
    turns = [(turn, position) for group in groups.values() for turn, position in enumerate(group)]
    turns.sort(key=lambda item: item[0])  # stable: the random order of the groups stays within a turn
    return [sentences[position] for position in sorted(position for _, position in turns[:count])]


def shuffle_sentences(record: dict[str, Any]) -> dict[str, Any]:
    """The control that shows whether words are used: every sentence's text becomes one about other objects.

    Sentences are put in order of their targets and the texts move on by the largest number of sentences that
    share their targets, so that no text stays with its own targets unless most of the image's sentences share
    theirs. Ids, targets and order stay.
    """
    sentences = record["sentences"]
    groups = Counter(tuple(sentence["target_ids"]) for sentence in sentences)
    order = sorted(range(len(sentences)), key=lambda i: tuple(sentences[i]["target_ids"]))
    step = max(groups.values(), default=0)
    moved = list(sentences)
    for position, i in enumerate(order):
        moved[i] = {**sentences[i], "text": sentences[order[(position + step) % len(order)]]["text"]}
    return {**record, "sentences": moved}
