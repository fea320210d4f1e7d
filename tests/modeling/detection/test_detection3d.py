"""The three 3D detectors: what depends on what, and what must not."""

import math

import pytest
import torch
from detectron2.config import CfgNode, get_cfg
from detectron2.layers import batched_nms
from detectron2.modeling import build_model
from detectron2.structures import Boxes, Instances
from torchvision.ops import box_iou

from d2ext.data.config import add_detection_data_config
from d2ext.modeling import add_detection3d_config, optimize_for_inference
from d2ext.modeling.box3d.images import EncodedImages, view_features
from d2ext.modeling.box3d.objects import ObjectViews
from d2ext.modeling.detection.inference import WarmStart
from d2ext.structures import Boxes3D, Camera

#: DETR3D+ is DETR3D with all that came after its publication.
NAMES = ("DiffusionDet3D", "SparseRCNN3D", "DETR3D", "DETR3D+")
PLANE = [0.0, -0.98, -0.199, 6.5]
SMALL = {
    "MODEL.DEVICE": "cpu",
    "MODEL.TIMM.NAME": "resnet18",
    "MODEL.TIMM.PRETRAINED": False,
    "MODEL.TIMM.WIDTHS": [16, 16, 16, 16],
    "MODEL.IDA.CHANNELS": [16, 32, 16, 16],
    "MODEL.DETECTION3D.NUM_BOXES": 20,
    "MODEL.DETECTION3D.NUM_HEADS": 2,
    "MODEL.DETECTION3D.HIDDEN_DIM": 32,
    "MODEL.DETECTION3D.ATTENTION_HEADS": 4,
    "MODEL.DETECTION3D.FFN_DIM": 64,
    "MODEL.DETECTION3D.DYNAMIC_DIM": 8,
    "MODEL.DETECTION3D.HEAD_DIM": 32,
    "MODEL.DETECTION3D.SCORE_THRESHOLD": 0.0,
    "MODEL.DETR.ENCODER_LAYERS": 1,
    "MODEL.DETR.DECODER_LAYERS": 2,
    "MODEL.DETR.ATTENTION_HEADS": 4,
    "MODEL.DETR.FFN_DIM": 64,
}
PLUS = {
    "MODEL.IDA.CHANNELS": [32, 16, 16],
    "MODEL.DETECTION3D.IN_FEATURES": ["p3", "p4", "p5"],
    "MODEL.DETR.ATTENTION": "deformable",
    "MODEL.DETR.QUERIES": "mixed",
    "MODEL.DETR.DENOISING": 30,
    "MODEL.DETECTION3D.MATCHER": "hungarian",
}


def small_config(name: str, **options) -> CfgNode:
    cfg = get_cfg()
    add_detection_data_config(cfg)
    add_detection3d_config(cfg)
    cfg.MODEL.META_ARCHITECTURE = name.removesuffix("+")
    cfg.MODEL.BACKBONE.NAME = "build_timm_backbone" if name == "DETR3D" else "build_timm_ida_backbone"
    for key, value in (SMALL | (PLUS if name.endswith("+") else {}) | options).items():
        cfg.merge_from_list([key, value])
    return cfg


def small_model(name: str, **options):
    torch.manual_seed(0)
    model = build_model(small_config(name, **options))
    with torch.no_grad():  # away from zero-initialised norms, behind which gradients vanish
        for p in model.parameters():
            p.add_(0.02 * torch.randn_like(p))
    return model


@pytest.fixture(params=NAMES)
def model(request):
    return small_model(request.param)


def same(a: Instances, b: Instances) -> None:
    assert len(a) == len(b) > 0
    assert torch.equal(a.pred_classes, b.pred_classes)
    assert torch.allclose(a.scores, b.scores, atol=1e-4)
    assert torch.allclose(a.pred_boxes.tensor, b.pred_boxes.tensor, atol=1e-2)
    assert torch.allclose(a.pred_boxes3d.center, b.pred_boxes3d.center, rtol=1e-3, atol=1e-2)


