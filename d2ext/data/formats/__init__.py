"""Parsers of the datasets' files. Each loader returns Detectron2 dataset dicts (see ``d2ext.data``)."""

from .dair_v2x_i import load_dair_v2x_i
from .kitti_object import load_kitti
from .mono3drefer import load_mono3drefer
from .monomulti3d import load_monomulti3d
from .mvtec_ad import load_mvtec_ad
from .rope3d import load_rope3d
from .trajectories import load_trajectories
from .visa import load_visa

__all__ = [
    "load_dair_v2x_i",
    "load_kitti",
    "load_mono3drefer",
    "load_monomulti3d",
    "load_mvtec_ad",
    "load_rope3d",
    "load_trajectories",
    "load_visa",
]
