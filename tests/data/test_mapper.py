from __future__ import annotations

import math
import re
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch

from d2ext.data.formats import load_mono3drefer, load_monomulti3d, load_rope3d
from d2ext.data.grounding_mapper import GroundingMapper, sample_sentences
from d2ext.data.mapper import DetectionMapper
from d2ext.structures import wrap_angle
from d2ext.structures.vocabulary import ROAD


@pytest.fixture
def records(shared_dir) -> list[dict[str, Any]]:
    root = shared_dir / "data"
    kitti = [r for s in ("train", "val", "test") for r in load_mono3drefer(root / "mono3drefer", s)]
    return kitti + load_monomulti3d(root / "monomulti3d", "train")


def draw(mapper: GroundingMapper, record: dict[str, Any], seed: int) -> dict[str, Any]:
    """The first training sample whose crop keeps a sentence."""
    outputs = (mapper(record, np.random.default_rng((seed, attempt))) for attempt in range(100))
    return next(output for output in outputs if output is not None)


def test_inference_gives_all_sentences_of_the_fitted_image(records, cfg):
    mapper = GroundingMapper(cfg, False)
    for record in records:
        output = mapper(record)
        assert output["sentences"] == [sentence["text"] for sentence in record["sentences"]]
        assert output["sentence_ids"] == [sentence["id"] for sentence in record["sentences"]]
        assert output["image"].dtype == torch.uint8 and output["image"].shape[0] == 3
        assert tuple(output["image"].shape[1:]) == output["camera"].image_size
        assert output["original_camera"].image_size == (record["height"], record["width"])
        assert "instances" not in output


def test_training_geometry(records, cfg):
    """3D boxes seen by the new camera overlap the 2D boxes as well as they do in the file."""
    mapper = GroundingMapper(cfg, True)
    flips = 0
    for seed, record in enumerate(records * 4):
        output = draw(mapper, record, seed)
        instances, camera = output["instances"], output["camera"]
        annotations = {annotation["id"]: annotation for annotation in record["annotations"]}
        location = instances.gt_boxes3d.bottom_center()
        flip = location[0, 0] * annotations[int(instances.gt_ids[0])]["location"][0] < 0
        flips += bool(flip)
        sign = -1 if flip else 1
        # The centre of the 3D box lies at the same relative place of the picture.
        old, _ = output["original_camera"].project(
            instances.gt_boxes3d.center * torch.tensor([sign, 1.0, 1.0])
        )
        new, _ = camera.project(instances.gt_boxes3d.center)
        scale = camera.fx / output["original_camera"].fx
        spread_old, spread_new = old - old.mean(dim=0), new - new.mean(dim=0)
        torch.testing.assert_close(spread_new[:, 0], spread_old[:, 0] * scale * sign, atol=0.01, rtol=1e-3)
        for i, identity in enumerate(instances.gt_ids.tolist()):
            annotation = annotations[identity]
            expected = torch.tensor(annotation["location"]) * torch.tensor([sign, 1.0, 1.0])
            torch.testing.assert_close(location[i], expected, atol=1e-4, rtol=1e-4)
            yaw = math.pi - annotation["yaw"] if flip else annotation["yaw"]
            torch.testing.assert_close(instances.gt_yaw[i], wrap_angle(torch.tensor(yaw)), atol=1e-5, rtol=0)
            assert int(instances.gt_classes[i]) == annotation["category_id"]
        _, _, ry = instances.gt_boxes3d.to_kitti(output["box_plane"])
        assert wrap_angle(ry - instances.gt_yaw).abs().max() < 1e-4
        assert (output["box_plane"] is None) == bool(record.get("level_boxes"))
    assert 4 < flips < 4 * len(records) - 4


def test_boxes_stay_in_the_image_and_targets_are_indices(records, cfg):
    mapper = GroundingMapper(cfg, True)
    for seed, record in enumerate(records * 4):
        output = draw(mapper, record, seed)
        boxes = output["instances"].gt_boxes.tensor
        height, width = output["image"].shape[1:]
        assert (
            (boxes >= 0).all()
            and (boxes[:, [0, 2]] <= width - 1).all()
            and (boxes[:, [1, 3]] <= height - 1).all()
        )
        ids = output["instances"].gt_ids
        sentences = {sentence["id"]: sentence for sentence in record["sentences"]}
        assert len(output["sentences"]) <= cfg.INPUT.MAX_SENTENCES
        assert len(set(output["sentence_ids"])) == len(output["sentences"])
        for identity, targets in zip(output["sentence_ids"], output["sentence_targets"], strict=True):
            assert ids[targets].tolist() == sentences[identity]["target_ids"]


