"""Models as ONNX graphs: functions of named tensors that are traced, written, and run by onnxruntime."""

from __future__ import annotations

import importlib
import importlib.util
import io
import logging
import warnings
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.modeling import build_model
from torch import Tensor, nn
from torch.torch_version import TorchVersion

from d2ext.engine.checkpoint import D2Checkpointer
from d2ext.engine.config import load_config
from d2ext.files import write_bytes
from d2ext.modeling.box3d.config import settle_classes
from d2ext.reading import one_line, read_json

#: Torch 2.6 to 2.9 cannot export every graph; 2.10 is not known to.
EXPORT_TORCH = "2.11"
#: With older ones graphs can be written that give other answers: with onnxscript 0.6.2 and onnxruntime 1.20
#: U2ENet's boxes are metres off.
TESTED = {"onnx": "1.23", "onnxscript": "0.7.2", "onnxruntime": "1.32"}
META, CONFIG = "meta.json", "config.yaml"  # beside the graphs of an export; the first is written last


class Graph(nn.Module):
    """A function of a model and named tensors as a module of its own, as exporters want it."""

    def __init__(self, model: nn.Module, function: Callable[..., dict[str, Tensor]], inputs: Iterable[str]):
        super().__init__()
        self.model = model
        self.function = function
        self.inputs = tuple(inputs)

    def outputs(self, *tensors: Tensor) -> dict[str, Tensor]:
        """The result by name; what was already among the inputs is left out."""
        named = self.function(self.model, **dict(zip(self.inputs, tensors, strict=True)))
        return {name: t for name, t in named.items() if name not in self.inputs}

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """The values of :meth:`outputs`, which the exporter takes by their order."""
        return tuple(self.outputs(*tensors).values())


def export_graph(graph: Graph, inputs: dict[str, Tensor], shapes: dict[str, dict]) -> bytes:
    """The graph in ONNX's format.

    Args:
        inputs: what it is traced with, by name.
        shapes: the ``Dim`` of every axis of the inputs that is free.

    Raises:
        ValueError: in one line, what has no counterpart in ONNX, or which axis would be fixed.
    """
    graph.eval()
    tensors = tuple(inputs.values())
    with torch.no_grad(), torch.autocast("cpu", enabled=False):
        names = list(graph.outputs(*tensors))
    try:
        with warnings.catch_warnings(), torch.autocast("cpu", enabled=False):
            warnings.filterwarnings("ignore", "# The axis name", UserWarning)  # two inputs share an axis
            program: Any = torch.onnx.export(
                graph,
                tensors,
                input_names=list(inputs),
                output_names=names,
                dynamic_shapes=(tuple(shapes[name] for name in inputs),),
                dynamo=True,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as e:
        cause: BaseException = e
        while cause.__cause__ is not None:
            cause = cause.__cause__
        raise ValueError(f"{graph.function.__name__} cannot be exported: {cause}".splitlines()[0]) from e
    for value in program.model.graph.inputs:
        for axis, dim in shapes[value.name].items():
            if isinstance(value.shape[axis], int):
                name = f"{graph.function.__name__} cannot be exported: {value.name}"
                raise ValueError(
                    f"{name} got the fixed shape {list(value.shape)}, expected free {dim.__name__}"
                )
    buffer = io.BytesIO()
    program.save(buffer)
    return buffer.getvalue()


def begin_export(cfg: CfgNode, folder: Path) -> tuple[CfgNode, Any]:
    """The config and the model that graphs are made of: on the CPU in float32, whatever this machine prefers.

    ``folder`` is made, and counts as unfinished until its meta.json is written.

    Args:
        cfg: config whose MODEL.WEIGHTS is loaded; what is returned is a copy.

    Raises:
        FileNotFoundError: no weights.
        ValueError: the exporter is not installed, torch is older than :data:`EXPORT_TORCH`, or weights that
            do not fit.
    """
    if TorchVersion(torch.__version__) < EXPORT_TORCH:
        raise ValueError(f"ONNX export needs torch {EXPORT_TORCH} or newer, this is {torch.__version__}")
    for name in ("onnx", "onnxscript"):
        require(name)
    warn_of_old_libraries()
    cfg = settle_classes(cfg).clone()
    cfg.defrost()
    cfg.MODEL.DEVICE, cfg.TEST.DTYPE = "cpu", "float32"
    model = build_model(cfg).eval()
    D2Checkpointer(model).load(cfg.MODEL.WEIGHTS)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / META).unlink(missing_ok=True)
    return cfg, model


