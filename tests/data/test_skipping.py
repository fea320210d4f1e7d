"""``D2EXT_SKIP_BROKEN=1``: what an item raises, and when, does not stop the others."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
from detectron2.config import get_cfg

from d2ext.data.config import add_grounding_data_config
from d2ext.data.formats.rows import BrokenRows
from d2ext.data.stream import build_test_loader, build_train_loader


class Mapper:
    subject = "a number"

    def __call__(self, record: dict[str, Any], rng: np.random.Generator | None = None) -> dict[str, Any]:
        if record["number"] % 3 == 1:
            raise {1: ValueError, 4: KeyError, 7: MemoryError}[record["number"]]("broken\nitem")
        return record


@pytest.fixture
def cfg():
    cfg = get_cfg()
    add_grounding_data_config(cfg)
    cfg.DATALOADER.NUM_WORKERS = 0
    cfg.SOLVER.IMS_PER_BATCH = 2
    cfg.SEED = 0
    return cfg


RECORDS = [{"number": i, "file_name": f"{i}.png"} for i in range(9)]


@pytest.mark.parametrize("size", [1, 3])
def test_evaluation_goes_on_without_the_broken_items(cfg, monkeypatch, caplog, size):
    with pytest.raises(ValueError, match="broken"):
        list(build_test_loader(cfg, RECORDS, Mapper(), size))
    monkeypatch.setenv("D2EXT_SKIP_BROKEN", "1")
    with caplog.at_level(logging.WARNING, "d2ext"):
        batches = list(build_test_loader(cfg, RECORDS, Mapper(), size))
    assert [r["number"] for batch in batches for r in batch] == [0, 2, 3, 5, 6, 8] and all(batches)
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("d2ext")]
    assert [line.split(":")[0] for line in lines] == [f"skipped {i}.png" for i in (1, 4, 7)]
    assert not any("\n" in line for line in lines)


def test_training_takes_the_next_item(cfg, monkeypatch):
    monkeypatch.setenv("D2EXT_SKIP_BROKEN", "1")
    loader = iter(build_train_loader(cfg, [RECORDS], Mapper()))
    numbers = [r["number"] for _ in range(20) for r in next(loader)]
    assert len(numbers) == 40 and set(numbers) == {0, 2, 3, 5, 6, 8}


@pytest.mark.parametrize(
    "error", [KeyError("x"), MemoryError(), RecursionError("deep\ndown"), OSError(5, "I/O")]
)
def test_rows_are_skipped_whatever_they_raise(error):
    broken = BrokenRows(True)
    with broken:
        raise error
    assert broken.count == 1 and broken.first and "\n" not in broken.first
    with pytest.raises(type(error)), BrokenRows(False):
        raise error
    with pytest.raises(KeyboardInterrupt), BrokenRows(True):
        raise KeyboardInterrupt
