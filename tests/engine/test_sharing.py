"""A shared model replaces another one whole or not at all, and nothing in it is more than data."""

from __future__ import annotations

import html
import json
import os
import resource
from pathlib import Path

import pytest
import torch
import yaml

from d2ext.engine.sharing import CARD, CONFIG, FILES, WEIGHTS, copy_model, escape, write_model


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    (folder / "test").mkdir(parents=True)
    torch.save({"model": {"a": torch.randn(300, 300)}}, folder / "model_final.pth")
    config = {"MODEL": {"META_ARCHITECTURE": "U2ENet"}, "DATASETS": {"TRAIN": ["mono3drefer_train"]}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "test/metrics.json").write_text('{"published": {"Acc@0.25": 61.25}}')
    return folder


def write(run: Path, to: Path) -> None:
    write_model(run / "model_final.pth", run / "config.yaml", [run / "test/metrics.json"], to)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def model(run: Path, tmp_path: Path) -> Path:
    write(run, tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("do", ["write", "copy"])
def test_a_full_disk_leaves_the_old_model_whole(run, model, tmp_path, do):
    target = tmp_path / "target"
    copy_model(model, target)
    before = content(target)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limit[1]))
    try:
        with pytest.raises(OSError, match=WEIGHTS):
            write(run, target) if do == "write" else copy_model(model, target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert content(target) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model", "run", "target"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda m: (m / WEIGHTS).write_bytes(b"no"), f"{WEIGHTS}: not a whole checkpoint"),
        (lambda m: save(m, {"a": torch.tensor([float("nan")])}), "a holds NaN or infinity"),
        (lambda m: (m / CONFIG).write_text("!!python/object/apply:os.system [exit]"), CONFIG),
        (lambda m: (m / CONFIG).write_text("- 1"), "with MODEL.META_ARCHITECTURE"),
        (lambda m: (m / CARD).unlink(), f"has no {CARD}"),
        (lambda m: link(m / CARD), f"{CARD}: expected a file, got a link"),
        (lambda m: pipe(m / CARD), f"has no {CARD}"),
    ],
)
def test_what_is_no_model_replaces_nothing(run, model, tmp_path, damage, message):
    target = tmp_path / "target"
    copy_model(model, target)
    before = content(target)
    damage(model)
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        copy_model(model, target)
    assert "\n" not in str(error.value) and content(target) == before


def save(model: Path, state: dict) -> None:
    from safetensors.torch import save_file

    save_file(state, model / WEIGHTS)


def link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/hostname")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def test_nothing_else_in_a_folder_is_lost_and_no_link_followed(run, model, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    for name, make in {
        "mine.txt": lambda p: p.write_text("x"),
        CARD: lambda p: p.symlink_to(elsewhere),
    }.items():
        target = tmp_path / f"to_{name}"
        target.mkdir()
        make(target / name)
        for action in (lambda t=target: copy_model(model, t), lambda t=target: write(run, t)):
            with pytest.raises(ValueError, match=f"expected nothing but {', '.join(FILES)}, found '{name}'"):
                action()
    (tmp_path / "link").symlink_to(model)
    with pytest.raises(ValueError, match="got a link"):
        copy_model(model, tmp_path / "link")
    assert elsewhere.read_text() == "mine"


HOSTILE = (
    "<script>alert(1)</script> | [x](http://a.b) ![i](javascript:1) `c` *b* _e_ # h\n---\nlicense: mit &lt;"
)


@pytest.mark.parametrize("value", [5, [1], None, "a"])
def test_values_where_keys_are_expected_are_no_traceback(run, tmp_path, value):
    """The config of a project that this one does not know is shared as it is."""
    config = {"MODEL": {"META_ARCHITECTURE": "U2ENet", "BACKBONE": value, "TIMM": value}}
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    write(run, tmp_path / "new")
    assert yaml.safe_load((tmp_path / "new" / CONFIG).read_text()) == config


def test_names_in_the_card_are_text(run, tmp_path):
    config = {"MODEL": {"META_ARCHITECTURE": HOSTILE}, "DATASETS": {"TRAIN": [HOSTILE]}}
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    (run / "test/metrics.json").write_text(json.dumps({HOSTILE: {HOSTILE.replace("/", ""): 1.0}}))
    write(run, tmp_path / "model")
    card = (tmp_path / "model" / CARD).read_text()
    _, header, body = card.split("---\n", 2)
    assert yaml.safe_load(header)["license"] == "apache-2.0"
    assert not set("<>[]!`*") & set(body) and "://" not in body
    assert [line.count("|") for line in body.splitlines() if line.startswith("|")] == [4, 4, 4]
    assert html.unescape(escape(HOSTILE[:60])) == HOSTILE[:60]
    assert escape("mono3drefer_train Acc@0.25 a-b") == "mono3drefer_train Acc@0.25 a-b"


@pytest.mark.parametrize("text", ["[]", "3", '{"a": 1}', '{"a": {"b": "c"}}', '{"a": {"b": NaN}}', "no"])
def test_odd_metrics_are_one_line(run, tmp_path, text):
    (run / "test/metrics.json").write_text(text)
    with pytest.raises(ValueError, match="metrics.json: expected"):
        write(run, tmp_path / "model")
    assert not (tmp_path / "model").exists()
