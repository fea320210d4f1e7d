"""OpenVocab3D's graphs under onnxruntime against torch's model, with prompts as an input and baked in."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from project_scripts import needs_exporter

from d2ext.data.open_vocab.names import ExemplarBox, Name
from d2ext.engine import save_safetensors
from d2ext.projects.open_vocab3d import OpenVocabPredictor, OpenVocabTrainer
from d2ext.projects.open_vocab3d.onnx import OnnxOpenVocab, export_onnx
from d2ext.structures import Camera
from tests.projects.test_diffusion_det3d_onnx import same
from tests.projects.test_open_vocab3d import read_config, toy_file

pytest.importorskip("onnxruntime")
pytestmark = needs_exporter
NAMES = [Name("car", ("car",)), Name("big", ("truck", "bus"), size=(3.0, 2.5, 9.0)), Name("dog", ("dog",))]


@pytest.fixture(scope="module")
def cfg(tmp_path_factory):
    """The toy config with random weights."""
    folder = tmp_path_factory.mktemp("toy")
    config, weights = toy_file(folder), folder / "weights.safetensors"
    options = ("MODEL.DIFFUSION.STEPS", 2, "MODEL.WEIGHTS", weights)
    torch.manual_seed(0)
    model = OpenVocabTrainer.build_model(read_config(config))
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.08 * torch.randn_like(p))
    save_safetensors(model, weights)
    return read_config(config, *options)


# An export takes a minute or two of a core: what wants it is slow, and run by .ci/run.
@pytest.fixture(scope="module")
def exported(cfg, tmp_path_factory):
    folder = tmp_path_factory.mktemp("onnx")
    export_onnx(cfg, folder, NAMES, report=lambda line: None)
    return OnnxOpenVocab(folder)


def picture(height: int, width: int) -> tuple[np.ndarray, Camera]:
    image = np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)
    return image, Camera([[width, 0, width / 2, 0], [0, width, height / 2, 0], [0, 0, 1, 0]], (height, width))


def same_of_each(expected, got, names: int) -> int:
    """As ``same``, name by name: a box may answer to several."""
    kinds = range(names)
    return sum(same(*(x[x.pred_classes == k] for x in (expected, got))) for k in kinds)


@pytest.mark.slow
def test_any_of_the_names_are_asked_in_any_order(cfg, exported):
    for names in (NAMES, NAMES[1:2], [NAMES[2], NAMES[0]]):
        torch_side = OpenVocabPredictor(cfg, names)
        onnx_side = OpenVocabPredictor(exported.cfg, names, exported)
        for size in ((64, 96), (128, 128)):
            a, b = (
                p.detect(*picture(*size), [0.0, -1, 0, 1.6])["instances"] for p in (torch_side, onnx_side)
            )
            assert same_of_each(a, b, len(names)) > 3


@pytest.mark.slow
def test_a_name_that_was_not_exported_is_refused(exported):
    with pytest.raises(ValueError, match="prompt 'cat': expected one of the export's: car, big, dog"):
        OpenVocabPredictor(exported.cfg, ["cat"], exported)
    one = Name("like it", exemplars=(ExemplarBox("a.png", (1, 2, 30, 40)),))
    with pytest.raises(ValueError, match="an exemplar wants the model"):
        OpenVocabPredictor(exported.cfg, [one], exported)


@pytest.mark.slow
def test_baked_names_are_always_asked(cfg, tmp_path):
    export_onnx(cfg, tmp_path, NAMES, bake=True, report=lambda line: None)
    model = OnnxOpenVocab(tmp_path)
    onnx_side, torch_side = OpenVocabPredictor(model.cfg, (), model), OpenVocabPredictor(cfg, NAMES)
    assert onnx_side.class_names == torch_side.class_names
    a, b = (p.detect(*picture(64, 96), [0.0, -1, 0, 1.6])["instances"] for p in (torch_side, onnx_side))
    assert same_of_each(a, b, len(NAMES)) > 3
    with pytest.raises(ValueError, match="names: expected those that are baked in: car, big, dog"):
        OpenVocabPredictor(model.cfg, ["car"], model)


def test_what_cannot_be_exported_is_said_at_once(cfg, tmp_path):
    one = Name("like it", exemplars=(ExemplarBox("a.png", (1, 2, 30, 40)),))
    with pytest.raises(ValueError, match="like it: expected prompts, exemplars cannot be exported"):
        export_onnx(cfg, tmp_path, [one])
