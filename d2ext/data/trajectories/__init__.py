"""Trajectories of vehicles on a road section: recordings, lanes, and space-time graphs of them."""

from .columns import COLUMN_MAPS, ColumnMap
from .convert import convert, graph_keys, summary
from .extent import Extent, Suspect, region_extent, suspects
from .graph import GraphSpec, SpaceTimeGraph, join_graphs
from .labels import Interval, LabelledAnomaly, anomaly_mask, check_labels, labels_to_json, read_labels
from .live import LiveGraph
from .read import read_tracks, tracks_to_csv
from .road import Road, read_road
from .spacetime import SpaceTimeRenderer
from .tracks import Tracks, merge_tracks

__all__ = [
    "COLUMN_MAPS",
    "ColumnMap",
    "Extent",
    "GraphSpec",
    "Interval",
    "LabelledAnomaly",
    "LiveGraph",
    "Road",
    "SpaceTimeGraph",
    "SpaceTimeRenderer",
    "Suspect",
    "Tracks",
    "anomaly_mask",
    "check_labels",
    "convert",
    "graph_keys",
    "join_graphs",
    "labels_to_json",
    "merge_tracks",
    "read_labels",
    "read_road",
    "read_tracks",
    "region_extent",
    "summary",
    "suspects",
    "tracks_to_csv",
]
