"""Detectron2 extensions for language-guided and roadside perception from one RGB camera.

Importing the package registers its datasets in ``DatasetCatalog`` and its models in Detectron2's registries.
"""

from d2ext import quiet  # noqa: F401, I001  (first: silences import-time warnings of the libraries below)
from d2ext import data, modeling  # noqa: F401

__version__ = "0.1.0"
