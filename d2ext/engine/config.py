"""Configuration keys of the training engine."""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from detectron2.config import CfgNode, get_cfg
from detectron2.modeling import BACKBONE_REGISTRY, META_ARCH_REGISTRY

from d2ext.checks import Expected, check_values, declare, every, number, one_of, registered, whole
from d2ext.engine.writers import add_wandb_config
from d2ext.identity import machine_keys
from d2ext.moved_keys import move_keys
from d2ext.shipped import SHIPPED
from d2ext.weights import PREFIX, resolve
from d2ext.yaml_config import merge_config


def add_engine_config(cfg: CfgNode) -> None:
    """Add the keys of :mod:`d2ext.engine` to ``cfg``, in place. Keys of Detectron2 keep their meaning, and
    those that nothing reads cannot be set (:mod:`d2ext.unread_keys`)."""
    # Non-negative: model initialisation, data order and every random draw of a training step follow from it,
    # so that a resumed run equals an uninterrupted one. Negative: a new draw each run.
    cfg.SEED = 0

    # Checkpoint of any model of this collection whose backbone this one's starts from where MODEL.WEIGHTS is
    # empty. Empty: none.
    cfg.MODEL.BACKBONE.WEIGHTS = ""

    # "AdamW", "Adam" (whose weight decay is a part of the gradient) or "SGD" (which reads SOLVER.MOMENTUM and
    # SOLVER.NESTEROV).
    cfg.SOLVER.OPTIMIZER = "AdamW"
    # Where WarmupMultiStepLR lowers the rate, as shares of SOLVER.MAX_ITER, in place of SOLVER.STEPS; empty:
    # those iterations.
    cfg.SOLVER.STEP_SHARES = ()
    # SOLVER.BASE_LR is multiplied by these for parameters of modules named `backbone`, `text_encoder` and
    # `bottom_up` or `net` (the network below the backbone's aggregation or pyramid, which can be pretrained);
    # 0 leaves them as they are, and their gradients are not computed.
    cfg.SOLVER.BACKBONE_MULTIPLIER = 1.0
    cfg.SOLVER.TEXT_MULTIPLIER = 1.0
    cfg.SOLVER.BOTTOM_UP_MULTIPLIER = 1.0
    # And by this once for every stage (block of a transformer) that a parameter of a timm network is below
    # the last one (Bao et al., BEiT, ICLR 2022, layer-wise decay).
    cfg.SOLVER.LAYER_DECAY = 1.0
    # SOLVER.WEIGHT_DECAY applies to matrices and convolutions; SOLVER.WEIGHT_DECAY_NORM to everything with
    # fewer dimensions (norms, scalars, and biases where SOLVER.WEIGHT_DECAY_BIAS is None) and to the state
    # parameters of SSM layers (A_log, D, dt_bias).
    # Beside Detectron2's "value" and "norm" (each parameter on its own) there is "full_model": the norm over
    # all parameters is clipped to SOLVER.CLIP_GRADIENTS.CLIP_VALUE.
    cfg.SOLVER.CLIP_GRADIENTS.CLIP_TYPE = "full_model"

    _add_computing_keys(cfg)
    _add_evaluation_keys(cfg)
    add_wandb_config(cfg)


def _add_computing_keys(cfg: CfgNode) -> None:
    # Training under autocast in SOLVER.AMP.DTYPE. None or auto: where the device has instructions for it,
    # else in float32. True or False whatever the device: emulated bfloat16 can be ten times slower.
    cfg.SOLVER.AMP.ENABLED = None
    # "bfloat16" (CPU and GPU) or "float16" (GPU, with loss scaling).
    cfg.SOLVER.AMP.DTYPE = "bfloat16"
    # Type of convolutions and matrix products in evaluation and prediction: "float32", "bfloat16" (CPU and
    # GPU) or "float16" (GPU); "auto": bfloat16 where the device has instructions for it, else float32.
    cfg.TEST.DTYPE = "auto"
    # Predictors run the tensor functions of the model through torch.compile; see optimize_for_inference.
    cfg.TEST.COMPILE = False
    # Training on several processes: look for parameters that took no part in a step (slower). Needed when a
    # batch can leave a whole head without a loss.
    cfg.SOLVER.FIND_UNUSED_PARAMETERS = False

    # Training runs the tensor functions of the model through torch.compile, which takes minutes at first and
    # where shapes change. Refused on a machine that cannot compile.
    cfg.SOLVER.COMPILE = False
    # Iterations between two looks at the losses on a GPU, each of which waits until it has done all of its
    # work; logged are the losses of every iteration all the same. A training whose loss is no longer finite
    # ends at the next look, and there is one before every evaluation and checkpoint. On the CPU every
    # iteration is looked at.
    cfg.SOLVER.LOOK_PERIOD = 20
    # How a GPU computes convolutions and products of float32, in the whole process: False in float32, as the
    # CPU does; True in TF32, which is faster and has 10 bits of mantissa, so boxes may move by centimetres.
    # Of little weight where SOLVER.AMP or TEST.DTYPE choose bfloat16 or float16.
    cfg.TF32 = False


