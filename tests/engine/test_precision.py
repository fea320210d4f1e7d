"""Which type is chosen by itself, and that what a user chooses is kept."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny import TinyTrainer, tiny_config

from d2ext.engine import inference_autocast, inference_dtype, precision, read_checkpoint, training_dtype

ASK = """
import json, logging, sys, torch
from d2ext.engine import add_engine_config, inference_dtype, training_dtype
from detectron2.config import get_cfg

logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(message)s")
cfg = get_cfg()
add_engine_config(cfg)
cfg.MODEL.DEVICE = "cpu"
cfg.merge_from_list(sys.argv[1:])
with torch.no_grad():
    kernels = torch.backends.mkldnn.verbose(torch.backends.mkldnn.VERBOSE_ON)
    with kernels, torch.autocast("cpu", torch.bfloat16):
        torch.nn.Conv2d(16, 16, 3)(torch.randn(1, 16, 8, 8))
print(json.dumps([str(training_dtype(cfg)), str(inference_dtype(cfg))]))
"""
FLOAT32, BFLOAT16 = ["torch.float32"] * 2, ["torch.bfloat16"] * 2


def ask(isa: str, *options: str) -> tuple[list[str], str, str]:
    """Types for training and inference in a process whose oneDNN is limited to ``isa``, its log, and oneDNN's
    own words about a convolution in bfloat16."""
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": isa}
    command = [sys.executable, "-W", "ignore", "-c", ASK, *options]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    *kernels, answer = done.stdout.splitlines()
    return json.loads(answer), done.stderr, "\n".join(kernels)


@pytest.mark.parametrize("isa", ["AVX2", "avx512_core"])
def test_a_cpu_without_bfloat16_gets_float32(isa: str) -> None:
    types, log, kernels = ask(isa)
    assert types == FLOAT32
    for key in ("Training in float32: SOLVER.AMP.ENABLED", "Inference in float32: TEST.DTYPE"):
        assert f"INFO {key} is automatic and this CPU with ONEDNN_MAX_CPU_ISA={isa} has no bfloat16" in log
    assert "avx512_core_bf16" not in kernels and "amx" not in kernels


def test_an_explicit_choice_is_kept_with_a_warning_where_it_is_slow() -> None:
    types, log, _ = ask("AVX2", "SOLVER.AMP.ENABLED", "True", "TEST.DTYPE", "bfloat16")
    assert types == BFLOAT16
    for key in ("SOLVER.AMP.ENABLED", "TEST.DTYPE"):
        assert f"in bfloat16, as {key} says: this CPU with ONEDNN_MAX_CPU_ISA=AVX2 emulates it" in log
    assert log.count("WARNING") == 2 and max(map(len, log.splitlines())) < 300


def test_the_choice_agrees_with_the_kernels_that_onednn_takes() -> None:
    """oneDNN names the instructions that its convolution in bfloat16 is made of."""
    types, _, kernels = ask("DEFAULT")
    if "onednn_verbose" not in kernels or "convolution" not in kernels:
        pytest.skip("this torch has no oneDNN that tells what it does")
    native = any(name in kernels for name in ("avx512_core_bf16", "avx512_core_fp16", "amx", "avx10", "sve"))
    assert types == (BFLOAT16 if native else FLOAT32)


@pytest.mark.parametrize("native", [True, False])
def test_automatic_follows_the_device_and_explicit_does_not(tmp_path, monkeypatch, native) -> None:
    monkeypatch.setattr(precision, "_cpu_has_bfloat16", lambda: native)
    cfg = tiny_config(tmp_path)
    chosen = torch.bfloat16 if native else torch.float32
    for enabled, expected in (
        (None, chosen),
        ("auto", chosen),
        (True, torch.bfloat16),
        (False, torch.float32),
    ):
        cfg.SOLVER.AMP.ENABLED = enabled
        assert training_dtype(cfg) == expected
    for name, expected in (("auto", chosen), ("bfloat16", torch.bfloat16), ("float32", torch.float32)):
        cfg.TEST.DTYPE = name
        assert inference_dtype(cfg) == expected
        with inference_autocast(cfg):
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == expected
    cfg.SOLVER.AMP.ENABLED, cfg.SOLVER.AMP.DTYPE = None, "float16"
    assert training_dtype(cfg) == torch.float32


def test_a_torch_that_cannot_be_asked_gets_float32(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(torch.ops, "mkldnn", object())
    assert not precision.is_native(torch.bfloat16, "cpu")


@pytest.mark.parametrize("value", ["yes", 1, 0.5])
def test_any_other_value_is_one_line(tmp_path, value) -> None:
    cfg = tiny_config(tmp_path)
    cfg.SOLVER.AMP.ENABLED, cfg.TEST.DTYPE = value, str(value)
    with pytest.raises(ValueError, match=r"^SOLVER.AMP.ENABLED is .*, expected True, False or auto$"):
        training_dtype(cfg)
    with pytest.raises(ValueError, match=r"^TEST.DTYPE is .*, expected 'auto', 'float32', .*$"):
        inference_dtype(cfg)


def test_a_line_is_logged_once(tmp_path, caplog) -> None:
    precision._say.cache_clear()
    cfg = tiny_config(tmp_path)
    with caplog.at_level(logging.INFO, "d2ext.engine.precision"):
        for _ in range(3):
            inference_autocast(cfg)
    assert [r.getMessage() for r in caplog.records] == ["Inference in float32: as TEST.DTYPE says"]


@pytest.mark.parametrize("first, then", [(True, False), (False, True)])
def test_a_training_resumes_in_the_other_type(tmp_path: Path, first: bool, then: bool) -> None:
    """As a run does that moves to another machine."""
    cfg = tiny_config(tmp_path)
    for enabled, iterations in ((first, 3), (then, 6)):
        cfg.SOLVER.AMP.ENABLED, cfg.SOLVER.MAX_ITER = enabled, iterations
        trainer = TinyTrainer(cfg)
        trainer.resume_or_load(resume=True)
        trainer.train()
    assert trainer.start_iter == 3
    assert read_checkpoint(tmp_path / "model_final.pth")["iteration"] == 5
