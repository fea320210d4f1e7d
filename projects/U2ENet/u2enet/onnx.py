"""U2ENet as three ONNX graphs: an image is encoded once, any number of sentences read it.

image.onnx  pixels, P, plane, sizes -> maps_i, valid, detail, ground, tilt     (B images)
text.onnx   ids, mask, numbers -> levels_i, vectors              (S sentences)
head.onnx   all of these, of one image and S sentences -> owner, scores and the boxes of each sentence's peaks

Names and shapes are the fields of EncodedImages, GroundingFeatures, Tokens, EncodedSentences, Grounded and
ObjectBoxes. The number of images, their size, and the number and length of sentences are free.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from detectron2.config import CfgNode
from torch import Tensor
from torch.export import Dim

from d2ext.data.box_plane import settle_box_plane
from d2ext.engine.onnx_graphs import (
    CONFIG,
    META,
    Graph,
    OnnxGraph,
    begin_export,
    export_graph,
    meta_count,
    read_export,
    write_graph,
)
from d2ext.files import write_bytes
from d2ext.layers import SSDBlock
from d2ext.modeling.box3d.config import vocabulary_of
from d2ext.modeling.box3d.images import EncodedImages
from d2ext.modeling.box3d.objects import ObjectBoxes
from d2ext.modeling.grounding.head import Grounded
from d2ext.modeling.grounding.inference import (
    EncodedSentences,
    GroundingFeatures,
    GroundingInference,
    GroundingSettings,
)
from d2ext.modeling.meta_arch.u2enet import U2ENet
from d2ext.modeling.text.tokenizer import SentenceTokenizer, Tokens
from d2ext.projects.u2enet.config import add_u2enet_config

FORMAT = 2  # of the folder; raised when an older OnnxU2ENet could not read it
GRAPHS = ("image", "text", "head")
GEOMETRY = ("P",)  # what the head is given of an image beside its features
NUMBERS = ("ground", "tilt")  # features of an image that are no maps
Encoded = TypeVar("Encoded", GroundingFeatures, EncodedSentences)


def flatten(parts: GroundingFeatures | EncodedSentences) -> dict[str, Tensor]:
    """Tensors by the name of their field; those of a list are numbered: maps_0, maps_1, ..."""
    out: dict[str, Tensor] = {}
    for name, value in parts._asdict().items():
        out |= {f"{name}_{i}": t for i, t in enumerate(value)} if isinstance(value, list) else {name: value}
    return out


def unflatten(kind: type[Encoded], tensors: dict[str, Tensor]) -> Encoded:
    """The inverse of :func:`flatten`; other names are left out."""
    values: list[Any] = []
    for name in kind._fields:
        numbered = [key for key in tensors if key.startswith(f"{name}_")]
        values.append([tensors[f"{name}_{i}"] for i in range(len(numbered))] or tensors[name])
    return kind(*values)


def image_graph(model: U2ENet, **tensors: Tensor) -> dict[str, Tensor]:
    """The image branch as named tensors."""
    return flatten(model.image_branch(**tensors))


def text_graph(model: U2ENet, **tensors: Tensor) -> dict[str, Tensor]:
    """The text branch, from tokens, as named tensors."""
    return flatten(model.text_branch(Tokens(**tensors)))


def head_graph(model: U2ENet, **tensors: Tensor) -> dict[str, Tensor]:
    """Peaks of sentences in one image, as named tensors: ``owner``, ``scores`` and the boxes' fields."""
    P, features = tensors["P"], unflatten(GroundingFeatures, tensors)
    sizes = P.new_zeros(1, 2)  # nothing looks at them
    image = EncodedImages(features, P, features.ground, sizes, [])
    grounded = model.ground(image, unflatten(EncodedSentences, tensors))
    boxes = {f.name: getattr(grounded.boxes, f.name) for f in fields(ObjectBoxes)}
    return {"owner": grounded.owner, "scores": grounded.scores} | boxes


def export_onnx(cfg: CfgNode, folder: str | os.PathLike[str], report: Callable[[str], None] = print) -> None:
    """Write all that inference needs: the graphs, the tokenizer, the config, and meta.json, which comes last.

    Args:
        cfg: config whose MODEL.WEIGHTS is loaded.
        folder: made where it does not exist.
        report: gets a line for each step.

    Raises:
        FileNotFoundError: weights or tokenizer that are not there.
        ValueError: the exporter is not installed, weights that do not fit, or a configuration that cannot be
            exported.
    """
    folder = Path(folder)
    cfg, model = begin_export(cfg, folder)
    graphs = _export_graphs(model)
    for name in GRAPHS:
        write_graph(folder / f"{name}.onnx", partial(next, graphs), report)
    tokenizer = model.text_encoder.tokenizer
    tokenizer.backend.save_pretrained(folder / "tokenizer")
    tokenizer.config.save_pretrained(folder / "tokenizer")
    cfg.MODEL.TEXT.NAME = cfg.MODEL.WEIGHTS = cfg.MODEL.BACKBONE.WEIGHTS = cfg.MODEL.TIMM.WEIGHTS = ""
    settle_box_plane(cfg)
    write_bytes(folder / CONFIG, cfg.dump().encode())
    meta = {
        "format": FORMAT,
        "size_divisibility": model.size_divisibility,
        "max_tokens": tokenizer.max_tokens,
        "pad_token_id": tokenizer.backend.pad_token_id,
        "classes": vocabulary_of(cfg).names,
    }
    write_bytes(folder / META, json.dumps(meta, indent=1).encode())


