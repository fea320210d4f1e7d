"""Streaming against the predictor on graphs of the whole recording."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from detectron2.config import get_cfg
from detectron2.modeling import build_model

from d2ext.data.synthtraffic.generate import SPEC
from d2ext.data.synthtraffic.simulate import simulate
from d2ext.data.trajectories import SpaceTimeRenderer, Tracks
from d2ext.modeling.anomaly.pdn import RECEPTIVE_FIELD
from d2ext.projects.trajad import StreamingPredictor, TrajADPredictor, add_trajad_config

WIDTH = 128


def predictor(tracks: Tracks, padding: bool, pdn: str = "small", branch: str = "linear") -> TrajADPredictor:
    """A small model of random weights whose maps are normalised on some graphs of the recording."""
    cfg = get_cfg()
    add_trajad_config(cfg)
    cfg.MODEL.DEVICE, cfg.TEST.DTYPE = "cpu", "float32"
    cfg.INPUT.GRAPH.WIDTH = WIDTH
    c = cfg.MODEL.EFFICIENT_AD
    c.WIDTH, c.PADDING, c.PDN, c.BRANCH.NAME = 1 / 24, padding, pdn, branch
    c.BRANCH.DIM, c.BRANCH.DEPTH, c.BRANCH.ATTENTION_HEADS = 8, 1, 2
    torch.manual_seed(0)
    model = build_model(cfg).eval()
    found = TrajADPredictor(cfg, model)
    images = [SpaceTimeRenderer(tracks, SPEC).render(start, WIDTH).image for start in (0, 64, 128)]
    records = [[{"image": torch.from_numpy(image.transpose(2, 0, 1).copy())}] for image in images]
    model.measure_teacher(records)
    model.measure_maps(records)
    return found


def parts(tracks: Tracks, seconds: float):
    """The rows as they come in, some seconds at a time."""
    edges = np.arange(tracks.time.min(), tracks.time.max() + seconds, seconds)
    for start, end in zip(edges, [*edges[1:-1], np.inf], strict=False):
        yield tracks.select((tracks.time >= start) & (tracks.time < end))


@pytest.fixture(scope="module")
def tracks() -> Tracks:
    return simulate("stopped", [0, 2, 0]).tracks


@pytest.mark.parametrize("padding", [True, False])
@pytest.mark.parametrize("step, seconds", [(4, 3.7), (16, 0.2), (64, 30.0), (128, 11.0)])
def test_streaming_equals_the_predictor_on_the_whole_recording(tracks, padding, step, seconds):
    batch = predictor(tracks, padding)
    renderer = SpaceTimeRenderer(tracks, SPEC)
    stream, starts = StreamingPredictor(batch, step), []
    for rows in parts(tracks, seconds):
        for graph, found in stream.update(rows):
            starts.append(graph.first_column)
            whole = renderer.render(graph.first_column, WIDTH)
            assert (graph.image == whole.image).all()
            expected = batch(whole.image)
            for name in ("anomaly_map", "local_map", "global_map"):
                assert torch.allclose(found[name], expected[name], rtol=0, atol=1e-5)
            assert found["score"] == pytest.approx(expected["score"], abs=1e-5)
    # The last columns are not final: rows within the gap may still come.
    last = renderer.columns().stop - WIDTH - int(SPEC.max_gap / SPEC.seconds_per_pixel) - 1
    assert starts == list(range(0, last + 1, step))


@pytest.mark.parametrize("pdn, branch", [("medium", "gated_linear"), ("small", "softmax")])
def test_every_network_streams(tracks, pdn, branch):
    batch = predictor(tracks, True, pdn, branch)
    found = StreamingPredictor(batch, 16).update(tracks)
    for graph, output in (found[1], found[-1]):
        assert torch.allclose(output["anomaly_map"], batch(graph.image)["anomaly_map"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("padding", [True, False])
def test_teacher_and_student_see_new_columns_and_edges_only(tracks, padding, monkeypatch):
    batch = predictor(tracks, padding)
    seen = []
    batch.model.teacher.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[-1]))
    count = len(StreamingPredictor(batch, 8).update(tracks))
    assert seen[0] == WIDTH
    edges = 2 * RECEPTIVE_FIELD if padding else RECEPTIVE_FIELD
    assert sum(seen[1:]) <= (count - 1) * (8 + edges)


def test_memory_does_not_grow(tracks):
    """Rows, columns and names that are kept, over ten recordings one after the other."""
    stream = StreamingPredictor(predictor(tracks, False), 32)
    stream._score = lambda graph: {}  # of fixed size
    kept, graphs = [], []
    for turn in range(10):
        later = Tracks(
            np.array([f"{turn}_{name}" for name in tracks.ids]),
            tracks.track,
            tracks.time + 128 * turn,
            tracks.lane,
            tracks.position,
            tracks.speed,
        )
        for rows in parts(later, 5.0):
            graphs += [graph for graph, _ in stream.update(rows)]
        live = stream._live
        kept.append((len(live._rows), sum(len(s.pixel) for s in live._strips), len(graphs[-1].ids)))
    assert (np.max(kept, 0) <= 1.3 * np.array(kept[0])).all()


def test_steps_that_do_not_fit_are_refused(tracks):
    batch = predictor(tracks, False)
    with pytest.raises(ValueError, match="step must be a multiple of 4 columns, got 6"):
        StreamingPredictor(batch, 6)
    with pytest.raises(ValueError, match="step must divide the width of 128 columns, got 48"):
        StreamingPredictor(batch, 48)
