"""Pictures of 3D boxes: on the image, from above, with their sentences, step by step; anomaly maps."""

from .anomaly import draw_anomalies
from .bev import draw_bev
from .canvas import PALETTE, color_of
from .curves import draw_curves
from .detection import draw_detections, draw_frame, draw_judged, draw_steps
from .draw3d import draw_boxes3d
from .files import check_picture_path, write_picture
from .grounding import draw_grounding

__all__ = [
    "PALETTE",
    "check_picture_path",
    "color_of",
    "draw_anomalies",
    "draw_bev",
    "draw_boxes3d",
    "draw_curves",
    "draw_detections",
    "draw_frame",
    "draw_grounding",
    "draw_judged",
    "draw_steps",
    "write_picture",
]
