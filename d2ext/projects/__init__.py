"""Namespace of the projects: ``projects/<Name>/<package>/`` is imported as ``d2ext.projects.<package>``.

An installed wheel holds the packages in this folder (see setup.py); in a source checkout they stay where they
are, and this module's search path is extended by the project folders.
"""

from pathlib import Path

_root = Path(__file__).resolve().parents[2]
if (_root / "pyproject.toml").is_file():
    __path__ += [str(folder) for folder in sorted(_root.glob("projects/*")) if folder.is_dir()]
