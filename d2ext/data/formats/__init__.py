"""Parsers of the datasets' files. Each loader returns Detectron2 dataset dicts (see ``d2ext.data``); those of
files that name their own classes return these too. The writers are in :mod:`d2ext.data.formats.writing`."""

from .coco import load_coco, load_lvis
from .cvat import load_cvat
from .dair_v2x_i import load_dair_v2x_i
from .kitti_object import load_kitti
from .kitti_tracking import load_kitti_tracking, read_kitti_tracks, write_kitti_tracks
from .label_studio import load_label_studio
from .mono3drefer import load_mono3drefer
from .monomulti3d import load_monomulti3d
from .mvtec_ad import load_mvtec_ad
from .odvg import load_odvg
from .omni3d import load_omni3d
from .rope3d import load_rope3d
from .track_labels import TrackLabels
from .trajectories import load_trajectories
from .tumtraf import read_tumtraf
from .v2x_seq import read_v2x_seq
from .visa import load_visa

__all__ = [
    "TrackLabels",
    "load_coco",
    "load_cvat",
    "load_dair_v2x_i",
    "load_kitti",
    "load_kitti_tracking",
    "load_label_studio",
    "load_lvis",
    "load_mono3drefer",
    "load_monomulti3d",
    "load_mvtec_ad",
    "load_odvg",
    "load_omni3d",
    "load_rope3d",
    "load_trajectories",
    "load_visa",
    "read_kitti_tracks",
    "read_tumtraf",
    "read_v2x_seq",
    "write_kitti_tracks",
]
