"""What a method of one's own needs of the collection, and that it is less than 150 lines."""

from __future__ import annotations

from pathlib import Path

import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.utils.env import seed_all_rng

from tests.own_method import words


@pytest.fixture
def cfg(tmp_path):
    words.register(tmp_path)
    yield words.config(tmp_path / "out")
    for name in ("words_train", "words_test"):
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)


def test_it_trains_and_is_evaluated_by_detectron2s_own_trainer(cfg, tmp_path):
    (tmp_path / "out").mkdir()
    seed_all_rng(0)
    trainer = words.WordTrainer(cfg)
    before = words.WordTrainer.test(cfg, trainer.model)["pointing"]["accuracy"]
    trainer.train()
    after = words.WordTrainer.test(cfg, trainer.model)["pointing"]["accuracy"]
    assert before < 50 and after > 80


def test_it_is_short():
    assert len(Path(words.__file__).read_text().splitlines()) < 150
