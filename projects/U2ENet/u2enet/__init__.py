"""U2ENet: single- and multi-target 3D visual grounding from one RGB image."""

from d2ext.projects.u2enet.config import add_u2enet_config
from d2ext.projects.u2enet.evaluator import GroundingEvaluator
from d2ext.projects.u2enet.onnx import OnnxU2ENet, export_onnx
from d2ext.projects.u2enet.predictor import U2ENetPredictor
from d2ext.projects.u2enet.trainer import U2ENetTrainer

__all__ = [
    "GroundingEvaluator",
    "OnnxU2ENet",
    "U2ENetPredictor",
    "U2ENetTrainer",
    "add_u2enet_config",
    "export_onnx",
]
