"""Training of U2ENet."""

from __future__ import annotations

import os
from typing import Any

from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog

from d2ext.engine import BaseTrainer
from d2ext.modeling import TextEncoder
from d2ext.modeling.grounding.grounder import Grounder
from d2ext.modeling.text.tokenizer import SentenceTokenizer
from d2ext.projects.u2enet.evaluator import GroundingEvaluator


class U2ENetTrainer(BaseTrainer):
    """:class:`~d2ext.engine.BaseTrainer` with the grounding evaluator, which checks all sentences before it
    starts."""

    model_class = Grounder
    test_kinds = ("mono3drefer", "monomulti3d")

    def prepare_data(self) -> None:
        """Check the sentences of all datasets that will be used."""
        cfg = self.cfg
        model: Any = self.model
        encoder = getattr(model, "module", model).text_encoder
        tests = cfg.DATASETS.VAL or (cfg.DATASETS.TEST if cfg.TEST.EVAL_PERIOD > 0 else ())
        for name in (*cfg.DATASETS.TRAIN, *tests):
            check_sentences(encoder, name)

    @classmethod
    def build_evaluator(cls, cfg: CfgNode, dataset_name: str) -> GroundingEvaluator:
        """That of grounding; files go to OUTPUT_DIR/inference."""
        return GroundingEvaluator(dataset_name, os.path.join(cfg.OUTPUT_DIR, "inference", dataset_name))


def check_sentences(encoder: SentenceTokenizer | TextEncoder, dataset_name: str) -> None:
    """Raise before training starts if the encoder cannot take a sentence of the dataset.

    Raises:
        ValueError: one line that names the dataset, the image, the sentence's id and what was expected.
    """
    records = DatasetCatalog.get(dataset_name)
    texts = {s["text"] for r in records for s in r["sentences"]}
    try:
        encoder.tokenize(sorted(texts))
    except ValueError:
        for r in records:
            for s in r["sentences"]:
                try:
                    encoder.tokenize([s["text"]])
                except ValueError as e:
                    raise ValueError(
                        f"{dataset_name}, image {r['image_id']}, sentence {s['id']}: {e}"
                    ) from None
        raise
