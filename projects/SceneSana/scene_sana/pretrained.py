"""Published Sana weights through the pipelines of diffusers: pictures of sentences, and of drawn layouts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.utils import logging

from d2ext.modeling.generation.parts import diffusers_class
from d2ext.reading import one_line, read_json

PIPELINES = ("SanaPipeline", "SanaControlNetPipeline")
_LIBRARIES = ("diffusers", "transformers")


class PretrainedSana:
    """A pipeline folder of Sana: ``model_index.json`` and a folder for each part, weights as safetensors.

    Args:
        folder: that of ``save_pretrained``, or of a download.
        device: it runs on.

    Attributes:
        takes_layout: a ``SanaControlNetPipeline``, which also takes a picture of the layout.

    Raises:
        FileNotFoundError, ValueError: no such folder, another pipeline, or parts that are missing or broken.
    """

    def __init__(self, folder: str | Path, device: str = "cpu") -> None:
        name = _pipeline_name(Path(folder))
        kind = diffusers_class(name)
        logging.disable_progress_bar()
        options = {"low_cpu_mem_usage": False, "local_files_only": True}  # the former needs accelerate
        try:
            self.pipeline: Any = kind.from_pretrained(
                str(folder), use_safetensors=True, trust_remote_code=False, **options
            )
        except Exception as e:  # a broken part can raise anything
            why = one_line((str(e).splitlines() or [repr(e)])[0], 120)
            raise ValueError(f"{folder}: no whole {name} folder ({why})") from e
        self.pipeline.set_progress_bar_config(disable=True)
        self.pipeline.to(device)
        self.takes_layout = name == "SanaControlNetPipeline"

    def __call__(
        self,
        text: str,
        size: tuple[int, int],
        seed: int = 0,
        steps: int = 20,
        guidance: float = 4.5,
        layout: np.ndarray | None = None,
    ) -> np.ndarray:
        """Draw a picture.

        Args:
            text: what is to be seen.
            size: (height, width) in pixels, multiples of 32.
            layout: (H, W, 3) uint8 BGR, a drawing of the layout, for a pipeline that takes one.

        Returns:
            (H, W, 3) uint8 BGR.

        Raises:
            ValueError: a size that is no multiple of 32; no layout for a pipeline that follows one.
        """
        if any(side % 32 or side < 32 for side in size):
            raise ValueError(f"size: expected multiples of 32, got {size[1]}x{size[0]}")
        options: dict[str, Any] = {}
        if self.takes_layout:
            if layout is None:
                raise ValueError("SanaControlNetPipeline: expected a layout to follow (--layout)")
            from PIL import Image

            options["control_image"] = Image.fromarray(np.ascontiguousarray(layout[..., ::-1]))
        found = self.pipeline(
            prompt=text,
            height=size[0],
            width=size[1],
            num_inference_steps=steps,
            guidance_scale=guidance,
            generator=torch.Generator().manual_seed(seed),
            use_resolution_binning=False,
            output_type="np",
            **options,
        ).images[0]
        return np.ascontiguousarray((found * 255).round().astype(np.uint8)[..., ::-1])


def _pipeline_name(folder: Path) -> str:
    """The class of a pipeline folder, none of whose parts brings code of its own."""
    path = folder / "model_index.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file, expected the folder of a Sana pipeline")
    index = read_json(path)
    name = index.get("_class_name") if isinstance(index, dict) else None
    if name not in PIPELINES:
        raise ValueError(f"{path}: expected one of {', '.join(PIPELINES)}, got {str(name)[:60]!r}")
    for part, source in index.items():
        if isinstance(source, list) and source[:1] != [None] and source[0] not in _LIBRARIES:
            known = " and ".join(_LIBRARIES)
            raise ValueError(f"{path}: {part}: expected a part of {known}, got {str(source[0])[:60]!r}")
    return str(name)
