"""A model without its weights says so before any dataset is read."""

from __future__ import annotations

import pytest
from detectron2.data import DatasetCatalog
from detectron2.engine import default_argument_parser
from project_scripts import ROOT, load_script

U2ENET = ("U2ENet", "u2enet_tiny_synthroad")
DETECTOR = ("DiffusionDet3D", "diffusion_tiny_synthroad")
TRAJAD = ("TrajAD", "trajad_synthtraffic")


class DatasetRead(Exception):
    pass


@pytest.fixture
def train_net(monkeypatch, tmp_path):
    """Calls a project's train_net.py in a folder of its own; whoever reads a dataset raises DatasetRead."""

    def read(name):
        raise DatasetRead(name)

    def call(project: tuple[str, str], *options: str):
        script = load_script("train_net", project[0])
        config = ROOT / f"configs/{project[0]}/{project[1]}.yaml"
        out = ("OUTPUT_DIR", str(tmp_path / "output"), "MODEL.DEVICE", "cpu")
        flags = [o for o in options if o.startswith("--")]
        keys = [o for o in options if not o.startswith("--")]
        arguments = ["--config-file", str(config), *flags, *keys, *out]
        return script.main(default_argument_parser().parse_args(arguments))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(DatasetCatalog, "get", read)
    return call


@pytest.mark.parametrize("project", [U2ENET, DETECTOR, TRAJAD], ids=lambda p: p[0])
@pytest.mark.parametrize("mode", [(), ("--eval-only",), ("--resume",)])
def test_a_checkpoint(train_net, project, mode):
    with pytest.raises(FileNotFoundError, match="^nowhere.pth: no such checkpoint file$"):
        train_net(project, *mode, "MODEL.WEIGHTS", "nowhere.pth")


@pytest.mark.parametrize(
    "project, key, message",
    [
        (U2ENET, "MODEL.BACKBONE.WEIGHTS", "^nowhere.pth: no such checkpoint file$"),
        (U2ENET, "MODEL.TIMM.WEIGHTS", "^MODEL.TIMM.WEIGHTS nowhere.pth: no such file$"),
        (U2ENET, "MODEL.TEXT.NAME", "^MODEL.TEXT.NAME nowhere.pth: no tokenizer and config there"),
        (DETECTOR, "MODEL.BACKBONE.WEIGHTS", "^nowhere.pth: no such checkpoint file$"),
        (TRAJAD, "MODEL.EFFICIENT_AD.TEACHER", "^MODEL.EFFICIENT_AD.TEACHER nowhere.pth: no such file; make"),
    ],
)
def test_what_a_training_starts_from(train_net, monkeypatch, project, key, message):
    monkeypatch.setattr("d2ext.hub.hub_answers", lambda: False)
    with pytest.raises(FileNotFoundError, match=message) as error:
        train_net(project, key, "nowhere.pth")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("project", [U2ENET, DETECTOR, TRAJAD], ids=lambda p: p[0])
def test_an_evaluation_without_weights_warns(train_net, tmp_path, project):
    with pytest.raises(DatasetRead):
        train_net(project, "--eval-only", "MODEL.WEIGHTS", "")
    log = (tmp_path / "output/log.txt").read_text()
    assert "WARNING: MODEL.WEIGHTS is empty: what is evaluated was never trained" in log


@pytest.mark.parametrize("project", [U2ENET, DETECTOR, TRAJAD], ids=lambda p: p[0])
def test_with_the_shipped_weights_the_datasets_come_next(train_net, project):
    with pytest.raises(DatasetRead):
        train_net(project, "MODEL.WEIGHTS", f"projects/{project[0]}/weights/{project[1]}.safetensors")
