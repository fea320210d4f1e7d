"""ODVG files: 2D boxes with class names, and with phrases of a caption."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from d2ext.data.formats.odvg import only_phrases
from d2ext.files import write_bytes

from .images import Record, names_below, write_compact_json

_BETWEEN = ". "


def write_odvg(
    path: str | Path,
    records: Sequence[Record],
    names: Sequence[str],
    image_root: str | Path,
    label_map: str | Path | None = None,
) -> None:
    """Write an ODVG file. Objects go into ``detection``, but for those known by phrases alone; sentences are
    regions of ``grounding``, whose caption is the record's, or all sentences one after the other.

    Args:
        path: file of JSON lines to write.
        records: dataset dicts.
        names: of their classes.
        image_root: folder to which ``filename`` is to be relative.
        label_map: JSON file of class names by label to write, which detection records are trained with.

    Raises:
        ValueError: an image that is not below ``image_root``.
    """
    lines = []
    for record, file in zip(records, names_below(records, image_root), strict=True):
        line: dict[str, Any] = {"filename": file, "height": record["height"], "width": record["width"]}
        plain = [a for a in record["annotations"] if not only_phrases(a)]
        grounding = _grounding(record)
        if plain or grounding is None or "neg_category_ids" not in record:
            line["detection"] = {"instances": [_instance(a, names) for a in plain]}
        if grounding is not None:
            line["grounding"] = grounding
        lines.append(json.dumps(line, allow_nan=False, ensure_ascii=False) + "\n")
    write_bytes(path, "".join(lines).encode())
    if label_map is not None:
        write_compact_json(label_map, {str(i): name for i, name in enumerate(names)})


def _instance(annotation: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    label = annotation["category_id"]
    return {"bbox": list(annotation["bbox"]), "label": label, "category": names[label]}


def _grounding(record: Record) -> dict[str, Any] | None:
    sentences = [s for s in record["sentences"] if s["target_ids"]]
    if not sentences:
        return None
    boxes = {a["id"]: a["bbox"] for a in record["annotations"]}
    caption, start, regions = record.get("caption", ""), 0, []
    whole = not caption
    for sentence in sentences:
        text = sentence["text"]
        spans = sentence.get("spans")
        if whole:
            spans = [[start, start + len(text)]]
            caption += (_BETWEEN if caption else "") + text
            start = len(caption) + len(_BETWEEN)
        found = [list(boxes[i]) for i in sentence["target_ids"]]
        region = {"bbox": found[0] if len(found) == 1 else found, "phrase": text}
        regions.append(region | ({"tokens_positive": spans} if spans is not None else {}))
    return {"caption": caption, "regions": regions}