def test_losses_are_finite_and_reach_every_parameter(model, make_record):
    # Boxes of all sizes: every level of the pyramid has some to read.
    if hasattr(getattr(model, "proposals", None), "logits"):
        model.proposals.logits.data[:, 2:] = torch.linspace(-4, 3, 20)[:, None]
    records = [make_record(seed, 960, 960, PLANE if seed else None) for seed in range(2)]
    losses = model.train()(records)
    parts = {f"loss_{x}" for x in ("class", "l1", "box", "center", "size", "angle", "depth")}
    more = ("_cells", "_denoising") if getattr(model, "denoising", None) else ()
    assert set(losses) == parts | {f"{part}{suffix}" for part in parts for suffix in more}
    assert all(torch.isfinite(v) for v in losses.values())
    sum(losses.values()).backward()
    assert not [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]


def test_training_and_evaluation_run_in_bfloat16(model, toy_records):
    with torch.autocast("cpu", torch.bfloat16):
        sum(model.train()(toy_records).values()).backward()
        outputs = model.eval()(toy_records)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    assert all(torch.isfinite(o["instances"].pred_boxes3d.center).all() for o in outputs)


def test_objects_without_a_3d_label_train_the_2d_part_only(model, toy_records):
    for record in toy_records:
        record["instances"].gt_has_3d[:] = False
        record["instances"].gt_boxes3d.center[:] = 1e4
    losses = model.train()(toy_records)
    zero = {name.rsplit("_", name.count("_") - 1)[0] for name, value in losses.items() if value.item() == 0.0}
    assert zero == {"loss_center", "loss_size", "loss_angle", "loss_depth"}


def test_images_without_objects_train_the_background_only(model, toy_records):
    empty = [r | {"instances": r["instances"][:0]} for r in toy_records]
    losses = model.train()(empty)
    learnt = {name for name, value in losses.items() if value.item() != 0.0}
    assert learnt == {"loss_class"} | ({"loss_class_cells"} & losses.keys())
    sum(losses.values()).backward()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())
    if getattr(model, "denoising", None):  # or processes would wait for a gradient that one of them lacks
        assert all(p.grad is not None for p in model.parameters())


def test_an_image_is_answered_alone_as_in_a_batch(model, make_record):
    sizes = [(96, 160), (96, 128), (64, 160)]
    records = [make_record(i, *size, PLANE if i else None) for i, size in enumerate(sizes)]
    together = model.eval()(records)
    for record, output in zip(records, together, strict=True):
        same(model([record])[0]["instances"], output["instances"])


def test_with_the_same_noise_steps_and_renewal_depend_on_the_own_image_only(make_record):
    model = small_model("DiffusionDet3D", **{"MODEL.DIFFUSION.RENEWAL_THRESHOLD": 0.02}).eval()
    records = [make_record(0, 96, 160, PLANE), make_record(1, 96, 128, PLANE)]
    noise = torch.randn(2, 30, 4)
    together = model.detect(model.encode(records), 30, 4, noise, return_steps=True)
    for i, record in enumerate(records):
        alone = model.detect(model.encode([record]), 30, 4, noise[i : i + 1], return_steps=True)[0]
        same(alone["instances"], together[i]["instances"])
        for a, b in zip(alone["boxes"], together[i]["boxes"], strict=True):
            assert torch.allclose(a, b, atol=1e-2)


@pytest.mark.parametrize("sampler", ["ddim", "dpm_solver++"])
@pytest.mark.parametrize("count", [25, 50, 100, 300])
def test_any_number_of_boxes_and_steps_can_be_tested(toy_records, count, sampler):
    model = small_model("DiffusionDet3D", **{"MODEL.DIFFUSION.SAMPLER": sampler}).eval()
    encoded = model.encode(toy_records)
    for options in ({"steps": 0}, {"num_boxes": 0}, {"num_boxes": count, "noise": torch.zeros(2, 7, 4)}):
        with pytest.raises(ValueError, match="expected"):
            model.detect(encoded, **options)
    for steps in (1, 3):
        output = model.detect(encoded, count, steps, return_steps=True)[0]
        assert len(output["boxes"]) == len(output["steps"]) == steps
        assert all(boxes.shape == (count, 4) for boxes in output["boxes"])
        assert 0 < len(output["instances"]) <= count * steps


