"""Models by name, ready to be called: ``d2ext.from_zoo("u2enet/tiny")(image, "the red bus", fov=70)``.

``zoo.yaml`` says which there are. A method joins by a module ``d2ext.projects.<package>.ready`` with
``load(config, options)``, which gives something to call.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from d2ext.shipped import get_config_file
from d2ext_cli.zoo import PREFIX, find_model, markdown, models

__all__ = ["from_zoo", "markdown", "models"]


def from_zoo(name: str, device: str = "", options: Sequence[str] = ()) -> Any:
    """A model of the zoo with its weights.

    What is called takes an image (path, or (H, W, 3) uint8 BGR) and what is known of its camera
    (:class:`~d2ext.data.given_image.CameraOptions`):

    * ``u2enet/*``: :class:`d2ext.projects.u2enet.ready.Ready`, ``(image, sentence or sentences, ...)``;
    * ``diffusion_det3d/*``: :class:`d2ext.projects.diffusion_det3d.ready.Ready`, ``(image, ...)``;
    * ``trajad/*``: :class:`d2ext.projects.trajad.ready.Ready`, ``(recording or image)``;
    * ``open_vocab3d/*``: :class:`d2ext.projects.open_vocab3d.ready.Ready`, ``(image, names, ...)``;
    * ``janus/*``: :class:`d2ext.projects.janus.ready.Ready`, ``(image, question or questions)``;
    * ``scene_sana/*``: :class:`d2ext.projects.scene_sana.ready.Ready`, ``(layout, image size, text, ...)``;
    * ``road_watch/*``: :class:`d2ext.projects.road_watch.ready.Ready`, ``(video, road, output, ...)``.

    Args:
        name: as ``d2ext zoo`` lists them, with or without ``d2ext://``.
        device: such as "cuda"; empty: the GPU where there is one, else the CPU.
        options: config keys and their values in turn, as commands have them after ``--opts``.

    Raises:
        FileNotFoundError, ValueError: an unknown name, weights that are not there, an option that is none.
    """
    key, entry = find_model(name)
    settings = ["MODEL.WEIGHTS", PREFIX + key] if entry.get("weights") else []
    settings += ["MODEL.DEVICE", device] if device else []
    module = importlib.import_module(f"d2ext.projects.{entry['package']}.ready")
    return module.load(get_config_file(entry["config"]), [*settings, *options])
