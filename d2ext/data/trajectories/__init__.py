"""Trajectories of vehicles on a road section: recordings, lanes, and space-time graphs of them."""

from .columns import COLUMN_MAPS, ColumnMap
from .convert import convert, graph_keys, summary
from .extent import Extent, Suspect, region_extent, suspects
from .graph import GraphSpec, SpaceTimeGraph, join_graphs
from .labels import Interval, LabelledAnomaly, anomaly_mask, check_labels, labels_to_json, read_labels
from .lanes import Flow, flow_to_csv, lane_flow, tracks_on_road
from .live import LiveGraph
from .maps import read_road
from .read import read_tracks, tracks_to_csv
from .road import Road
from .spacetime import SpaceTimeRenderer
from .tracks import Tracks, merge_tracks

__all__ = [
    "COLUMN_MAPS",
    "ColumnMap",
    "Extent",
    "Flow",
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
    "flow_to_csv",
    "graph_keys",
    "join_graphs",
    "labels_to_json",
    "lane_flow",
    "merge_tracks",
    "read_labels",
    "read_road",
    "read_tracks",
    "region_extent",
    "summary",
    "suspects",
    "tracks_on_road",
    "tracks_to_csv",
]
