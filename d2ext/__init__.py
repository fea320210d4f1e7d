"""Detectron2 extensions for language-guided and roadside perception from one RGB camera.

Importing the package registers its datasets in ``DatasetCatalog`` and its models in Detectron2's registries,
and changes nothing else: warnings, environment and threads are set by commands (:mod:`d2ext.quiet`).
"""

import importlib.util
import sys

if sys.argv[:1] == ["-m"]:  # so it is while Python looks for the module of `python -m d2ext.data.synthroad`
    from d2ext_cli import answer_module

    answer_module()  # --help and wrong arguments, before the imports below, which take seconds

if importlib.util.find_spec("detectron2") is None:
    from d2ext_cli import how_to_install

    raise ImportError(f"d2ext needs detectron2: {how_to_install()}")

# isort: split
from d2ext.quiet import quiet_imports

with quiet_imports():
    from d2ext import data, modeling  # noqa: F401

from d2ext.moved_modules import keep_former_names
from d2ext.zoo import from_zoo

keep_former_names()

__all__ = ["from_zoo"]
__version__ = "0.1.0"
