"""The models that are measured, at full size or tiny, with random weights and made-up inputs."""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.modeling import build_model
from detectron2.utils.events import EventStorage

from d2ext.engine import BaseTrainer, inference_autocast, load_config
from d2ext.engine.benchmark import Clock, peak_megabytes, reset_peak
from d2ext.modeling import optimize_for_inference
from d2ext.modeling.fold import compile_parts
from d2ext.projects.diffusion_det3d import Detection3DTrainer, add_diffusion_det3d_config
from d2ext.projects.trajad import TrajADTrainer, add_trajad_config
from d2ext.projects.u2enet import U2ENetTrainer, add_u2enet_config
from d2ext.projects.u2enet.benchmarks.inputs import (
    SENTENCE,
    full_size_config,
    record,
    roberta_folder,
    training_record,
)

from .runner import ROOT, Context

NAMES = ("U2ENet", "DiffusionDet3D", "TrajAD")
SENTENCES = 10  # of an image in training
PRECISIONS = ("float32", "bfloat16", "float16")
#: Cell for what does not fit into the card's memory.
TOO_LARGE = "out of memory"

TRAINERS: dict[str, type[BaseTrainer]] = {
    "U2ENet": U2ENetTrainer,
    "DiffusionDet3D": Detection3DTrainer,
    "TrajAD": TrajADTrainer,
}
CONFIGS: dict[str, tuple[Callable[[CfgNode], None], str]] = {
    "DiffusionDet3D": (add_diffusion_det3d_config, "configs/DiffusionDet3D/diffusion_r50_rope3d.yaml"),
    "TrajAD": (add_trajad_config, "configs/TrajAD/trajad_synthtraffic.yaml"),
}
TINY_CONFIGS: dict[str, tuple[Callable[[CfgNode], None], str]] = {
    "U2ENet": (add_u2enet_config, "configs/U2ENet/u2enet_tiny_synthroad.yaml"),
    "DiffusionDet3D": (add_diffusion_det3d_config, "configs/DiffusionDet3D/diffusion_tiny_synthroad.yaml"),
    "TrajAD": (add_trajad_config, "configs/TrajAD/trajad_synthtraffic.yaml"),
}
_THIN = [
    "MODEL.TIMM.NAME", "resnet18", "MODEL.TIMM.WEIGHTS", "", "MODEL.TIMM.WIDTHS", "[16, 16, 16, 16]",
    "MODEL.TIMM.FREEZE_AT", "0", "MODEL.TIMM.FREEZE_DEPTHWISE", "False", "MODEL.TIMM.NORM", "BN",
    "MODEL.IDA.CHANNELS", "[16, 16, 16, 16]", "MODEL.PLANE_HEAD.ENABLED", "False",
    "INPUT.TRAIN_SIZES", "()",
]  # fmt: skip
TINY: dict[str, list[str]] = {
    "U2ENet": [
        *_THIN, "MODEL.GROUNDING.FUSION_DIMS", "[32, 32, 32]", "MODEL.TEXT.WORD_NOISE", "0.0",
        "INPUT.SIZE", "(96, 160)",
    ],
    "DiffusionDet3D": [
        *_THIN, "MODEL.BACKBONE.WEIGHTS", "", "MODEL.DETECTION3D.NUM_BOXES", "20",
        "MODEL.DETECTION3D.NUM_HEADS", "2", "MODEL.DETECTION3D.HIDDEN_DIM", "32",
        "MODEL.DETECTION3D.FFN_DIM", "64", "MODEL.DETECTION3D.DYNAMIC_DIM", "8",
        "MODEL.DETECTION3D.HEAD_DIM", "32", "INPUT.SIZE", "(96, 160)",
    ],
    "TrajAD": [
        "MODEL.EFFICIENT_AD.WIDTH", "0.0208333", "MODEL.EFFICIENT_AD.BRANCH.DIM", "8",
        "INPUT.GRAPH.WIDTH", "64", "INPUT.GRAPH.OVERLAP", "16",
    ],
}  # fmt: skip


def config(name: str, context: Context, options: Sequence[str] = (), text_layers: int = 12) -> CfgNode:
    """The config of a model for the device of ``context``; precisions are always explicit.

    Args:
        text_layers: of the text encoder of a full-size U2ENet, which is as wide as RoBERTa-base.
    """
    options = [
        "MODEL.DEVICE", context.device, "MODEL.WEIGHTS", "", "SOLVER.AMP.ENABLED", "False",
        "TEST.DTYPE", "float32", "DATASETS.TRAIN", "()", "DATASETS.TEST", "()",
        "OUTPUT_DIR", str(Path(context.scratch) / name), *options,
    ]  # fmt: skip
    if context.smoke:
        add_keys, file = TINY_CONFIGS[name]
        return load_config(add_keys, str(ROOT / file), [*TINY[name], *options])
    if name == "U2ENet":
        folder = roberta_folder(Path(context.scratch) / f"text{text_layers}", text_layers)
        return full_size_config("mono3drefer", folder, options)
    add_keys, file = CONFIGS[name]
    if name == "DiffusionDet3D":
        options += ["MODEL.RESNETS.WEIGHTS", ""]
    return load_config(add_keys, str(ROOT / file), options)


