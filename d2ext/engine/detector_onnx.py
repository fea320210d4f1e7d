"""The 3D detectors as two ONNX graphs: an image is encoded once, any number of steps reads it.

image.onnx  pixels, sizes -> table, levels, or of DETR3D tokens, position, padding,    (B images)
            or tokens, levels
            where pictures show their plane also P, plane -> ground, given
step.onnx   all but the pixels, P, plane (the ground), and of DiffusionDet3D signal (B, N, 4), time (B,)
            -> boxes (B, N, 4) that the step started from, and what it made of them (B * N of each)

A detector of prompts also takes vectors, log_sizes, size_log_scales, shifts and exists (B, K + 1, ...),
unless its prompts are baked in, and gives what it made of each box for each prompt (answer_...).

Names and shapes are the fields of RegionMaps, Memory, MapCells, EncodedImages, PromptTable and ObjectBoxes.
The number of images and their size are free, and the number of boxes that are denoised and of prompts; what
is done with the steps is :mod:`d2ext.modeling.detection.inference`, with the exported model as with torch's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from functools import partial, update_wrapper
from pathlib import Path
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.modeling import META_ARCH_REGISTRY
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
from d2ext.modeling.box3d.images import EncodedImages
from d2ext.modeling.box3d.objects import ObjectBoxes
from d2ext.modeling.box3d.plane import standing_records
from d2ext.modeling.box3d.records import size_groups, stack_images
from d2ext.modeling.detection.detector import Detector3D
from d2ext.modeling.detection.inference import Found
from d2ext.modeling.detection.prompts import Prompts, PromptTable
from d2ext.modeling.meta_arch.diffusion_det3d import DiffusionDet3D

FORMAT = 1  # of the folder; raised when an older OnnxDetector3D could not read it
GRAPHS = ("image", "step")
NOISY = ("signal", "time")  # what a step is given where boxes are denoised
GEOMETRY = ("P", "plane", "sizes")
TABLE = PromptTable._fields[:4]
ANSWER = "answer_"


def image_graph(model: Detector3D, **tensors: Tensor) -> dict[str, Tensor]:
    """What the decoder reads of images, as named tensors, and their planes where those can be seen."""
    features, plane, given = model.image_branch(**tensors)
    seen = {} if plane is None or given is None else {"ground": plane, "given": given}
    return features._asdict() | seen


def step_graph(model: Detector3D, baked: Prompts | None, **tensors: Tensor) -> dict[str, Tensor]:
    """A step of the model as named tensors: ``boxes`` before it, and the fields of the objects it finds, and
    where there are prompts (``baked``, or among the inputs) of the answers."""
    given = [tensors.pop(name) for name in NOISY if name in tensors]
    prompts = None if baked is None else baked.expand(tensors["P"].shape[0])
    if "vectors" in tensors:
        table = PromptTable._make([*(tensors.pop(name) for name in TABLE), ()])
        prompts = Prompts(table, tensors.pop("exists"))
    P, plane, sizes = (tensors.pop(name) for name in GEOMETRY)
    plane_given = tensors.pop("given", None)
    encoder: Any = model.encoder
    features = encoder.features(**tensors)
    found = model.step(EncodedImages(features, P, plane, sizes, [], plane_given, None, prompts), *given)
    answers = {} if prompts is None else {ANSWER + name: t for name, t in vars(found.answers).items()}
    return {"boxes": found.boxes} | vars(found.objects) | answers


def export_detector(
    cfg: CfgNode,
    folder: str | os.PathLike[str],
    report: Callable[[str], None] = print,
    prompts: Callable[[Any], tuple[Prompts, bool, dict[str, Any]]] | None = None,
) -> None:
    """Write the graphs, the config, and meta.json, which comes last.

    Args:
        cfg: config whose MODEL.WEIGHTS is loaded.
        folder: made where it does not exist.
        report: gets a line for each step.
        prompts: from a model of prompts to those that it is traced with, whether they are baked in, and what
            meta.json says of them.

    Raises:
        FileNotFoundError: no weights.
        ValueError: the exporter is not installed, weights that do not fit, or a configuration that cannot be
            exported.
    """
    folder = Path(folder)
    cfg, model = begin_export(cfg, folder)
    if getattr(getattr(model, "prompt_encoder", None), "fusion", None) is not None:
        raise ValueError("MODEL.OPEN_VOCAB.FUSION ssm cannot be exported, expected none")
    asked, baked, more = (None, False, {}) if prompts is None else prompts(model)
    graphs = _export_graphs(model, asked, baked)
    for name in GRAPHS:
        write_graph(folder / f"{name}.onnx", partial(next, graphs), report)
    cfg.MODEL.WEIGHTS = cfg.MODEL.BACKBONE.WEIGHTS = cfg.MODEL.TIMM.WEIGHTS = cfg.MODEL.RESNETS.WEIGHTS = ""
    settle_box_plane(cfg)
    write_bytes(folder / CONFIG, cfg.dump().encode())
    meta = {"format": FORMAT, "size_divisibility": max(model.backbone.size_divisibility, 1)} | more
    write_bytes(folder / META, json.dumps(meta, indent=1).encode())


def _export_graphs(model: Detector3D, prompts: Prompts | None, baked: bool) -> Iterator[bytes]:
    """The graphs, in order. They are traced with made-up inputs, whose sizes are free afterwards."""
    images, cells, boxes = Dim("images"), Dim("cells"), Dim("boxes")
    step = max(model.backbone.size_divisibility, 1)
    rows, columns = Dim("rows", min=2), Dim("columns", min=2)  # in units of ``step``
    height, width = 3 * max(step, 32), 4 * max(step, 32)

    pixels = torch.randn(2, 3, height, width)
    sizes = torch.tensor([[height, width]]).repeat(2, 1)
    geometry = {
        "P": torch.tensor([[[60.0, 0, 64, 1], [0, 60, 48, 1], [0, 0, 1, 0]]]).repeat(2, 1, 1),
        "plane": torch.tensor([[0.0, -1.0, 0.0, 1.6]]).repeat(2, 1),
    }
    inputs = {"pixels": pixels, "sizes": sizes} | (geometry if model.plane_head is not None else {})
    shapes: dict[str, dict] = {name: {0: images} for name in inputs}
    shapes["pixels"] |= {2: step * rows, 3: step * columns}
    yield export_graph(Graph(model, image_graph, inputs), inputs, shapes)

    with torch.no_grad():
        features = image_graph(model, **inputs)
    features.pop("ground", None)  # the step has it as the plane
    # The rows of a table are the cells of all images, a memory has them image by image.
    free: dict[str, dict] = {name: {0: images, 1: cells} for name in features}
    free |= {"table": {0: cells}, "levels": {}, "given": {0: images}}
    inputs = features | geometry | {"sizes": sizes}
    shapes = {name: free.get(name, {0: images}) for name in inputs}
    if isinstance(model, DiffusionDet3D):
        inputs |= {"signal": torch.randn(2, 5, 4), "time": torch.tensor([999, 499])}
        shapes |= {"signal": {0: images, 1: boxes}, "time": {0: images}}
    if prompts is not None and not baked:
        asked = prompts.expand(2)
        own: dict[str, Any] = dict(zip(TABLE, asked.table[:4], strict=True)) | {"exists": asked.exists}
        inputs |= own
        shapes |= {name: {0: images, 1: Dim("prompts")} for name in own}
    step_of = partial(step_graph, baked=prompts if baked else None)
    yield export_graph(Graph(model, update_wrapper(step_of, step_graph), inputs), inputs, shapes)


class OnnxDetector:
    """A folder of :func:`export_detector` in the place of the model: the same inputs, the same answers. A
    subclass says which keys its config has, and what is asked.

    Args:
        folder: what :func:`export_detector` wrote.

    Attributes:
        cfg: config that the model was exported with.
        detection: how objects are found with it, as in the model.

    Raises:
        FileNotFoundError: no such folder, or an export that did not finish.
        ValueError: onnxruntime is not installed, or a file of the folder is damaged.
    """

    add_keys: Callable[[CfgNode], None]

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        folder = Path(folder)
        self.meta, self.cfg = read_export(folder, GRAPHS, FORMAT, type(self).add_keys)
        self.size_divisibility = meta_count(self.meta, "size_divisibility", folder)
        architecture = META_ARCH_REGISTRY.get(self.cfg.MODEL.META_ARCHITECTURE)
        self.detection = architecture.detection_class.from_config(self.cfg)
        self.pixel_mean = torch.tensor(self.cfg.MODEL.PIXEL_MEAN).view(-1, 1, 1)
        self.pixel_std = torch.tensor(self.cfg.MODEL.PIXEL_STD).view(-1, 1, 1)
        self._graphs = {name: OnnxGraph(folder / f"{name}.onnx") for name in GRAPHS}

    def __call__(self, batched_inputs: list[dict]) -> list[dict]:
        """As the model in evaluation."""
        sizes = [x["image"].shape[-2:] for x in batched_inputs]
        found: dict[int, dict] = {}
        for group in size_groups(sizes, self.size_divisibility).values():
            encoded = self.encode([batched_inputs[i] for i in group])
            found |= zip(group, self.detect(encoded), strict=True)
        return [found[i] for i in range(len(batched_inputs))]

    def encode(self, batched_inputs: list[dict]) -> EncodedImages:
        """Mapper dicts of one of :func:`~d2ext.modeling.box3d.records.size_groups` -> the encoded images."""
        pixels, P, plane, sizes = stack_images(
            batched_inputs, self.pixel_mean, self.pixel_std, self.size_divisibility
        )
        inputs = {"pixels": pixels, "sizes": sizes}
        if self.cfg.MODEL.PLANE_HEAD.ENABLED:
            inputs |= {"P": P, "plane": plane}
        features = self._graphs["image"](inputs)
        if "ground" in features:
            plane = features.pop("ground")
            batched_inputs = standing_records(batched_inputs, plane)
        asked = self.ask(batched_inputs)
        return EncodedImages(features, P, plane, sizes, records=batched_inputs, prompts=asked)

    def ask(self, batched_inputs: list[dict]) -> Prompts | None:
        """What is asked of each image, where the step takes prompts."""
        return None

    def detect(self, encoded: EncodedImages, *args: Any, **options: Any) -> list[dict]:
        """Objects in images of :meth:`encode`; arguments and answer are those of
        :meth:`d2ext.modeling.detection.inference.Detection.detect`."""
        return self.detection.detect(self._step, encoded, *args, **options)

    def _step(self, encoded: EncodedImages, *given: Tensor) -> Found:
        geometry = {name: getattr(encoded, name) for name in GEOMETRY}
        noisy = dict(zip(NOISY, given, strict=False))
        asked = encoded.prompts
        prompts = {} if asked is None else asked.table._asdict() | {"exists": asked.exists}
        prompts.pop("states", None)
        found = self._graphs["step"](encoded.features | geometry | noisy | prompts)
        answers = {name: found.pop(ANSWER + name) for name in list(found) if ANSWER + name in found}
        boxes = found.pop("boxes")
        objects = ObjectBoxes(**found)
        return Found(boxes, objects, ObjectBoxes(**answers) if answers else objects)
