"""Detection by prompts: what a score depends on, sizes by words, losses in doubt, exemplars, fusion."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from open_vocab_toys import toy_model, toy_record
from pretend_device import listed, needs_transformers_5

from d2ext.modeling.box3d.word_sizes import REFERENCE, WordSizedHead
from d2ext.modeling.detection.exemplars import add_exemplars
from d2ext.modeling.detection.matching import focal_cost
from d2ext.modeling.detection.prompt_criterion import PromptCriterion, whole_truth
from d2ext.modeling.detection.prompts import Prompts, PromptTable
from tests.modeling.test_waiting import waits_of_inference, waits_of_training

WORDS = ["car", "red car", "bus", "long vehicle with many windows"]


def table(count: int, dim: int = 4, seed: int = 0) -> PromptTable:
    g = torch.Generator().manual_seed(seed)
    vectors = torch.nn.functional.normalize(torch.randn(count, dim, generator=g), dim=-1)
    sizes, scales = torch.randn(2, count, 3, generator=g)
    return PromptTable(vectors, sizes, scales, torch.zeros(count))


@pytest.fixture(scope="module")
def model():
    return toy_model().eval()


def answers(model, prompts: list[str], seed: int = 0) -> dict[str, list[tuple[float, ...]]]:
    found = model([toy_record(seed, prompts)])[0]["instances"]
    rows = torch.cat([found.scores[:, None], found.pred_boxes.tensor, found.pred_boxes3d.center], 1)
    return {p: rows[found.pred_classes == i].tolist() for i, p in enumerate(prompts)}


def test_a_prompts_answers_are_the_same_whatever_else_is_asked_in_whatever_order(model):
    everything = answers(model, WORDS)
    for prompts in (WORDS[::-1], WORDS[:1], [WORDS[2], WORDS[0], *(f"thing {i}" for i in range(30))]):
        other = answers(model, prompts)
        for prompt in set(prompts) & set(WORDS):
            assert len(other[prompt]) == len(everything[prompt]) > 0
            assert np.allclose(other[prompt], everything[prompt], atol=1e-5, rtol=1e-5)


def test_an_image_of_a_batch_is_answered_as_alone_whatever_the_others_are_asked(model):
    batch = model([toy_record(0, WORDS), toy_record(1, WORDS[:1])])
    for output, prompts, seed in zip(batch, (WORDS, WORDS[:1]), (0, 1), strict=True):
        alone = model([toy_record(seed, prompts)])[0]["instances"]
        assert torch.allclose(output["instances"].scores, alone.scores, atol=1e-5)
        assert output["instances"].pred_classes.tolist() == alone.pred_classes.tolist()


def test_scores_are_the_sigmoid_of_the_scaled_cosine_and_shifts_move_them(model):
    frames = model.encode([toy_record(0, WORDS)])
    signal, time = torch.randn(1, 12, 4, generator=torch.Generator().manual_seed(3)), torch.tensor([500])
    with torch.no_grad():
        raw = model.decoder(frames, *model.start(frames, signal, time))[-1].raw
        found = model.step(frames, signal, time)
    classifier = model.decoder.heads[-1].classifier
    scale, bias = classifier.log_scale.exp().item(), classifier.bias.item()
    words = model.embed(WORDS).vectors.double().numpy()
    cosine = raw["embedding"].double().numpy() @ words.T
    expected = 1 / (1 + np.exp(-(scale * cosine + bias)))
    for kind in range(len(WORDS)):
        own = found.answers.class_scores[found.answers.classes == kind].tolist()
        assert own == pytest.approx(sorted(expected[:, kind], reverse=True), abs=1e-5)
    model.prompt_encoder.forget()
    model.prompt_encoder.shifts = {"bus": 2.0}
    moved = model.embed(WORDS).shifts.tolist()
    model.prompt_encoder.forget()
    model.prompt_encoder.shifts = {}
    assert moved == [0.0, 0.0, 2.0, 0.0]


def test_every_text_is_encoded_once_until_the_weights_change(model):
    calls = []
    hook = model.prompt_encoder.text_encoder.register_forward_hook(lambda *args: calls.append(args[1][0]))
    with torch.no_grad():
        model.prompt_encoder.forget()
        model.embed(WORDS)
        model.embed(WORDS[::-1])
        model.eval()  # as it is already
        model.embed([WORDS[0], "tram"])
        assert [list(texts) for texts in calls] == [WORDS, ["tram"]]
        model.train()
        model.eval()
        model.embed(WORDS[:1])
    hook.remove()
    assert len(calls) == 3


def test_sizes_are_the_inverse_variance_mean_of_picture_and_words():
    head = WordSizedHead(4, 8)
    g = torch.Generator().manual_seed(0)
    raw = {name: torch.randn(5, 3, generator=g) for name in ("size", "size_log_scale", "word_log_size")}
    raw["word_size_log_scale"] = torch.randn(5, 3, generator=g)
    sizes = head._sizes(raw, torch.zeros(5, dtype=torch.long))
    for i, j in np.ndindex(5, 3):
        seen = math.log(REFERENCE[j]) + raw["size"][i, j].item()
        a, b = (math.exp(-2 * raw[k][i, j].item()) for k in ("size_log_scale", "word_size_log_scale"))
        expected = math.exp((a * seen + b * raw["word_log_size"][i, j].item()) / (a + b))
        assert sizes[i, j].item() == pytest.approx(expected, rel=1e-4)


def test_a_told_size_wins_over_a_vague_picture():
    told = table(2).told_size([3.0, 2.0, 9.0])
    head = WordSizedHead(4, 8)
    raw = {"size": torch.zeros(2, 3), "size_log_scale": torch.full((2, 3), 1.5)}
    raw |= {"word_log_size": told.log_sizes, "word_size_log_scale": told.size_log_scales}
    sizes = head._sizes(raw, torch.zeros(2, dtype=torch.long))
    assert torch.allclose(sizes, torch.tensor([[3.0, 2.0, 9.0]]).expand(2, 3), rtol=1e-2)


def test_the_cost_of_an_object_of_several_classes_is_the_mean_over_those_that_hold():
    g = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 3, generator=g)
    truth = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, torch.nan], [0.0, 0.0, 0.0]])
    single = [focal_cost(logits, torch.tensor([k]))[:, 0] for k in range(3)]
    cost = focal_cost(logits, truth)
    assert torch.allclose(cost[:, 0], (single[0] + single[2]) / 2, atol=1e-6)
    assert torch.allclose(cost[:, 1], single[1], atol=1e-6)
    assert not cost[:, 2].any()


class Frames:
    """As much of encoded images as the class loss looks at."""

    def __init__(self, exists: torch.Tensor, records: list[dict]) -> None:
        self.prompts = Prompts(table(1), exists)
        self.records = records


def test_the_class_loss_is_the_sum_over_what_is_known_as_a_loop_computes_it():
    heads, images, count, kinds = 2, 2, 3, 4
    g = torch.Generator().manual_seed(0)
    logits = torch.randn(heads * images * count, kinds, generator=g)
    boxes = torch.tensor([[0.0, 0, 10, 10], [20, 20, 30, 30], [4, 0, 14, 10]]).repeat(heads * images, 1)
    regions = [torch.zeros(0, 4), torch.tensor([[0.0, 0.0, 10.0, 12.0]])]
    exists = torch.tensor([[True, True, True, True], [True, False, True, True]])
    frames = Frames(exists, [{"ignored_boxes": r} for r in regions])
    rows = torch.tensor([1, 3, 8])
    truth = torch.tensor([[1.0, 0, torch.nan, 1], [0, 1, 1, 0], [torch.nan, 1, 0, 1]])
    criterion = PromptCriterion.__new__(PromptCriterion)
    loss = criterion.class_loss(logits, boxes, (heads, images, count), rows, truth, frames)
    expected = 0.0
    for r, k in np.ndindex(len(logits), kinds):
        image = r // count % images
        label = float(truth[rows.tolist().index(r), k]) if r in rows.tolist() else 0.0
        x1, y1, x2, y2 = boxes[r].tolist()
        there = [max(0, min(x2, 10) - x1) * (min(y2, 12) - y1) / ((x2 - x1) * (y2 - y1))] * len(
            regions[image]
        )
        hidden = r not in rows.tolist() and any(share > 0.5 for share in there)
        if math.isnan(label) or not exists[image, k] or hidden:
            continue
        p = 1 / (1 + math.exp(-logits[r, k].item()))
        good = p if label else 1 - p
        expected += (0.25 if label else 0.75) * (1 - good) ** 2 * -math.log(good)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_truths_are_filled_up_and_the_last_prompt_is_every_object():
    truth = torch.tensor([[1.0, torch.nan], [0.0, 1.0]])
    whole = whole_truth(truth, 4)
    assert whole.nan_to_num(7).tolist() == [[1, 7, 0, 0, 1], [0, 1, 0, 0, 1]]


def test_exemplars_are_of_the_image_before_and_mean_its_class():
    records = [toy_record(i, ["car"], n) | {"truth": torch.zeros(n, 2)} for i, n in enumerate((3, 0, 2))]
    records[0]["categories"], records[2]["categories"] = ["car", "bus", "van"], ["van", "car"]
    prompts = Prompts.of_images([table(1)] * 3, table(1, seed=1))
    alike = table(3, seed=2)
    asked, records = add_exemplars(prompts, alike, records)
    assert torch.equal(asked.table.vectors[:, -1], alike.vectors[[2, 0, 1]])
    assert asked.exists[:, -1].tolist() == [True, True, False]  # the second has no object
    assert records[0]["truth"][:, -1].tolist() == [1, 0, 0]  # like a car, the last object of the third
    assert records[1]["truth"].shape == (0, 3) and records[2]["truth"][:, -1].tolist() == [0, 0]


def test_who_may_have_such_objects_without_a_label_is_not_asked_for_the_like():
    """Classes are the same by name, whatever their numbers in two datasets."""
    truth = torch.zeros(1, 2)
    first, other, unknown, partly = (toy_record(i, ["car"], 1) | {"truth": truth} for i in range(4))
    first |= {"names": ["tram", "car"], "categories": ["car"]}
    other |= {"names": ["car", "dog"], "categories": ["car"]}
    unknown |= {"names": ["dog"], "categories": ["dog"]}
    partly |= {"categories": ["bus"], "all_labelled": False}
    for record, exists, truth in ((other, True, 1), (unknown, False, 0), (partly, False, 0)):
        prompts = Prompts.of_images([table(1)] * 2, table(1, seed=1))
        asked, records = add_exemplars(prompts, table(2, seed=2), [first, record])
        assert asked.exists[1, -1].item() is exists and records[1]["truth"][:, -1].tolist() == [truth]


def test_an_exemplar_takes_the_place_of_a_text_and_has_its_size(model):
    one = model.embed_exemplar(toy_record(0, []), torch.tensor([10.0, 10.0, 40.0, 40.0]))
    assert one.vectors.shape == (1, 16) and one.vectors.norm().item() == pytest.approx(1, abs=1e-5)
    both = PromptTable.cat([one, model.embed(["car"])]).mean()
    found = model([toy_record(1, []) | {"prompt_table": both}])[0]["instances"]
    assert len(found) and set(found.pred_classes.tolist()) == {0}


def test_with_fusion_the_order_of_prompts_changes_nothing_their_number_does():
    model = toy_model(FUSION="ssm").eval()
    for one in model.prompt_encoder.fusion.maps:  # as if it were trained
        torch.nn.init.normal_(one.out.weight, std=0.5)
    everything, turned, fewer = (answers(model, p) for p in (WORDS, WORDS[::-1], WORDS[:2]))
    for prompt in WORDS:
        assert np.allclose(everything[prompt], turned[prompt], atol=1e-5, rtol=1e-4)
    shapes = np.shape(everything["car"]), np.shape(fewer["car"])
    assert shapes[0] != shapes[1] or not np.allclose(everything["car"], fewer["car"], atol=1e-5)


def test_what_the_text_encoder_brings_and_does_not_train_is_in_no_checkpoint():
    model = toy_model()
    state = model.state_dict()
    assert "prompt_encoder.words.0.weight" in state and "prompt_encoder.vector.0.weight" in state
    assert not [
        name for name in state if "prompt_encoder.text_encoder" in name and "position_ids" not in name
    ]
    other = toy_model()
    for p in model.parameters():
        p.data += 0.1 * p.requires_grad
    other.load_state_dict(model.state_dict())
    texts = model.prompt_encoder.text_encoder.state_dict(), other.prompt_encoder.text_encoder.state_dict()
    assert texts[0] and all(torch.equal(texts[0][k], texts[1][k]) for k in texts[0])
    assert torch.equal(*(m.prompt_encoder.words[0].weight for m in (model, other)))
    copied = copy.deepcopy(model)
    assert copied.state_dict().keys() == state.keys()


def test_an_untrained_fusion_changes_no_map():
    plain, fused = toy_model(), toy_model(FUSION="ssm")
    fused.load_state_dict(plain.state_dict(), strict=False)
    a, b = (answers(m.eval(), WORDS) for m in (plain, fused))
    assert all(np.allclose(a[p], b[p], atol=1e-5) for p in WORDS)


@needs_transformers_5
def test_a_training_step_waits_once_for_the_matching():
    waits = waits_of_training(
        toy_model(), [toy_record(i, WORDS[: 2 + i], n) for i, n in enumerate((3, 0, 2))]
    )
    assert len(waits) == 1 and "matching.py" in waits[0], listed(waits)


@needs_transformers_5
def test_inference_waits_once_whatever_is_asked():
    waits = waits_of_inference(toy_model(), [toy_record(i, WORDS[: 1 + i]) for i in range(3)])
    assert len(waits) == 1, listed(waits)


def test_no_prompts_are_refused(model):
    with pytest.raises(ValueError, match="prompts: expected at least one text for every image"):
        model([toy_record(0, [])])


def test_training_reaches_every_parameter_and_lowers_the_loss():
    model = toy_model(FUSION="ssm").train()
    batch = [toy_record(i, WORDS[: 2 + i], n) for i, n in enumerate((3, 0, 2))]
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], 3e-3)
    losses = []
    for step in range(12):
        torch.manual_seed(step % 2)
        loss = sum(model(batch).values())
        optimizer.zero_grad()
        loss.backward()
        if not step:
            missing = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
            assert not missing
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-2:]) < 0.8 * np.mean(losses[:2])
