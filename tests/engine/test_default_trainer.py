"""What was written for Detectron2's DefaultTrainer runs on ours: signatures, evaluators, loaders."""

from __future__ import annotations

import ast
import inspect
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, build_detection_test_loader
from detectron2.data.build import trivial_batch_collator
from detectron2.engine import DefaultTrainer, HookBase, hooks
from detectron2.evaluation import DatasetEvaluator, DatasetEvaluators
from tiny import FEATURES, TinyModel, TinyTrainer, tiny_config
from torch import nn

import d2ext.engine
from d2ext.data.stream import ShardedBatches
from d2ext.engine import BaseTrainer
from d2ext.tables import Printed

NAME = "default_trainer_test"


@pytest.fixture(autouse=True)
def dataset() -> Iterator[None]:
    DatasetCatalog.register(NAME, lambda: [{"id": i} for i in range(5)])
    yield
    DatasetCatalog.remove(NAME)


def test_the_engine_imports_nothing_of_a_task() -> None:
    """Loaders, evaluators and drawings are handed to it."""
    tasks = ("d2ext.evaluation", "d2ext.gallery", "d2ext.projects", "d2ext.data.build", "d2ext.predictor")
    for file in Path(d2ext.engine.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [each.name for each in node.names] if isinstance(node, ast.Import) else []
            assert not [name for name in names if name.startswith(tasks)], file


class Count(DatasetEvaluator):
    def __init__(self, section: str = "count") -> None:
        self.section = section

    def reset(self) -> None:
        self.seen: list[int] = []

    def process(self, inputs: Any, outputs: Any) -> None:
        self.seen += [x["id"] for x in inputs]

    def evaluate(self) -> dict[str, dict[str, float]]:
        return {self.section: {"images": float(len(self.seen))}}


class Tabulated(Count):
    """Logs its results itself."""

    def evaluate(self) -> dict[str, dict[str, float]]:
        return {name: Printed(values) for name, values in super().evaluate().items()}


class Answering(TinyModel):
    """Answers records in evaluation."""

    def forward(self, batch: list) -> Any:
        return super().forward(batch) if self.training else [{"answer": x["id"]} for x in batch]


def make_trainer(base: type[DefaultTrainer]) -> type[DefaultTrainer]:
    """A user's trainer over ``base``: all that DefaultTrainer's documentation says to override."""

    class UsersTrainer(base):  # type: ignore[misc, valid-type]
        called: list[str] = []

        @classmethod
        def build_model(cls, cfg: CfgNode) -> nn.Module:
            cls.called.append("model")
            torch.manual_seed(0)
            return Answering(dropout=0.0)

        @classmethod
        def build_optimizer(cls, cfg: CfgNode, model: nn.Module) -> torch.optim.Optimizer:
            cls.called.append("optimizer")
            return torch.optim.SGD(model.parameters(), lr=cfg.SOLVER.BASE_LR)

        @classmethod
        def build_train_loader(cls, cfg: CfgNode) -> Any:
            cls.called.append("train loader")
            data = torch.randn(64, FEATURES, generator=torch.Generator().manual_seed(5))
            return torch.utils.data.DataLoader(
                data, cfg.SOLVER.IMS_PER_BATCH, collate_fn=trivial_batch_collator
            )

        @classmethod
        def build_test_loader(cls, cfg: CfgNode, dataset_name: str) -> Any:
            return build_detection_test_loader(DatasetCatalog.get(dataset_name), mapper=dict)

        @classmethod
        def build_evaluator(cls, cfg: CfgNode, dataset_name: str) -> DatasetEvaluator:
            cls.called.append(f"evaluator {dataset_name}")
            return Count()

        def build_hooks(self) -> list[HookBase]:
            ours = super().build_hooks()
            ours.insert(-1, hooks.CallbackHook(after_step=lambda trainer: self.called.append("step")))
            return ours

        @classmethod
        def test(cls, cfg: CfgNode, model: nn.Module, evaluators: Any = None) -> dict:
            cls.called.append("test")
            return super().test(cfg, model, evaluators)

    return UsersTrainer


def config(folder: Path, **changes: Any) -> CfgNode:
    cfg = tiny_config(folder)
    cfg.DATASETS.TEST = (NAME,)
    cfg.DATALOADER.NUM_WORKERS = 0
    cfg.SOLVER.CLIP_GRADIENTS.ENABLED = False  # which is the optimizer's affair, and Detectron2 has another
    cfg.SOLVER.LR_SCHEDULER_NAME = "WarmupMultiStepLR"
    return cfg


def test_signatures_are_those_of_detectron2() -> None:
    for name in ("build_train_loader", "build_test_loader", "build_evaluator", "build_optimizer", "test"):
        ours, theirs = (inspect.signature(getattr(t, name)).parameters for t in (BaseTrainer, DefaultTrainer))
        assert [(p.name, p.default) for p in ours.values()] == [(p.name, p.default) for p in theirs.values()]


def test_a_trainer_written_for_detectron2_does_here_what_it_does_there(tmp_path: Path) -> None:
    weights = []
    for base in (DefaultTrainer, BaseTrainer):
        users = make_trainer(base)
        trainer = users(config(tmp_path / base.__name__))
        trainer.resume_or_load(resume=False)
        trainer.train()
        assert {"model", "optimizer", "train loader", f"evaluator {NAME}", "test"} <= set(users.called)
        assert users.called.count("step") == 9
        assert trainer._last_eval_results == {"count": {"images": 5.0}}
        weights.append(trainer.model.state_dict())
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def results(cfg: CfgNode, evaluators: Any, trainer: Any = None) -> tuple[dict, list[str]]:
    """What the trainer's ``test`` gives, and what it and ``print_csv_format`` log."""
    lines: list[str] = []
    handler = logging.Handler(logging.INFO)
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    loggers = [logging.getLogger(name) for name in ("detectron2.evaluation.testing", "d2ext.engine.trainer")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    found = (trainer or make_trainer(BaseTrainer)).test(cfg, Answering().eval(), evaluators)
    for logger, level in zip(loggers, levels, strict=True):
        logger.removeHandler(handler)
        logger.setLevel(level)
    return found, lines


def test_one_evaluator_a_list_and_several_in_one(tmp_path: Path) -> None:
    cfg = config(tmp_path)
    expected = {"count": {"images": 5.0}}
    for evaluators in (None, Count(), [Count()], DatasetEvaluators([Count()])):
        found, log = results(cfg, evaluators)
        assert found == expected and log == [
            "copypaste: Task: count",
            "copypaste: images",
            "copypaste: 5.0000",
        ]
    found, log = results(cfg, DatasetEvaluators([Count(), Tabulated("ours")]))
    assert found == {**expected, "ours": {"images": 5.0}}
    assert len(log) == 3 and log[0] == "copypaste: Task: count"  # a table of "ours" is in the log already
    with pytest.raises(ValueError, match="1 datasets, expected as many evaluators, got 2"):
        results(cfg, [Count(), Count()])
    cfg.DATASETS.TEST = (NAME, NAME + "_too")
    DatasetCatalog.register(NAME + "_too", lambda: [{"id": 0}])
    found, _ = results(cfg, [Count(), Count()])
    DatasetCatalog.remove(NAME + "_too")
    assert found == {NAME: expected, NAME + "_too": {"count": {"images": 1.0}}}


def test_without_an_evaluator_there_is_a_warning_and_nothing(tmp_path: Path) -> None:
    class Without(make_trainer(BaseTrainer)):  # type: ignore[misc]
        @classmethod
        def build_evaluator(cls, cfg: CfgNode, dataset_name: str) -> DatasetEvaluator:
            raise NotImplementedError

    found, (line,) = results(config(tmp_path), None, Without)
    assert found == {} and "no evaluator" in line and NAME in line


@pytest.mark.parametrize("can_start", [True, False])
def test_a_loader_that_cannot_begin_at_an_iteration_is_used_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, can_start: bool
) -> None:
    begun = []

    class Stream(torch.utils.data.Dataset):
        def __getitem__(self, item: tuple[int, int]) -> torch.Tensor:
            begun.append(item)
            return torch.ones(FEATURES)

    class Sampler(ShardedBatches):
        start_at = ShardedBatches.start_at if can_start else property()  # type: ignore[assignment]

    class Trainer(TinyTrainer):
        @classmethod
        def build_train_loader(cls, cfg: CfgNode) -> Any:
            sampler = Sampler(cfg.SOLVER.IMS_PER_BATCH)
            return torch.utils.data.DataLoader(
                Stream(), batch_sampler=sampler, collate_fn=trivial_batch_collator
            )

    cfg = tiny_config(tmp_path)
    trainer = Trainer(cfg)
    trainer.start_iter = 7
    trainer.train()
    assert begun[0] == ((7, 0) if can_start else (0, 0)) and len(begun) == 2 * cfg.SOLVER.IMS_PER_BATCH
    assert ("has no start_at" in caplog.text) != can_start