def test_expected_boxes_start_detection_where_they_lie(toy_records):
    """With no noise on them they are what the step starts from, in original pixels, and have a time of their
    own: at that of the others they would be found otherwise."""
    model = small_model("DiffusionDet3D", **{"MODEL.DIFFUSION.SMALLEST": 0.01}).eval()
    encoded = model.encode(toy_records)
    height, width = toy_records[0]["height"], toy_records[0]["width"]
    box = torch.tensor([[0.2 * width, 0.3 * height, 0.6 * width, 0.7 * height]])
    warm = WarmStart([box, box[:0]], 0)
    first, second = model.detect(encoded, 9, 1, return_steps=True, warm=warm)
    cold = model.detect(encoded, 9, 1, return_steps=True)
    assert torch.allclose(first["boxes"][0][0], box[0], atol=0.05 * width)
    assert torch.equal(first["boxes"][0][1:], cold[0]["boxes"][0][1:])
    same(second["instances"], cold[1]["instances"])
    late = model.detect(encoded, 9, 1, warm=WarmStart(warm.boxes, 900))[0]["instances"]
    assert len(late) != len(first["instances"]) or not torch.equal(late.scores, first["instances"].scores)


def test_learned_boxes_cannot_change_in_number(toy_records):
    for name in NAMES[1:]:
        model = small_model(name).eval()
        encoded = model.encode(toy_records)
        assert len(model.detect(encoded, num_boxes=20, steps=1, return_steps=True)[0]["boxes"]) == 1
        for options in ({"num_boxes": 25}, {"steps": 4}, {"noise": torch.zeros(2, 20, 4)}):
            with pytest.raises(ValueError, match="the model has 20 learned boxes and 1 step, got"):
                model.detect(encoded, **options)


def test_an_image_is_encoded_once_whatever_the_steps(toy_records):
    model = small_model("DiffusionDet3D", **{"MODEL.DIFFUSION.STEPS": 8}).eval()
    calls = []
    model.backbone.register_forward_hook(lambda *_: calls.append("backbone"))
    model.encoder.register_forward_hook(lambda *_: calls.append("encoder"))
    model.decoder.register_forward_hook(lambda *_: calls.append("decoder"))
    model(toy_records[:1])
    assert calls == ["backbone", "encoder"] + ["decoder"] * 8


def test_evaluation_can_be_repeated_and_follows_its_seed(toy_records):
    model = small_model("DiffusionDet3D").eval()
    first = model(toy_records)[0]["instances"]
    torch.rand(7)
    same(model(toy_records)[0]["instances"], first)
    model.detection.seed += 1
    other = model(toy_records)[0]["instances"]
    assert len(other) != len(first) or not torch.allclose(other.scores, first.scores)


def test_the_ensemble_is_the_distinct_boxes_of_all_steps(toy_records):
    model = small_model("DiffusionDet3D").eval()
    encoded = model.encode(toy_records[:1])
    found = model.detect(encoded, steps=3)[0]["instances"]
    model.detection.nms_threshold = 1.0  # every box of every step
    steps = model.detect(encoded, steps=3, return_steps=True)[0]["steps"]
    boxes = torch.cat([s.pred_boxes.tensor for s in steps])
    scores = torch.cat([s.scores for s in steps])
    keep = batched_nms(boxes, scores, torch.cat([s.pred_classes for s in steps]), 0.5)
    assert len(found) < len(boxes)
    assert torch.allclose(found.scores, scores[keep])
    model.detection.ensemble = False
    same(model.detect(encoded, steps=3)[0]["instances"], steps[-1])


