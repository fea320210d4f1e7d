"""The exported graphs under onnxruntime against the torch model: the same answers, whatever the sizes."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from project_scripts import needs_exporter
from torch.export import Dim

from d2ext.data import image_record
from d2ext.data.formats.kitti import read_calib, read_ground
from d2ext.data.synthroad.labels import make_frame
from d2ext.data.synthroad.layout import CAR, POLE
from d2ext.engine import load_config, save_safetensors
from d2ext.engine.onnx_graphs import Graph, export_graph
from d2ext.modeling.grounding.inference import EncodedSentences
from d2ext.projects.u2enet import (
    OnnxU2ENet,
    U2ENetPredictor,
    U2ENetTrainer,
    add_u2enet_config,
    export_onnx,
)
from d2ext.projects.u2enet.onnx import GRAPHS, flatten, unflatten
from d2ext.structures import Camera

pytestmark = needs_exporter
ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "configs/U2ENet/u2enet_tiny_synthroad.yaml"
WEIGHTS = ROOT / "projects/U2ENet/weights/u2enet_tiny_synthroad.safetensors"
FLOAT32 = ["MODEL.DEVICE", "cpu", "TEST.DTYPE", "float32"]  # what the graphs compute in
SHORT = ["All white cars within 60 meters.", "The pedestrian.", "All trucks."]
LONG = [
    "The object that I mean is the car, painted in a dark colour, about 23.5 meters away from me, which is "
    "1.5 meters high and 4.2 meters long, heading away from me, to the right of the van, before the bus."
]


class Pair:
    """The same weights run by torch and by onnxruntime."""

    def __init__(self, cfg, folder: Path) -> None:
        export_onnx(cfg, folder, report=lambda line: None)
        self.folder = folder
        self.torch = U2ENetPredictor(cfg)
        model = OnnxU2ENet(folder)
        self.onnx = U2ENetPredictor(model.cfg, model)

    def agree(self, *inputs, single_target: bool | None = None) -> int:
        """Asserts that the answers agree; returns how many there are."""
        pairs = list(zip(*(p(*inputs, single_target) for p in (self.torch, self.onnx)), strict=True))
        for expected, got in pairs:
            assert torch.equal(got.pred_classes, expected.pred_classes)
            assert torch.allclose(got.scores, expected.scores, rtol=0, atol=1e-4)
            for name in ("center", "size", "rotation"):
                a, b = (getattr(x.pred_boxes3d, name) for x in (got, expected))
                assert torch.allclose(a, b, rtol=0, atol=1e-3), name
            assert torch.allclose(
                got.pred_boxes3d.corners(), expected.pred_boxes3d.corners(), rtol=0, atol=1e-3
            )
            assert torch.allclose(got.pred_boxes.tensor, expected.pred_boxes.tensor, rtol=0, atol=0.05)
        return sum(len(expected) for expected, _ in pairs)


def config(path: Path, *options):
    return load_config(add_u2enet_config, str(path), [*FLOAT32, *options])


# An export takes a minute or two of a core: what wants it is slow, and run by .ci/run.
@pytest.fixture(scope="module")
def shipped(tmp_path_factory) -> Pair:
    return Pair(config(CONFIG, "MODEL.WEIGHTS", str(WEIGHTS)), tmp_path_factory.mktemp("shipped"))


def synthroad(kind):
    """Image, camera and ground plane of one rendered frame."""
    frame = make_frame(kind, np.random.default_rng([5, 1]))
    image, view = frame.rendering.image, frame.scene.view
    return image, Camera(view.projection.tolist(), image.shape[:2]), view.plane.tolist()


@pytest.mark.slow
@pytest.mark.parametrize("texts", [SHORT, LONG, SHORT * 8], ids=["short", "one long", "two chunks"])
@pytest.mark.parametrize("ground", [True, False], ids=["ground", "no ground"])
@pytest.mark.parametrize("kind", [CAR, POLE], ids=lambda kind: kind.name)
def test_answers_equal_those_of_torch(shipped, kind, ground, texts):
    image, camera, plane = synthroad(kind)
    shipped.agree(image, texts, camera, plane if ground else None)
    assert shipped.agree(image, texts, camera, plane if ground else None, single_target=True) == len(texts)


@pytest.mark.slow
def test_some_answers_pass_the_threshold(shipped):
    image, camera, plane = synthroad(POLE)
    assert shipped.agree(image, ["All cars.", "All objects."], camera, plane) > 2


@pytest.mark.slow
def test_real_frame(shipped, shared_dir):
    folder = shared_dir / "data/mono3drefer"
    image = cv2.imread(str(folder / "images/000008.png"))
    camera = Camera(read_calib(folder / "calib/000008.txt"), image.shape[:2])
    plane = read_ground(folder / "planes/000008.txt")
    for ground in (plane, None):
        assert shipped.agree(image, SHORT + LONG, camera, ground, single_target=True) == 4
        shipped.agree(image, SHORT + LONG, camera, ground)
    assert shipped.agree(image, [], camera) == 0


@pytest.mark.slow
def test_a_batch_of_images_of_two_sizes(shipped):
    records = [
        image_record(shipped.torch.cfg, *synthroad(kind)) | {"sentences": SHORT + LONG, "single_target": True}
        for kind in (CAR, POLE)
    ]
    expected, got = shipped.torch.model(records), shipped.onnx.model(records)
    for a, b in zip(expected, got, strict=True):
        for x, y in zip(a["grounding"], b["grounding"], strict=True):
            assert torch.allclose(x.scores, y.scores, rtol=0, atol=1e-4)
            assert torch.allclose(x.pred_boxes3d.corners(), y.pred_boxes3d.corners(), rtol=0, atol=1e-3)


@pytest.mark.slow
def test_demo_needs_no_checkpoint_and_writes_the_same(shipped, demo, tmp_path, capsys, shared_dir):
    frame = shared_dir / "data/mono3drefer"
    common = ["--input", frame / "images/000008.png", "--calib", frame / "calib/000008.txt", "--single"]
    common += ["--text", SHORT[0], "--output", tmp_path / "out.png", "--json"]
    chosen = ["--config-file", CONFIG, "--opts", "MODEL.WEIGHTS", WEIGHTS, *FLOAT32]
    assert demo(*common, tmp_path / "torch.json", *chosen) == 0
    printed = capsys.readouterr().out
    assert demo(*common, tmp_path / "onnx.json", "--runtime", "onnx", "--onnx", shipped.folder) == 0
    assert capsys.readouterr().out == printed.replace("torch.json", "onnx.json")
    a, b = (json.loads((tmp_path / f"{n}.json").read_text())["sentences"][0] for n in ("torch", "onnx"))
    assert a["text"] == b["text"] and len(a["objects"]) == len(b["objects"]) == 1
    for key, value in a["objects"][0].items():
        assert b["objects"][0][key] == (value if key == "class" else pytest.approx(value, abs=0.05))


@pytest.mark.slow
def test_full_size_model(shared_dir, tmp_path):
    torch.manual_seed(0)
    name = str(shared_dir / "data/roberta-base")
    options = ["MODEL.TIMM.PRETRAINED", False, "MODEL.TEXT.NAME", name, "MODEL.TEXT.PRETRAINED", False]
    cfg = config(ROOT / "configs/U2ENet/u2enet_dla34_mono3drefer.yaml", *options)
    model = U2ENetTrainer.build_model(cfg)
    torch.nn.init.normal_(model.head.heatmap.weight)  # peaks that stand clear of each other
    save_safetensors(model, tmp_path / "weights.safetensors")
    cfg = cfg.clone()
    cfg.defrost()
    cfg.MODEL.WEIGHTS = str(tmp_path / "weights.safetensors")
    pair = Pair(cfg, tmp_path / "onnx")
    image, camera, plane = synthroad(CAR)
    assert pair.agree(image, SHORT + LONG, camera, plane) == 4


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ["MODEL.U2ENET.FUSION", "attention"],
        ["MODEL.U2ENET.FUSION", "concat"],
        ["MODEL.GROUNDING.SEMANTIC_FILTER", False, "MODEL.GROUNDING.DETAIL_FEATURE", ""],
    ],
    ids=["attention", "concat", "plain"],
)
def test_variants_for_comparison(toy_config, tmp_path, options):
    torch.manual_seed(0)
    cfg = config(toy_config, *options)
    model = U2ENetTrainer.build_model(cfg)
    torch.nn.init.normal_(model.head.heatmap.weight)
    save_safetensors(model, tmp_path / "weights.safetensors")
    cfg = cfg.clone()
    cfg.defrost()
    cfg.MODEL.WEIGHTS = str(tmp_path / "weights.safetensors")
    pair = Pair(cfg, tmp_path / "onnx")
    image, camera, plane = synthroad(CAR)
    assert pair.agree(image, SHORT, camera, plane, single_target=True) == 3


@pytest.mark.slow
def test_pretrained_backbone_and_the_plane_that_the_picture_shows(tmp_path):
    """EfficientNet's padding depends on the size; without a plane boxes stand on the one that is seen."""
    torch.manual_seed(0)
    path = CONFIG.with_name("u2enet_tiny_synthroad.yaml")
    model = U2ENetTrainer.build_model(config(path))
    for layer in (model.head.heatmap, model.plane_head.vote[-1]):
        torch.nn.init.normal_(layer.weight)
    save_safetensors(model, tmp_path / "weights.safetensors")
    pair = Pair(config(path, "MODEL.WEIGHTS", str(tmp_path / "weights.safetensors")), tmp_path / "onnx")
    for kind in (CAR, POLE):
        image, camera, plane = synthroad(kind)
        for ground in (plane, None):
            assert pair.agree(image, SHORT, camera, ground, single_target=True) == 3
        answer = pair.torch(image, SHORT[:1], camera, None, True)[0]
        assert (answer.pred_boxes3d.rotation[0, 1, 1] - 1).abs() > 1e-4  # tilted


