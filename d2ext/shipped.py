"""Where the files lie that come with the code, such as ``configs/`` and ``projects/*/weights/``: beside the
package in a checkout, below ``resources`` in an installed package."""

from __future__ import annotations

import difflib

from d2ext_cli.shipped import CONFIGS, PACKAGE, RESOURCES, SHIPPED

__all__ = ["CONFIGS", "PACKAGE", "RESOURCES", "SHIPPED", "get_config_file"]


def get_config_file(name: str) -> str:
    """The path of a config that comes with this collection, as ``detectron2.model_zoo.get_config_file``.

    Args:
        name: project and file, such as ``"U2ENet/u2enet_tiny_synthroad.yaml"``.

    Raises:
        ValueError: no such config; the message names those most alike.
    """
    folder = SHIPPED / CONFIGS
    known = sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/*.yaml"))
    if name not in known:
        alike = difflib.get_close_matches(name, known, n=3, cutoff=0.0)
        raise ValueError(f"{name[:80]!r}: no such config, expected one such as {', '.join(alike)}")
    return str(folder / name)
