"""Properties of the whole model: what depends on what, and what must not."""

import pytest
import torch
from detectron2.modeling import build_model

from d2ext.modeling.grounding.grounder import Grounder
from d2ext.structures import bev_iou


def same(a, b, atol=1e-4):
    assert len(a) == len(b)
    assert torch.equal(a.pred_classes, b.pred_classes)
    assert torch.allclose(a.scores, b.scores, atol=atol)
    assert torch.allclose(a.pred_boxes3d.corners(), b.pred_boxes3d.corners(), atol=atol * 100)
    assert torch.allclose(a.pred_boxes.tensor, b.pred_boxes.tensor, atol=atol * 100)


@pytest.fixture
def eager(toy_model):
    """The toy model in evaluation mode, answering whatever the score; its peaks stand clear of each other."""
    toy_model.eval()
    with torch.no_grad():
        toy_model.head.heatmap.weight.mul_(30)
    toy_model.settings.score_threshold = 0.0
    toy_model.settings.topk = 5
    return toy_model


def test_losses_are_finite_and_reach_every_parameter(toy_model, toy_records):
    with torch.no_grad():  # away from zero-initialised norms, behind which gradients vanish
        for p in toy_model.parameters():
            p.add_(0.05 * torch.randn_like(p))
    losses = toy_model.train()(toy_records)
    assert len(losses) == 9 and all(torch.isfinite(v) for v in losses.values())
    sum(losses.values()).backward()
    without = [n for n, p in toy_model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    allowed = [
        n for n in without if "word_embeddings" not in n and "key.bias" not in n
    ]  # softmax ignores key biases
    assert not allowed


def test_batch_without_any_target_trains_without_nan(toy_model, toy_records):
    record = toy_records[0] | {"sentence_targets": [torch.tensor([], dtype=torch.long)] * 3}
    record["instances"] = record["instances"][:0]
    losses = toy_model.train()([record])
    assert all(torch.isfinite(v) for v in losses.values())
    sum(losses.values()).backward()


def test_an_answer_depends_on_its_own_sentence_and_image_only(eager, toy_records):
    together = eager(toy_records)
    for i, record in enumerate(toy_records):
        for s, text in enumerate(record["sentences"]):
            alone = eager([record | {"sentences": [text]}])[0]["grounding"][0]
            same(together[i]["grounding"][s], alone)


def test_every_cell_carries_the_mean_of_its_own_pixels(eager):
    pixels, P = torch.randn(2, 3, 64, 96), torch.eye(3, 4).expand(2, -1, -1)
    plane, sizes = torch.full((2, 4), float("nan")), torch.tensor([[64, 96]] * 2)
    for m in Grounder.image_branch(eager, pixels, P, plane, sizes).maps:
        stride = 64 // m.shape[2]
        for row in range(m.shape[2]):
            for column in range(m.shape[3]):
                top, left = row * stride, column * stride
                cell = pixels[:, :, top : top + stride, left : left + stride]
                assert torch.allclose(m[:, -3:, row, column], cell.flatten(2).mean(2), atol=1e-5)


def test_chunks_of_sentences_change_nothing(eager, toy_records):
    whole = eager(toy_records[:1])[0]["grounding"]
    eager.settings.sentence_chunk = 2
    for a, b in zip(whole, eager(toy_records[:1])[0]["grounding"], strict=True):
        same(a, b)


def test_words_change_the_answer(eager, toy_records):
    eager.settings.single_target = True
    a, b, _ = eager(toy_records[:1])[0]["grounding"]
    assert not torch.allclose(a.scores, b.scores)


def test_single_target_gives_exactly_one_answer(eager, toy_records):
    eager.settings.score_threshold = 1.1
    assert all(len(x) == 0 for x in eager(toy_records[:1])[0]["grounding"])
    answers = eager([toy_records[0] | {"single_target": True}])[0]["grounding"]
    assert [len(x) for x in answers] == [1, 1, 1]


def test_a_sentence_whose_best_answer_is_below_the_existence_threshold_has_none(eager, toy_records):
    before = eager(toy_records[:1])[0]["grounding"]
    best = [float(answer.scores[0]) for answer in before]
    eager.settings.existence_threshold = sorted(best)[1]
    after = eager(toy_records[:1])[0]["grounding"]
    weakest = best.index(min(best))
    assert [len(x) for x in after] == [0 if i == weakest else len(x) for i, x in enumerate(before)]
    single = eager([toy_records[0] | {"single_target": True}])[0]["grounding"]
    assert [len(x) for x in single] == [1, 1, 1]


def test_answers_are_sorted_and_do_not_overlap(eager, toy_records):
    eager.settings.topk = 50
    for answer in eager(toy_records[1:])[0]["grounding"]:
        assert (answer.scores.diff() <= 0).all()
        overlap = bev_iou(answer.pred_boxes3d, answer.pred_boxes3d)
        overlap.fill_diagonal_(0)
        assert overlap.max() <= eager.settings.duplicate_iou + 1e-5


def test_boxes_on_a_tilted_plane_share_its_up_axis(eager, make_record):
    plane = torch.tensor([0.02, -0.97, -0.24, 7.0])
    plane /= plane[:3].norm()
    answer = eager([make_record(3, 96, 160, plane.tolist())])[0]["grounding"][0]
    assert torch.allclose(answer.pred_boxes3d.rotation[:, :, 1], -plane[:3].expand(len(answer), 3), atol=1e-5)


def test_a_seed_fixes_training(toy_cfg, toy_records):
    def losses():
        torch.manual_seed(1)
        model = build_model(toy_cfg).train()
        optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
        for _ in range(2):
            loss = sum(model(toy_records).values())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return loss.item()

    assert losses() == losses()


@pytest.mark.parametrize(
    "options",
    [
        ["MODEL.GROUNDING.SEMANTIC_FILTER", False],
        ["MODEL.U2ENET.FUSION", "attention"],
        ["MODEL.U2ENET.FUSION", "concat"],
        ["MODEL.GROUNDING.IN_FEATURES", ["p3"], "MODEL.GROUNDING.FUSION_DIMS", [32]],
        ["MODEL.GROUNDING.IN_FEATURES", ["p4", "p3"], "MODEL.GROUNDING.FUSION_DIMS", [32, 32]],
        ["MODEL.GROUNDING.IN_FEATURES", ["p4", "p3", "p2"]],
        ["MODEL.GROUNDING.DETAIL_FEATURE", ""],
        ["MODEL.GROUNDING.DEPTH_ESTIMATES", ["ground"]],
        ["MODEL.GROUNDING.DEPTH_ESTIMATES", ["direct", "height"]],
    ],
    ids=lambda x: " ".join(map(str, x)).replace("MODEL.U2ENET.", ""),
)
def test_variants_for_comparison_train_and_answer(toy_cfg, toy_records, options):
    toy_cfg.merge_from_list(options)
    torch.manual_seed(0)
    model = build_model(toy_cfg)
    losses = model.train()(toy_records)
    assert all(torch.isfinite(v) for v in losses.values())
    sum(losses.values()).backward()
    model.eval().settings.single_target = True
    for image in model(toy_records):
        assert all(torch.isfinite(x.pred_boxes3d.center).all() and len(x) == 1 for x in image["grounding"])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("U2ENET.FUSION", "sum"),
        ("GROUNDING.DEPTH_ESTIMATES", ["stereo"]),
        ("GROUNDING.DEPTH_ESTIMATES", []),
        ("GROUNDING.DETAIL_FEATURE", "p4"),
    ],
)
def test_unknown_variants_are_one_clear_line(toy_cfg, key, value):
    toy_cfg.merge_from_list([f"MODEL.{key}", value])
    with pytest.raises(ValueError, match=f"{key.split('.')[1]} .*: expected"):
        build_model(toy_cfg)
