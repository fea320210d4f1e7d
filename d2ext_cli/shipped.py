"""Where the files lie that come with the code: configs, weights and commands.

In a checkout they are beside the package ``d2ext``; in an installed package they are below its ``resources``,
under the same names (see setup.py).
"""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "d2ext"
RESOURCES = PACKAGE / "resources"
CONFIGS = "configs"  # name of the folder at the top of a tree of configs
#: Where the names of shipped files begin.
SHIPPED = RESOURCES if (RESOURCES / CONFIGS).is_dir() else PACKAGE.parent
