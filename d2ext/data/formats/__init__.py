"""Parsers of the datasets' files. Each loader returns Detectron2 dataset dicts (see ``d2ext.data``)."""

from .mono3drefer import load_mono3drefer
from .monomulti3d import load_monomulti3d
from .mvtec_ad import load_mvtec_ad
from .rope3d import load_rope3d
from .trajectories import load_trajectories

__all__ = [
    "load_mono3drefer",
    "load_monomulti3d",
    "load_mvtec_ad",
    "load_rope3d",
    "load_trajectories",
]
