"""Annotating, asking and evaluating with Janus."""

import json
from functools import partial

import numpy as np
import pytest
import torch
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.structures import Boxes, Instances
from project_scripts import call_script, load_script

from d2ext.data.builtin import register_dataset
from d2ext.data.formats.mono3drefer import load_mono3drefer
from d2ext.data.formats.monomulti3d import load_monomulti3d
from d2ext.engine.state_dicts import save_safetensors
from d2ext.projects.janus import JanusEvaluator, JanusPredictor, JanusTrainer
from d2ext.projects.janus.annotate import Order, annotate
from d2ext.projects.janus.baseline import short_answer
from d2ext.projects.janus.evaluator import box_iou, psnr, same_boxes
from d2ext.projects.janus.grounder import leads_back, record_boxes
from d2ext.structures import Boxes3D

TRUE = "The red car on the left, seen from behind."
SENTENCES = {
    "car": [TRUE, TRUE, "The green car.", "The red car on the right.", "A car.", "Hello there, friend."],
    "bus": ["The blue bus straight ahead.", "The bus <b>that</b> cannot be found."],
}


class FakeGrounder:
    """Finds everything by its class and colour in the text, but for what "cannot be found"."""

    def __init__(self, cfg) -> None:
        self.cfg = cfg

    def __call__(self, image, record, texts, single) -> list[Instances]:
        return [self.answer(record, text, single) for text in texts]

    def answer(self, record, text: str, single: bool) -> Instances:
        ids = [0 if "red" in text else 2] if single else [0, 1]
        boxes = record_boxes(record, ids)
        if "cannot be found" in text:
            boxes = Boxes3D(boxes.center + 5.0, boxes.size, boxes.rotation)
        answer = Instances((record["height"], record["width"]))
        answer.pred_boxes3d = boxes
        answer.pred_boxes = Boxes(torch.tensor([record["annotations"][i]["bbox"] for i in ids]))
        answer.scores = torch.full((len(ids),), 0.9)
        return answer


def describe(image, marked, language, count, calls=None) -> list[str]:
    if calls is not None:
        calls.append(marked[0].category)
    if len(marked) > 1:
        return ["All cars within 30 meters."]
    color = marked[0].color
    return SENTENCES[marked[0].category][:count] if color != "white" else ["The bus."]


def reasons(root, stem="0") -> dict[str, list[str]]:
    rows = json.loads((root / f"candidates/{stem}.json").read_text())
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row["text"], []).append(row["reason"])
    return found


def test_true_unique_grounded_sentences_are_kept_and_the_others_have_their_reasons(
    toy_cfg, toy_data, tmp_path
):
    cfg = toy_cfg()
    order = Order(toy_data, 6, ("en",))
    line = annotate(order, tmp_path / "out", describe, FakeGrounder(cfg), cfg)
    found = reasons(tmp_path / "out")
    assert found[TRUE] == ["", "written before"]
    assert "the label has red" in found["The green car."][0]
    assert "says 'on the right'" in found["The red car on the right."][0]
    assert "1 more fit, such as a car" in found["A car."][0]
    assert found["Hello there, friend."] == ["states nothing that can be checked"]
    assert "not led back: IoU 0.00" in found["The bus <b>that</b> cannot be found."][0]
    assert "the label has car" in found["The bus."][0]
    assert "kept 8 of 36 sentences in 4 images" in line
    page = (tmp_path / "out/review/index.html").read_text()
    assert "&lt;b&gt;that&lt;/b&gt;" in page and page.count("<img") == 4
    assert len(list((tmp_path / "out/review/pictures").iterdir())) == 4

    records = load_mono3drefer(tmp_path / "out/mono3drefer", "train")
    source = DatasetCatalog.get(toy_data)
    for record, original in zip(records, source, strict=True):
        assert {s["text"] for s in record["sentences"]} == {TRUE, "The blue bus straight ahead."}
        assert len(record["annotations"]) == 3
        np.testing.assert_allclose(record["camera"], original["camera"], atol=1e-6)
        np.testing.assert_allclose(record["ground_plane"], original["ground_plane"], atol=1e-6)
        by_place = {tuple(np.round(a["location"], 3)) for a in record["annotations"]}
        assert by_place == {tuple(np.round(a["location"], 3)) for a in original["annotations"]}