def warn_of_old_libraries() -> None:
    """Say in one line which libraries are older than those by which graphs were compared with torch."""
    found = {name: version(name) for name in TESTED if importlib.util.find_spec(name) is not None}
    old = [f"{n} {v} (tested: {TESTED[n]})" for n, v in found.items() if TorchVersion(v) < TESTED[n]]
    if old:
        text = "%s: answers may differ from torch's, compare some before use"
        logging.getLogger(__name__).warning(text, ", ".join(old))


def write_graph(path: Path, make: Callable[[], bytes], report: Callable[[str], None]) -> None:
    """Write what ``make`` gives, and say so before and after."""
    report(f"{path}: tracing and converting, up to a minute")
    data = make()
    write_bytes(path, data)
    report(f"{path}: {len(data) / 1e6:.1f} MB")


def read_export(
    folder: Path, graphs: Iterable[str], version: int, add_keys: Callable[[CfgNode], None]
) -> tuple[dict[str, Any], CfgNode]:
    """The content of meta.json and the config of a finished export.

    Args:
        graphs: names of its graphs.
        version: of the folder's format, which meta.json names.
        add_keys: adds the project's keys to the config.

    Raises:
        FileNotFoundError: no such folder, or an export that did not finish.
        ValueError: onnxruntime is not installed, a damaged file, or another version.
    """
    require("onnxruntime")
    for name in (META, CONFIG, *(f"{graph}.onnx" for graph in graphs)):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder}: has no {name}, expected a folder of export_onnx.py")
    meta = read_json(folder / META)
    found = meta.get("format") if isinstance(meta, dict) else None
    if found != version:
        raise ValueError(f"{folder / META}: format {one_line(repr(found), 60)}, expected {version}")
    return meta, load_config(add_keys, str(folder / CONFIG))


def meta_count(meta: dict[str, Any], key: str, folder: Path) -> int:
    """A whole number above 0 of meta.json.

    Raises:
        ValueError: it is not there, or something else.
    """
    value = meta.get(key)
    if type(value) is not int or value < 1:
        raise ValueError(f"{folder / META}: field {key!r}: expected a whole number above 0")
    return value


class OnnxGraph:
    """A graph of :func:`export_graph` on a GPU where onnxruntime has one, else on the CPU.

    Args:
        path: its file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: onnxruntime is not installed, or the file is damaged.
    """

    def __init__(self, path: Path) -> None:
        runtime = require("onnxruntime")
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file")
        available = runtime.get_available_providers()
        providers = [p for p in ("CUDAExecutionProvider", "CPUExecutionProvider") if p in available]
        try:
            self.session = runtime.InferenceSession(path, providers=providers)
        except Exception as e:  # onnxruntime's errors have no common base
            raise ValueError(f"{path}: not a whole graph ({str(e).splitlines()[0][:150]})") from e

    def __call__(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Outputs by name, for inputs by name, all on the host."""
        results = self.session.run(None, {key: t.numpy() for key, t in inputs.items()})
        outputs = (output.name for output in self.session.get_outputs())
        return {key: torch.from_numpy(np.asarray(r)) for key, r in zip(outputs, results, strict=True)}


def require(name: str) -> Any:
    """An optional library, imported.

    Raises:
        ValueError: it is not installed; the message says how to install it.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as e:
        raise ValueError(f"{name} is not installed: pip install -e '.[export]'") from e