def _add_evaluation_keys(cfg: CfgNode) -> None:
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
    # Training ends after so many minutes of this run, in order: what follows the last iteration is done then.
    # 0: no limit.
    cfg.SOLVER.MAX_MINUTES = 0.0
    # Checkpoints of a run that are kept beside its last one, the latest; 0: all.
    cfg.SOLVER.CHECKPOINTS_KEPT = 0
    # The learning rate goes by SOLVER.MAX_ITER. True: by the share of SOLVER.MAX_MINUTES that is over where
    # that is further, so that a run of so many minutes ends with the schedule's end, whatever the machine.
    cfg.SOLVER.SCHEDULE_BY_TIME = False
    # Images of each evaluated dataset whose answers are drawn into TensorBoard at every evaluation.
    cfg.TEST.PICTURES = 4


declare(
    {
        "MODEL.DEVICE": Expected("cpu, cuda, or cuda:N", lambda name: bool(torch.device(name))),
        "MODEL.META_ARCHITECTURE": registered(META_ARCH_REGISTRY),
        "MODEL.BACKBONE.NAME": registered(BACKBONE_REGISTRY),
        "MODEL.PIXEL_MEAN": every(number(), 3),
        "MODEL.PIXEL_STD": every(number(above=0), 3),
        "SOLVER.OPTIMIZER": one_of("AdamW", "Adam", "SGD"),
        "SOLVER.LR_SCHEDULER_NAME": one_of(
            "WarmupMultiStepLR", "WarmupCosineLR", "WarmupStepWithFixedGammaLR"
        ),
        "SOLVER.STEP_SHARES": every(number(0, 1)),
        **{f"SOLVER.{name}": number(0) for name in ("BASE_LR", "BIAS_LR_FACTOR", "GAMMA", "MAX_MINUTES")},
        **{f"SOLVER.{name}": whole(0) for name in ("MAX_ITER", "WARMUP_ITERS", "PATIENCE")},
        **{f"SOLVER.{name}": whole(0) for name in ("REFERENCE_WORLD_SIZE", "CHECKPOINTS_KEPT")},
        **{f"SOLVER.{part}_MULTIPLIER": number(0) for part in ("BACKBONE", "TEXT", "BOTTOM_UP")},
        "SOLVER.LAYER_DECAY": number(0, 1),
        "SOLVER.CLIP_GRADIENTS.CLIP_TYPE": one_of("full_model", "value", "norm"),
        "SOLVER.CLIP_GRADIENTS.CLIP_VALUE": number(above=0),
        "SOLVER.IMS_PER_BATCH": whole(1),
        "SOLVER.CLIP_GRADIENTS.NORM_TYPE": number(above=0),
        "SOLVER.MOMENTUM": number(0, 1),
        **{f"SOLVER.WEIGHT_DECAY{of}": number(0) for of in ("", "_NORM", "_BIAS")},
        "SOLVER.WARMUP_FACTOR": number(0, 1),
        "SOLVER.STEPS": every(whole(0)),
        "SOLVER.LOOK_PERIOD": whole(1),
        "SOLVER.CHECKPOINT_PERIOD": whole(1),
        "SOLVER.EMA.DECAY": Expected("a number of at least 0 and less than 1", lambda x: 0 <= x < 1),
        "TEST.EVAL_PERIOD": whole(0),
        "TEST.PICTURES": whole(0),
    }
)

machine_keys("MODEL.DEVICE", "OUTPUT_DIR", "DATALOADER.NUM_WORKERS")

#: Keys that name files or folders of weights: by their name (:mod:`d2ext.weights`), or by a path, which is
#: looked for in the working folder and then among those that come with the code.
WEIGHTS_KEYS = (
    "MODEL.WEIGHTS",
    "MODEL.BACKBONE.WEIGHTS",
    "MODEL.RESNETS.WEIGHTS",
    "MODEL.TIMM.WEIGHTS",
    "MODEL.EFFICIENT_AD.TEACHER",
    "MODEL.TEXT.NAME",
    "MODEL.CAPTION.NAME",
    "MODEL.FEATURES.WEIGHTS",
    "MODEL.SCENE.AUTOENCODER_WEIGHTS",
    "INPUT.CAPTIONS.SCORES",
    "TEST.SCENES.DETECTOR_CONFIG",
    "TEST.SCENES.DETECTOR_WEIGHTS",
    "MODEL.JANUS.NAME",
    "MODEL.JANUS.TOKENIZER",
    *(f"ROAD_WATCH.{part}.{name}" for part in ("DETECTOR", "ANOMALY") for name in ("CONFIG", "WEIGHTS")),
)

#: Those of folders, whose names have no digest.
ENCODER_KEYS = ("MODEL.TEXT.NAME", "MODEL.CAPTION.NAME", "MODEL.JANUS.TOKENIZER")


