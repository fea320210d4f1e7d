"""A page to review what was written: pictures with numbered boxes, kept sentences, dropped ones with why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from d2ext.data.image_io import read_image
from d2ext.files import write_bytes
from d2ext.projects.janus.grounder import record_boxes
from d2ext.projects.janus.verify import Candidate
from d2ext.structures import Camera
from d2ext.visualization import draw_boxes3d

_WIDTH = 960
_STYLE = (
    "body{font:15px sans-serif;margin:24px auto;max-width:1000px;padding:0 12px}img{max-width:100%}"
    "td{padding:3px 10px 3px 0;vertical-align:top}.kept td{color:#064}.dropped td{color:#777}"
    "td.why{font-size:13px}h2{margin:32px 0 6px}"
)


def write_page(
    folder: Path, title: str, annotated: Sequence[tuple[Mapping[str, Any], list[Candidate]]]
) -> Path:
    """Write ``index.html`` and its pictures.

    Args:
        annotated: dataset dicts with all their candidates.
    """
    candidates = [candidate for _, found in annotated for candidate in found]
    kept = sum(not candidate.reason for candidate in candidates)
    parts = [
        f"<!doctype html><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        f"<title>{escape(title)}</title><style>{_STYLE}</style><h1>{escape(title)}</h1>"
        f"<p>{kept} of {len(candidates)} sentences kept, in {len(annotated)} pictures.</p>"
    ]
    for number, (record, found) in enumerate(annotated):
        name = f"pictures/{number:06d}.jpg"
        write_bytes(folder / name, _picture(record))
        parts.append(f"<h2>{escape(str(record['image_id']))}</h2><img src='{name}' loading='lazy'><table>")
        for candidate in sorted(found, key=lambda c: (c.targets, bool(c.reason))):
            state = "dropped" if candidate.reason else "kept"
            objects = ", ".join(map(str, candidate.targets))
            parts.append(
                f"<tr class='{state}'><td>{escape(objects)}<td>{escape(candidate.text)}"
                f"<td class='why'>{escape(candidate.reason or 'kept')}"
            )
        parts.append("</table>")
    page = folder / "index.html"
    write_bytes(page, "\n".join(parts).encode())
    return page


def _picture(record: Mapping[str, Any]) -> bytes:
    image = read_image(record["file_name"])
    ids = [a["id"] for a in record["annotations"] if a["has_3d"]]
    if ids:
        camera = Camera(torch.tensor(record["camera"]), image.shape[:2])
        image = draw_boxes3d(image, record_boxes(record, ids), camera, [str(i) for i in ids])
    scale = min(1.0, _WIDTH / image.shape[1])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else image
    return np.asarray(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 85])[1]).tobytes()
