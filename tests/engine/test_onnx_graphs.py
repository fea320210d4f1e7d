"""Export to ONNX, before any graph."""

import pytest
import torch
from detectron2.config import get_cfg

from d2ext.engine import onnx_graphs


def test_a_torch_that_cannot_export_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_graphs, "EXPORT_TORCH", "99.1")
    with pytest.raises(ValueError) as error:
        onnx_graphs.begin_export(get_cfg(), tmp_path / "export")
    assert str(error.value) == f"ONNX export needs torch 99.1 or newer, this is {torch.__version__}"
    assert not (tmp_path / "export").exists()
