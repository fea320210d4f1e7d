"""Pictures of what a model answered in an evaluation: one class for a kind of data.

Importing the package registers all of them with :mod:`d2ext.engine.gallery`, through which a report and a
trainer's TensorBoard show them; a project imports that of its own kind of data.
"""

from d2ext.engine.gallery import Gallery, Picture, draws, open_gallery

from .anomaly import AnomalyGallery
from .detection import DetectionGallery
from .grounding import GroundingGallery, SingleTargetGallery

__all__ = [
    "AnomalyGallery",
    "DetectionGallery",
    "Gallery",
    "GroundingGallery",
    "Picture",
    "SingleTargetGallery",
    "draws",
    "open_gallery",
]