def check_engine_config(cfg: CfgNode) -> None:
    """Find keys of the engine that contradict each other.

    Raises:
        ValueError: in one line the key and what was expected.
    """
    metric, names = cfg.SOLVER.BEST_METRIC, cfg.DATASETS.VAL
    if metric and not metric.startswith(tuple(f"{name}/" for name in names)):
        raise ValueError(
            f"SOLVER.BEST_METRIC is {metric!r}, expected 'DATASET/...' with a dataset of DATASETS.VAL, "
            f"which is {tuple(names)}"
        )
    if cfg.SOLVER.PATIENCE > 0 and not metric:
        raise ValueError("SOLVER.PATIENCE is set, expected a SOLVER.BEST_METRIC to watch")
    reference = cfg.SOLVER.REFERENCE_WORLD_SIZE
    if reference and cfg.SOLVER.IMS_PER_BATCH % reference:
        raise ValueError(
            f"SOLVER.REFERENCE_WORLD_SIZE is {reference}, expected a divisor of SOLVER.IMS_PER_BATCH, "
            f"{cfg.SOLVER.IMS_PER_BATCH}"
        )
    if cfg.TEST.PRECISE_BN.ENABLED and cfg.SOLVER.EMA.ENABLED:
        raise ValueError("TEST.PRECISE_BN and SOLVER.EMA are both enabled: expected one of them at most")


def load_config(add_keys: Callable[[CfgNode], None], path: str, options: Sequence[str] = ()) -> CfgNode:
    """The frozen config of a project.

    Args:
        add_keys: adds the project's keys to Detectron2's defaults.
        path: YAML file.
        options: keys and values that override it, one after the other.

    Paths of ``WEIGHTS_KEYS`` that exist are absolute in the result, so that its dump can be read anywhere.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not YAML, a value of another type or one that its key cannot have (see
            :mod:`d2ext.checks`), or a key without a value.
        KeyError: a key of ``options`` that does not exist.
    """
    cfg = get_cfg()
    add_keys(cfg)
    if len(options) % 2:
        raise ValueError(f"options: expected keys and values in turn, {options[-1]} has no value")
    merge_config(cfg, path)
    options = _present(options, cfg)
    if "SOLVER.AMP.ENABLED" in options[::2]:
        cfg.SOLVER.AMP.ENABLED = None  # it takes True, False and auto, whichever the file has
    try:
        cfg.merge_from_list(_typed(cfg, options))
    except AssertionError as e:  # yacs's, of a key in a section
        raise KeyError(f"{e}{_nearest(cfg, str(e).rpartition(' ')[2])}") from e
    for key in WEIGHTS_KEYS:
        _find_weights(cfg, key)
    cfg.freeze()
    check_values(cfg)
    return cfg


def _present(options: Sequence[str], cfg: CfgNode) -> list[str]:
    """``options`` by the present names of their keys."""
    present: list[str] = []
    for key, value in zip(options[::2], options[1::2], strict=True):
        content: dict[str, Any] = {}
        node = content
        *above, leaf = key.split(".")
        for part in above:
            node = node.setdefault(part, {})
        node[leaf] = value
        changed = move_keys(content, cfg, leave_out=False)
        if changed:
            logging.getLogger(__name__).warning("options: keys of an earlier version: %s", changed)
        present += _flat(content)
    return present


def _flat(content: dict[str, Any], above: str = "") -> list[str]:
    pairs: list[str] = []
    for key, value in content.items():
        pairs += _flat(value, f"{above}{key}.") if isinstance(value, dict) else [f"{above}{key}", value]
    return pairs


def _nearest(cfg: CfgNode, key: str) -> str:
    near = difflib.get_close_matches(key, _flat(cfg)[::2], n=1)
    return f", did you mean {near[0]}?" if near else ""


def _holder(cfg: CfgNode, key: str) -> tuple[CfgNode, str]:
    """The node that holds ``key`` (an empty one where there is none) and the last part of its name."""
    *parents, last = key.split(".")
    for parent in parents:
        cfg = cfg.get(parent, CfgNode())
    return cfg, last


def _typed(cfg: CfgNode, options: Sequence[str]) -> list[str]:
    """``options`` with a fraction where a key has one: yacs takes no whole number for it."""
    typed = list(options)
    for i, (key, value) in enumerate(zip(options[::2], options[1::2], strict=True)):
        node, last = _holder(cfg, key)
        if isinstance(node.get(last), float) and re.fullmatch(r"[+-]?\d+", str(value)):
            typed[2 * i + 1] = f"{value}.0"
    return typed


def _find_weights(cfg: CfgNode, key: str) -> None:
    node, last = _holder(cfg, key)
    if key not in ENCODER_KEYS and str(node.get(last)).startswith(PREFIX):
        with suppress(FileNotFoundError):  # who reads them says so: a checkpoint may hold all that is needed
            node[last] = resolve(node[last])
        return
    for folder in (Path.cwd(), SHIPPED):
        if node.get(last) and (folder / node[last]).exists():
            node[last] = str((folder / node[last]).absolute())
            return
