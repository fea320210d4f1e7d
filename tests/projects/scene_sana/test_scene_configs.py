"""The shipped configs, at their size: every model can be built and learns from a picture."""

import pytest
import torch
from detectron2.modeling import build_model
from detectron2.utils.events import EventStorage
from project_scripts import ROOT
from toy_scenes import records

from d2ext.data.scenes.mapper import SceneMapper
from d2ext.engine import load_config
from d2ext.projects.scene_sana import add_scene_sana_config

CONFIGS = sorted(path for path in (ROOT / "configs/SceneSana").glob("*.yaml") if "Base" not in path.name)


@pytest.mark.slow
@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_model_of_every_config_learns_from_a_picture_and_answers_with_one(path, tmp_path):
    text = ["MODEL.CAPTION.NAME", "d2ext://text/tiny", "MODEL.CAPTION.PRETRAINED", "False"]
    text += ["MODEL.CAPTION.MAX_TOKENS", "48", "MODEL.DEVICE", "cpu"]
    cfg = load_config(add_scene_sana_config, str(path), text)
    torch.manual_seed(0)
    model = build_model(cfg).train()
    source = records(tmp_path, [1])[0]
    x = SceneMapper(cfg, False)(source) | {"drop": 0.9}
    with EventStorage(0):
        loss = sum(model([x]).values())
    loss.backward()
    assert torch.isfinite(loss) and any(p.grad is not None and p.grad.any() for p in model.parameters())
    if hasattr(model, "steps"):
        model.steps = 2
    with torch.no_grad():
        assert model.eval()([x])[0]["image"].shape == (3, 128, 256)
