"""The two-stage baseline: what each stage learns from, and what an answer depends on."""

import pytest
import torch
from detectron2.modeling import build_model

from d2ext.modeling.box3d.objects import ObjectBoxes, ObjectTargets
from d2ext.modeling.grounding.grounder import grounding_targets
from d2ext.modeling.grounding.head import GroundingTargets

STAGE_1 = ("fusion.", "head.")
STAGE_2 = ("text_encoder.", "semantic_filter.", "pooling.", "matcher.")


@pytest.fixture
def model(toy_cfg):
    toy_cfg.MODEL.META_ARCHITECTURE = "TwoStageGrounder"
    toy_cfg.MODEL.GROUNDING.TOPK = 12
    torch.manual_seed(0)
    return build_model(toy_cfg)


@pytest.fixture
def eager(model):
    """In evaluation mode, answering with all boxes whatever their scores; its peaks stand clear."""
    model.eval()
    with torch.no_grad():
        model.head.heatmap.weight.mul_(30)
        model.matcher.score[-1].weight.mul_(10)
    model.settings.score_threshold = 0.0
    model.settings.duplicate_iou = 1.0
    return model


def shake(model) -> None:
    """Away from zero-initialised norms, behind which gradients vanish."""
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.05 * torch.randn_like(p))


def reached(model, loss) -> set[str]:
    model.zero_grad()
    loss.backward(retain_graph=True)
    return {n for n, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}


def under(names: set[str], prefixes: tuple[str, ...]) -> set[str]:
    return {n for n in names if n.startswith(prefixes)}


def test_gradients_stop_between_the_stages(model, toy_records):
    shake(model)
    losses = model.train()(toy_records)
    matching = reached(model, losses.pop("loss_match"))
    detecting = reached(model, sum(losses.values()))
    assert set(losses) == {
        f"loss_{k}" for k in ("heatmap", "class", "box", "center", "size", "angle", "depth")
    }
    assert not under(matching, STAGE_1) and not under(detecting, STAGE_2)
    everything = {n for n, _ in model.named_parameters()}
    unused = {
        n for n in everything if "word_embeddings" in n or "key.bias" in n
    }  # softmax ignores key biases
    assert under(everything, STAGE_1) <= detecting
    assert under(everything, STAGE_2) <= matching | unused
    assert under(everything, ("backbone.",)) <= detecting and under(matching, ("backbone.",))


@pytest.mark.parametrize("what", ["objects", "targets", "sentences"])
def test_a_batch_that_lacks_something_trains_without_nan(model, toy_records, what):
    record = toy_records[0] | {"sentence_targets": [torch.tensor([], dtype=torch.long)] * 3}
    if what == "objects":
        record["instances"] = record["instances"][:0]
    elif what == "sentences":
        record |= {"sentences": [], "sentence_targets": []}
    losses = model.train()([record])
    assert all(torch.isfinite(v) for v in losses.values())
    assert (losses["loss_match"] == 0) == (what == "sentences")
    sum(losses.values()).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def same(a, b) -> None:
    assert len(a) == len(b) > 0
    assert torch.allclose(a.scores, b.scores, atol=1e-4)
    assert torch.allclose(a.pred_boxes3d.corners(), b.pred_boxes3d.corners(), atol=1e-2)
    assert torch.allclose(a.pred_boxes.tensor, b.pred_boxes.tensor, atol=1e-2)


def test_sentences_one_at_a_time_in_chunks_or_all_at_once_get_the_same_answers(eager, toy_records):
    record = toy_records[0]
    whole = eager(toy_records)[0]["grounding"]
    eager.settings.sentence_chunk = 2
    for a, b, text in zip(whole, eager([record])[0]["grounding"], record["sentences"], strict=True):
        same(a, b)
        same(a, eager([record | {"sentences": [text]}])[0]["grounding"][0])


def test_words_choose_among_boxes_that_do_not_depend_on_them(eager, toy_records):
    first, *others = eager(toy_records[1:])[0]["grounding"]

    def rows(answer) -> torch.Tensor:
        corners = answer.pred_boxes3d.corners().flatten(1)
        return corners[corners[:, 0].argsort()]

    for other in others:
        assert torch.equal(rows(first), rows(other))
        assert not torch.allclose(first.scores, other.scores)


