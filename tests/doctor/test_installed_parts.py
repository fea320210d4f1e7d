"""The doctor of the environment, on environments that are made up."""

import importlib.metadata
import re

import pytest
from project_scripts import ROOT

from d2ext_cli import doctor

NEEDS = ["torch>=2.6", 'onnx>=1.17; extra == "export"', 'd2ext[rerun]; extra == "exchange"',
         'rerun-sdk>=0.26; extra == "rerun"']  # fmt: skip


@pytest.fixture
def here(monkeypatch) -> dict[str, str]:
    """Versions by distribution; what is not in it is not installed."""
    installed = {"d2ext": "0.1.0", "torch": "2.7.0", "sal-detectron2": "0.7.2"}
    monkeypatch.setattr(doctor, "_version", lambda name: installed.get(name, ""))
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: NEEDS)
    return installed


def test_what_is_missing_or_too_old_is_a_fault(here):
    assert not list(doctor._faults())
    here["torch"] = "2.5.1"
    del here["sal-detectron2"]
    old, missing = doctor._faults()
    assert old == "torch: 2.5.1, expected torch>=2.6" and missing.startswith("Detectron2: not installed: ")


def test_an_extra_is_here_with_all_that_it_and_its_own_extras_need(here):
    told = dict(line.split(": ", 1) for line in doctor._extras())
    assert told["export"] == "no onnx: pip install 'd2ext[export]'"
    assert told["exchange"] == "no rerun-sdk: pip install 'd2ext[exchange]'"
    here |= {"onnx": "1.17", "rerun-sdk": "0.41.0"}
    assert {line for line in doctor._extras()} == {"export: here", "exchange: here"}


def test_the_builds_of_detectron2_that_are_known_are_those_of_the_set_up(here, monkeypatch):
    script = (ROOT / "scripts/setup.sh").read_text()
    assert re.search('DETECTRON2_WHEEL="(.*)"', script)[1] == "==".join(doctor.KNOWN_WHEEL)
    assert re.search('DETECTRON2_GIT=".*@(.*)"', script)[1] == doctor.KNOWN_COMMIT
    assert doctor.detectron2_build().endswith(", known")
    here["sal-detectron2"] = "0.8"
    assert "not known: tested with 0.7.2" in doctor.detectron2_build()
    here.pop("sal-detectron2")
    here["detectron2"] = "0.6"
    monkeypatch.setattr(doctor, "_commit", lambda name: doctor.KNOWN_COMMIT + "0" * 32)
    assert doctor.detectron2_build() == f"0.6, official commit {doctor.KNOWN_COMMIT}, known"
    monkeypatch.setattr(doctor, "_commit", lambda name: "")
    assert "of no known commit, not known" in doctor.detectron2_build()
