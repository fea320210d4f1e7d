"""Where the files lie that come with the code: ``configs/`` and ``projects/*/weights/``.

In a checkout they are beside the package; in an installed package they are below ``resources``, under the
same names (see setup.py).
"""

from __future__ import annotations

import difflib
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
RESOURCES = PACKAGE / "resources"
CONFIGS = "configs"  # name of the folder at the top of a tree of configs
#: Where the names of shipped files begin.
SHIPPED = RESOURCES if (RESOURCES / CONFIGS).is_dir() else PACKAGE.parent


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
