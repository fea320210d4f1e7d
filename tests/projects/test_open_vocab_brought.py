"""Files that people bring train OpenVocab3D: names that no road has, phrases, categories in doubt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog
from object_files import coco, odvg, write_json
from test_open_vocab3d import TOY

from d2ext.data import register_coco, register_lvis, register_odvg
from d2ext.data.open_vocab.loaders import build_prompt_train_loader, prompt_records
from d2ext.data.open_vocab.mapper import PromptMapper
from d2ext.engine import load_config
from d2ext.projects.open_vocab3d import OpenVocabTrainer, add_open_vocab3d_config

NAME = "brought_to_open_vocab"


@pytest.fixture
def cfg(tmp_path: Path) -> Iterator[CfgNode]:
    path = tmp_path / "toy.yaml"
    path.write_text(yaml.safe_dump(TOY))
    nothing_held_out = [x for key in ("CLASSES", "PAIRS", "SHAPES") for x in (f"INPUT.NOVEL.{key}", "[]")]
    options = ["DATASETS.TRAIN", f"('{NAME}',)", "TEST.SCORE_THRESHOLD", "0.1", *nothing_held_out]
    yield load_config(add_open_vocab3d_config, str(path), options)
    DatasetCatalog.remove(NAME)
    MetadataCatalog.remove(NAME)


def asked(cfg: CfgNode, draws: int = 12) -> list[set[str]]:
    """The prompts that each record is asked in some draws of training."""
    mapper, found = PromptMapper(cfg, True), []
    for record in prompt_records(NAME):
        outputs = [mapper(record, np.random.default_rng(i)) for i in range(draws)]
        found.append({text for output in outputs if output is not None for text in output["prompts"]})
    return found


def test_a_coco_file_of_unknown_names_trains_the_2d_part(cfg, tmp_path):
    register_coco(NAME, write_json(tmp_path / "a.json", coco(tmp_path)), tmp_path)
    torch.manual_seed(0)
    model = OpenVocabTrainer.build_model(cfg).train()
    records = next(iter(build_prompt_train_loader(cfg)))
    assert {"zebra", "car", "tipper truck"} & {text for r in records for text in r["prompts"]}
    losses = model(records)
    assert all(torch.isfinite(value) for value in losses.values())
    assert losses["loss_class"] > 0 and losses["loss_box"] > 0
    assert {key for key, value in losses.items() if value.item() == 0.0} >= {"loss_size", "loss_depth"}
    sum(losses.values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_names_in_doubt_are_not_asked(cfg, tmp_path):
    content = coco(tmp_path)
    content["categories"].append({"id": 99, "name": "crane"})
    content["images"][0] |= {"neg_category_ids": [11]}
    content["images"][1] |= {"neg_category_ids": [99, 90]}
    # Of the cars and zebras of the first and the tipper trucks of the second it is known that they are there.
    register_lvis(NAME, write_json(tmp_path / "a.json", content), tmp_path)
    first, second = asked(cfg)
    assert {"zebra", "car"} <= first and "crane" not in first
    assert {"zebra", "crane"} <= second and "car" not in second


def test_phrases_are_asked_and_answered(cfg, tmp_path):
    register_odvg(NAME, write_json(tmp_path / "a.jsonl", odvg(tmp_path)), tmp_path)
    _, grounded, both = asked(cfg)
    assert {"two bicycles", "a yellow tipper truck"} <= grounded and not {"car", "zebra", "object"} & grounded
    assert {"a white car", "zebra"} <= both
    record = prompt_records(NAME)[1]
    mapper, checked = PromptMapper(cfg, True), 0
    for i in range(20):
        output = mapper(record, np.random.default_rng(i))
        if output is None or "two bicycles" not in output["prompts"]:
            continue
        truth = output["prompt_truth"][:, output["prompts"].index("two bicycles")]
        names = [record["annotations"][i]["name"] for i in output["instances"].gt_ids.tolist()]
        assert [t == 1 for t in truth.tolist()] == [name == "two bicycles" for name in names]
        checked += 1
    assert checked
