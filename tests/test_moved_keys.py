"""Config keys of earlier versions."""

import logging

import pytest
from detectron2.config import CfgNode

from d2ext import moved_keys
from d2ext.moved_keys import move_keys
from d2ext.yaml_config import merge_config


@pytest.fixture
def keys(monkeypatch):
    table = {"A.OLD.X": "A.NEW.X", "A.OLD.Y": "A.NEW.Z", "A.GONE": "", "A.KIND=former": "A.KIND=present"}
    monkeypatch.setattr(moved_keys, "_MOVED", table)


@pytest.fixture
def cfg():
    return CfgNode({"A": {"NEW": {"X": 1, "Z": 2}, "KIND": "present"}})


def test_keys_get_the_names_that_the_config_has(keys, cfg):
    content = {"A": {"OLD": {"X": 5, "Y": 6}, "GONE": 7, "KIND": "former"}}
    said = move_keys(content, cfg)
    assert content == {"A": {"NEW": {"X": 5, "Z": 6}, "KIND": "present"}}
    assert said == "A.OLD.{X, Y as Z} now A.NEW; A.GONE not read; A.KIND=former now A.KIND=present"


def test_present_names_are_left_alone_and_win(keys, cfg):
    content = {"A": {"NEW": {"X": 5}}}
    assert move_keys(content, cfg) == "" and content == {"A": {"NEW": {"X": 5}}}
    both = {"A": {"OLD": {"X": 4}, "NEW": {"X": 5}}}
    move_keys(both, cfg)
    assert both == {"A": {"NEW": {"X": 5}}}


def test_a_key_that_the_config_still_has_is_not_moved(keys):
    content = {"A": {"OLD": {"X": 5}, "GONE": 1}}
    cfg = CfgNode({"A": {"OLD": {"X": 1}, "NEW": {"X": 1}, "GONE": 0}})
    assert move_keys(content, cfg) == "" and content["A"]["OLD"] == {"X": 5}


def test_a_file_of_an_earlier_version_is_read_with_one_line(keys, cfg, tmp_path, caplog):
    path = tmp_path / "old.yaml"
    path.write_text("A:\n  OLD:\n    X: 5\n  GONE: [1, 2]\n")
    with caplog.at_level(logging.WARNING):
        merge_config(cfg, path)
    assert cfg.A.NEW.X == 5
    (record,) = caplog.records
    assert record.getMessage().endswith("A.OLD.X now A.NEW; A.GONE not read")
