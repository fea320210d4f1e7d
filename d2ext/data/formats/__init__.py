"""Parsers of the datasets' files. Each loader returns Detectron2 dataset dicts (see ``d2ext.data``); those of
files that name their own classes return these too. The writers are in :mod:`d2ext.data.formats.writing`."""

from .coco import load_coco, load_lvis
from .dair_v2x_i import load_dair_v2x_i
from .kitti_object import load_kitti
from .mono3drefer import load_mono3drefer
from .monomulti3d import load_monomulti3d
from .mvtec_ad import load_mvtec_ad
from .odvg import load_odvg
from .omni3d import load_omni3d
from .rope3d import load_rope3d
from .trajectories import load_trajectories
from .visa import load_visa

__all__ = [
    "load_coco",
    "load_dair_v2x_i",
    "load_kitti",
    "load_lvis",
    "load_mono3drefer",
    "load_monomulti3d",
    "load_mvtec_ad",
    "load_odvg",
    "load_omni3d",
    "load_rope3d",
    "load_trajectories",
    "load_visa",
]
