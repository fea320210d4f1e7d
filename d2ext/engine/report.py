"""A training run on one page, ``report.html``.

An evaluation leaves ``inference/NAME/metrics.json`` ({protocol: {figure: value}}) and, on grounding data,
``inference/NAME/predictions.json`` (:func:`d2ext.evaluation.read_answers`) in ``OUTPUT_DIR``; everything here
is made of these files, ``metrics.json`` and ``config.yaml``.
"""

from __future__ import annotations

import base64
import html
import json
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import yaml
from detectron2.data import DatasetCatalog, MetadataCatalog

from d2ext.engine.pictures import SINGLE_TARGET, draw, find_answers
from d2ext.evaluation import COUNT_COLUMNS, Answer, format_table, nest_table, worst_answers
from d2ext.files import write_bytes
from d2ext.visualization import draw_curves

REPORT_FILE = "report.html"
MISTAKES = 6  # drawn for each dataset
SETTINGS = (
    "MODEL.META_ARCHITECTURE",
    "MODEL.WEIGHTS",
    "DATASETS.TRAIN",
    "DATASETS.VAL",
    "DATASETS.TEST",
    "INPUT.SIZE",
    "SOLVER.MAX_ITER",
    "SOLVER.IMS_PER_BATCH",
    "SOLVER.OPTIMIZER",
    "SOLVER.BASE_LR",
    "SOLVER.EMA.ENABLED",
    "SOLVER.BEST_METRIC",
    "SEED",
)
#: No script, font or picture from anywhere: the page is its file.
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<style>
body {{ font: 15px/1.5 sans-serif; max-width: 1240px; margin: 2em auto; padding: 0 1em; color: #222; }}
img {{ max-width: 100%; }} pre {{ overflow-x: auto; background: #f6f6f6; padding: 1em; }}
table {{ border-collapse: collapse; margin: 0 0 1.5em; font-size: 13px; display: block; overflow-x: auto; }}
th, td {{ padding: .15em .6em; border-bottom: 1px solid #ddd; white-space: nowrap; }}
figure {{ margin: 0 0 2em; }} figcaption {{ margin-bottom: .3em; }}
</style></head><body>
<h1>{title}</h1>
{body}
</body></html>
"""

logger = logging.getLogger(__name__)


def write_report(folder: str | Path) -> Path:
    """Write ``report.html`` about the run in ``folder``: settings, curves, tables and the worst mistakes.

    Whatever the run has not left is not on the page; the mistakes need the dataset too.

    Raises:
        FileNotFoundError: the folder is not that of a run.
        ValueError: a file in it is damaged.
    """
    folder = Path(folder)
    results = sorted(folder.glob("inference/*/metrics.json"))
    if not results and not any((folder / name).is_file() for name in ("config.yaml", "metrics.json")):
        raise FileNotFoundError(f"{folder}: expected the output folder of a run, with config.yaml")
    parts = [_settings(folder / "config.yaml"), _curves(folder / "metrics.json")]
    for path in results:
        parts += [
            f"<h2>{html.escape(path.parent.name)}</h2>",
            _tables(path),
            _mistakes(folder, path.parent.name),
        ]
    title = html.escape("/".join(folder.resolve().parts[-2:]))
    page = PAGE.format(title=title, body="\n".join(filter(None, parts)))
    write_bytes(folder / REPORT_FILE, page.encode())
    logger.info(f"wrote {folder / REPORT_FILE}")
    return folder / REPORT_FILE


def _settings(path: Path) -> str:
    if not path.is_file():
        return ""
    text = path.read_text()
    try:
        config = yaml.safe_load(text)
    except yaml.YAMLError as e:
        raise ValueError(f"{path}: not YAML: {' '.join(str(e).split())}") from e
    rows = {}
    if text.startswith("# "):
        rows["config"] = text.splitlines()[0][2:]
    for key in SETTINGS:
        value = config
        for part in key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if value not in (None, "", []):
            rows[key] = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    table = "".join(f"<tr><td>{k}</td><td>{html.escape(v)}</td></tr>\n" for k, v in rows.items())
    return (
        f"<table>\n{table}</table>\n<details><summary>whole config</summary><pre>{html.escape(text)}</pre>"
        "</details>"
    )


def read_curves(path: str | Path) -> dict[str, list[tuple[int, float]]]:
    """Every scalar of Detectron2's ``metrics.json`` over the iterations.

    A training that was resumed, or started anew in the same folder, writes iterations again: of those the
    last written counts. Lines that a kill cut off are left out.
    """
    curves: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for line in Path(path).read_text().splitlines():
        try:
            row = json.loads(line)
            iteration = row.pop("iteration")
        except (ValueError, KeyError):
            continue
        for name, value in row.items():
            points = curves[name]
            while points and points[-1][0] >= iteration:
                points.pop()
            points.append((iteration, value))
    return dict(curves)


def arrange_curves(curves: Mapping[str, Sequence[tuple[int, float]]]) -> dict[str, dict[str, Any]]:
    """Panels for :func:`~d2ext.visualization.draw_curves`: losses, learning rate, and the overall figures of
    each dataset that was evaluated more than once."""
    panels: dict[str, dict[str, Any]] = {"total_loss": {}, "losses": {}, "lr": {}}
    deepest: dict[str, int] = {}
    for name in curves:
        first = name.split("/")[0]
        deepest[first] = min(deepest.get(first, name.count("/")), name.count("/"))
    for name, points in curves.items():
        first, _, figure = name.partition("/")
        if figure:  # of the figures with the fewest parts: the others are of subsets
            overall = name.count("/") == deepest[first] and name.split("/")[-1] not in COUNT_COLUMNS
            if overall and len(points) > 1:
                panels.setdefault(first, {})[figure] = points
        elif name in panels:
            panels[name][name] = points
        elif name.startswith("loss"):
            panels["losses"][name] = points
    return {title: panel for title, panel in panels.items() if panel}


def _curves(path: Path) -> str:
    panels = arrange_curves(read_curves(path)) if path.is_file() else {}
    if not panels:
        return ""
    return f"<h2>Training</h2>\n{_image(draw_curves(panels), 'image/svg+xml', 'curves of the training')}"


def _tables(path: Path) -> str:
    try:
        protocols = json.loads(path.read_text())
        tables = {name: nest_table(flat) for name, flat in protocols.items()}
        return "\n".join(format_table(name, table, "html") for name, table in tables.items())
    except (ValueError, AttributeError, TypeError) as e:
        raise ValueError(f"{path}: expected the figures of an evaluation by protocol ({e})") from e


def _mistakes(folder: Path, name: str) -> str:
    if name not in DatasetCatalog:
        return ""
    try:
        images = find_answers(folder, name)
        single = SINGLE_TARGET.get(MetadataCatalog.get(name).get("evaluator_type"), False)
        worst = worst_answers(images, single, MISTAKES)
        figures = [_figure(answer, name) for answer in worst]
    except FileNotFoundError as e:
        return f"<p>No pictures of mistakes: {html.escape(str(e))}</p>"
    return "\n".join(["<h3>Worst mistakes</h3>", *figures]) if figures else ""


def _figure(answer: Answer, name: str) -> str:
    ok, data = cv2.imencode(".jpg", draw([answer], name), [cv2.IMWRITE_JPEG_QUALITY, 85])
    if not ok:
        raise ValueError(f"{answer.record['file_name']}: could not encode the picture")
    caption = html.escape(f"image {answer.record['image_id']}: {answer.verdict}")
    text = html.escape(answer.text)
    image = _image(data.tobytes(), "image/jpeg", answer.text)
    return f"<figure><figcaption><b>{text}</b><br>{caption}</figcaption>{image}</figure>"


def _image(data: bytes, kind: str, text: str) -> str:
    return f'<img alt="{html.escape(text)}" src="data:{kind};base64,{base64.b64encode(data).decode()}">'
