"""Modules by the names that they had in version 0.1, for code that imports them so."""

from __future__ import annotations

import sys

#: Present name -> former name, both below ``d2ext``, of what moved whole.
MOVED = {
    "hub": "modeling.hub",
    "modeling.text.cache": "modeling.text_cache",
    "modeling.text.numbers": "modeling.numbers",
    "modeling.box3d.coder": "modeling.box3d_coder",
    "modeling.box3d.overlap": "modeling.box_overlap",
    "modeling.box3d.records": "modeling.records",
    "modeling.box3d.refinement": "modeling.box_refinement",
    "modeling.detection.criterion": "modeling.set_criterion",
    "modeling.grounding.head": "modeling.grounding_head",
    "modeling.grounding.matcher": "modeling.box_text_matcher",
    "modeling.anomaly.pdn": "modeling.pdn",
}


def keep_former_names() -> None:
    """Let ``import`` find the modules by their former names too, without a second copy of any."""
    for present, former in MOVED.items():
        module = sys.modules.get(f"d2ext.{present}")
        if module is not None:
            sys.modules.setdefault(f"d2ext.{former}", module)
