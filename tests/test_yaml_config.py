"""Configs are data: nothing in them runs, and nothing outside of their tree is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from detectron2.config import CfgNode, get_cfg

from d2ext.engine import add_engine_config, load_config
from d2ext.yaml_config import read_config

ROOT = Path(__file__).resolve().parents[1]


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def message(path: Path) -> str:
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        load_config(add_engine_config, str(path))
    text = str(error.value)
    assert path.name in text and "\n" not in text and len(text) < 300
    return text


@pytest.mark.parametrize("config", sorted((ROOT / "configs").glob("*/*.yaml")), ids=lambda p: p.stem)
def test_shipped_configs_are_read_as_detectron2_reads_them(config):
    assert read_config(config) == CfgNode.load_yaml_with_base(str(config))


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.system", "!!python/object/new:os.system", "!!python/name:os.system"]
)
def test_a_tag_runs_nothing(tmp_path, tag):
    mark = tmp_path / "ran"
    arguments = "" if "name" in tag else f" ['touch {mark}']"
    for text in (f"SEED: {tag}{arguments}", f"_BASE_: {tag}{arguments}"):
        message(write(tmp_path / "c.yaml", text))
    message(write(tmp_path / "d.yaml", "_BASE_: c.yaml").with_name("c.yaml"))
    with pytest.raises(ValueError, match="c.yaml: expected plain YAML"):
        load_config(add_engine_config, str(tmp_path / "d.yaml"))
    assert not mark.exists()


def test_a_base_lies_in_the_tree_of_the_config(tmp_path):
    secret = write(tmp_path / "secret.yaml", "SEED: 5")
    tree = tmp_path / "configs"
    write(tree / "Base.yaml", "SEED: 1\nSOLVER: {PATIENCE: 2}")
    inner = write(tree / "method/a.yaml", "_BASE_: ../Base.yaml\nSOLVER: {PATIENCE: 3}")
    cfg = load_config(add_engine_config, str(inner))
    assert (cfg.SEED, cfg.SOLVER.PATIENCE) == (1, 3)
    for base in ("../../secret.yaml", str(secret), "http://127.0.0.1:9/c.yaml", "s3://a/c.yaml", "[1]"):
        assert "_BASE_: expected a file" in message(write(tree / "method/b.yaml", f"_BASE_: {base}"))
    (tree / "link.yaml").symlink_to(secret)
    assert "expected a file below" in message(write(tree / "c.yaml", "_BASE_: link.yaml"))
    # A folder that is no tree of configs, such as that of a pulled model, is its own tree.
    assert "expected a file below" in message(
        write(tmp_path / "pulled/config.yaml", "_BASE_: ../secret.yaml")
    )
    own = write(tmp_path / "mine.yaml", f"_BASE_: {ROOT / 'configs/U2ENet/Base-U2ENet.yaml'}")
    assert read_config(own)["MODEL"]["META_ARCHITECTURE"] == "U2ENet"


@pytest.mark.parametrize("base", ["loop.yaml", "x" * 5000, "a\\0b", "\\uD800", "pipe.yaml", "."])
def test_bases_that_are_no_files_are_one_line(tmp_path, base):
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    os.mkfifo(tmp_path / "pipe.yaml")
    path = write(tmp_path / "c.yaml", f'_BASE_: "{base}"')
    with pytest.raises(ValueError) as error:
        read_config(path)
    assert len(str(error.value)) < 300 and tmp_path.name in str(error.value)
    for name in ("loop.yaml", "pipe.yaml", ".", "a\0b"):
        with pytest.raises(ValueError, match="cannot be read|got a pipe|got a folder|name of a file"):
            read_config(tmp_path / name)


def test_bases_that_lead_back_are_named(tmp_path):
    write(tmp_path / "b.yaml", "_BASE_: a.yaml")
    path = write(tmp_path / "a.yaml", "_BASE_: b.yaml")
    assert "_BASE_ leads back to this file" in message(path)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"- 1", "expected keys and values, got list"),
        (b"", "expected keys and values, got NoneType"),
        (b"INPUT:", "key INPUT: expected keys and values, got NoneType"),
        (b"SEED:", "key SEED: expected int, got nothing"),
        (b"1: 2", "expected a name as key, got 1"),
        (b"\xea\x00", "expected UTF-8 text"),
        (b"SEED: [", "expected plain YAML"),
        (b"[" * 5000, "expected plain YAML"),
        (
            b"a: &a [x, x]\n"
            + b"".join(b"%c: &%c [%s]\n" % (i, i, b", ".join([b"*%c" % (i - 1)] * 9)) for i in b"bcdefghi"),
            "values",
        ),
        (b"SEED: &s {a: *s}", "values"),
        (b"SEED: text", "Type mismatch"),
        (b"NO_SUCH_KEY: 1", "Non-existent config key: NO_SUCH_KEY"),
        (b"INPUT: 3", "key INPUT: expected keys and values, got int"),
        (b"SOLVER: {EMA: {DECAY: {a: 1}}}", "key SOLVER.EMA.DECAY: expected a float, got dict"),
        (b"_BASE_: none.yaml", "none.yaml: no such config file"),
    ],
)
def test_what_is_no_config_is_one_line(tmp_path, content, expected):
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    with pytest.raises((ValueError, FileNotFoundError), match=expected) as error:
        load_config(add_engine_config, str(path))
    assert len(str(error.value)) < 300 and "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["SEED: 1\nSEED: 2\n", "INPUT:\n  A: 1\nSEED: 1\nINPUT:\n  B: 2\n"])
def test_a_key_twice_is_one_line(tmp_path, text):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"a.yaml: expected plain YAML: the key (SEED|INPUT) twice"):
        read_config(path)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path):
    (tmp_path / "c.yaml").write_bytes(b"\xef\xbb\xbfSEED: 7\n")
    assert load_config(add_engine_config, str(tmp_path / "c.yaml")).SEED == 7


def test_a_dumped_config_is_read_again(tmp_path):
    cfg = get_cfg()
    add_engine_config(cfg)
    write(tmp_path / "config.yaml", cfg.dump())
    again = load_config(add_engine_config, str(tmp_path / "config.yaml"))
    assert yaml.safe_load(again.dump()) == yaml.safe_load(cfg.dump())