def _export_graphs(model: U2ENet) -> Iterator[bytes]:
    """The graphs, in order. They are traced with made-up inputs, whose sizes are free afterwards."""
    tokenizer = model.text_encoder.tokenizer
    for block in model.modules():
        if isinstance(block, SSDBlock):
            block.chunk_size = tokenizer.max_tokens  # one chunk: a graph has a fixed number of them
    images, sentences, length = Dim("images"), Dim("sentences"), Dim("length", max=tokenizer.max_tokens)
    rows, columns = Dim("rows", min=2), Dim("columns", min=2)  # in units of ``step``
    step, height, width = model.size_divisibility, 3, 4

    pixels = {
        "pixels": torch.randn(2, 3, height * step, width * step),
        "P": torch.tensor([[[60.0, 0, 64, 1], [0, 60, 48, 1], [0, 0, 1, 0]]]).repeat(2, 1, 1),
        "plane": torch.tensor([[0.0, -1.0, 0.0, 1.6]]).repeat(2, 1),
        "sizes": torch.tensor([[height * step, width * step]]).repeat(2, 1),
    }
    shapes = {name: {0: images} for name in pixels}
    shapes["pixels"] |= {2: step * rows, 3: step * columns}
    yield export_graph(Graph(model, image_graph, pixels), pixels, shapes)

    texts = ["The white car.", "All cars within 30 meters of the pole on the left side of the road."]
    tokens = tokenizer.pad(*tokenizer.tokenize(texts))._asdict()
    shapes = {name: {0: sentences, 1: length} for name in tokens}
    yield export_graph(Graph(model, text_graph, tokens), tokens, shapes)

    with torch.no_grad():
        image = flatten(model.image_branch(**pixels).image(0))
        image |= {name: pixels[name][:1] for name in GEOMETRY}
        words = flatten(model.text_branch(Tokens(**tokens)))
    shapes = {
        name: {}
        if name in (*pixels, *NUMBERS)
        else {t.ndim - 2: t.shape[-2] // height * rows, t.ndim - 1: t.shape[-1] // width * columns}
        for name, t in image.items()
    } | {
        name: {0: sentences} if t.ndim == 2 and name not in tokens else {0: sentences, 1: length}
        for name, t in words.items()
    }
    yield export_graph(Graph(model, head_graph, image | words), image | words, shapes)


class OnnxU2ENet(GroundingInference):
    """A folder of :func:`export_onnx` in the place of the model: the same inputs, the same answers.

    Args:
        folder: what :func:`export_onnx` wrote.

    Attributes:
        cfg: config that the model was exported with.

    Raises:
        FileNotFoundError: no such folder, or an export that did not finish.
        ValueError: onnxruntime is not installed, or a file of the folder is damaged.
    """

    device = torch.device("cpu")  # of the tensors that go into the graphs; onnxruntime moves them to a GPU

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        folder = Path(folder)
        meta, self.cfg = read_export(folder, GRAPHS, FORMAT, add_u2enet_config)
        self.size_divisibility = meta_count(meta, "size_divisibility", folder)
        self.tokenizer = SentenceTokenizer(str(folder / "tokenizer"), meta_count(meta, "max_tokens", folder))
        self.pixel_mean = torch.tensor(self.cfg.MODEL.PIXEL_MEAN).view(-1, 1, 1)
        self.pixel_std = torch.tensor(self.cfg.MODEL.PIXEL_STD).view(-1, 1, 1)
        self.settings = GroundingSettings.from_config(self.cfg)
        self._graphs = {name: OnnxGraph(folder / f"{name}.onnx") for name in GRAPHS}

    def __call__(self, batched_inputs: list[dict]) -> list[dict]:
        """As :meth:`GroundingInference.inference`."""
        return self.inference(batched_inputs)

    def image_branch(self, pixels: Tensor, P: Tensor, plane: Tensor, sizes: Tensor) -> GroundingFeatures:
        """The graph ``image``; shapes in :meth:`GroundingInference.image_branch`."""
        inputs = {"pixels": pixels, "P": P, "plane": plane, "sizes": sizes}
        return unflatten(GroundingFeatures, inputs | self._graphs["image"](inputs))

    def encode_sentences(self, sentences: Sequence[str]) -> EncodedSentences:
        """Tokens through the graph ``text``."""
        tokens = self.tokenizer.pad(*self.tokenizer.tokenize(sentences))._asdict()
        return unflatten(EncodedSentences, tokens | self._graphs["text"](tokens))

    def ground(self, image: EncodedImages, sentences: EncodedSentences) -> Grounded:
        """The graph ``head``."""
        geometry = {name: getattr(image, name) for name in GEOMETRY}
        boxes = self._graphs["head"](flatten(image.features) | geometry | flatten(sentences))
        return Grounded(boxes.pop("owner"), boxes.pop("scores"), ObjectBoxes(**boxes))
