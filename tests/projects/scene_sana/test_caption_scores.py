"""How well captions and pictures agree, as a grounding model has it."""

import pytest
import torch
from detectron2.structures import Boxes, Instances
from project_scripts import ROOT
from toy_scenes import record

from d2ext.engine import load_config
from d2ext.projects.scene_sana.scores import Grounder, add_grounder_config, margin


def test_a_right_answer_scores_and_a_wrong_one_takes_away():
    scores = torch.tensor([0.9, 0.7, 0.2])
    assert margin(scores, torch.tensor([True, False, False])) == pytest.approx(0.2)
    assert margin(scores, torch.tensor([False, False, True])) == pytest.approx(0.2 - 0.9)
    assert margin(scores[:1], torch.tensor([True])) == pytest.approx(0.9)
    assert margin(scores[:0], torch.zeros(0, dtype=torch.bool)) == 0


@pytest.mark.parametrize("right", [True, False])
def test_sentences_that_mean_objects_are_asked_and_judged_by_their_boxes(right):
    scene, asked = record(1), []

    def model(inputs):
        asked.append(inputs[0])
        found = Instances((64, 96))
        box = scene["annotations"][0 if right else 1]["bbox"]
        found.pred_boxes, found.scores = Boxes(torch.tensor([box])), torch.tensor([0.8])
        return [{"grounding": [found]}]

    grounder = object.__new__(Grounder)
    grounder.model, grounder.mapper = model, lambda x: x
    config = str(ROOT / "configs/U2ENet/u2enet_tiny_synthroad.yaml")
    grounder.cfg = load_config(add_grounder_config, config, ["MODEL.DEVICE", "cpu"])
    found = grounder.scores(scene)
    assert found == {scene["sentences"][0]["text"]: pytest.approx(0.8 if right else -0.8)}
    assert [s["id"] for s in asked[0]["sentences"]] == [0]
