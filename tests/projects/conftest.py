"""Commands of the projects, run in this process, and U2ENet's toy configuration file."""

import logging
from functools import partial
from pathlib import Path

import pytest
import yaml
from detectron2.data import DatasetCatalog, MetadataCatalog
from project_scripts import ROOT, call_script, load_script

from d2ext.data.builtin import register_dataset
from tests.toy_backbone import NARROW

TOY = {
    "_BASE_": str(ROOT / "configs/U2ENet/Base-U2ENet-tiny.yaml"),
    "MODEL": {
        "DEVICE": "cpu",
        **NARROW,
        "GROUNDING": {"FUSION_DIMS": [32, 32, 32]},
    },
    "INPUT": {"SIZE": [96, 320]},
    "DATASETS": {"TRAIN": ["real_mono3drefer_train"], "TEST": ["real_mono3drefer_train"]},
    "DATALOADER": {"NUM_WORKERS": 0},
    "SOLVER": {"MAX_ITER": 4, "WARMUP_ITERS": 2, "IMS_PER_BATCH": 2, "AMP": {"ENABLED": False}},
    "TEST": {"DTYPE": "float32"},
}


@pytest.fixture
def toy_config(tmp_path) -> Path:
    path = tmp_path / "toy.yaml"
    path.write_text(yaml.safe_dump(TOY | {"OUTPUT_DIR": str(tmp_path / "output")}))
    return path


@pytest.fixture
def real_data(shared_dir):
    """The real frames under names of their own, whatever DETECTRON2_DATASETS says."""
    names = {
        "real_mono3drefer_train": ("mono3drefer", "train"),
        "real_mono3drefer_test": ("mono3drefer", "test"),
        "real_monomulti3d_train": ("monomulti3d", "train"),
    }
    for name, (kind, split) in names.items():
        register_dataset(name, kind, shared_dir / "data" / kind, split)
    yield shared_dir / "data"
    for name in names:
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)


@pytest.fixture
def train_net(toy_config):
    """Calls train_net.py with the toy configuration; returns what its main returns."""
    script = load_script("train_net")
    from detectron2.engine import default_argument_parser

    def call(*arguments: str, config: Path = toy_config):
        command = ["--config-file", str(config), *map(str, arguments)]
        return script.main(default_argument_parser().parse_args(command))

    return call


@pytest.fixture
def demo():
    """Calls demo.py as a command; returns its exit status."""
    return partial(call_script, load_script("demo"))


@pytest.fixture(autouse=True)
def loggers_as_before():
    """What a command sets up writes to a stream that a later test has not."""
    loggers = [logging.getLogger(name) for name in ("detectron2", "d2ext", "d2ext.run")]
    before = [(logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    yield
    for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(level)