def test_what_was_interrupted_goes_on_where_it_was(toy_cfg, toy_data, tmp_path):
    cfg, calls = toy_cfg(), []
    order = Order(toy_data, 6, ("en",))

    def breaks(*arguments) -> list[str]:
        if len(calls) == 4:  # in the second image
            raise KeyboardInterrupt
        return describe(*arguments, calls=calls)

    with pytest.raises(KeyboardInterrupt):
        annotate(order, tmp_path / "out", breaks, FakeGrounder(cfg), cfg)
    before = (tmp_path / "out/candidates/0.json").stat().st_mtime_ns
    calls.clear()
    annotate(order, tmp_path / "out", partial(describe, calls=calls), FakeGrounder(cfg), cfg)
    assert len(calls) == 9 and (tmp_path / "out/candidates/0.json").stat().st_mtime_ns == before
    calls.clear()
    assert "kept 8" in annotate(
        order, tmp_path / "out", partial(describe, calls=calls), FakeGrounder(cfg), cfg
    )
    assert not calls
    with pytest.raises(FileExistsError, match="same settings"):
        annotate(Order(toy_data, 7, ("en",)), tmp_path / "out", describe, FakeGrounder(cfg), cfg)


def test_groups_on_a_road_are_written_as_monomulti3d(toy_cfg, toy_data, tmp_path):
    made = [r | {"level_boxes": False} for r in DatasetCatalog.get(toy_data)]
    made = [
        r | {"annotations": [a | {"color": None} for a in r["annotations"]], "sentences": []} for r in made
    ]
    register_dataset("toy_road_train", lambda: made, evaluator_type="rope3d", split="train")
    try:
        cfg, order = toy_cfg(), Order("toy_road_train", 2, ("en", "zh"), groups=True)
        annotate(order, tmp_path / "out", describe, FakeGrounder(cfg), cfg)
    finally:
        DatasetCatalog.remove("toy_road_train")
        MetadataCatalog.remove("toy_road_train")
    record = load_monomulti3d(tmp_path / "out/monomulti3d", "train")[0]
    group = next(s for s in record["sentences"] if s["text"].startswith("All cars"))
    assert len(group["target_ids"]) == 2


def test_without_verification_everything_is_kept(toy_cfg, toy_data, tmp_path):
    line = annotate(Order(toy_data, 6, ("en",), verified=False), tmp_path, describe, None, toy_cfg())
    assert "kept 36 of 36" in line


def test_a_colour_that_the_picture_cannot_show_is_found_where_no_label_has_one(toy_data):
    from d2ext.data.describe.mapper import record_labels
    from d2ext.projects.janus.verify import Candidate, verify

    record = DatasetCatalog.get(toy_data)[0]
    plain = [a | {"color": None} for a in record["annotations"]]
    labels = record_labels(
        {**record, "annotations": plain, "sentences": []}, MetadataCatalog.get(toy_data).thing_classes
    )
    gray = np.full((record["height"], record["width"], 3), 128, np.uint8)
    ground = lambda texts, single: [FakeGrounder(None).answer(record, text, single) for text in texts]  # noqa: E731
    candidates = [Candidate("The red car on the left.", [0]), Candidate("The gray bus ahead of me.", [2])]
    first, second = verify(candidates, record, labels, ground, gray)
    assert "the picture shows nothing of that colour" in first.reason and not second.reason


def test_a_group_is_led_back_by_all_its_boxes_and_no_other(toy_data):
    record = DatasetCatalog.get(toy_data)[0]
    answer = FakeGrounder(None).answer(record, "cars", False)
    assert leads_back(answer, record_boxes(record, [0, 1]), False) == (True, pytest.approx(1.0))
    assert leads_back(answer, record_boxes(record, [0]), False)[0] is False
    assert leads_back(answer[:1], record_boxes(record, [0, 1]), False)[0] is False
    assert leads_back(answer[[]], record_boxes(record, [0]), True) == (False, 0.0)


