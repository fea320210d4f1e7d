"""Weights by name."""

import hashlib

import pytest
from safetensors.torch import load_file, save_file
from torch import ones

from d2ext import weights
from d2ext.engine import read_checkpoint
from d2ext.shipped import RESOURCES, SHIPPED
from d2ext.weights import resolve
from d2ext_cli import zoo
from d2ext_cli.zoo import read_zoo


def test_every_name_has_its_file_in_a_checkout_with_the_digest_that_hashlib_gives():
    shipped = {
        name: entry for name, entry in read_zoo().items() if "weights" in entry and "fetch" not in entry
    }
    assert len(shipped) >= 6
    for name, entry in shipped.items():
        path = next(
            top / entry["weights"] for top in (SHIPPED, RESOURCES) if (top / entry["weights"]).is_file()
        )
        assert hashlib.sha256(path.read_bytes()).hexdigest() == entry["sha256"]
        assert resolve(f"d2ext://{name}") == str(path)


def test_a_named_checkpoint_is_read_like_its_file():
    named = read_checkpoint("d2ext://trajad/teacher_small_quarter")["model"]
    plain = load_file(SHIPPED / "projects/TrajAD/weights/teacher_small_quarter.safetensors")
    assert named.keys() == plain.keys() and all(named[k].equal(v) for k, v in plain.items())


def test_other_names_stay_as_they_are_and_unknown_ones_are_one_line():
    assert resolve("roberta-base") == "roberta-base"
    assert resolve("d2ext://text/tiny").endswith("resources/text/tiny")
    for name in ("d2ext://", "d2ext://u2enet/huge", "d2ext://../engine", "d2ext://text/../../engine"):
        with pytest.raises(ValueError, match=r"no such weights, expected one of d2ext://") as error:
            resolve(name)
        assert len(str(error.value)) < 300 and "\n" not in str(error.value)


def test_what_can_be_fetched_is_looked_for_in_the_cache_and_the_error_names_the_command(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("D2EXT_CACHE", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"lite2.safetensors \(scripts/fetch_backbone.py") as error:
        resolve("d2ext://backbone/efficientnet_lite2")
    assert str(tmp_path / "backbone/efficientnet_lite2.safetensors") in str(error.value)


def test_weights_without_a_checkout_lie_in_the_cache_folder_and_their_content_counts(tmp_path, monkeypatch):
    file = tmp_path / "cache/u2enet/tiny.safetensors"
    known = tmp_path / "zoo.yaml"
    for name in ("SHIPPED", "RESOURCES"):
        monkeypatch.setattr(weights, name, tmp_path / "site-packages/d2ext/resources")
    monkeypatch.setattr(zoo, "ZOO", known)
    monkeypatch.setenv("D2EXT_CACHE", str(tmp_path / "cache"))
    file.parent.mkdir(parents=True)
    save_file({"a": ones(2)}, file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    known.write_text(f"u2enet/tiny: {{what: x, weights: x/u2enet.safetensors, sha256: {digest}, licence: x}}")
    assert resolve("d2ext://u2enet/tiny") == str(file)
    with file.open("ab") as end:
        end.write(b" ")
    with pytest.raises(
        ValueError, match="cache/u2enet/tiny.safetensors: expected the weights d2ext://u2enet"
    ):
        resolve("d2ext://u2enet/tiny")
    file.unlink()
    with pytest.raises(FileNotFoundError, match=r"expected u2enet.safetensors as .*cache/u2enet/tiny"):
        resolve("d2ext://u2enet/tiny")
