"""Of which classes a dataset dict says whether its image has them: what may be asked of it, and counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def known_classes(record: Mapping[str, Any], count: int) -> list[int]:
    """Classes that the image is known to have or not to have, in order.

    Of a record without ``neg_category_ids`` these are all ``count`` of the dataset; else those of its objects
    and those that it names as absent (A. Gupta et al., LVIS, CVPR 2019, Sec. 3). An evaluation asks for no
    other in the image (target-aware), and training takes no other for absent.
    """
    if "neg_category_ids" not in record:
        return list(range(count))
    present = {a["category_id"] for a in record["annotations"]}
    return sorted(present | set(record["neg_category_ids"]) | set(record.get("ignored_category_ids", ())))


def exhaustive_classes(record: Mapping[str, Any], count: int) -> list[int]:
    """Those of :func:`known_classes` of which every object is labelled: a detection that is none of them is
    false. Of the others (``not_exhaustive_category_ids``) such a detection is neither right nor wrong."""
    partly = set(record.get("not_exhaustive_category_ids", ()))
    return [number for number in known_classes(record, count) if number not in partly]