def test_the_grounder_takes_any_model_of_the_registry(toy_data, toy_config, tmp_path):
    """U2ENet of random weights, through the config alone."""
    from detectron2.modeling import build_model

    from d2ext.engine import load_config
    from d2ext.projects.janus.grounder import Grounder, add_grounder_config

    network = build_model(load_config(add_grounder_config, str(toy_config)))
    save_safetensors(network, tmp_path / "w.safetensors")
    grounder = Grounder(str(toy_config), ["MODEL.WEIGHTS", str(tmp_path / "w.safetensors")])
    record = DatasetCatalog.get(toy_data)[0]
    image = np.zeros((record["height"], record["width"], 3), np.uint8)
    answers = grounder(image, record, ["The red car.", "The bus."], True)
    assert [len(answer) for answer in answers] == [1, 1]
    assert answers[0].pred_boxes3d.center.shape == (1, 3)


@pytest.mark.parametrize(
    "kind, places, short",
    [
        ("count", [[(0, 9), (3, 8)]], "2"),
        ("exist", [[]], "no"),
        ("nearer", [[(0, 30)], [(1, 12)]], "second"),
        ("nearer", [[(0, 30)], []], ""),
        ("where", [[(-6, 20)]], "left"),
        ("where", [[(0.5, 20)]], "ahead"),
    ],
)
def test_boxes_alone_answer(kind, places, short):
    answers = []
    for found in places:
        answer = Instances((10, 10))
        center = torch.tensor([[x, 1.0, z] for x, z in found], dtype=torch.float32).reshape(-1, 3)
        rotation = torch.eye(3).expand(len(found), 3, 3)
        answer.pred_boxes3d = Boxes3D(center, torch.ones(len(found), 3), rotation)
        answer.scores = torch.ones(len(found))
        answers.append(answer)
    assert short_answer(kind, answers) == short


def test_evaluation_knows_references_for_true_and_others_for_wrong(toy_data, toy_cfg):
    from d2ext.data.describe.mapper import DescribeMapper

    cfg = toy_cfg("TEST.QUESTIONS", 3)
    mapper, evaluator = DescribeMapper(cfg, False), JanusEvaluator(toy_data)

    def evaluate(answer) -> dict:
        evaluator.reset()
        for record in DatasetCatalog.get(toy_data):
            task_record = mapper(record)
            answers = [answer(task, record) for task in task_record["tasks"]]
            evaluator.process([task_record], [{"answers": answers}])
        return evaluator.evaluate()

    def right(task, record) -> str:
        if task["kind"] == "describe":
            return task["references"][0]
        from d2ext.data.describe.mapper import record_labels

        labels = list(record_labels(record, MetadataCatalog.get(toy_data).thing_classes).values())
        return task["question"].answer(labels, (record["height"], record["width"]))

    good, bad = evaluate(right), evaluate(lambda task, record: "The green truck 90 meters away.")
    assert good["describe"]["true"] == 100 and good["describe"]["BLEU-4"] == pytest.approx(100)
    assert good["ask"]["right"] == good["ask"]["boxes agree"] == 100
    assert bad["describe"]["true and unique"] == 0 and bad["ask"]["right"] < 50


def test_training_ends_with_an_evaluation_of_all_tasks(toy_cfg, toy_data):
    cfg = toy_cfg("TEST.QUESTIONS", 2, "SOLVER.MAX_ITER", 1)
    trainer = JanusTrainer(cfg)
    results = JanusTrainer.test(cfg, trainer.model)
    assert set(results) == {"describe", "ask"} and results["describe"]["sentences"] == 12


