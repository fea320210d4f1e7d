"""Exports with libraries that were not tested say so."""

import logging

from d2ext.engine import onnx_graphs


def test_older_libraries_are_named_in_one_line(monkeypatch, caplog):
    versions = {"onnx": "1.30.0", "onnxscript": "0.6.2", "onnxruntime": "1.20.0"}
    monkeypatch.setattr(onnx_graphs, "version", versions.__getitem__)
    monkeypatch.setattr(onnx_graphs.importlib.util, "find_spec", lambda name: name)
    with caplog.at_level(logging.WARNING):
        onnx_graphs.warn_of_old_libraries()
    (record,) = caplog.records
    text = record.getMessage()
    assert "onnxscript 0.6.2 (tested: 0.7.2), onnxruntime 1.20.0 (tested: 1.32): answers may differ" in text
    caplog.clear()
    versions |= {"onnxscript": "0.10.0", "onnxruntime": "1.32.1"}
    onnx_graphs.warn_of_old_libraries()
    assert not caplog.records
