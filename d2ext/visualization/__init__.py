"""Pictures: 3D boxes on the image, from above, and with the sentences they answer; anomaly maps."""

from .anomaly import draw_anomalies
from .bev import draw_bev
from .canvas import PALETTE, color_of
from .curves import draw_curves
from .draw3d import draw_boxes3d
from .grounding import draw_grounding

__all__ = [
    "PALETTE",
    "color_of",
    "draw_anomalies",
    "draw_bev",
    "draw_boxes3d",
    "draw_curves",
    "draw_grounding",
]
