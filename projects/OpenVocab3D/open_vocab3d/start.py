"""Training that starts from a detector with fixed classes, all of which but the classes is taken over."""

from __future__ import annotations

import logging
import re

from detectron2.config import CfgNode
from torch import Tensor, nn

from d2ext.engine.state_dicts import load_weights, read_checkpoint
from d2ext.modeling.box3d.word_sizes import WordSizedHead

#: What a detector with fixed classes is without.
_OF_PROMPTS = re.compile(r"^prompt_encoder\.|^exemplar\.|\.classifier\.")


def start_from_detector(cfg: CfgNode, model: nn.Module) -> None:
    """Load MODEL.OPEN_VOCAB.DETECTOR into a model that starts from nothing else.

    Raises:
        FileNotFoundError, ValueError: no such weights, or of another image side than this model's.
    """
    source = cfg.MODEL.OPEN_VOCAB.DETECTOR
    if source and not cfg.MODEL.WEIGHTS:
        state = without_classes(model, read_checkpoint(source)["model"])
        load_weights(model, state, source, optional=[n for n in model.state_dict() if _OF_PROMPTS.search(n)])
        logging.getLogger(__name__).info(f"The image side starts from {source}")


def without_classes(model: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A detector's state dict for the box heads of ``model``: in the last layer class logits, and what is
    told of sizes by words, stay as they are in ``model``, and the parts between them are the detector's."""
    own, given = model.state_dict(), dict(state)
    for name, head in model.named_modules():
        if not isinstance(head, WordSizedHead):
            continue
        first, new = head.parts["classes"], sum(head.more_parts.values())
        for key in (f"{name}.out.weight", f"{name}.out.bias"):
            shared = len(own[key]) - first - new
            if key in given and len(given[key]) > shared:
                given[key] = own[key].clone()
                given[key][first : first + shared] = state[key][-shared:]
    return given