def test_single_target_gives_exactly_one_answer(eager, toy_records):
    eager.settings.score_threshold = 1.1
    assert all(len(x) == 0 for x in eager(toy_records[:1])[0]["grounding"])
    answers = eager([toy_records[0] | {"single_target": True}])[0]["grounding"]
    assert [len(x) for x in answers] == [1, 1, 1]


def test_an_image_without_sentences_gets_no_answers(eager, toy_records):
    assert eager([toy_records[0] | {"sentences": []}]) == [{"grounding": []}]


def objects_of(image: list[int], boxes: list[list[float]], center: torch.Tensor) -> GroundingTargets:
    n = len(image)
    box2d, zero = torch.tensor(boxes).view(-1, 4), torch.zeros(n)
    objects = ObjectTargets(zero.long(), box2d, center, center, zero, zero > 0)
    anchor = (box2d[:, :2] + box2d[:, 2:]) / 2
    none = torch.zeros(0, dtype=torch.long)
    return GroundingTargets(torch.tensor(image), anchor, objects, zero > 0, none, anchor[:0])


def test_a_box_stands_for_the_object_that_it_overlaps_by_half_or_whose_centre_it_has(model):
    boxes = [[0.0, 0, 30, 30], [50, 50, 80, 80], [52, 50, 82, 80]]
    labels = objects_of([1, 1, 1], boxes, torch.zeros(3, 3))  # the first image has none
    found = [
        ([0.0, 0, 30, 30], [90.0, 90]),  # the same box
        ([9, 0, 39, 30], [90, 90]),  # 21 of 39: IoU 0.54
        ([11, 0, 41, 30], [90, 90]),  # 19 of 41: 0.46
        ([51.5, 50, 81.5, 80], [90, 90]),  # over half of two objects, more of the last
        ([90, 90, 95, 95], [90, 90]),
        ([90, 90, 95, 95], [15, 22]),  # 7 pixels from the first one's centre: less than a cell of 8
        ([90, 90, 95, 95], [15, 24]),  # 9 pixels
        ([50, 50, 80, 80], [67, 65]),  # exactly the second's box, at the third's centre: the box counts first
    ]
    box2d, uv = (torch.tensor([f[i] for f in found] * 2) for i in (0, 1))
    n = len(box2d)
    center = torch.cat([uv * 10, torch.full((n, 1), 10.0)], 1)  # a camera of focal length 1
    nothing = torch.zeros(n)
    predicted = ObjectBoxes(nothing.long(), nothing, box2d, center, center, nothing, nothing, nothing)
    P = torch.eye(3, 4).expand(2, 3, 4)
    assert model.stride == 8
    assert model._objects(predicted, P, labels).tolist() == [[-1] * 8, [0, 0, -1, 2, -1, 0, -1, 1]]


def test_perfect_boxes_and_scores_have_no_matching_loss(eager, toy_records, monkeypatch):
    """The detector is made to find exactly the objects, in another order, and the matcher to know them."""
    record, order = toy_records[0], torch.tensor([3, 1, 4, 0, 2])
    images = eager.encode_images([record])
    read, nothing, views = eager._detect(images)
    found = eager.head.decode(read, nothing, views, 5)
    labels = grounding_targets(images.P, [record["instances"]], [[torch.arange(5)]])
    found.boxes.center = record["instances"].gt_boxes3d.center[order]
    found.boxes.box2d = record["instances"].gt_boxes.tensor[order]
    found.scores = torch.ones(5)
    meant = torch.tensor([[0, 0, 0, 1, 0], [0, 1, 1, 0, 0], [0, 0, 0, 0, 0]])
    monkeypatch.setattr(eager, "_match", lambda boxes, valid, sentences: (2.0 * meant - 1) * 50)
    assert eager._match_loss([record], images, found, labels) < 1e-6
    found.scores[3] = 0.0  # no box: whatever its score, it costs nothing
    monkeypatch.setattr(
        eager, "_match", lambda boxes, valid, sentences: (2.0 * meant - 1) * 50 * (valid * 2 - 1)
    )
    assert eager._match_loss([record], images, found, labels) < 1e-6
