"""Parsers of the datasets' files. Each loader returns Detectron2 dataset dicts (see ``d2ext.data``)."""

from .mono3drefer import load_mono3drefer
from .monomulti3d import load_monomulti3d
from .rope3d import load_rope3d

__all__ = ["load_mono3drefer", "load_monomulti3d", "load_rope3d"]
