"""The configs whose backbones have seen photographs, or are transformers: training and prediction."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from detectron2.modeling import build_model
from project_scripts import ROOT
from torch import nn

from d2ext.engine import build_optimizer, load_config, save_safetensors
from d2ext.projects.diffusion_det3d import Detection3DPredictor, add_diffusion_det3d_config
from d2ext.projects.u2enet import U2ENetPredictor, add_u2enet_config
from d2ext.structures import Camera
from tests.modeling.conftest import toy_record

CONFIGS = {
    "U2ENet/u2enet_tiny_synthroad": add_u2enet_config,
    "U2ENet/u2enet_vit_tiny_synthroad": add_u2enet_config,
    "DiffusionDet3D/diffusion_tiny_synthroad": add_diffusion_det3d_config,
    "DiffusionDet3D/diffusion_vit_tiny_synthroad": add_diffusion_det3d_config,
}


def read_config(name: str, *options: object):
    small = ["MODEL.DEVICE", "cpu", "TEST.DTYPE", "float32", "INPUT.SIZE", "(64, 96)"]
    return load_config(CONFIGS[name], str(ROOT / f"configs/{name}.yaml"), [*small, *map(str, options)])


@pytest.mark.parametrize("name", CONFIGS)
def test_two_steps_change_what_is_to_be_trained_and_a_predictor_reads_the_result(name, tmp_path):
    torch.manual_seed(0)
    cfg = read_config(name, "SOLVER.WARMUP_ITERS", 0)
    model = build_model(cfg).train()
    assert sum(v.numel() * 2 for v in model.state_dict().values()) < 25e6  # bytes in half precision
    before = {key: value.clone() for key, value in model.named_parameters()}
    optimizer = build_optimizer(cfg, model)
    records = [toy_record(i, 64, 96, None) for i in range(2)]
    records[0]["true_plane"] = torch.tensor([0.0, -1.0, 0.0, 1.6])
    for _ in range(2):
        loss = sum(model(records).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert loss.isfinite()
    changed = {key for key, p in model.named_parameters() if not p.equal(before[key])}
    fixed = {key for key, p in model.named_parameters() if not p.requires_grad}
    assert not changed & fixed
    assert any(key.startswith("backbone.") for key in fixed) is ("vit" not in name)
    assert len(changed) > 0.8 * (len(before) - len(fixed))

    save_safetensors(model, tmp_path / "weights.safetensors", half=True)
    cfg = read_config(name, "MODEL.WEIGHTS", tmp_path / "weights.safetensors")
    camera = Camera(torch.tensor([[80.0, 0, 48, 0], [0, 80, 32, 0], [0, 0, 1, 0]]), (64, 96))
    image = np.full((64, 96, 3), 90, np.uint8)
    if name.startswith("U2ENet"):
        predictor = U2ENetPredictor(cfg)
        assert len(predictor(image, ["The car."], camera, None, True)[0]) == 1
    else:
        predictor = Detection3DPredictor(cfg)
        predictor(image, camera)
    assert not [m for m in predictor.model.backbone.modules() if isinstance(m, nn.BatchNorm2d)]


@pytest.mark.parametrize("name", [name for name in CONFIGS if "vit" not in name])
def test_a_camera_of_rgb_from_minus_one_to_one(name):
    """What the weights were trained on (timm's description of them)."""
    import timm

    cfg = read_config(name)
    described = timm.get_pretrained_cfg(cfg.MODEL.TIMM.NAME)
    assert cfg.INPUT.FORMAT == "RGB"
    assert [x / 255 for x in cfg.MODEL.PIXEL_MEAN] == pytest.approx(list(described.mean))
    assert [x / 255 for x in cfg.MODEL.PIXEL_STD] == pytest.approx(list(described.std))
