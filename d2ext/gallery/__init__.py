"""Pictures of what a model answered in an evaluation: for a report, and for TensorBoard during training."""

from . import anomaly, detection, grounding  # noqa: F401  (registers the galleries of these kinds of data)
from .gallery import Gallery, Picture, draws, open_gallery

__all__ = ["Gallery", "Picture", "draws", "open_gallery"]
