"""What a detector of prompts is made of, from a config."""

from __future__ import annotations

from detectron2.config import CfgNode

from d2ext.modeling.box3d.images import VIEW_DIM
from d2ext.modeling.box3d.word_sizes import WordSizedHead
from d2ext.modeling.detection.decoder import PROMPT_CLASSIFIER_REGISTRY
from d2ext.modeling.detection.detector import CLASS_BIAS, HeadParts, map_channels, region_parts
from d2ext.modeling.detection.matching import SetMatcher
from d2ext.modeling.detection.prompt_criterion import PromptCriterion
from d2ext.modeling.detection.prompt_fusion import PromptFusion
from d2ext.modeling.detection.prompts import PromptEncoder
from d2ext.modeling.text.config import build_text_encoder


def prompt_head(cfg: CfgNode) -> HeadParts:
    """A head whose classes are prompts."""
    c, dim = cfg.MODEL.DETECTION3D, cfg.MODEL.DETECTION3D.HIDDEN_DIM
    box_head = WordSizedHead(
        dim + VIEW_DIM, c.HEAD_DIM, num_bins=c.ANGLE_BINS, depth_estimates=c.DEPTH_ESTIMATES
    )
    classifier = PROMPT_CLASSIFIER_REGISTRY.get(cfg.MODEL.OPEN_VOCAB.CLASSIFIER)
    return HeadParts(box_head, classifier(dim, cfg.MODEL.OPEN_VOCAB.PROMPT_DIM, CLASS_BIAS))


def prompt_parts(cfg: CfgNode, time_dim: int) -> dict:
    """The arguments of a detector of prompts that do not depend on how its boxes begin."""
    c, d = cfg.MODEL.OPEN_VOCAB, cfg.MODEL.DETECTION3D
    parts = region_parts(cfg, time_dim, prompt_head)
    parts["criterion"] = PromptCriterion(SetMatcher(d.MATCHER, d.COSTS), d.LOSS_WEIGHTS)
    fusion = None
    if c.FUSION == "ssm":
        channels = map_channels(parts["backbone"], d.IN_FEATURES, "MODEL.DETECTION3D.IN_FEATURES")
        fusion = PromptFusion(channels, c.TEXT_DIM, c.FUSION_DIM, c.FUSION_STATE, c.FUSION_HEADS)
    text, loaded = build_text_encoder(cfg), cfg.MODEL.TEXT.PRETRAINED
    encoder = PromptEncoder(text, loaded, c.TEXT_DIM, c.PROMPT_DIM, c.GENERIC, c.LEARNT, fusion)
    return parts | {"prompt_encoder": encoder}
