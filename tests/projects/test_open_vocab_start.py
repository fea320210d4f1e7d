"""OpenVocab3D's training that starts from a detector with fixed classes."""

from __future__ import annotations

import pytest
import torch
import yaml
from project_scripts import ROOT
from test_open_vocab3d import TOY

from d2ext.engine import load_config, save_safetensors
from d2ext.projects.diffusion_det3d import Detection3DTrainer, add_diffusion_det3d_config
from d2ext.projects.open_vocab3d import OpenVocabTrainer, add_open_vocab3d_config


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    """A closed detector of the toy's sizes, with random weights all over, and its file."""
    folder = tmp_path_factory.mktemp("detector")
    config = {"_BASE_": str(ROOT / "configs/DiffusionDet3D/diffusion_tiny_synthroad.yaml")}
    model = {key: value for key, value in TOY["MODEL"].items() if key != "OPEN_VOCAB"}
    (folder / "config.yaml").write_text(yaml.safe_dump(config | {"MODEL": model}))
    cfg = load_config(add_diffusion_det3d_config, folder / "config.yaml")
    torch.manual_seed(0)
    closed = Detection3DTrainer.build_model(cfg)
    with torch.no_grad():
        for parameter in closed.parameters():
            parameter.normal_()
    path = folder / "closed.safetensors"
    save_safetensors(closed, path)
    return closed, path


def open_model(folder, path, **keys):
    model = TOY["MODEL"] | {"OPEN_VOCAB": TOY["MODEL"]["OPEN_VOCAB"] | {"DETECTOR": str(path)}} | keys
    (folder / "open.yaml").write_text(yaml.safe_dump(TOY | {"MODEL": model}))
    return OpenVocabTrainer.build_model(load_config(add_open_vocab3d_config, folder / "open.yaml"))


def test_all_that_has_nothing_to_do_with_classes_is_the_detectors(detector, tmp_path):
    closed, path = detector
    model = open_model(tmp_path, path)
    given = closed.state_dict()
    taken = [n for n, value in model.state_dict().items() if n in given and given[n].shape == value.shape]
    assert all(torch.equal(model.state_dict()[n], given[n]) for n in taken)
    missing = set(given) - set(taken)
    assert missing == {f"decoder.heads.0.box_head.out.{kind}" for kind in ("weight", "bias")}

    features = torch.randn(5, closed.decoder.heads[0].box_head.mlp[0].in_features)
    theirs, ours = (m.decoder.heads[0].box_head(features) for m in (closed, model))
    for part, value in theirs.items():
        if part != "classes":
            torch.testing.assert_close(ours[part], value, msg=part)


def test_weights_come_before_the_detector(detector, tmp_path):
    closed, path = detector
    model = open_model(tmp_path, path, WEIGHTS="something.pth")
    name = "decoder.heads.0.box_head.mlp.0.weight"
    assert not torch.equal(model.state_dict()[name], closed.state_dict()[name])


def test_a_detector_of_another_width_is_refused_in_one_line(detector, tmp_path):
    wider = TOY["MODEL"]["DETECTION3D"] | {"HIDDEN_DIM": 32}
    with pytest.raises(
        ValueError, match=r"closed\.safetensors: \S+ has shape .*, the model expects"
    ) as error:
        open_model(tmp_path, detector[1], DETECTION3D=wider)
    assert "\n" not in str(error.value)
