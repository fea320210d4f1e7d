"""A trainer on a GPU: what it waits for, and what that must not change."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pretend_device import listed, move, pretend_device
from tiny import FEATURES, TinyLoader, TinyModel, TinyTrainer, tiny_config
from torch import nn

from d2ext.data.stream import _loader
from d2ext.engine import WeightAverage, build_optimizer, set_tf32
from d2ext.engine.steps import PatientTrainer


class OneCopy(TinyModel):
    """The tiny model on batches that are one tensor, which is copied as pinned images are."""

    def forward(self, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        return super().forward(list(batch.to(self.head.weight.device, non_blocking=True)))


def test_a_whole_step_waits_for_nothing_until_the_trainer_looks(tmp_path: Path) -> None:
    """Loading, forward, backward, clipping, optimizer and average of the weights."""
    cfg = tiny_config(tmp_path)
    with pretend_device() as waits:
        model = OneCopy(dropout=0.0)
        move(model)
        average = WeightAverage(model, 0.9)
        trainer = PatientTrainer(model, None, build_optimizer(cfg, model))
        assert trainer.patient
        trainer.reset_data_loader(lambda: [torch.randn(4, FEATURES) for _ in range(5)])
        written = []
        trainer.write_metrics = lambda losses, *rest: written.append((losses, rest[-1]))
        for trainer.iter in range(5):
            trainer.run_step()
            average.after_step()
        assert not waits, listed(waits)
        trainer.look()
        assert len(waits) == 1 and [iteration for _, iteration in written] == [0, 1, 2, 3, 4]
        trainer.look()
        assert len(waits) == 1 and len(written) == 5


def history(trainer: TinyTrainer) -> list:
    return trainer.storage.history("total_loss").values()


def test_patience_changes_neither_weights_nor_what_is_logged(tmp_path: Path) -> None:
    trainers = []
    for patient in (False, True):
        cfg = tiny_config(tmp_path / str(patient))
        cfg.SOLVER.LOOK_PERIOD, cfg.SOLVER.CHECKPOINT_PERIOD = 4, 100
        trainer = TinyTrainer(cfg)
        trainer._trainer.patient = patient
        trainer.train()
        trainers.append(trainer)
    first, second = trainers
    assert history(first) == history(second) and len(history(first)) == 9
    for a, b in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(("look", "save", "last"), [(4, 100, 4), (100, 3, 3), (100, 100, 9)])
def test_divergence_ends_a_patient_training_before_a_checkpoint_is_written(
    tmp_path: Path, look: int, save: int, last: int
) -> None:
    done = []

    class Diverging(TinyTrainer):
        @classmethod
        def build_train_loader(cls, cfg):
            for i, batch in enumerate(TinyLoader(cfg)):
                done.append(i)
                yield [x * float("nan") for x in batch] if i == 1 else batch

    cfg = tiny_config(tmp_path)
    cfg.SOLVER.LOOK_PERIOD, cfg.SOLVER.CHECKPOINT_PERIOD = look, save
    trainer = Diverging(cfg)
    trainer._trainer.patient = True
    with pytest.raises(FloatingPointError, match="iteration=1"):
        trainer.train()
    assert len(done) == last and not list(tmp_path.glob("*.pth"))


def test_a_checkpoint_of_another_device_does_not_choose_the_kernels(tmp_path: Path) -> None:
    cfg, model = tiny_config(tmp_path), TinyModel()
    optimizer = build_optimizer(cfg, model)
    sum(model([torch.randn(FEATURES)] * 2).values()).backward()
    optimizer.step()
    state = optimizer.state_dict()
    of_gpu = state | {"param_groups": [g | {"fused": True, "lr": 0.5} for g in state["param_groups"]]}
    loaded = build_optimizer(cfg, model)
    loaded.load_state_dict(of_gpu)
    assert all(not g["fused"] and g["lr"] == 0.5 for g in loaded.param_groups)
    assert all(g["fused"] for g in of_gpu["param_groups"])
    for parameter, values in optimizer.state.items():
        assert all(torch.equal(v, loaded.state[parameter][k]) for k, v in values.items())


class Compiled(TinyTrainer):
    @classmethod
    def build_model(cls, cfg):
        model = super().build_model(cfg)
        model.dropout = nn.Identity()
        return model


@pytest.mark.slow
def test_a_compiled_training_follows_the_eager_one(tmp_path: Path) -> None:
    losses = []
    for compiled in (False, True):
        cfg = tiny_config(tmp_path / str(compiled))
        cfg.SOLVER.COMPILE, cfg.SOLVER.EMA.ENABLED = compiled, True
        trainer = Compiled(cfg)
        assert (trainer.model.backbone._compiled_call_impl is not None) == compiled
        trainer.train()
        losses.append([v for v, _ in history(trainer)])
        names = list(trainer.evaluated.state_dict())
        assert names == list(TinyModel().state_dict())
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


def test_a_machine_that_cannot_compile_says_so_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("\nno compiler\nat all")

    monkeypatch.setattr(torch, "compile", lambda function: fail)
    cfg = tiny_config(tmp_path)
    cfg.SOLVER.COMPILE = True
    with pytest.raises(ValueError, match=r"SOLVER.COMPILE is True, expected False .*\(no compiler\)$"):
        TinyTrainer(cfg)


@pytest.mark.parametrize(
    ("device", "gpu", "pinned"), [("cuda", True, True), ("cuda", False, False), ("cpu", True, False)]
)
def test_images_are_pinned_for_a_gpu_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, gpu: bool, pinned: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    cfg = tiny_config(tmp_path)
    cfg.MODEL.DEVICE = device
    assert _loader([1, 2], cfg).pin_memory is pinned


def test_float32_means_float32_unless_tf32_is_asked_for() -> None:
    try:
        for enabled, precision in ((True, "high"), (False, "highest")):
            set_tf32(enabled)
            assert torch.get_float32_matmul_precision() == precision
            assert torch.backends.cudnn.allow_tf32 is enabled
    finally:
        set_tf32(False)
