"""Parsers of the datasets' files. Each loader returns Detectron2 dataset dicts (see ``d2ext.data``)."""

from .dair_v2x_i import load_dair_v2x_i
from .kitti_object import load_kitti
from .mono3drefer import load_mono3drefer
from .monomulti3d import load_monomulti3d
from .rope3d import load_rope3d

__all__ = ["load_dair_v2x_i", "load_kitti", "load_mono3drefer", "load_monomulti3d", "load_rope3d"]
