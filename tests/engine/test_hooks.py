"""Averaged weights, the choice of the best checkpoint and early stopping."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import TinyTrainer, tiny_config, validated_config
from torch import nn

from d2ext.engine import WeightAverage, read_checkpoint


class ScriptedTrainer(TinyTrainer):
    """Gets the scores that it is told, one an evaluation; notes every evaluation."""

    scores: list[float] = []
    evaluated_on: list[tuple[Any, dict[str, torch.Tensor]]] = []

    @classmethod
    def test(cls, cfg, model, evaluators=None):
        cls.evaluated_on.append((cfg.DATASETS.TEST, {k: v.clone() for k, v in model.state_dict().items()}))
        return {"score": cls.scores.pop(0)} if cfg.DATASETS.TEST == ("val",) else {"score": -1.0}


def run(cfg, scores: list[float], resume: bool = False) -> ScriptedTrainer:
    ScriptedTrainer.scores, ScriptedTrainer.evaluated_on = list(scores), []
    trainer = ScriptedTrainer(cfg)
    trainer.resume_or_load(resume)
    trainer.train()
    return trainer


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("decay", [0.5, 0.99])
def test_average_is_the_weighted_sum_of_all_steps(decay: float) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    net.register_buffer("table", torch.tensor([7, 11]))
    hook = WeightAverage(net, decay)
    seen = []
    for step in range(30):
        with torch.no_grad():
            for value in (*net.parameters(), net[1].running_mean, net[1].running_var):
                value.add_(torch.randn_like(value))
        net[1].num_batches_tracked.fill_(step)
        hook.after_step()
        seen.append({k: v.double() for k, v in net.state_dict().items()})
    share, shares = 1.0, []
    for n in range(29, 0, -1):
        d = min(decay, (1 + n) / (10 + n))
        shares.append((n, share * (1 - d)))
        share *= d
    shares.append((0, share))
    for name, average in hook.model.state_dict().items():
        if average.is_floating_point():
            expected = sum(w * seen[n][name] for n, w in shares)
            torch.testing.assert_close(average.double(), expected, rtol=1e-5, atol=1e-5, msg=name)
    assert hook.model[1].num_batches_tracked == 29 and hook.model.table.tolist() == [7, 11]
    assert sum(w for _, w in shares) == pytest.approx(1)


def test_average_is_what_is_evaluated_and_what_a_weights_file_gives(tmp_path: Path) -> None:
    cfg = tiny_config(tmp_path / "a")
    cfg.SOLVER.EMA.ENABLED = True
    trainer = run(cfg, [])
    final = read_checkpoint(tmp_path / "a/model_final.pth")
    ((_, evaluated),) = ScriptedTrainer.evaluated_on
    assert same(evaluated, final["model"])
    assert same(trainer.model.state_dict(), final["trainer"]["hooks"]["WeightAverage"]["trained"])
    assert not same(trainer.model.state_dict(), final["model"])

    cfg.OUTPUT_DIR, cfg.MODEL.WEIGHTS = str(tmp_path / "b"), str(tmp_path / "a/model_final.pth")
    tuned = ScriptedTrainer(cfg)
    tuned.resume_or_load(resume=False)
    tuned.average.before_train()
    assert same(tuned.model.state_dict(), final["model"]) and same(
        tuned.evaluated.state_dict(), final["model"]
    )


def test_run_without_average_can_go_on_with_one(tmp_path: Path) -> None:
    cfg = tiny_config(tmp_path)
    cfg.SOLVER.MAX_ITER = 3
    run(cfg, [])
    cfg.SOLVER.EMA.ENABLED = True
    trainer = ScriptedTrainer(cfg)
    trainer.resume_or_load(resume=True)
    trainer.average.before_train()
    assert trainer.start_iter == 3
    assert same(trainer.model.state_dict(), read_checkpoint(tmp_path / "model_final.pth")["model"])


def early(tmp_path: Path):
    cfg = validated_config(tmp_path)
    cfg.DATASETS.TEST = ("test",)
    cfg.TEST.EVAL_PERIOD, cfg.SOLVER.PATIENCE, cfg.SOLVER.MAX_ITER = 2, 2, 40
    return cfg


def test_training_ends_without_improvement_and_the_best_weights_are_tested(tmp_path: Path) -> None:
    cfg = early(tmp_path)
    run(cfg, [1.0, float("nan"), 3.0, 3.0, 2.0])  # after 2, 4, 6, 8 and 10 iterations
    best, final = (read_checkpoint(tmp_path / f"model_{name}.pth") for name in ("best", "final"))
    assert (best["iteration"], final["iteration"]) == (5, 9)
    names, weights = zip(*ScriptedTrainer.evaluated_on, strict=True)
    assert names == (("val",),) * 5 + (("test",),)
    assert same(weights[-1], best["model"]) and same(weights[2], best["model"])
    assert not same(best["model"], final["model"])
    assert (tmp_path / "report.html").is_file()

    run(cfg, [], resume=True)  # has ended: tests again and does nothing else
    assert [name for name, _ in ScriptedTrainer.evaluated_on] == [("test",)]
    assert same(ScriptedTrainer.evaluated_on[0][1], best["model"])

    cfg.SOLVER.PATIENCE = 3
    run(cfg, [1.0], resume=True)
    assert read_checkpoint(tmp_path / "model_final.pth")["iteration"] == 11


def test_last_iteration_is_validated_too(tmp_path: Path) -> None:
    cfg = early(tmp_path)
    cfg.SOLVER.MAX_ITER = 3
    run(cfg, [1.0, 2.0])
    assert read_checkpoint(tmp_path / "model_best.pth")["iteration"] == 2


def test_unknown_metric_is_one_line_with_what_there_is(tmp_path: Path) -> None:
    cfg = early(tmp_path)
    cfg.SOLVER.BEST_METRIC = "val/scare"
    with pytest.raises(ValueError, match="SOLVER.BEST_METRIC is 'val/scare', expected .* val/score"):
        run(cfg, [1.0])


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "SOLVER.BEST_METRIC",
            "test/score",
            r"SOLVER.BEST_METRIC is 'test/score', .*VAL, which is \('val',\)",
        ),
        ("SOLVER.BEST_METRIC", "", "SOLVER.PATIENCE is set, expected a SOLVER.BEST_METRIC"),
        ("SOLVER.EMA.DECAY", 1.0, "SOLVER.EMA.DECAY is 1.0, expected at least 0 and below 1"),
        ("TEST.PRECISE_BN.ENABLED", True, "TEST.PRECISE_BN and SOLVER.EMA are both enabled"),
    ],
)
def test_contradictions_are_found_before_training(tmp_path: Path, key: str, value: Any, message: str) -> None:
    cfg = early(tmp_path)
    cfg.merge_from_list([key, value])
    with pytest.raises(ValueError, match=message):
        TinyTrainer(cfg)
