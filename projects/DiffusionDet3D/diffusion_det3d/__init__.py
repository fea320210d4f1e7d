"""DiffusionDet3D: roadside 3D detection by denoising boxes, with Sparse R-CNN and DETR beside it."""

from d2ext.engine.resnets import load_imagenet
from d2ext.projects.diffusion_det3d.config import add_diffusion_det3d_config
from d2ext.projects.diffusion_det3d.evaluator import DiffusionDet3DEvaluator
from d2ext.projects.diffusion_det3d.onnx import OnnxDetector3D, export_onnx
from d2ext.projects.diffusion_det3d.predictor import Detection3DPredictor
from d2ext.projects.diffusion_det3d.trainer import Detection3DTrainer

__all__ = [
    "Detection3DPredictor",
    "Detection3DTrainer",
    "DiffusionDet3DEvaluator",
    "OnnxDetector3D",
    "add_diffusion_det3d_config",
    "export_onnx",
    "load_imagenet",
]
