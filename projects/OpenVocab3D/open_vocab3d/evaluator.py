"""Evaluation of OpenVocab3D, as the run's config has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from detectron2.config import CfgNode, configurable
from detectron2.data import MetadataCatalog

from d2ext.data.looks import LOOKS_FILE
from d2ext.data.open_vocab.loaders import class_names_of
from d2ext.data.open_vocab.protocol import AskedPrompt, protocol_prompts
from d2ext.data.open_vocab.splits import Novel
from d2ext.evaluation import inference_folder
from d2ext.evaluation.open_vocab import OpenVocabEvaluator
from d2ext.reading import exists, read_json


def asked_prompts(cfg: CfgNode, dataset_name: str) -> list[AskedPrompt]:
    """What is asked of a dataset, in order."""
    root = MetadataCatalog.get(dataset_name).get("dataset_root")
    looks = root is not None and exists(Path(root) / LOOKS_FILE)
    generic, exemplars = cfg.MODEL.OPEN_VOCAB.GENERIC, cfg.TEST.EXEMPLARS > 0
    names, novel = class_names_of(dataset_name), Novel.from_config(cfg)
    return protocol_prompts(names, novel, cfg.TEST.CATEGORIES, generic, looks, exemplars)


def texts_of(cfg: CfgNode, prompts: list[AskedPrompt]) -> list[str]:
    """The texts of prompts; with TEST.SHUFFLE_PROMPTS each that of another one, the last excepted."""
    texts = [prompt.text for prompt in prompts]
    if cfg.TEST.SHUFFLE_PROMPTS:
        half = len(texts) // 2
        texts = [*texts[half:-1], *texts[:half], texts[-1]]
    return texts


class PromptEvaluator(OpenVocabEvaluator):
    """``PromptEvaluator(cfg, dataset_name)`` asks what the config says and writes into the run's folder;
    arguments as in :class:`~d2ext.evaluation.open_vocab.OpenVocabEvaluator`."""

    @configurable
    def __init__(self, dataset_name: str, **settings: Any) -> None:
        super().__init__(dataset_name, **settings)

    @classmethod
    def from_config(cls, cfg: CfgNode, dataset_name: str) -> dict[str, Any]:
        """The arguments, for a dataset.

        Raises:
            FileNotFoundError, ValueError: an earlier evaluation that is none.
        """
        return {
            "dataset_name": dataset_name,
            "prompts": asked_prompts(cfg, dataset_name),
            "novel": list(cfg.INPUT.NOVEL.CLASSES),
            "output_dir": inference_folder(cfg, dataset_name),
            "threshold": cfg.TEST.SCORE_THRESHOLD,
            "earlier": _earlier(cfg.TEST.EARLIER) if cfg.TEST.EARLIER else None,
        }


def _earlier(path: str) -> dict[str, dict[str, float]]:
    found = read_json(path)
    if not isinstance(found, dict) or not isinstance(found.get("base"), dict):
        raise ValueError(f"TEST.EARLIER {path}: expected a metrics.json with the section base")
    return found
