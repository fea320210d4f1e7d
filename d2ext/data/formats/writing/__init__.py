"""Writers of the formats of objects, from dataset dicts (see ``d2ext.data``): the inverse of the loaders, as
far as a format holds what a dict does."""

from .coco import write_coco, write_lvis
from .cvat import write_cvat, write_cvat_video
from .dair_v2x_i import write_dair_v2x_i
from .folders import write_kitti_folder, write_rope3d_folder
from .label_studio import write_label_studio
from .odvg import write_odvg
from .omni3d import write_omni3d
from .rerun import RerunFile, write_rerun

__all__ = [
    "RerunFile",
    "write_coco",
    "write_cvat",
    "write_cvat_video",
    "write_dair_v2x_i",
    "write_kitti_folder",
    "write_label_studio",
    "write_lvis",
    "write_odvg",
    "write_omni3d",
    "write_rerun",
    "write_rope3d_folder",
]