def test_detections_stand_on_the_plane_best_first_above_the_threshold(model, make_record):
    record = make_record(3, 96, 160, PLANE)
    found = model.eval()([record])[0]["instances"]
    assert found.image_size == (192, 320)
    assert (found.scores.diff() <= 0).all()
    normal = torch.tensor(PLANE[:3]) / torch.tensor(PLANE[:3]).norm()
    assert torch.allclose(found.pred_boxes3d.rotation[:, :, 1], -normal.expand(len(found), 3), atol=1e-3)
    _, _, yaw = found.pred_boxes3d.to_kitti(record["box_plane"])
    assert torch.allclose(torch.cos(yaw - found.pred_yaw), torch.ones(len(found)), atol=1e-4)
    model.detection.score_threshold = found.scores[len(found) // 2].item()
    assert model([record])[0]["instances"].scores.min() >= model.detection.score_threshold


def test_folding_for_inference_changes_nothing(model, toy_records):
    before = model.eval()(toy_records)[0]["instances"]
    same(optimize_for_inference(model)(toy_records)[0]["instances"], before)


def test_detectron2s_own_resnet_is_a_backbone(toy_records):
    for name, options in (
        ("SparseRCNN3D", {"MODEL.BACKBONE.NAME": "build_resnet_fpn_backbone"}),
        ("DETR3D", {"MODEL.BACKBONE.NAME": "build_resnet_backbone", "MODEL.DETR.IN_FEATURE": "res5"}),
        ("DETR3D+", {"MODEL.BACKBONE.NAME": "build_resnet_fpn_backbone"}),
    ):
        model = small_model(name, **options)
        assert len(model.eval()(toy_records[:1])[0]["instances"]) == 20


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("SparseRCNN3D", "MODEL.DETECTION3D.IN_FEATURES", ["p2", "c3"]),
        ("SparseRCNN3D", "MODEL.DETECTION3D.DEPTH_ESTIMATES", ["stereo"]),
        ("SparseRCNN3D", "MODEL.DETECTION3D.MATCHER", "greedy"),
        ("DETR3D", "MODEL.DETR.IN_FEATURE", "res5"),
        ("DETR3D+", "MODEL.DETECTION3D.IN_FEATURES", ["p2", "c3"]),
        ("DETR3D", "MODEL.DETR.ATTENTION", "sparse"),
        ("DETR3D", "MODEL.DETR.QUERIES", "drawn"),
        ("DiffusionDet3D", "MODEL.DIFFUSION.SAMPLER", "euler"),
        ("DiffusionDet3D", "MODEL.DIFFUSION.SCHEDULE", "cosine"),
    ],
)
def test_wrong_values_are_one_clear_line(name, key, value):
    short = key.rsplit(".", 1)[1]
    with pytest.raises(ValueError, match=f"{short} .*: expected") as error:
        build_model(small_config(name, **{key: value}))
    assert "\n" not in str(error.value)


def frames_of(cameras: list[Camera], planes: list[list[float]]) -> EncodedImages:
    sizes = torch.tensor([c.image_size for c in cameras])
    return EncodedImages(
        None, torch.stack([c.P for c in cameras]), torch.tensor(planes), sizes, [{}] * len(cameras)
    )


def test_relative_boxes_span_their_own_image():
    eye = torch.eye(3, 4)
    frames = frames_of([Camera(eye, (96, 160)), Camera(eye, (64, 128))], [PLANE] * 2)
    whole = torch.tensor([[-0.5, -0.5, 159.5, 95.5], [-0.5, -0.5, 127.5, 63.5]])[:, None]
    middle = torch.tensor([0.5, 0.5, 1.0, 1.0]).expand(2, 1, 4)
    assert torch.allclose(frames.to_relative(whole), middle)
    assert torch.allclose(frames.to_pixels(middle), whole)
    assert torch.allclose(frames.clip(whole * 3), whole)


