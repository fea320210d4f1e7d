"""TrajAD: latency per graph and against its length, attention by tokens, streaming by new columns."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from detectron2.modeling import build_model
from tqdm import tqdm

from d2ext.data.anomaly_mapper import graph_spec
from d2ext.data.trajectories import SpaceTimeRenderer, Tracks
from d2ext.engine import inference_dtype, load_config
from d2ext.engine.benchmark import Clock, dtype_name, machine, milliseconds, new_plot, write_table
from d2ext.layers import linear_attention
from d2ext.modeling import optimize_for_inference
from d2ext.projects.trajad import StreamingPredictor, TrajADPredictor, add_trajad_config

BRANCHES = ("autoencoder", "softmax", "linear", "gated_linear")
HEADS, DIM = 4, 16  # of the attention that is timed alone: the branch's


@torch.no_grad()
def run(args: argparse.Namespace, clock: Clock) -> None:
    """What the command times; its arguments are the command's."""
    _graphs(args, clock)
    _attention(args, clock)
    _streaming(args, clock)


def predictor(config_file: str, dtype: str, branch: str, width: int) -> TrajADPredictor:
    """A model of random weights."""
    options = ["MODEL.EFFICIENT_AD.BRANCH.NAME", branch, "INPUT.GRAPH.WIDTH", str(width)]
    options += ["TEST.DTYPE", dtype]
    cfg = load_config(add_trajad_config, config_file, options)
    return TrajADPredictor(cfg, optimize_for_inference(build_model(cfg).eval()))


def traffic(seconds: float, vehicles_a_second: float = 0.2) -> Tracks:
    """Vehicles that drive through the section at 10 to 14 m/s, ten rows a second."""
    rng = np.random.default_rng(0)
    count = int(seconds * vehicles_a_second)
    starts = rng.uniform(-30, seconds, count)
    time = np.arange(0, 30, 0.1)
    speed = rng.uniform(10, 14, count)
    track, moments = np.repeat(np.arange(count), len(time)), np.add.outer(starts, time).ravel()
    position = np.multiply.outer(speed, time).ravel()
    lane = rng.integers(1, 3, count)[track]
    kept = (moments >= 0) & (moments <= seconds)
    ids = np.arange(count).astype(str)
    return Tracks(ids, track, moments, lane, position, speed[track]).select(kept)


def _graphs(args: argparse.Namespace, clock: Clock) -> None:
    """One graph by branch and length."""
    rows, results = [], {}
    for width in tqdm(args.widths, desc="graphs", disable=None):
        models = [predictor(args.config_file, args.dtype, branch, width) for branch in BRANCHES]
        spec = graph_spec(models[0].cfg)
        renderer = SpaceTimeRenderer(traffic(width * spec.seconds_per_pixel), spec)
        image = renderer.render(0, width).image
        calls = [partial(model, image) for model in models]
        draw, *times = clock.alternate(partial(renderer.render, 0, width), *calls)
        results[width] = times
        rows.append([f"{image.shape[0]} x {width}", *map(milliseconds, (draw, *times))])
    title = f"{machine(clock)}; {dtype_name(inference_dtype(models[0].cfg))}"
    header = ("graph", "drawing ms", *(f"{branch} ms" for branch in BRANCHES))
    write_table(args.output / "trajad_graphs.md", title, header, rows)
    figure, (ax,) = new_plot("TrajAD, one graph", "columns", "ms")
    for k, branch in enumerate(BRANCHES):
        ax.plot(args.widths, [1000 * results[w][k] for w in args.widths], "o-", label=branch)
    ax.set_ylim(bottom=0)
    ax.legend()
    figure.savefig(args.output / "trajad_graphs.png", dpi=110)


def _attention(args: argparse.Namespace, clock: Clock) -> None:
    """The attention alone, by the number of tokens."""
    rows, results = [], {}
    for count in tqdm(args.tokens, desc="attention", disable=None):
        query, key, value = torch.randn(3, 1, HEADS, count, DIM)
        gate = F.logsigmoid(torch.randn(1, HEADS, count) + 3)
        calls = {
            "linear": partial(linear_attention, query, key, value),
            "gated_linear": partial(linear_attention, query, key, value, gate),
        }
        if count <= args.softmax_tokens:
            calls["softmax"] = partial(F.scaled_dot_product_attention, query, key, value)
        results[count] = dict(zip(calls, clock.alternate(*calls.values()), strict=True))
        cells = [results[count].get(name) for name in BRANCHES[1:]]
        rows.append([str(count), *("-" if s is None else milliseconds(s) for s in cells)])
    title = f"{machine(clock)}; {HEADS} heads of {DIM} channels"
    header = ("tokens", *(f"{name} ms" for name in BRANCHES[1:]))
    write_table(args.output / "trajad_attention.md", title, header, rows)
    figure, (ax,) = new_plot("Attention", "tokens", "ms")
    for name in BRANCHES[1:]:
        points = [(n, 1000 * times[name]) for n, times in results.items() if name in times]
        ax.loglog(*zip(*points, strict=True), "o-", label=name)
    ax.legend()
    figure.savefig(args.output / "trajad_attention.png", dpi=110)


def _step(stream: StreamingPredictor, tracks: Tracks, ends: Iterator[float], seconds: float) -> None:
    end = next(ends)
    stream.update(tracks.select((tracks.time >= end - seconds) & (tracks.time < end)), end)


def _whole_graph(predictor: TrajADPredictor, renderer: SpaceTimeRenderer, width: int) -> object:
    return predictor(renderer.render(0, width).image)


def _streaming(args: argparse.Namespace, clock: Clock) -> None:
    """A step of the stream against the predictor on the whole graph."""
    batch = predictor(args.config_file, args.dtype, "linear", 256)
    spec, width = graph_spec(batch.cfg), batch.cfg.INPUT.GRAPH.WIDTH
    turns = clock.repeats + 2
    rows = []
    for step in tqdm(args.steps, desc="streaming", disable=None):
        seconds = step * spec.seconds_per_pixel
        begin = width * spec.seconds_per_pixel + spec.max_gap
        tracks = traffic(begin + turns * seconds)
        stream = StreamingPredictor(batch, step)
        stream.update(tracks.select(tracks.time < begin), begin)
        ends = iter(begin + seconds * np.arange(1, turns + 1))

        renderer = SpaceTimeRenderer(tracks, spec)
        one_step = partial(_step, stream, tracks, ends, seconds)
        new, whole = clock.alternate(one_step, partial(_whole_graph, batch, renderer, width))
        cells = [milliseconds(new), milliseconds(new / step), milliseconds(whole), f"{new / whole:.2f}"]
        rows.append([str(step), *cells])
    dtype = dtype_name(inference_dtype(batch.cfg))
    title = f"{machine(clock)}; window of {width} columns, linear attention, {dtype}"
    header = ("new columns", "ms a step", "ms a new column", "whole graph ms", "step / whole graph")
    write_table(args.output / "trajad_streaming.md", title, header, rows)