def test_reconstructed_pictures_are_measured_in_decibel(toy_cfg):
    cfg = toy_cfg(
        "MODEL.JANUS.OBJECTIVE", "pictures", "MODEL.JANUS.TRAINED", ["generation_encoder"],
        "INPUT.RATIOS.DESCRIBE", 0.0, "INPUT.RATIOS.ASK", 0.0, "INPUT.RATIOS.TEXT", 0.0,
    )  # fmt: skip
    trainer = JanusTrainer(cfg)
    assert 0 < JanusTrainer.test(cfg, trainer.model)["pictures"]["PSNR"] < 99
    flat = np.zeros((3, 4, 4), np.uint8)
    assert psnr(flat, flat) == 99 and psnr(flat, flat + 255) == pytest.approx(0.0)


def test_boxes_agree_in_any_order_each_once():
    a, b = [0.0, 0.0, 10.0, 10.0], [20.0, 0.0, 30.0, 10.0]
    assert same_boxes([b, a], [a, b]) and same_boxes([], [])
    assert not same_boxes([a, a], [a, b]) and not same_boxes([a], [a, b]) and not same_boxes([a, b], [a])
    assert box_iou(a, [5.0, 0.0, 15.0, 10.0]) == pytest.approx(1 / 3)


@pytest.fixture
def predictor(toy_cfg, toy_model, tmp_path) -> JanusPredictor:
    save_safetensors(toy_model(), tmp_path / "janus.safetensors")
    return JanusPredictor(toy_cfg("MODEL.WEIGHTS", str(tmp_path / "janus.safetensors")))


def test_the_predictor_describes_asks_and_draws(predictor):
    image = np.zeros((64, 96, 3), np.uint8)
    row = "Car 0.00 0 -1.5 30 20 50 40 1.5 1.7 4.2 -3.0 1.6 15.0 -1.7".split()
    label = predictor.label(row, (64, 96))
    assert len(predictor.describe(image, [label])) == 1
    assert len(predictor.describe(image, [label, label], "zh", count=3)) == 3
    assert len(predictor.ask(image, ["How many cars are there?", "有车吗？"])) == 2
    picture = predictor.draw("a red car", seed=1)
    assert picture.shape == (64, 64, 3) and (picture == predictor.draw("a red car", seed=1)).all()


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda p, image: p.describe(image, []), "at least one object"),
        (lambda p, image: p.describe(image, [None], "fr"), "expected en or zh"),
        (lambda p, image: p.ask(image, [" "]), "empty text"),
        (lambda p, image: p.draw(""), "empty text"),
        (lambda p, image: p.ask(image[0], ["What?"]), "image"),
        (lambda p, image: p.label(["Car"], (64, 96)), "expected at least 15 fields"),
    ],
)
def test_wrong_input_is_told_in_one_line(predictor, call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call(predictor, np.zeros((64, 96, 3), np.uint8))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "script, arguments",
    [
        ("annotate", ["--dataset", "x", "--output", "o"]),
        ("demo", ["--draw", "a car"]),
        ("demo", ["--ask", "What?"]),
    ],
)
def test_wrong_arguments_are_answered_before_any_work(script, arguments, tmp_path, capsys):
    config = tmp_path / "c.yaml"
    config.write_text("")
    assert call_script(load_script(script, "Janus"), "--config-file", config, *arguments) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_named_colours_are_measured_from_the_pixels():
    from d2ext.data.synthroad.palette import COLORS, PAINT
    from d2ext.projects.janus.drawn import draw_colors

    def draw(text: str, seed: int) -> np.ndarray:
        picture = np.full((64, 64, 3), 128, np.uint8)
        color = text.split()[1] if seed else "blue"  # the first of each colour is blue
        picture[20:44, 10:54] = PAINT[color]
        return picture

    sheet, table = draw_colors(draw, 2, 1.5)
    assert sheet.shape == (64 * len(COLORS), 128, 3)
    assert {color: table[color]["right"] for color in COLORS} == {
        c: 100 if c == "blue" else 50 for c in COLORS
    }
    assert table["Overall"]["pictures"] == 2 * len(COLORS)