def test_a_view_says_where_the_ground_is_and_how_large_the_angle():
    """A camera 6 m above level ground sees the foot of a box at 30 m."""
    P = torch.tensor([[[300.0, 0, 80, 0], [0, 400.0, 20, 0], [0, 0, 1, 0]]])
    foot = 400 * 6 / 30 + 20
    boxes = torch.tensor([[80.0, foot - 10, 110.0, foot]])
    level, none = torch.tensor([[0.0, -1.0, 0.0, 6.0]]), torch.full((1, 4), torch.nan)
    seen = view_features(ObjectViews.of_boxes(boxes, P, level))[0]
    expected = [
        15 / 300,
        (foot - 25) / 400,
        math.log(30 / 300) + 3,
        math.log(10 / 400) + 3,
        math.log(30) - 3,
        1,
    ]
    assert seen.tolist() == pytest.approx(expected, abs=1e-5)
    assert view_features(ObjectViews.of_boxes(boxes, P, none))[0, 4:].tolist() == [0.0, 0.0]


def painted_scene() -> dict:
    """A mapper dict: four vehicles on a tilted road, each a rectangle of its own colour."""
    plane = torch.tensor(PLANE) / torch.tensor(PLANE[:3]).norm()
    xz = torch.tensor([[-6.0, 22], [0, 16], [5, 26], [-1, 40]])
    y = -(plane[2] * xz[:, 1] + plane[3]) / plane[1]
    hwl = torch.tensor([[1.5, 1.7, 4.2], [1.6, 1.7, 4.4], [3.0, 2.5, 10], [2.0, 1.9, 5]])
    yaw = torch.tensor([1.4, 0.3, 1.6, -1.5])
    boxes = Boxes3D.from_kitti(torch.stack([xz[:, 0], y, xz[:, 1]], 1), hwl, yaw, plane)
    camera = Camera(torch.tensor([[150.0, 0, 80, 0], [0, 150, 20, 0], [0, 0, 1, 0]]), (96, 160))
    labels = Instances((96, 160))
    labels.gt_boxes = Boxes(boxes.project(camera, clipped=True)[0])
    labels.gt_classes = torch.tensor([0, 0, 3, 1])
    labels.gt_boxes3d, labels.gt_yaw = boxes, yaw
    labels.gt_has_3d = torch.ones(4, dtype=torch.bool)
    image = torch.full((3, 96, 160), 100, dtype=torch.uint8)
    for i, (x1, y1, x2, y2) in enumerate(labels.gt_boxes.tensor.round().long().tolist()):
        image[:, y1 : y2 + 1, x1 : x2 + 1] = torch.tensor([200, 20 * i, 255 - 60 * i])[:, None, None]
    record = {"image": image, "camera": camera, "ground_plane": plane, "box_plane": plane}
    return record | {"height": 96, "width": 160, "image_id": "0", "instances": labels}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_one_image_can_be_learnt_by_heart(name):
    """Denoising learns more slowly than learned boxes do: every step shows it other boxes."""
    record = painted_scene()
    options = {"HIDDEN_DIM": 64, "DYNAMIC_DIM": 16, "NUM_HEADS": 3, "HEAD_DIM": 128, "FFN_DIM": 256}
    if name == "DiffusionDet3D":
        options["NUM_BOXES"] = 50
    else:
        options["MATCHER"] = "hungarian"
    options = {f"MODEL.DETECTION3D.{key}": value for key, value in options.items()}
    torch.manual_seed(0)
    model = build_model(
        small_config(name, **options, **{"MODEL.TIMM.NORM": "GN", "MODEL.DIFFUSION.STEPS": 4})
    )
    steps = 1500 if name == "DiffusionDet3D" else 600
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, steps, pct_start=0.1)
    model.train()
    for _ in range(steps):
        loss = sum(model([record] * 2).values())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        schedule.step()
    model.eval().detection.score_threshold = 0.2
    found, labels = model([record])[0]["instances"], record["instances"]
    fits = box_iou(labels.gt_boxes.tensor, found.pred_boxes.tensor)
    fits[labels.gt_classes[:, None] != found.pred_classes] = 0.0
    quality, best = fits.max(1)
    assert (quality > (0.5 if name == "DiffusionDet3D" else 0.8)).all(), quality
    away = (found.pred_boxes3d.center[best] - labels.gt_boxes3d.center).norm(dim=1)
    assert (away < 0.1 * labels.gt_boxes3d.center[:, 2]).all(), away
