"""A model of space-time graphs beside the rules: it goes on from its state as if it had not stopped."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from detectron2.config import get_cfg
from detectron2.modeling import build_model

from d2ext.data.synthtraffic.simulate import simulate
from d2ext.data.trajectories import SpaceTimeRenderer
from d2ext.engine import ImagePredictor
from d2ext.projects.road_watch import LearnedAlarms
from d2ext.projects.road_watch.learned import add_graph_model_config, graph_spec, no_rows

WIDTH = 64


@pytest.fixture(scope="module")
def recording():
    return simulate("stopped", [0, 2, 0]).tracks


@pytest.fixture(scope="module")
def predictor(recording) -> ImagePredictor:
    """A small model of random weights, whose threshold some of what it sees reaches."""
    cfg = get_cfg()
    add_graph_model_config(cfg)
    cfg.MODEL.META_ARCHITECTURE = "EfficientAD"
    cfg.MODEL.DEVICE, cfg.TEST.DTYPE, cfg.TEST.THRESHOLD = "cpu", "float32", 0.004
    cfg.INPUT.GRAPH.WIDTH = WIDTH
    c = cfg.MODEL.EFFICIENT_AD
    c.WIDTH, c.PADDING, c.BRANCH.DIM, c.BRANCH.DEPTH, c.BRANCH.ATTENTION_HEADS = 1 / 24, True, 8, 1, 2
    torch.manual_seed(0)
    model = build_model(cfg).eval()
    spec = graph_spec(cfg)
    pictures = [SpaceTimeRenderer(recording, spec).render(start, WIDTH).image for start in (0, 64)]
    records = [[{"image": torch.from_numpy(image.transpose(2, 0, 1).copy())}] for image in pictures]
    model.measure_teacher(records)
    model.measure_maps(records)
    return ImagePredictor(cfg, model)


def moments(recording):
    """The rows of each half second, up to a minute."""
    for t in np.arange(0.0, 60.0, 0.5):
        yield t + 0.499, recording.select((recording.time >= t) & (recording.time < t + 0.5))


def test_it_goes_on_from_its_state(settings, recording, predictor):
    anomaly = settings("ROAD_WATCH.ANOMALY.NEW_SECONDS", 30.0).ROAD_WATCH.ANOMALY
    whole, parts, looks = LearnedAlarms(anomaly, predictor), LearnedAlarms(anomaly, predictor), 0
    for i, (t, rows) in enumerate(moments(recording)):
        expected, found = whole.update(t, rows), parts.update(t, rows)
        assert [s.key for s in found] == [s.key for s in expected], i
        assert [s.score for s in found] == pytest.approx(
            [s.score for s in expected], abs=3e-3
        )  # 1e-5 of a map over the threshold
        looks += len(expected) > 0
        if i in (0, 7, 40, 41, 97):
            again = LearnedAlarms(anomaly, predictor)
            memory = t - again.memory
            known = recording.select((recording.time <= t) & (recording.time >= memory))
            again.restore(json.loads(json.dumps(parts.state())), known)
            parts = again
    assert looks > 10  # there was something to compare
    assert parts.graph is not None and (parts.graph.image == whole.graph.image).all()


def test_regions_are_new_and_name_their_vehicles(settings, recording, predictor):
    anomaly = settings("ROAD_WATCH.ANOMALY.NEW_SECONDS", 30.0).ROAD_WATCH.ANOMALY
    learned, ids = LearnedAlarms(anomaly, predictor), {int(i) for i in recording.ids}
    found = 0
    for t, rows in moments(recording):
        for signal in learned.update(t, rows):
            assert set(signal.vehicles) <= ids and signal.kind == "abnormal"
            assert signal.since >= t - anomaly.NEW_SECONDS - 2 * 2 - 1.5 and signal.since <= t
            found += len(signal.vehicles)
    assert found > 10


def test_after_a_long_gap_it_begins_anew(settings, recording, predictor):
    learned = LearnedAlarms(settings("ROAD_WATCH.ANOMALY.NEW_SECONDS", 30.0).ROAD_WATCH.ANOMALY, predictor)
    for t, rows in list(moments(recording))[:20]:
        learned.update(t, rows)
    assert learned.state()["next"] is not None
    assert learned.update(10_000.0, no_rows()) == []
    assert learned.state()["next"] is None


@pytest.mark.parametrize("settle", [0.0, 4.0])
def test_vehicles_that_were_on_the_road_before_are_no_anomaly(settings, recording, predictor, settle):
    """A recording that begins in the middle of its traffic."""
    options = ("ROAD_WATCH.ANOMALY.NEW_SECONDS", 30.0, "ROAD_WATCH.ANOMALY.SETTLE_SECONDS", settle)
    learned = LearnedAlarms(settings(*options).ROAD_WATCH.ANOMALY, predictor)
    begins = 20.0
    since = [
        signal.since
        for t, rows in moments(recording.select(recording.time >= begins))
        for signal in learned.update(t, rows)
    ]
    first = float(recording.time[recording.time >= begins].min())
    assert (min(since) >= first + 4.0 - 0.5) == (settle == 4.0)  # a column is 0.5 s
