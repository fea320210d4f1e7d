"""Turns a record with boxes and sentences into what a model that describes is given."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode, configurable
from detectron2.data import MetadataCatalog
from torch import Tensor

from d2ext.checks import check_values
from d2ext.data.augmentation import color_jitter
from d2ext.data.describe.box_input import crop_square, inside_square, numbers_text, outline, square
from d2ext.data.describe.captions import caption, class_prompt
from d2ext.data.describe.config import TASKS
from d2ext.data.describe.questions import ask
from d2ext.data.facts.check import read_facts
from d2ext.data.facts.labels import label_of
from d2ext.data.facts.predicates import Colored
from d2ext.data.image_io import MAX_PIXELS, read_image
from d2ext.data.mapper import own_generator
from d2ext.data.synthroad.labels import Label
from d2ext.structures.vocabulary import ROAD, Vocabulary

_ONE = {
    "en": "Describe the marked object so that it cannot be mistaken for another.",
    "zh": "请描述标出的目标，使它不会与其他目标混淆。",
}
_ALL = {
    "en": "Describe the marked objects so that no other fits.",
    "zh": "请描述标出的所有目标，使其他目标都不符合。",
}


def is_chinese(text: str) -> bool:
    """Whether a text has Chinese characters."""
    return any("\u3400" <= sign <= "\u9fff" for sign in text)


class DescribeMapper:
    """One sample of a task in training; else all tasks of an image.

    In training ``kind`` ("describe", "ask", "draw" or "text"), ``images`` (uint8 RGB (3, S, S), none for
    drawing and text), ``prompt``, ``answer``, ``target`` (a picture to draw) and ``drop_prompt``. Else
    ``tasks``, each with ``kind``, ``images``, ``prompt``, and of descriptions ``target_ids`` and
    ``references``, of questions ``question``; and ``target``, the squared picture.
    """

    subject_key, subject = "annotations", "an object"

    @configurable
    def __init__(
        self,
        is_train: bool,
        *,
        size: int,
        names: Sequence[str],
        cfg: CfgNode,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        """
        Args:
            is_train: draw a task of each record.
            size: of the square pictures.
            names: of the classes.
            cfg: keys INPUT and TEST of ``add_describe_data_config``.
            max_pixels: ``INPUT.MAX_PIXELS``.
        """
        self.is_train, self.size, self.names, self.max_pixels = is_train, size, names, max_pixels
        self.input, self.test = cfg.INPUT, cfg.TEST
        self.blind = bool(cfg.TEST.BLIND) and not is_train
        shares = np.array([cfg.INPUT.RATIOS[task.upper()] for task in TASKS], dtype=float)
        if not shares.sum() > 0:
            raise ValueError("INPUT.RATIOS: expected one of them to be greater than 0")
        self.shares = shares / shares.sum()

    @classmethod
    def from_config(cls, cfg: CfgNode, is_train: bool = True) -> dict[str, Any]:
        """The arguments out of INPUT, TEST and the datasets.

        Raises:
            ValueError: a value that cannot be.
        """
        check_values(cfg)
        sets = cfg.DATASETS.TRAIN if is_train else (*cfg.DATASETS.TEST, *cfg.DATASETS.TRAIN)
        known = [v for n in sets if (v := Vocabulary.of_metadata(MetadataCatalog.get(n))) is not None]
        if cfg.INPUT.SIZE[0] != cfg.INPUT.SIZE[1]:
            raise ValueError(f"INPUT.SIZE: expected a square, got {tuple(cfg.INPUT.SIZE)}")
        return {
            "is_train": is_train,
            "size": cfg.INPUT.SIZE[0],
            "names": (known or [ROAD])[0].names,
            "cfg": cfg,
            "max_pixels": cfg.INPUT.MAX_PIXELS,
        }

    def __call__(
        self, dataset_dict: dict[str, Any], rng: np.random.Generator | None = None
    ) -> dict[str, Any]:
        """
        Args:
            dataset_dict: a record with ``annotations`` and perhaps ``sentences``.
            rng: source of randomness in training.

        Raises:
            FileNotFoundError, ValueError: the image is missing or cannot be decoded.
        """
        image = read_image(dataset_dict["file_name"], self.max_pixels)
        labels = record_labels(dataset_dict, self.names)
        kept = {key: dataset_dict[key] for key in ("file_name", "image_id", "height", "width")}
        if not self.is_train:
            rng = np.random.default_rng(zlib.crc32(str(dataset_dict["image_id"]).encode()))
            tasks = [
                *self._descriptions(dataset_dict, image, labels),
                *self._questions(dataset_dict, image, labels, rng),
            ]
            return kept | {"tasks": tasks, "target": self._tensor(square(image, self.size))}
        rng = own_generator() if rng is None else rng
        image = color_jitter(image, self.input.COLOR_JITTER, rng)
        sentences = [s for s in dataset_dict.get("sentences", ()) if s["target_ids"]]
        kind = TASKS[int(rng.choice(len(TASKS), p=self.shares))]
        if kind in ("describe", "text") and not sentences:
            kind = "ask"
        sample = {"kind": kind, "images": [], "prompt": "", "answer": "", "drop_prompt": False}
        if kind == "draw":
            return kept | sample | self._drawing(image, list(labels.values()), rng)
        speeds = known_speeds(dataset_dict)
        if kind == "ask" and (asked := ask(list(labels.values()), rng, 1, speeds=speeds)):
            answer = asked[0].answer(list(labels.values()), image.shape[:2])
            return kept | sample | {"images": self.whole(image), "prompt": asked[0].text, "answer": answer}
        if not sentences:
            return kept | sample | {"kind": "draw"} | self._drawing(image, list(labels.values()), rng)
        sentence = sentences[int(rng.integers(len(sentences)))]
        if kind == "text":
            return kept | sample | {"answer": sentence["text"]}
        marked = [labels[i] for i in sentence["target_ids"]]
        language = "zh" if is_chinese(sentence["text"]) else "en"
        told = self.described(image, marked, language)
        return kept | sample | {"kind": "describe"} | told | {"answer": sentence["text"]}

    def described(self, image: np.ndarray, marked: Sequence[Label], language: str) -> dict[str, Any]:
        """``images`` and ``prompt`` that ask to describe objects of an image (H, W, 3) BGR."""
        c, boxes = self.input.BOX, [label.box for label in marked]
        shown = outline(image, boxes, self.size) if c.OUTLINE else image
        images = self.whole(shown)
        if c.CROP:
            images += self.whole(crop_square(image, boxes, c.CONTEXT))
        prompt = (_ONE if len(marked) == 1 else _ALL)[language]
        if c.NUMBERS and not self.blind:
            prompt = " ".join([*(numbers_text(label) for label in marked[:8]), prompt])
        return {"images": images, "prompt": prompt}

    def whole(self, image: np.ndarray) -> list[Tensor]:
        """An image (H, W, 3) BGR as the model sees it."""
        fitted = square(image, self.size)
        return [self._tensor(np.full_like(fitted, 127) if self.blind else fitted)]

    @staticmethod
    def _tensor(image: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1)))

    def _drawing(self, image: np.ndarray, labels: list[Label], rng: np.random.Generator) -> dict[str, Any]:
        c = self.input.DRAW
        if c.CONTEXT and labels:
            boxes = [labels[int(rng.integers(len(labels)))].box]
            inside = inside_square(boxes, [label.box for label in labels], c.CONTEXT)
            labels = [labels[i] for i in inside]
            image = crop_square(image, boxes, c.CONTEXT)
        named = rng.random() < c.CLASS_PROMPTS
        prompt = class_prompt(labels) if named else caption(labels, rng, bool(rng.random() < 0.3))
        dropped = bool(rng.random() < c.DROP_PROMPT)
        target = self._tensor(square(image, self.size))
        return {"prompt": prompt, "target": target, "drop_prompt": dropped}

    def _descriptions(
        self, record: Mapping[str, Any], image: np.ndarray, labels: Mapping[int, Label]
    ) -> list[dict[str, Any]]:
        groups: dict[tuple[int, ...], list[str]] = {}
        for sentence in record.get("sentences", ()):
            if sentence["target_ids"]:
                groups.setdefault(tuple(sentence["target_ids"]), []).append(sentence["text"])
        if not record.get("sentences"):
            groups = {(i,): [] for i in labels}
        tasks = []
        for ids, references in list(groups.items())[: self.test.DESCRIPTIONS]:
            language = "zh" if references and is_chinese(references[0]) else "en"
            told = self.described(image, [labels[i] for i in ids], language)
            said = {"target_ids": list(ids), "references": references, "language": language}
            tasks.append({"kind": "describe", **told, **said})
        return tasks

    def _questions(
        self,
        record: Mapping[str, Any],
        image: np.ndarray,
        labels: Mapping[int, Label],
        rng: np.random.Generator,
    ) -> list[dict[str, Any]]:
        images, speeds = self.whole(image), known_speeds(record)
        asked = ask(list(labels.values()), rng, self.test.QUESTIONS, speeds=speeds)
        return [{"kind": "ask", "images": images, "prompt": q.text, "question": q} for q in asked]


def known_speeds(record: Mapping[str, Any]) -> dict[int, float]:
    """m/s by the place of an annotation, of those whose ``speed`` a track tells."""
    speeds = ((i, annotation.get("speed")) for i, annotation in enumerate(record["annotations"]))
    return {i: speed for i, speed in speeds if speed is not None}


def record_labels(record: Mapping[str, Any], names: Sequence[str]) -> dict[int, Label]:
    """The labels of a record by their ids, in order; colours that no label has come from its sentences."""
    size = (record["height"], record["width"])
    said: dict[int, str] = {}
    for sentence in record.get("sentences", ()):
        if sentence["target_ids"] and len(sentence["target_ids"]) == 1:
            for read in read_facts(sentence["text"], size):
                if isinstance(read.predicate, Colored):
                    said.setdefault(sentence["target_ids"][0], read.predicate.colors[0])
    return {
        a["id"]: label_of(a | {"color": a.get("color") or said.get(a["id"])}, names, size)
        for a in record["annotations"]
    }
