"""U2ENet's inference: every stage alone and all together, against ResNet-50's forward pass."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from detectron2.modeling import build_model
from torchvision.models import resnet50
from tqdm import tqdm

from d2ext.data.augmentation import ImageTransform, to_tensor
from d2ext.data.image_io import read_image
from d2ext.engine import inference_autocast, inference_dtype
from d2ext.engine.benchmark import Clock, dtype_name, machine, milliseconds, new_plot, write_table
from d2ext.modeling import U2ENet, optimize_for_inference
from d2ext.modeling.box3d.images import EncodedImages
from d2ext.modeling.grounding.inference import EncodedSentences
from d2ext.projects.u2enet.benchmarks.inputs import full_size_config, record, roberta_folder

FILE_SIZES = {"mono3drefer": (375, 1242), "monomulti3d": (1080, 1920)}
STAGES = ("read", "resize", "backbone", "text", "filter", "fusion", "head", "decode")
#: Seconds by column, of a config, a number of images and a number of sentences an image.
Results = dict[tuple[str, int, int], dict[str, float]]
COLUMNS = (*STAGES, "all, text cached", "all", "ResNet-50")


@torch.no_grad()
def run(args: argparse.Namespace, clock: Clock) -> None:
    """What the command times; its arguments are the command's."""
    results: Results = {}
    with tempfile.TemporaryDirectory() as folder:
        text = str(args.text) if args.text else roberta_folder(Path(folder))
        for name in args.configs:
            cfg = full_size_config(name, text, ["TEST.DTYPE", args.dtype])
            dtype = dtype_name(inference_dtype(cfg))
            model: Any = optimize_for_inference(build_model(cfg).eval(), args.compile)
            for batch in tqdm(args.batch, desc=name, disable=None):
                # everything takes turns, so that what the machine does besides is in no ratio
                functions: dict[tuple[int, str], Callable[[], object]] = {}
                for count in args.sentences:
                    records = [record(tuple(cfg.INPUT.SIZE), count) for _ in range(batch)]
                    for r in records:
                        r["single_target"] = name == "mono3drefer"
                    stages = _stages(model, records, FILE_SIZES[name], Path(folder))
                    for column, function in (stages | _whole(model, records)).items():
                        functions[count, column] = function
                with inference_autocast(cfg):
                    seconds = dict(zip(functions, clock.alternate(*functions.values()), strict=True))
                for count in args.sentences:
                    results[name, batch, count] = {c: seconds[count, c] for c in COLUMNS}
    _write(args, clock, results, dtype)


def _stages(
    model: U2ENet, records: list[dict[str, Any]], file_size: tuple[int, int], folder: Path
) -> dict[str, Callable[[], object]]:
    """Each stage of inference for a whole batch."""
    size = records[0]["camera"].image_size
    file = folder / "image.jpg"
    noise = np.random.default_rng(0).integers(0, 255, (file_size[0] // 8, file_size[1] // 8, 3), np.uint8)
    cv2.imwrite(str(file), cv2.resize(noise, file_size[::-1], interpolation=cv2.INTER_CUBIC))
    image = read_image(file)
    transform = ImageTransform.fit(file_size, size)
    images = model.encode_images(records)
    chunks = [(images.image(i), words) for i, r in enumerate(records) for words in model.chunks(r)]

    def fuse(image: EncodedImages, words: EncodedSentences) -> torch.Tensor:
        return model.fusion(image.features.maps, words.levels, words.mask, owners(words))

    def owners(words: EncodedSentences) -> torch.Tensor:
        return words.mask.new_zeros(len(words.mask), dtype=torch.long)

    topk = 1 if records[0]["single_target"] else model.settings.topk
    rows = [(fuse(*c), c[1].vectors, model.views(c[0], owners(c[1]))) for c in chunks]
    read = [(model.head(f, vectors, views.valid), vectors, views) for f, vectors, views in rows]

    def encode() -> None:
        model.text_encoder.clear_cache()
        for r in records:
            model.text_encoder(r["sentences"])

    return {
        "read": lambda: [read_image(file) for _ in records],
        "resize": lambda: [to_tensor(transform.apply_image(image), "BGR") for _ in records],
        "backbone": lambda: model.encode_images(records),
        "text": encode,
        "filter": lambda: [model.encode_sentences(r["sentences"]) for r in records],
        "fusion": lambda: [fuse(*c) for c in chunks],
        "head": lambda: [model.head(f, v, view.valid) for f, v, view in rows],
        "decode": lambda: [model.head.decode(*r, topk) for r in read],
    }


def _whole(model: U2ENet, records: list[dict[str, Any]]) -> dict[str, Callable[[], object]]:
    """The model's forward pass with cached and with new sentences, and the network it is compared with."""
    reference = resnet50().eval().to(model.device, memory_format=torch.channels_last)
    height, width = records[0]["camera"].image_size
    x = torch.randn(len(records), 3, height, width, device=model.device)
    x = x.contiguous(memory_format=torch.channels_last)

    sentences = tuple(records[0]["sentences"])
    kept = sentences, model.encode_sentences(sentences)

    def same_sentences() -> None:
        model.kept = kept
        model(records)

    def new_sentences() -> None:
        model.kept = None
        model.text_encoder.clear_cache()
        model(records)

    return {
        "all, text cached": same_sentences,
        "all": new_sentences,
        "ResNet-50": lambda: reference(x),
    }


def _write(args: argparse.Namespace, clock: Clock, results: Results, dtype: str) -> None:
    header = ["input", "images", "sentences", *COLUMNS, "cached / ResNet-50", "cached / fewest sentences"]
    rows = []
    least = min(args.sentences)
    for (name, batch, count), seconds in results.items():
        cached = seconds["all, text cached"]
        few = results[name, batch, least]["all, text cached"]
        ratios = [f"{cached / seconds['ResNet-50']:.2f}", f"{cached / few:.2f}"]
        rows.append([name, str(batch), str(count), *map(milliseconds, seconds.values()), *ratios])
    kind = [dtype, *(["compiled"] if args.compile else [])]
    name = "_".join(["u2enet", *kind])
    write_table(
        args.output / f"{name}.md", f"{machine(clock)}; {', '.join(kind)}; milliseconds", header, rows
    )
    cases = [(c, b) for c in args.configs for b in args.batch]
    figure, axes = new_plot("U2ENet, one batch", "sentences an image", "ms", len(cases))
    for ax, (config, batch) in zip(axes, cases, strict=True):
        ax.set_title(f"{config}, {batch} image{'s' if batch > 1 else ''}")
        for column, style in (("all", "o-"), ("all, text cached", "s-"), ("ResNet-50", "k--")):
            values = [1000 * results[config, batch, k][column] for k in args.sentences]
            ax.plot(args.sentences, values, style, label=column)
        ax.set_ylim(bottom=0)
        ax.legend()
    figure.savefig(args.output / f"{name}.png", dpi=110)
