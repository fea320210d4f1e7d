"""Evaluation: the published protocols of the datasets, and exact metrics beside them."""

from d2ext.files import write_json
from d2ext.tables import COUNT_COLUMNS, OTHER_UNITS, flatten_table, format_table, nest_table

from .anomaly import AnomalyEvaluator, read_map
from .counts import MatchCounts
from .detection3d import Detection3DEvaluator
from .evaluator import (
    Evaluator3D,
    Rows,
    Table,
    TableEvaluator,
    inference_folder,
    instance_rows,
    named_rows,
)
from .grounding import (
    THRESHOLDS,
    SentenceResult,
    boxes_of,
    compare_image,
    grounding_metrics,
    match_greedy,
    sentence_kinds,
)
from .judged import JudgedImage, worst_images
from .mistakes import Answer, box_plane, read_answers, worst_answers
from .predictions import FIELDS, FIELDS_2D, check_boxes, check_number, read_predictions
from .subsets import CAR_DISTANCES, ROADSIDE_DISTANCES, difficulty, distance_range, target_group
from .track_pairs import pair_frames
from .tracking import FramePairs, tracking_figures
from .tracking_evaluator import TrackingEvaluator
from .writers import assign_objects, submission_flags, write_kitti, write_submission

__all__ = [
    "CAR_DISTANCES",
    "COUNT_COLUMNS",
    "FIELDS",
    "FIELDS_2D",
    "OTHER_UNITS",
    "ROADSIDE_DISTANCES",
    "THRESHOLDS",
    "AnomalyEvaluator",
    "Answer",
    "Detection3DEvaluator",
    "Evaluator3D",
    "FramePairs",
    "JudgedImage",
    "MatchCounts",
    "Rows",
    "SentenceResult",
    "Table",
    "TableEvaluator",
    "TrackingEvaluator",
    "assign_objects",
    "box_plane",
    "boxes_of",
    "check_boxes",
    "check_number",
    "compare_image",
    "difficulty",
    "distance_range",
    "flatten_table",
    "format_table",
    "grounding_metrics",
    "inference_folder",
    "instance_rows",
    "match_greedy",
    "named_rows",
    "nest_table",
    "pair_frames",
    "read_answers",
    "read_map",
    "read_predictions",
    "sentence_kinds",
    "submission_flags",
    "target_group",
    "tracking_figures",
    "worst_answers",
    "worst_images",
    "write_json",
    "write_kitti",
    "write_submission",
]
