"""OpenVocab3D as two ONNX graphs, whose prompts are an input of the second or baked into it.

Beside the files of :mod:`d2ext.engine.detector_onnx` there is ``vocabulary.safetensors``, the embeddings of
the names of the export, and of the prompt for every object: the text encoder is not needed any more.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from detectron2.config import CfgNode
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from d2ext.data.open_vocab.names import Name, check_names
from d2ext.engine.detector_onnx import TABLE, OnnxDetector, export_detector
from d2ext.files import write_bytes
from d2ext.modeling.detection.prompts import Prompts, PromptTable
from d2ext.projects.open_vocab3d.calibration import load_calibration
from d2ext.projects.open_vocab3d.config import add_open_vocab3d_config
from d2ext.reading import require

VOCABULARY = "vocabulary.safetensors"


def export_onnx(
    cfg: CfgNode,
    folder: str | os.PathLike[str],
    names: Sequence[Name],
    bake: bool = False,
    report: Callable[[str], None] = print,
) -> None:
    """Write the graphs, the vocabulary, the config, and meta.json, which comes last.

    Args:
        cfg: config whose MODEL.WEIGHTS is loaded.
        folder: made where it does not exist.
        names: whose embeddings are kept. Those that are asked later must be among them.
        bake: the graph asks for all of these, and nothing else.
        report: gets a line for each step.

    Raises:
        FileNotFoundError: no weights.
        ValueError: names with exemplars, or what
            :func:`~d2ext.engine.detector_onnx.export_detector` cannot export.
    """
    check_names(names, "names")
    for name in names:
        if name.exemplars:
            raise ValueError(f"{name.name}: expected prompts, exemplars cannot be exported")

    def prompts(model: Any) -> tuple[Prompts, bool, dict[str, Any]]:
        load_calibration(model, cfg.MODEL.OPEN_VOCAB.CALIBRATION)
        with torch.no_grad():
            tables = [model.embed(name.prompts).mean() for name in names]
            told = [t if n.size is None else t.told_size(n.size) for n, t in zip(names, tables, strict=True)]
            generic = model.embed([model.prompt_encoder.generic])
        whole = PromptTable.cat([*told, generic])
        tensors = {name: getattr(whole, name).contiguous() for name in TABLE}
        write_bytes(Path(folder) / VOCABULARY, save(tensors))
        asked = Prompts.of_images([PromptTable.cat(told)], generic)
        return asked, bake, {"names": [name.name for name in names], "baked": bake}

    cfg = cfg.clone()
    cfg.defrost()
    export_detector(cfg, folder, report, prompts)


class OnnxOpenVocab(OnnxDetector):
    """A folder of :func:`export_onnx` in the place of the model; what can be asked are its names.

    Raises:
        FileNotFoundError, ValueError: as :class:`~d2ext.engine.detector_onnx.OnnxDetector`.
    """

    add_keys = staticmethod(add_open_vocab3d_config)

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        super().__init__(folder)
        path = Path(folder) / VOCABULARY
        where = str(Path(folder) / "meta.json")
        self.names: list[str] = require(self.meta, "names", list, where)
        self.baked = self.meta.get("baked") is True
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file, expected a folder of export_onnx.py")
        try:
            tensors = load_file(path)
            whole = PromptTable._make([*(tensors[name] for name in TABLE), ()])
        except (SafetensorError, KeyError) as error:
            raise ValueError(f"{path}: expected the embeddings of an export ({error})") from error
        if len(whole.vectors) != len(self.names) + 1:
            raise ValueError(f"{path}: expected {len(self.names)} prompts and one, got {len(whole.vectors)}")
        self.known, self.generic = whole.rows(slice(0, -1)), whole.rows(slice(-1, None))

    def embed(self, texts: Sequence[str]) -> PromptTable:
        """The prompts of names of the export.

        Raises:
            ValueError: another one, or with a baked vocabulary others than all in their order.
        """
        for text in texts:
            if text not in self.names:
                known = ", ".join(self.names)
                raise ValueError(f"prompt {text[:60]!r}: expected one of the export's: {known}"[:299])
        return self.known.rows([self.names.index(text) for text in texts])

    def ask(self, batched_inputs: list[dict]) -> Prompts | None:
        """The prompts of each image; None where they are baked in."""
        if self.baked:
            return None
        given = [x.get("prompt_table") or self.embed(x["prompts"]) for x in batched_inputs]
        return Prompts.of_images(given, self.generic)

    @property
    def device(self) -> torch.device:
        """Where answers are."""
        return torch.device("cpu")
