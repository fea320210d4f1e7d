"""TrajAD: anomalies in space-time graphs of trajectories, and in images."""

from d2ext.engine.streaming import StreamingPredictor
from d2ext.projects.trajad.config import add_trajad_config
from d2ext.projects.trajad.evaluator import TrajADEvaluator
from d2ext.projects.trajad.onnx import OnnxTrajAD, export_onnx
from d2ext.projects.trajad.predictor import TrajADPredictor
from d2ext.projects.trajad.trainer import TrajADTrainer

__all__ = [
    "OnnxTrajAD",
    "StreamingPredictor",
    "TrajADEvaluator",
    "TrajADPredictor",
    "TrajADTrainer",
    "add_trajad_config",
    "export_onnx",
]
