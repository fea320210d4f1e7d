"""Mapper dicts of scenes: geometry, chance, captions."""

import numpy as np
import pytest
import torch
from toy_scenes import records

from d2ext.data.scenes.mapper import SceneMapper
from d2ext.structures import ROAD, Boxes3D

OPTIONS = {"size": (32, 64), "image_format": "BGR", "names": ROAD.names, "stride": 4}


@pytest.fixture
def scenes(tmp_path):
    return records(tmp_path, range(4))


def draw(mapper, record, seed=0):
    return mapper(record, np.random.default_rng(seed))


def test_pictures_have_the_size_and_boxes_fall_onto_their_objects(scenes):
    for x in map(SceneMapper(False, **OPTIONS), scenes):
        assert x["image"].shape == (3, 32, 64) and x["layout"].shape == (len(ROAD.names) + 4, 8, 16)
        assert x["camera"].image_size == (32, 64) and "drop" not in x
        for a in x["objects"]:
            box = Boxes3D.from_kitti([a["location"]], [a["dimensions"]], [a["yaw"]], x["box_plane"])
            seen = box.project(x["camera"], clipped=True)[0][0]
            assert torch.allclose(seen, torch.tensor(a["bbox"]), atol=0.6)


def test_mirrored_and_cropped_pictures_keep_boxes_and_camera_together(scenes):
    mapper = SceneMapper(True, **OPTIONS, flip_prob=1.0, scale_range=(1.0, 1.6), crop_shift=1.0)
    count = 0
    for seed in range(12):
        x = draw(mapper, scenes[seed % 4], seed)
        for a in x["objects"]:
            box = Boxes3D.from_kitti([a["location"]], [a["dimensions"]], [a["yaw"]], x["box_plane"])
            seen = box.project(x["camera"], clipped=True)[0][0]
            assert torch.allclose(seen, torch.tensor(a["bbox"]), atol=0.8)
            count += 1
        assert x["latent_key"] is None or x["latent_key"].endswith("|mirrored")
    assert count > 5


def test_chance_is_that_of_the_generator_alone(scenes):
    mapper = SceneMapper(True, **OPTIONS, flip_prob=0.5)
    a, b, c = (draw(mapper, scenes[0], seed) for seed in (3, 3, 4))
    assert a["noise_seed"] == b["noise_seed"] != c["noise_seed"] and a["drop"] == b["drop"]
    assert a["caption"] == b["caption"] and torch.equal(a["image"], b["image"])
    plain = SceneMapper(False, **OPTIONS)
    assert plain(scenes[0])["noise_seed"] == plain(scenes[0])["noise_seed"] != plain(scenes[1])["noise_seed"]


def test_captions_are_drawn_by_their_scores(scenes):
    record = scenes[1]
    best = "the best one"
    record["sentences"].append({"id": 2, "text": best, "target_ids": [0], "properties": []})
    scores = {record["image_id"]: {best: 2.0}}
    mapper = SceneMapper(True, **OPTIONS, scores=scores, temperature=1.0)
    transform = mapper.transform((record["height"], record["width"]))
    told = [mapper.describe(record, transform, np.random.default_rng(i))["caption"] for i in range(150)]
    count = len(set(told))
    share = np.exp(2) / (np.exp(2) + count - 1)
    assert count >= 4 and told.count(best) / 150 == pytest.approx(share, abs=0.12)
    always = SceneMapper(True, **OPTIONS, scores=scores, sample_captions=False)
    assert {draw(always, record, seed)["caption"] for seed in range(5)} == {best}
    assert SceneMapper(False, **OPTIONS, scores=scores)(record)["caption"] == best


def test_a_picture_of_another_size_is_one_line(scenes):
    with pytest.raises(ValueError, match="expected 90x64 pixels, got 96x64"):
        SceneMapper(False, **OPTIONS)(scenes[0] | {"width": 90})
