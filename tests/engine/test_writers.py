"""WANDB.PROJECT: Detectron2's events go to wandb's run, with a stand-in for the library."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from detectron2.config import get_cfg
from detectron2.utils.events import EventStorage

from d2ext.engine.config import add_engine_config
from d2ext.engine.writers import RUN_FILE, WandbWriter, build_writers
from d2ext.identity import config_digest


class Run:
    def __init__(self, settings: dict[str, Any]) -> None:
        self.id = settings["id"] or "run1"
        self.settings = settings
        self.logged: list[tuple[int, dict[str, Any]]] = []
        self.ended = False

    def log(self, values: dict[str, Any], step: int) -> None:
        assert not self.logged or step >= self.logged[-1][0]  # wandb drops steps that go back
        self.logged.append((step, values))

    def finish(self) -> None:
        self.ended = True


@pytest.fixture
def runs(monkeypatch) -> list[Run]:
    """What is begun while ``wandb`` is the stand-in."""
    begun: list[Run] = []

    def init(**settings: Any) -> Run:
        if settings["project"] == "refused":
            raise module.errors.Error("no\nsuch entity")
        begun.append(Run(settings))
        return begun[-1]

    module: Any = ModuleType("wandb")
    module.init, module.errors = init, SimpleNamespace(Error=type("Error", (Exception,), {}))
    monkeypatch.setitem(sys.modules, "wandb", module)
    return begun


def config(folder: Any, project: str = "roads") -> Any:
    cfg = get_cfg()
    add_engine_config(cfg)
    cfg.OUTPUT_DIR, cfg.WANDB.PROJECT = str(folder), project
    return cfg


def test_scalars_are_logged_once_each_at_their_iteration(runs, tmp_path):
    writer = WandbWriter(config(tmp_path), window=1)
    with EventStorage(0) as storage:
        for step in range(4):
            storage.put_scalar("loss", 10.0 - step)
            if step == 1:
                storage.put_scalar("val/Acc@0.5", 0.25, smoothing_hint=False)
            if step % 2:
                writer.write()
            storage.step()
        writer.write()  # nothing new
    writer.close()
    (run,) = runs
    assert run.logged == [(1, {"loss": 9.0, "val/Acc@0.5": 0.25}), (3, {"loss": 7.0})]
    assert run.ended and run.settings["name"] == tmp_path.name
    assert run.settings["config"]["SOLVER"]["OPTIMIZER"] == "AdamW"


def test_a_training_that_is_resumed_goes_on_with_its_run(runs, tmp_path):
    WandbWriter(config(tmp_path)).close()
    assert runs[0].settings["id"] is None and (tmp_path / RUN_FILE).is_file()
    WandbWriter(config(tmp_path)).close()
    assert runs[1].settings["id"] == "run1" and runs[1].settings["resume"] == "allow"


def test_what_goes_wrong_is_one_line(runs, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="WANDB.PROJECT 'refused': wandb: no such entity"):
        WandbWriter(config(tmp_path, "refused"))
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ValueError, match=r"wandb is missing: pip install d2ext\[wandb\]"):
        WandbWriter(config(tmp_path))


def test_it_is_off_by_default_and_changes_no_result(runs, tmp_path):
    cfg = get_cfg()
    add_engine_config(cfg)
    same = config(tmp_path)
    kinds = [[type(w).__name__ for w in build_writers(c)] for c in (config(tmp_path, ""), same)]
    assert kinds == [
        ["JSONWriter", "TensorboardXWriter"],
        ["JSONWriter", "TensorboardXWriter", "WandbWriter"],
    ]
    assert cfg.WANDB.PROJECT == "" and len(runs) == 1
    assert config_digest(same) == config_digest(cfg)
