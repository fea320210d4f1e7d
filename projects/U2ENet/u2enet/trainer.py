"""Training of U2ENet."""

from __future__ import annotations

from typing import Any

from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog
from detectron2.evaluation import DatasetEvaluator

import d2ext.gallery.grounding  # noqa: F401  (draws what this trainer's evaluations leave)
from d2ext.data import build_grounding_test_loader, build_grounding_train_loader
from d2ext.engine import BaseTrainer
from d2ext.modeling import TextEncoder
from d2ext.modeling.grounding.grounder import Grounder
from d2ext.modeling.text.tokenizer import SentenceTokenizer
from d2ext.projects.u2enet.evaluator import GroundingEvaluator


class U2ENetTrainer(BaseTrainer):
    """:class:`~d2ext.engine.BaseTrainer` with the loaders and the evaluator of grounding, which checks all
    sentences before it starts."""

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
    def build_train_loader(cls, cfg: CfgNode) -> Any:
        """Batches of images with sentences."""
        return build_grounding_train_loader(cfg)

    @classmethod
    def build_test_loader(cls, cfg: CfgNode, dataset_name: str) -> Any:
        """Every image with all its sentences."""
        return build_grounding_test_loader(cfg, dataset_name)

    @classmethod
    def build_evaluator(cls, cfg: CfgNode, dataset_name: str) -> DatasetEvaluator:
        """That of grounding."""
        return GroundingEvaluator(cfg, dataset_name)


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