def test_same_generator_same_sample(records, cfg):
    mapper = GroundingMapper(cfg, True)
    one, two, other = (mapper(records[0], np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert torch.equal(one["image"], two["image"]) and torch.equal(one["camera"].P, two["camera"].P)
    assert one["sentences"] == two["sentences"]
    assert not torch.equal(one["camera"].P, other["camera"].P)


def test_flip_swaps_words_or_does_not_happen(records, cfg):
    cfg.INPUT.FLIP_PROB = 1.0
    cfg.INPUT.SCALE_RANGE = (1.0, 1.0)
    mapper = GroundingMapper(cfg, True)
    record = dict(records[0])
    plain = GroundingMapper(cfg, False)(record)["camera"]
    target = record["sentences"][0]["target_ids"]
    record["sentences"] = [{"id": 1, "text": "The man on the left.", "target_ids": target, "properties": []}]
    flipped = mapper(record, np.random.default_rng(0))
    assert flipped["sentences"] == ["The man on the right."]
    torch.testing.assert_close(flipped["camera"].cx, plain.image_size[1] - 1 - plain.cx)
    unsafe = {"id": 2, "text": "The man who has left the van.", "target_ids": target, "properties": []}
    record["sentences"] = [*record["sentences"], unsafe]
    kept = mapper(record, np.random.default_rng(0))
    assert kept["sentences"] == ["The man on the left.", "The man who has left the van."]
    torch.testing.assert_close(kept["camera"].cx, plain.cx)


def test_cropped_targets_take_their_sentences_along(records, cfg):
    cfg.INPUT.SCALE_RANGE = (2.0, 2.0)
    mapper = GroundingMapper(cfg, True)
    record = next(record for record in records if record["image_id"] == "000008")
    lost = 0
    for seed in range(10):
        output = draw(mapper, record, seed)
        present = set(output["instances"].gt_ids.tolist())
        expected = [s["id"] for s in record["sentences"] if set(s["target_ids"]) <= present]
        assert set(output["sentence_ids"]) <= set(expected)
        assert len(output["sentences"]) == min(len(expected), cfg.INPUT.MAX_SENTENCES)
        lost += len(record["sentences"]) - len(expected)
    assert lost > 10
    cfg.INPUT.SCALE_RANGE = (50.0, 50.0)
    assert GroundingMapper(cfg, True)(record, np.random.default_rng(0)) is None


def test_detection_sees_what_grounding_sees(records, cfg):
    """The same image, camera, plane and objects; no sentence decides about the mirror or is given."""
    cfg.INPUT.FLIP_PROB = 0.0
    for seed, record in enumerate(records):
        for is_train in (True, False):
            rngs = [np.random.default_rng(seed) for _ in range(2)]
            plain = {**record, "sentences": []}
            detection = DetectionMapper(cfg, is_train)(record, rngs[0])
            grounding = GroundingMapper(cfg, is_train)(plain, rngs[1])
            extra = {"sentences", "sentence_ids", "single_target"}
            assert set(grounding) - set(detection) == extra | ({"sentence_targets"} if is_train else set())
            assert torch.equal(detection["image"], grounding["image"])
            assert torch.equal(detection["camera"].P, grounding["camera"].P)
            if is_train:
                ids = detection["instances"].gt_ids
                assert len(ids) and torch.equal(ids, grounding["instances"].gt_ids)


def test_detection_mirrors_and_gives_none_when_every_object_is_cropped_away(records, cfg):
    cfg.INPUT.FLIP_PROB, cfg.INPUT.SCALE_RANGE = 1.0, (1.0, 1.0)
    record = records[0]
    plain = DetectionMapper(cfg, False)(record)["camera"]
    mapped = DetectionMapper(cfg, True)(record, np.random.default_rng(0))
    torch.testing.assert_close(mapped["camera"].cx, plain.image_size[1] - 1 - plain.cx)
    cfg.INPUT.SCALE_RANGE = (50.0, 50.0)
    assert DetectionMapper(cfg, True)(record, np.random.default_rng(0)) is None
    empty = DetectionMapper(cfg, True)({**record, "annotations": []}, np.random.default_rng(0))
    assert len(empty["instances"]) == 0


def test_objects_without_3d_box_are_finite_stand_ins(shared_dir, cfg):
    (record,) = load_rope3d(shared_dir / "data/rope3d", "train")
    flat = {annotation["id"] for annotation in record["annotations"] if not annotation["has_3d"]}
    instances = GroundingMapper(cfg, True)(record, np.random.default_rng(1))["instances"]
    assert set(instances.gt_ids[~instances.gt_has_3d].tolist()) == flat and flat
    assert torch.isfinite(instances.gt_boxes3d.corners()).all() and (instances.gt_boxes3d.size > 0).all()


def test_image_without_annotations(records, cfg):
    record = records[0] | {"annotations": [], "sentences": []}
    output = GroundingMapper(cfg, True)(record, np.random.default_rng(0))
    assert len(output["instances"]) == 0 and len(output["instances"].gt_boxes3d) == 0
    assert output["sentences"] == output["sentence_targets"] == []


def test_errors(records, cfg, tmp_path):
    mapper = GroundingMapper(cfg, True)
    rng = np.random.default_rng(0)
    record = records[0]
    with pytest.raises(ValueError, match="000000.png: expected 99x100 pixels, got 1224x370"):
        GroundingMapper(cfg, False)(record | {"height": 100, "width": 99})
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"\x89PNG but not really")
    with pytest.raises(ValueError, match="bad.png: expected an image file"):
        mapper(record | {"file_name": str(bad)}, rng)
    secret = [sentence | {"target_ids": None} for sentence in record["sentences"]]
    with pytest.raises(ValueError, match="000000.png: expected the targets of every sentence"):
        mapper(record | {"sentences": secret}, rng)
    for key, value in (("FORMAT", "L"), ("SCALE_RANGE", (0.0, 1.0))):
        broken = cfg.clone()
        broken.INPUT[key] = value
        with pytest.raises(ValueError, match=f"INPUT.{key}: expected"):
            GroundingMapper(broken, True)


def test_sampling_is_spread_over_objects_and_without_replacement():
    sentences = [{"id": i, "target_ids": [i // 5]} for i in range(20)]  # 4 objects, 5 sentences each
    seen = Counter()
    for seed in range(200):
        chosen = sample_sentences(sentences, 6, np.random.default_rng(seed))
        assert len({s["id"] for s in chosen}) == 6
        counts = Counter(s["target_ids"][0] for s in chosen)
        assert sorted(counts.values()) == [1, 1, 2, 2]
        seen.update(s["id"] for s in chosen)
    assert len(seen) == 20 and max(seen.values()) < 2 * min(seen.values())
    assert sample_sentences(sentences, 20, np.random.default_rng(0)) == sentences


def test_negative_sentences_have_no_target_and_name_no_class_that_is_there(records, cfg):
    cfg.INPUT.NEGATIVE_SENTENCES = 1.5
    mapper = GroundingMapper(cfg, True)
    plain = GroundingMapper(cfg, True, negative_sentences=0.0)
    counts = []
    for seed in range(40):
        record = records[seed % len(records)]
        output, without = draw(mapper, record, seed), draw(plain, record, seed)
        kept = len(without["sentences"])
        assert output["sentences"][:kept] == without["sentences"]
        assert all(len(targets) == 0 for targets in output["sentence_targets"][kept:])
        assert len(output["sentence_targets"]) == len(output["sentence_ids"]) == len(output["sentences"])
        added = output["sentences"][kept:]
        names = {ROAD.names[a["category_id"]] for a in record["annotations"]}
        assert not any(re.search(rf"\b{name}", text) for text in added for name in names)
        counts.append(len(added))
    assert set(counts) == {1, 2} and 50 < sum(counts) < 70


def test_typing_mistakes_come_as_often_as_asked_and_leave_targets(records, cfg):
    cfg.INPUT.TYPO_PROB = 0.5
    mapper, plain = GroundingMapper(cfg, True), GroundingMapper(cfg, True, typo_prob=0.0)
    changed = []
    for seed in range(30):
        record = records[seed % len(records)]
        output, without = draw(mapper, record, seed), draw(plain, record, seed)
        assert output["sentence_ids"] == without["sentence_ids"]
        assert all(map(torch.equal, output["sentence_targets"], without["sentence_targets"]))
        changed += [a != b for a, b in zip(output["sentences"], without["sentences"], strict=True)]
    assert 0.3 < np.mean(changed) < 0.6