def without_counterpart(model, x):
    return {"y": torch.linalg.eigvals(x)}


def for_one_length(model, x):
    return {"y": x + torch.arange(len(x))}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "message"),
    [
        (without_counterpart, "without_counterpart cannot be exported: .*linalg_eig"),
        (
            for_one_length,
            r"for_one_length cannot be exported: x got the fixed shape \[3, 3\], expected free n$",
        ),
    ],
)
def test_what_cannot_be_exported_is_one_line(function, message):
    n = Dim("n")
    inputs = {"x": torch.eye(3)}
    with pytest.raises(ValueError, match=f"^{message}[^\n]*$"):
        export_graph(Graph(torch.nn.Identity(), function, inputs), inputs, {"x": {0: n, 1: n}})


def test_flattened_tensors_come_back():
    sentences = EncodedSentences([torch.rand(2, 3, 4) for _ in range(3)], torch.rand(2, 5), torch.ones(2, 3))
    named = flatten(sentences)
    assert list(named) == ["levels_0", "levels_1", "levels_2", "vectors", "mask"]
    back = unflatten(EncodedSentences, named | {"maps_0": torch.zeros(1)})
    assert [*back.levels, *back[1:]] == [*sentences.levels, *sentences[1:]]


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder of the right names without graphs in it."""
    cfg = config(CONFIG)
    (tmp_path / "config.yaml").write_text(cfg.dump())
    (tmp_path / "meta.json").write_text('{"format": 2, "size_divisibility": 32, "max_tokens": 160}')
    for name in GRAPHS:
        (tmp_path / f"{name}.onnx").write_bytes(b"\x08\x00nothing")
    return tmp_path


def test_incomplete_export_says_what_is_missing(folder):
    (folder / "meta.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"has no meta.json, expected a folder of export_onnx.py"):
        OnnxU2ENet(folder)


def test_folder_of_another_format_is_refused(folder):
    (folder / "meta.json").write_text('{"format": 99}')
    with pytest.raises(ValueError, match=r"meta.json: format 99, expected 2"):
        OnnxU2ENet(folder)


def test_missing_runtime_says_how_to_install_it(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ValueError, match=r"onnxruntime is not installed: pip install -e '\.\[export\]'"):
        OnnxU2ENet(folder)


@pytest.mark.parametrize(
    "arguments",
    [["--runtime", "onnx"], ["--onnx", "x"], ["--runtime", "onnx", "--onnx", "x", "--config-file", "c"], []],
)
def test_demo_takes_one_model(demo, arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("x").mkdir()
    for name in ("i.png", "c.txt", "c"):
        Path(name).write_text("")
    given = ["--input", "i.png", "--calib", "c.txt", "--text", "t", "--output", "o.png"]
    assert demo(*arguments, *given) == 2
    assert "expected --" in capsys.readouterr().err
