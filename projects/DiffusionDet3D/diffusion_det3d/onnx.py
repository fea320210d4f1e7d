"""The 3D detectors as two ONNX graphs: see :mod:`d2ext.engine.detector_onnx`."""

from __future__ import annotations

from d2ext.engine.detector_onnx import FORMAT, GRAPHS, OnnxDetector
from d2ext.engine.detector_onnx import export_detector as export_onnx
from d2ext.projects.diffusion_det3d.config import add_diffusion_det3d_config

__all__ = ["FORMAT", "GRAPHS", "OnnxDetector3D", "export_onnx"]


class OnnxDetector3D(OnnxDetector):
    """A folder of :func:`export_onnx` in the place of the model: the same inputs, the same answers."""

    add_keys = staticmethod(add_diffusion_det3d_config)
