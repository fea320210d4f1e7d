"""Configuration keys of the training engine."""

from __future__ import annotations

from detectron2.config import CfgNode


def add_engine_config(cfg: CfgNode) -> None:
    """Add the keys of :mod:`d2ext.engine` to ``cfg``, in place. Keys of Detectron2 keep their meaning."""
    # Non-negative: model initialisation, data order and every random draw of a training step follow from it,
    # so that a resumed run equals an uninterrupted one. Negative: a new draw each run.
    cfg.SEED = 0

    # "AdamW" or "SGD" (which reads SOLVER.MOMENTUM and SOLVER.NESTEROV).
    cfg.SOLVER.OPTIMIZER = "AdamW"
    # SOLVER.BASE_LR is multiplied by these for parameters of modules named `backbone` and `text_encoder`.
    cfg.SOLVER.BACKBONE_MULTIPLIER = 1.0
    cfg.SOLVER.TEXT_MULTIPLIER = 1.0
    # SOLVER.WEIGHT_DECAY applies to matrices and convolutions; SOLVER.WEIGHT_DECAY_NORM to everything with
    # fewer dimensions (norms, biases, scalars) and to the state parameters of SSM layers (A_log, D, dt_bias).
    # Beside Detectron2's "value" and "norm" (each parameter on its own) there is "full_model": the norm over
    # all parameters is clipped to SOLVER.CLIP_GRADIENTS.CLIP_VALUE.
    cfg.SOLVER.CLIP_GRADIENTS.CLIP_TYPE = "full_model"

    # Type of SOLVER.AMP.ENABLED training: "bfloat16" (CPU and GPU) or "float16" (GPU, with loss scaling).
    cfg.SOLVER.AMP.DTYPE = "bfloat16"
    # Training on several processes: look for parameters that took no part in a step (slower). Needed when a
    # batch can leave a whole head without a loss.
    cfg.SOLVER.FIND_UNUSED_PARAMETERS = False
