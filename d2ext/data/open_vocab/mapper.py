"""Turns a dataset dict into the input of a detector of prompts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode, configurable

from d2ext.checks import declare, one_of, whole
from d2ext.data.augmentation import ImageTransform
from d2ext.data.config import add_detection_data_config
from d2ext.data.mapper import DetectionMapper
from d2ext.data.open_vocab.queries import Query, as_label
from d2ext.data.open_vocab.sampling import PromptSampler
from d2ext.data.open_vocab.splits import Novel, add_novel_config

CATEGORIES = ("base", "novel", "all")


def add_prompt_data_config(cfg: CfgNode) -> None:
    """Add the keys of images that are asked prompts, those of detection among them."""
    add_detection_data_config(cfg)
    add_novel_config(cfg)
    cfg.INPUT.PROMPTS = CfgNode()
    # Most prompts of a training image: true of some object of it (beside the names of all classes in it),
    # those with one attribute changed, and names of other classes.
    cfg.INPUT.PROMPTS.POSITIVES = 8
    cfg.INPUT.PROMPTS.HARD = 6
    cfg.INPUT.PROMPTS.OTHERS = 6
    # Classes that are asked for in evaluation: "base", which training named, "novel" or "all".
    cfg.TEST.CATEGORIES = "all"
    # Control: in evaluation every prompt is asked in the place of another one.
    cfg.TEST.SHUFFLE_PROMPTS = False


declare(
    {
        **{f"INPUT.PROMPTS.{name}": whole(0) for name in ("POSITIVES", "HARD", "OTHERS")},
        "TEST.CATEGORIES": one_of(*CATEGORIES),
    }
)


class PromptMapper(DetectionMapper):
    """:class:`DetectionMapper` with prompts, as
    :class:`~d2ext.modeling.meta_arch.open_vocab_det3d.OpenVocabDet3D` takes them.

    Records have ``names``, those of their classes. Objects of classes that are held out, and regions that the
    labels leave out, become ``ignored_boxes``.
    """

    @configurable
    def __init__(
        self,
        is_train: bool,
        *,
        novel: Novel,
        counts: tuple[int, int, int],
        prompts: Sequence[str] = (),
        learnt: str = "",
        **options: Any,
    ) -> None:
        """
        Args:
            is_train: augment, draw prompts and give the ground truth.
            novel: what is held out.
            counts: of prompts, as :class:`PromptSampler` takes them.
            prompts: what every image is asked in evaluation.
            learnt: a class that is learnt anew. Records with ``only`` True are asked for it alone, and only
                its objects are labelled there; the others are also asked for it, and none of their labelled
                objects is one.
            options: of :class:`DetectionMapper`.
        """
        super().__init__(is_train, **options)
        self.novel = novel
        self.counts = counts
        self.prompts = list(prompts)
        self.learnt = learnt

    @classmethod
    def from_config(
        cls, cfg: CfgNode, is_train: bool = True, prompts: Sequence[str] = (), learnt: str = ""
    ) -> dict[str, Any]:
        """The arguments out of the keys of INPUT."""
        p = cfg.INPUT.PROMPTS
        return super().from_config(cfg, is_train) | {
            "novel": Novel.from_config(cfg),
            "counts": (p.POSITIVES, p.HARD, p.OTHERS),
            "prompts": prompts,
            "learnt": learnt,
        }

    def __call__(
        self,
        dataset_dict: dict[str, Any],
        rng: np.random.Generator | None = None,
        of_batch: np.random.Generator | None = None,
    ) -> dict[str, Any] | None:
        """As :class:`DetectionMapper`, with prompts."""
        if not self.is_train:
            output = super().__call__(dataset_dict)
            return None if output is None else output | {"prompts": self.prompts}
        names, every = dataset_dict["names"], dataset_dict["annotations"]
        if dataset_dict.get("only"):
            of_name = [a for a in every if names[a["category_id"]] == self.learnt]
            return super().__call__(dataset_dict | {"annotations": of_name, "regions": []}, rng, of_batch)
        held = [self.novel.is_unlabelled(names[a["category_id"]]) for a in every]
        kept = [a for a, out in zip(every, held, strict=True) if not out]
        regions = [a["bbox"] for a, out in zip(every, held, strict=True) if out]
        regions += dataset_dict.get("ignored_boxes", [])
        record = dataset_dict | {"annotations": kept, "regions": regions}
        return super().__call__(record, rng, of_batch)

    def _choose(
        self,
        dataset_dict: dict[str, Any],
        annotations: list[dict[str, Any]],
        output: dict[str, Any],
        flip: bool,
        rng: np.random.Generator,
    ) -> bool | None:
        """Draw the prompts of what is visible."""
        chosen = super()._choose(dataset_dict, annotations, output, flip, rng)
        if chosen is None:
            return None
        names = dataset_dict["names"]
        labels = [as_label(annotation, names) for annotation in annotations]
        output |= {"names": names, "categories": [label.category for label in labels]}
        if dataset_dict.get("only"):
            whole = torch.ones(len(labels), 1)
            told = torch.zeros(len(labels), dtype=torch.long)
            output |= {"prompts": [Query(self.learnt).text()], "prompt_truth": whole, "told": told}
            output |= {"exemplar": -1, "all_labelled": False}
            return chosen
        phrases = [annotation.get("phrases", ()) for annotation in annotations]
        federated = "neg_category_ids" in dataset_dict  # of what else is there nothing is known
        absent = [names[i] for i in dataset_dict["neg_category_ids"]] if federated else None
        partly = [names[i] for i in dataset_dict.get("not_exhaustive_category_ids", ())]
        asked = PromptSampler(names, self.novel, *self.counts)(labels, phrases, rng, absent, partly)
        output["all_labelled"] = not federated
        output["prompts"] = asked.texts
        output["prompt_truth"] = torch.from_numpy(asked.truth)
        if self.learnt:
            query = Query(self.learnt)
            truths = [[math.nan if query.truth(label) is None else 0.0] for label in labels]
            output["prompts"] = [*asked.texts, query.text()]
            output["prompt_truth"] = torch.cat(
                [output["prompt_truth"], torch.tensor(truths).view(len(labels), 1)], 1
            )
        output["told"] = torch.from_numpy(asked.told)
        output["exemplar"] = int(rng.integers(len(labels))) if labels and not federated else -1
        return chosen

    def _augment(
        self,
        dataset_dict: dict[str, Any],
        output: dict[str, Any],
        rng: np.random.Generator,
        of_batch: np.random.Generator,
    ) -> ImageTransform | None:
        """Also place the regions, and give the objects the prompts that tell their size."""
        transform = super()._augment(dataset_dict, output, rng, of_batch)
        if transform is not None:
            output["instances"].gt_prompts = output.pop("told")
            boxes = np.array(dataset_dict["regions"], dtype=np.float64).reshape(-1, 4)
            boxes = transform.clip_boxes(transform.apply_boxes(boxes))
            output["ignored_boxes"] = torch.from_numpy(boxes.astype(np.float32))
        return transform