def batch(cfg: CfgNode, images: int, sentences: int, training: bool, first: int = 0) -> list[dict[str, Any]]:
    """Mapper dicts of noise for any of the models; no two images share a sentence.

    Args:
        first: number of the first sentence, so that several batches can differ in all of theirs.
    """
    if cfg.MODEL.META_ARCHITECTURE == "EfficientAD":
        size = (3, _graph_rows(cfg), cfg.INPUT.GRAPH.WIDTH)
        return [{"image": torch.randint(0, 255, size, dtype=torch.uint8)} for _ in range(images)]
    make = training_record if training else record
    records = [make(tuple(cfg.INPUT.SIZE), sentences) for _ in range(images)]
    for r in records:
        r["sentences"] = [SENTENCE.format(first + i) for i in range(sentences)]
        first += sentences
    return records


def _graph_rows(cfg: CfgNode) -> int:
    g = cfg.INPUT.GRAPH
    return len(g.LANES) * (math.ceil((g.END - g.START) / g.METRES_PER_PIXEL) + g.SEPARATOR) - g.SEPARATOR


class Training:
    """Training steps as the project's own trainer does them, on two batches in turns, without a loader.

    Args:
        precision: one of ``PRECISIONS``.
        fresh_text: forget the features of sentences before each step, as when all of them are new.
    """

    def __init__(self, name: str, context: Context, precision: str, fresh_text: bool = False) -> None:
        half = precision != "float32"
        options = ["SOLVER.AMP.ENABLED", str(half), *(["SOLVER.AMP.DTYPE", precision] if half else [])]
        self.cfg = config(name, context, options, text_layers=12 if fresh_text else 1)
        torch.manual_seed(0)
        self.trainer = TRAINERS[name](self.cfg)
        self.model = self.trainer.model.train()
        self.precision = precision
        self.fresh_text = fresh_text
        self.sentences = (2 if context.smoke else SENTENCES) if name == "U2ENet" else 0

    @contextmanager
    def steps(self, images: int) -> Iterator[Callable[[], None]]:
        """A function that does one step with a batch of ``images``."""
        trainer, said = self.trainer, images * self.sentences
        batches = [batch(self.cfg, images, self.sentences, True, i * said) for i in range(2)]
        trainer._trainer.reset_data_loader(lambda: itertools.cycle(batches))
        trainer.iter = 0
        with EventStorage(0) as trainer.storage:

            def step() -> None:
                if self.fresh_text:
                    self.model.text_encoder.clear_cache()
                trainer.run_step()
                trainer.storage.step()
                trainer.iter += 1

            yield step


def measure_training(training: Training, images: int, clock: Clock) -> tuple[float, float]:
    """Median seconds of a step, and MB at the peak.

    Raises:
        torch.OutOfMemoryError: does not fit.
    """
    with training.steps(images) as step:
        step()  # the optimizer's state is there from here on
        reset_peak()
        (seconds,) = clock.alternate(step)
        return seconds, peak_megabytes()


class Inference:
    """A model as predictors run it: folded, channels last, under autocast."""

    def __init__(self, name: str, context: Context, precision: str, compiled: bool = False) -> None:
        self.cfg = config(name, context, ["TEST.DTYPE", precision])
        self.compiled = compiled
        torch.manual_seed(0)
        model = build_model(self.cfg).eval()
        self.model = optimize_for_inference(model, compiled and not context.smoke)
        if compiled and context.smoke:
            compile_parts(self.model, "eager")

    def call(self, records: list[dict[str, Any]], new_sentences: bool = True) -> Callable[[], object]:
        """The answer to records, whose sentences the model has met before or not."""

        model: Any = self.model

        def answer() -> object:
            if new_sentences and hasattr(model, "text_encoder"):
                model.text_encoder.clear_cache()
                model.kept = None
            with torch.no_grad(), inference_autocast(self.cfg):
                return model(records)

        return answer


@contextmanager
def without_kernel() -> Iterator[None]:
    """Hide mamba-ssm from ``ssd_scan``: its kernels are tuned at their first use, for minutes."""
    name = "mamba_ssm.ops.triton.ssd_combined"
    found = sys.modules.get(name)
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]
        if found is not None:
            sys.modules[name] = found


def free_memory() -> None:
    """Give memory that no tensor holds back to the card."""
    import gc

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def precisions(device: str) -> tuple[str, ...]:
    """Those that the device has: the engine knows float16 on a GPU only."""
    return PRECISIONS if device == "cuda" else PRECISIONS[:2]
