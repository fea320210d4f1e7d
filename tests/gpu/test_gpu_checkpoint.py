"""A training that changes its device on the way ends where one on the CPU alone does."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

sys.path.append(str(Path(__file__).resolve().parents[1] / "engine"))

from tiny import TinyTrainer, tiny_config  # noqa: E402


class StillTrainer(TinyTrainer):
    dropout = 0.0  # masks are drawn on the device


def train(folder: Path, device: str, iterations: int) -> dict[str, torch.Tensor]:
    """Train to an iteration from the last checkpoint in ``folder``, and return the weights on the CPU."""
    cfg = tiny_config(folder)
    cfg.MODEL.DEVICE = device
    cfg.SOLVER.AMP.ENABLED = False
    trainer = StillTrainer(cfg)
    trainer.resume_or_load(resume=True)
    start = trainer.start_iter
    trainer.max_iter = iterations
    trainer.train()
    assert next(trainer.model.parameters()).device.type == device and trainer.iter == iterations > start
    return {name: value.cpu() for name, value in trainer.model.state_dict().items()}


@pytest.mark.parametrize("back", [False, True], ids=["device_then_cpu", "cpu_then_device"])
def test_a_checkpoint_resumes_on_the_other_device(device, back, tmp_path):
    expected = train(tmp_path / "alone", "cpu", 9)
    first, second = ("cpu", device) if back else (device, "cpu")
    halfway = train(tmp_path / "both", first, 6)
    found = train(tmp_path / "both", second, 9)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5)
        assert name == "text_encoder.bias" or not torch.equal(found[name], halfway[name])
