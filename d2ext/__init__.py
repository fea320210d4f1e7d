"""Detectron2 extensions for language-guided and roadside perception from one RGB camera.

Importing the package registers its datasets in ``DatasetCatalog`` and its models in Detectron2's registries.
"""

from d2ext import quiet  # noqa: F401  (first: silences import-time warnings of the libraries below)

# isort: split
import cv2

from d2ext import data, modeling  # noqa: F401

# OpenCV's threads do not survive a fork: workers that load or render images would hang.
cv2.setNumThreads(0)

__version__ = "0.1.0"
