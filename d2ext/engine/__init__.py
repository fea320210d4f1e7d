"""Training loop, checkpoints and launching."""

from d2ext.engine.checkpoint import D2Checkpointer
from d2ext.engine.comparison import Column, markdown_table, metrics_file, run_once, run_script
from d2ext.engine.config import add_engine_config, load_config
from d2ext.engine.hooks import StepSeed, Validation, WeightAverage
from d2ext.engine.launch import default_main, default_setup, one_line_errors, set_tf32
from d2ext.engine.optimizer import build_optimizer
from d2ext.engine.parallel import create_ddp_model
from d2ext.engine.precision import inference_autocast, inference_dtype, training_dtype
from d2ext.engine.predictor import ImagePredictor
from d2ext.engine.project import train_or_evaluate
from d2ext.engine.report import write_report
from d2ext.engine.state_dicts import (
    load_backbone,
    load_weights,
    read_checkpoint,
    save_safetensors,
    write_safetensors,
)
from d2ext.engine.trainer import BaseTrainer
from d2ext.shipped import get_config_file

__all__ = [
    "BaseTrainer",
    "Column",
    "D2Checkpointer",
    "ImagePredictor",
    "StepSeed",
    "Validation",
    "WeightAverage",
    "add_engine_config",
    "build_optimizer",
    "create_ddp_model",
    "default_main",
    "default_setup",
    "get_config_file",
    "inference_autocast",
    "inference_dtype",
    "load_backbone",
    "load_config",
    "load_weights",
    "markdown_table",
    "metrics_file",
    "one_line_errors",
    "read_checkpoint",
    "run_once",
    "run_script",
    "save_safetensors",
    "set_tf32",
    "train_or_evaluate",
    "training_dtype",
    "write_report",
    "write_safetensors",
]
