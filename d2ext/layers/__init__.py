"""Layers shared by the methods: Mamba-2's scan and block, cross-modal state-space model, linear attention,
reading of boxes and of points."""

from d2ext.layers.cross_modal import CrossModalSSM, add_to, maps_of_sentences, multiply_by
from d2ext.layers.cross_modal_baselines import MeanWordConcat, WordAttention
from d2ext.layers.deformable import DeformableAttention, MapCells
from d2ext.layers.linear_attention import linear_attention
from d2ext.layers.region_maps import RegionMaps
from d2ext.layers.ssd import ssd_final_state, ssd_scan
from d2ext.layers.ssd_block import SSDBlock

__all__ = [
    "WordAttention",
    "CrossModalSSM",
    "DeformableAttention",
    "MapCells",
    "MeanWordConcat",
    "RegionMaps",
    "SSDBlock",
    "add_to",
    "linear_attention",
    "maps_of_sentences",
    "multiply_by",
    "ssd_final_state",
    "ssd_scan",
]
