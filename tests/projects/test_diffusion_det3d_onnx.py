"""The exported graphs under onnxruntime against torch's models: the same boxes, whatever the sizes."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from project_scripts import ROOT, call_script, load_script, needs_exporter

from d2ext.data.formats.kitti import read_calib, read_ground
from d2ext.data.image_io import read_image
from d2ext.data.synthroad.labels import make_frame
from d2ext.data.synthroad.layout import POLE
from d2ext.engine import save_safetensors
from d2ext.projects.diffusion_det3d import (
    Detection3DPredictor,
    Detection3DTrainer,
    OnnxDetector3D,
    export_onnx,
)
from d2ext.structures import Camera
from tests.modeling.conftest import toy_record
from tests.projects.test_diffusion_det3d import read_config, toy_file

pytest.importorskip("onnxruntime")
pytestmark = needs_exporter
WEIGHTS = ROOT / "projects/DiffusionDet3D/weights/diffusion_tiny_synthroad.safetensors"
SHIPPED = ROOT / "configs/DiffusionDet3D/diffusion_tiny_synthroad.yaml"
FLOAT32 = ("MODEL.DEVICE", "cpu", "TEST.DTYPE", "float32")  # what the graphs compute in
PLANE = [0.0, -0.98, -0.199, 6.5]
RENEWAL = 0.013  # of the scores of untrained weights
#: Steps after which some boxes of untrained weights start again and some do not.
STEPS = ("MODEL.DIFFUSION.STEPS", 3, "MODEL.DIFFUSION.RENEWAL_THRESHOLD", 0.0132)


class Pair:
    """The same weights run by torch and by onnxruntime."""

    def __init__(self, cfg, folder: Path) -> None:
        export_onnx(cfg, folder, report=lambda line: None)
        self.cfg, self.folder = cfg, folder
        self.torch = Detection3DPredictor(cfg)
        model = OnnxDetector3D(folder)
        self.onnx = Detection3DPredictor(model.cfg, model)

    def agree(self, image: np.ndarray, camera: Camera, plane=None, **options) -> int:
        """Asserts that the answers agree; returns how many there are."""
        a, b = (p.detect(image, camera, plane, **options) for p in (self.torch, self.onnx))
        for x, y in zip(a.get("steps", ()), b.get("steps", ()), strict=True):
            same(x, y)
        for x, y in zip(a.get("boxes", ()), b.get("boxes", ()), strict=True):
            assert torch.allclose(x, y, rtol=0, atol=0.05)
        return same(a["instances"], b["instances"])


def same(expected, got) -> int:
    """Asserts that both hold the same objects, best first; returns how many."""
    assert len(got) == len(expected)
    assert torch.allclose(got.scores, expected.scores, rtol=0, atol=1e-4)
    apart = torch.cdist(expected.pred_boxes.tensor, got.pred_boxes.tensor, p=float("inf"))
    nearest, order = apart.min(1)  # objects of equal scores come in any order
    assert (nearest <= 0.05).all() and len(order.unique()) == len(order)
    got = got[order]
    assert torch.equal(got.pred_classes, expected.pred_classes)
    assert torch.allclose(got.scores, expected.scores, rtol=0, atol=1e-4)
    # Boxes stand where their 2D boxes put them, and hundredths of a pixel are centimetres far away.
    distance = expected.pred_boxes3d.center[:, 2]
    for name, most in (("center", 1e-3 * distance), ("size", 1e-3), ("rotation", 1e-3)):
        a, b = (getattr(x.pred_boxes3d, name) for x in (got, expected))
        error = (a - b).abs().flatten(1).amax(1)
        assert (error <= most * (distance / 100).clamp(min=1)).all(), name
    return len(expected)


def with_random_weights(path: Path, weights: Path, *options: object, spread: float = 0.08):
    """The config of a file, with random weights that are ``spread`` from those a training begins with."""
    cfg = read_config(path, *FLOAT32, *options)
    torch.manual_seed(0)
    model = Detection3DTrainer.build_model(cfg)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(spread * torch.randn_like(p))
    save_safetensors(model, weights)
    return read_config(path, *FLOAT32, *options, "MODEL.WEIGHTS", weights)


def toy(folder: Path, name: str, *options: object) -> Pair:
    config = toy_file(folder, name)
    cfg = with_random_weights(config, folder / f"{name}.safetensors", *options)
    return Pair(cfg, folder / f"{name}_onnx")


# An export takes a minute of a core: what wants it is slow, and run by .ci/run.
@pytest.fixture(scope="module")
def diffusion(tmp_path_factory) -> Pair:
    heads = ("MODEL.DETECTION3D.NUM_HEADS", 1)
    return toy(tmp_path_factory.mktemp("toy"), "DiffusionDet3D", *heads, *STEPS)


def noisy_image(height: int, width: int) -> tuple[np.ndarray, Camera]:
    image = np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)
    P = [[width, 0, width / 2, 4], [0, width, height / 2, 0.1], [0, 0, 1, 0.003]]
    return image, Camera(P, (height, width))


#: Resized to 96x160, 96x96, 27x160 and 96x52 pixels, which are padded to multiples of 32.
SIZES = [(192, 320), (300, 300), (100, 600), (480, 260)]


@pytest.mark.slow
@pytest.mark.parametrize("plane", [PLANE, None], ids=["ground", "no ground"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_boxes_are_those_of_torch_whatever_the_size(diffusion, size, plane):
    image, camera = noisy_image(*size)
    assert diffusion.agree(image, camera, plane, return_steps=True) > 5


@pytest.mark.slow
@pytest.mark.parametrize(("num_boxes", "steps"), [(1, 1), (33, 2), (300, 1)])
def test_any_number_of_boxes_and_steps(diffusion, num_boxes, steps):
    image, camera = noisy_image(192, 320)
    noise = torch.randn(1, num_boxes, 4, generator=torch.Generator().manual_seed(1))
    diffusion.agree(image, camera, PLANE, num_boxes=num_boxes, steps=steps, noise=noise)
    for model in (diffusion.torch, diffusion.onnx):
        with pytest.raises(ValueError, match="expected at least 1"):
            model.detect(image, camera, steps=0)


@pytest.mark.slow
def test_a_batch_of_images_of_several_sizes(diffusion):
    sizes = [(96, 160), (64, 320), (90, 150), (33, 65), (96, 160)]
    records = [toy_record(i, *size, PLANE if i % 2 else None) for i, size in enumerate(sizes)]
    with torch.no_grad():
        expected = diffusion.torch.model(records)
    for a, b in zip(expected, diffusion.onnx.model(records), strict=True):
        assert same(a["instances"], b["instances"]) > 5


@pytest.mark.slow
def test_renewal_kept_some_boxes_and_not_others(diffusion):
    """Or the tests above would compare less than they seem to."""
    image, camera = noisy_image(192, 320)
    first = diffusion.torch.detect(image, camera, steps=2, return_steps=True)["steps"][0]
    assert 0 < (first.scores >= RENEWAL).sum() < len(first)


@pytest.fixture
def demo_arguments(tmp_path) -> list[object]:
    image, camera = noisy_image(192, 320)
    cv2.imwrite(str(tmp_path / "image.png"), image)
    numbers = " ".join(map(str, camera.P.flatten().tolist()))
    (tmp_path / "calib.txt").write_text(f"P2: {numbers}\n")
    given = ["--input", tmp_path / "image.png", "--calib", tmp_path / "calib.txt", "--min-score", 0]
    return [*given, "--output", tmp_path / "out.png", "--strip", tmp_path / "strip.png", "--json"]


@pytest.mark.slow
def test_demo_needs_no_checkpoint_and_writes_the_same(diffusion, demo_arguments, tmp_path, capsys):
    demo = load_script("demo", "DiffusionDet3D")
    chosen = ["--config-file", tmp_path / "config.yaml"]
    (tmp_path / "config.yaml").write_text(diffusion.cfg.dump())
    assert call_script(demo, *demo_arguments, tmp_path / "torch.json", *chosen) == 0
    printed = capsys.readouterr().out
    chosen = ["--runtime", "onnx", "--onnx", diffusion.folder]
    assert call_script(demo, *demo_arguments, tmp_path / "onnx.json", *chosen) == 0
    assert capsys.readouterr().out == printed.replace("torch.json", "onnx.json")
    a, b = (json.loads((tmp_path / f"{n}.json").read_text())["objects"] for n in ("torch", "onnx"))
    assert len(a) == len(b) > 5
    for x, y in zip(a, b, strict=True):
        assert all(y[k] == (v if k == "class" else pytest.approx(v, abs=0.05)) for k, v in x.items())


@pytest.mark.parametrize(
    "arguments",
    [["--runtime", "onnx"], ["--onnx", "x"], ["--runtime", "onnx", "--onnx", "x", "--config-file", "c"], []],
)
def test_demo_takes_one_model(demo_arguments, arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("x").mkdir()
    Path("c").write_text("")
    demo = load_script("demo", "DiffusionDet3D")
    assert call_script(demo, *arguments, *demo_arguments, "out.json") == 2
    assert "expected --" in capsys.readouterr().err


def test_export_without_weights_is_one_line(tmp_path, capsys):
    script = load_script("export_onnx", "DiffusionDet3D")
    assert call_script(script, "--config-file", SHIPPED, "--output", tmp_path / "onnx") == 1
    assert capsys.readouterr().err == (
        "error: MODEL.WEIGHTS is empty: expected a checkpoint (--opts MODEL.WEIGHTS FILE)\n"
    )
    assert not (tmp_path / "onnx").exists()


@pytest.mark.slow
def test_a_damaged_folder_is_one_clear_line(diffusion, tmp_path):
    with pytest.raises(FileNotFoundError, match="has no meta.json, expected a folder of export_onnx.py"):
        OnnxDetector3D(tmp_path)
    for path in diffusion.folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    OnnxDetector3D(tmp_path)
    good = json.loads((tmp_path / "meta.json").read_text())
    for change in ({"format": 99}, {"size_divisibility": 0}, {"size_divisibility": None}):
        (tmp_path / "meta.json").write_text(json.dumps(good | change))
        with pytest.raises(ValueError, match="^[^\n]*meta.json: [^\n]*expected [^\n]*$"):
            OnnxDetector3D(tmp_path)
    (tmp_path / "meta.json").write_text(json.dumps(good))
    (tmp_path / "step.onnx").write_bytes(b"no graph")
    with pytest.raises(ValueError, match="step.onnx: not a whole graph"):
        OnnxDetector3D(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["DiffusionDet3D", "SparseRCNN3D", "DETR3D", "DETR3D+"])
def test_every_detector_can_be_exported(name, tmp_path):
    pair = toy(tmp_path, name, *STEPS, "MODEL.DIFFUSION.SAMPLER", "dpm_solver++")
    for size in SIZES:
        assert pair.agree(*noisy_image(*size), PLANE, return_steps=True) > 5
    sizes = [(96, 160), (64, 320), (90, 150), (96, 160)]
    records = [toy_record(i, *size, PLANE if i % 2 else None) for i, size in enumerate(sizes)]
    with torch.no_grad():
        expected = pair.torch.model(records)
    for a, b in zip(expected, pair.onnx.model(records), strict=True):
        assert same(a["instances"], b["instances"]) > 5
    if name != "DiffusionDet3D":
        with pytest.raises(ValueError, match="has 20 learned boxes and 1 step, got num_boxes=21"):
            pair.onnx.detect(*noisy_image(96, 160), num_boxes=21)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["DiffusionDet3D", "DETR3D", "DETR3D+"])
def test_the_plane_that_the_picture_shows_is_the_graphs_too(name, tmp_path):
    pair = toy(tmp_path, name, "MODEL.PLANE_HEAD.ENABLED", True, "INPUT.BOX_PLANE", "ground")
    for size in SIZES:
        for plane in (None, PLANE):
            assert pair.agree(*noisy_image(*size), plane) > 5
    found = pair.onnx.detect(*noisy_image(*SIZES[0]), None)["instances"]
    assert float(found.pred_boxes3d.rotation[0, 1, 1]) < 1 - 1e-4  # tilted


@pytest.mark.slow
def test_the_shipped_model_answers_the_same(tmp_path, shared_dir):
    pair = Pair(read_config(SHIPPED, *FLOAT32, "MODEL.WEIGHTS", WEIGHTS), tmp_path)
    frame = make_frame(POLE, np.random.default_rng([5, 1]))
    image, view = frame.rendering.image, frame.scene.view
    camera, plane = Camera(view.projection.tolist(), image.shape[:2]), view.plane.tolist()
    for steps in (1, 4):
        assert pair.agree(image, camera, plane, steps=steps, num_boxes=100) > 2
    for height, width in ((400, 640), (300, 300)):  # other shapes than the config's
        part = image[:height, :width]
        assert pair.agree(part, Camera(view.projection.tolist(), (height, width)), plane) > 0
    folder = shared_dir / "data/mono3drefer"
    image = read_image(folder / "images/000008.png")
    camera = Camera(read_calib(folder / "calib/000008.txt"), image.shape[:2])
    pair.agree(image, camera, read_ground(folder / "planes/000008.txt"), steps=4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["diffusion_r50_rope3d", "detr_r50_rope3d", "detr_published_r50_rope3d"])
def test_full_size_images_and_backbones(name, tmp_path):
    """The decoder's layers are alike: one of each is exported. DETR's images are not padded."""
    options = ["MODEL.RESNETS.WEIGHTS", "", "MODEL.DETECTION3D.SCORE_THRESHOLD", 0.0]
    options += ["MODEL.DETECTION3D.NUM_HEADS", 1, "MODEL.DETR.ENCODER_LAYERS", 1]
    options += ["MODEL.DETR.DECODER_LAYERS", 1]
    path = ROOT / f"configs/DiffusionDet3D/{name}.yaml"
    cfg = with_random_weights(path, tmp_path / "weights.safetensors", *options, spread=0.0)
    pair = Pair(cfg, tmp_path / "onnx")
    for size in ((1080, 1920), (700, 723)):
        assert pair.agree(*noisy_image(*size), PLANE) > 5
