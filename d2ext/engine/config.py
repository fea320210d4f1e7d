"""Configuration keys of the training engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from detectron2.config import CfgNode, get_cfg

from d2ext.yaml_config import merge_config


def add_engine_config(cfg: CfgNode) -> None:
    """Add the keys of :mod:`d2ext.engine` to ``cfg``, in place. Keys of Detectron2 keep their meaning."""
    # Non-negative: model initialisation, data order and every random draw of a training step follow from it,
    # so that a resumed run equals an uninterrupted one. Negative: a new draw each run.
    cfg.SEED = 0

    # Checkpoint of any model of this collection whose backbone this one's starts from where MODEL.WEIGHTS is
    # empty. Empty: none.
    cfg.MODEL.BACKBONE.WEIGHTS = ""

    # "AdamW" or "SGD" (which reads SOLVER.MOMENTUM and SOLVER.NESTEROV).
    cfg.SOLVER.OPTIMIZER = "AdamW"
    # SOLVER.BASE_LR is multiplied by these for parameters of modules named `backbone` and `text_encoder`; 0
    # leaves them as they are, and their gradients are not computed.
    cfg.SOLVER.BACKBONE_MULTIPLIER = 1.0
    cfg.SOLVER.TEXT_MULTIPLIER = 1.0
    # SOLVER.WEIGHT_DECAY applies to matrices and convolutions; SOLVER.WEIGHT_DECAY_NORM to everything with
    # fewer dimensions (norms, biases, scalars) and to the state parameters of SSM layers (A_log, D, dt_bias).
    # Beside Detectron2's "value" and "norm" (each parameter on its own) there is "full_model": the norm over
    # all parameters is clipped to SOLVER.CLIP_GRADIENTS.CLIP_VALUE.
    cfg.SOLVER.CLIP_GRADIENTS.CLIP_TYPE = "full_model"

    # Type of SOLVER.AMP.ENABLED training: "bfloat16" (CPU and GPU) or "float16" (GPU, with loss scaling).
    cfg.SOLVER.AMP.DTYPE = "bfloat16"
    # Type of convolutions and matrix products in evaluation and prediction: "float32", "bfloat16" (CPU and
    # GPU) or "float16" (GPU).
    cfg.TEST.DTYPE = "float32"
    # Predictors run the tensor functions of the model through torch.compile; see optimize_for_inference.
    cfg.TEST.COMPILE = False
    # Training on several processes: look for parameters that took no part in a step (slower). Needed when a
    # batch can leave a whole head without a loss.
    cfg.SOLVER.FIND_UNUSED_PARAMETERS = False

    # Exponential moving average of the weights and of floating-point buffers (BatchNorm's statistics), with
    # the decay min(DECAY, (1 + n) / (10 + n)) after n steps. Evaluation uses the average, and it is the
    # "model" of every checkpoint, so MODEL.WEIGHTS, export and sharing get it too; the weights that the
    # optimizer moves lie in the checkpoint's trainer state, for resuming.
    cfg.SOLVER.EMA = CfgNode()
    cfg.SOLVER.EMA.ENABLED = False
    cfg.SOLVER.EMA.DECAY = 0.999

    # Evaluated every TEST.EVAL_PERIOD iterations (0: never) and after the last one; DATASETS.TEST is then
    # evaluated once, when training has ended. Empty: TEST.EVAL_PERIOD is for DATASETS.TEST, as in Detectron2.
    cfg.DATASETS.VAL = ()
    # Figure on a dataset of DATASETS.VAL by which the best checkpoint is chosen, larger is better, such as
    # "mono3drefer_val/published/Acc@0.5". That checkpoint is kept as model_best.pth, and DATASETS.TEST is
    # evaluated with it. Empty: no choice, the last weights are evaluated.
    cfg.SOLVER.BEST_METRIC = ""
    # Training ends after so many evaluations in a row that did not improve SOLVER.BEST_METRIC; 0: never.
    cfg.SOLVER.PATIENCE = 0
    # Images of each evaluated dataset whose answers are drawn into TensorBoard at every evaluation.
    cfg.TEST.PICTURES = 4


def load_config(add_keys: Callable[[CfgNode], None], path: str, options: Sequence[str] = ()) -> CfgNode:
    """The frozen config of a project.

    Args:
        add_keys: adds the project's keys to Detectron2's defaults.
        path: YAML file.
        options: keys and values that override it, one after the other.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not YAML, a value of another type, or a key without a value.
        KeyError: a key of ``options`` that does not exist.
    """
    cfg = get_cfg()
    add_keys(cfg)
    if len(options) % 2:
        raise ValueError(f"options: expected keys and values in turn, {options[-1]} has no value")
    merge_config(cfg, path)
    cfg.merge_from_list(list(options))
    cfg.freeze()
    return cfg
