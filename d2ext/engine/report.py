"""A training run on one page, ``report.html``.

An evaluation leaves ``inference/NAME/metrics.json`` ({protocol: {figure: value}}) in ``OUTPUT_DIR``, and what
the gallery of its kind of data draws (:mod:`d2ext.engine.gallery`); everything here is made of these files,
``metrics.json`` and ``config.yaml``.
"""

from __future__ import annotations

import base64
import html
import logging
import re
from collections.abc import Collection, Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import cv2
from detectron2.config import CfgNode

from d2ext.engine.curves import Plot, arrange_figures, arrange_losses, read_curves
from d2ext.engine.gallery import Picture, open_gallery
from d2ext.files import write_bytes
from d2ext.reading import read_json, read_text
from d2ext.tables import format_table, nest_table
from d2ext.visualization import draw_curves
from d2ext.yaml_config import read_yaml

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
#: No script, font or picture from anywhere: the page is its file. Colours are the browser's, light or dark;
#: plots are white cards in both.
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<style>
:root {{ color-scheme: light dark; --line: #8886; --mild: #8882; }}
body {{ font: 15px/1.5 sans-serif; max-width: 1240px; margin: 1.5em auto; padding: 0 1em; }}
h1, h2, h3, figcaption {{ overflow-wrap: anywhere; line-height: 1.25; }}
h2 {{ margin: 2em 0 .7em; padding-top: .6em; border-top: 2px solid var(--line); }}
img {{ max-width: 100%; height: auto; display: block; }}
pre {{ overflow-x: auto; background: var(--mild); padding: 1em; font-size: 13px; }}
.tables {{ display: flex; flex-wrap: wrap; gap: 0 2.5em; align-items: flex-start; }}
table {{ border-collapse: collapse; margin: 0 0 1.5em; font-size: 13px;
 display: block; max-width: 100%; overflow-x: auto; }}
th, td {{ padding: .15em .6em; border-bottom: 1px solid var(--line); white-space: nowrap; }}
th:first-child, td:first-child {{ text-align: left !important; position: sticky; left: 0;
 background: Canvas; }}
.settings td {{ white-space: normal; overflow-wrap: anywhere; vertical-align: top; }}
.settings td:first-child {{ min-width: 9em; }}
.curves {{ display: grid; gap: 1.5em;
 grid-template-columns: repeat(auto-fill, minmax(min(100%, 340px), 1fr)); }}
.curves img {{ width: 100%; background: #fff; }}
figure {{ margin: 0; min-width: 0; }} figcaption {{ margin-bottom: .4em; }}
.pictures figure {{ margin-bottom: 2em; }}
@media print {{
 figure, tr {{ break-inside: avoid; }} h2, h3 {{ break-after: avoid; }}
 table {{ overflow: visible; font-size: 10px; }} pre {{ white-space: pre-wrap; overflow-wrap: anywhere; }}
}}
</style></head><body>
<h1>{headline}</h1>
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
    inference = folder / "inference"
    results = {
        path.parent.relative_to(inference).as_posix(): path
        for path in sorted(inference.rglob("metrics.json"))
    }
    if not results and not any((folder / name).is_file() for name in ("config.yaml", "metrics.json")):
        raise FileNotFoundError(f"{folder}: expected the output folder of a run, with config.yaml")
    config, settings = _settings(folder / "config.yaml")
    parts = [settings, _curves(folder / "metrics.json", results)]
    for name, path in results.items():
        parts += [f"<h2>{_breakable(name)}</h2>", _tables(path), _mistakes(folder, name, config)]
    title = "/".join(folder.resolve().parts[-2:])
    page = PAGE.format(
        title=html.escape(title), headline=_breakable(title), body="\n".join(filter(None, parts))
    )
    write_bytes(folder / REPORT_FILE, page.encode(errors="backslashreplace"))
    logger.info(f"wrote {folder / REPORT_FILE}")
    return folder / REPORT_FILE


def _settings(path: Path) -> tuple[CfgNode, str]:
    """The config of the run, and the part of the page about it; nothing of both without the file."""
    if not path.is_file():
        return CfgNode(), ""
    text, config = read_text(path), read_yaml(path)
    try:
        node = CfgNode(config)
    except (AssertionError, AttributeError, TypeError) as e:
        raise ValueError(f"{path}: expected config keys and values") from e
    rows = {}
    if text.startswith("# "):
        rows["config"] = text.splitlines()[0][2:]
    for key in SETTINGS:
        value: Any = config
        for part in key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if value not in (None, "", []):
            rows[key] = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    table = "".join(f"<tr><td>{_breakable(k)}</td><td>{_breakable(v)}</td></tr>\n" for k, v in rows.items())
    whole = f"<details><summary>whole config</summary><pre>{html.escape(text)}</pre></details>"
    return node, f'<table class="settings">\n{table}</table>\n{whole}'


def _curves(path: Path, datasets: Collection[str]) -> str:
    curves = read_curves(path) if path.is_file() else {}
    losses, figures = arrange_losses(curves), arrange_figures(curves, datasets)
    return "\n".join(
        _plots(*group) for group in (("Training", losses), ("Evaluations, per cent", figures)) if group[1]
    )


def _plots(heading: str, plots: Iterable[Plot]) -> str:
    figures = []
    for plot in plots:
        image = _image(draw_curves(plot.curves, plot.logarithmic), "image/svg+xml", f"curves of {plot.title}")
        figures.append(f"<figure><figcaption>{_breakable(plot.title)}</figcaption>{image}</figure>")
    return "\n".join([f"<h2>{heading}</h2>", '<div class="curves">', *figures, "</div>"])


def _tables(path: Path) -> str:
    try:
        protocols = read_json(path)
        numbers = chain.from_iterable(flat.values() for flat in protocols.values())
        if not all(isinstance(value, int | float) for value in numbers):
            raise TypeError("not a number")
        tables = {name: nest_table(flat) for name, flat in protocols.items()}
        texts = [format_table(name, table, "html") for name, table in tables.items()]
    except (AttributeError, TypeError, OverflowError, RecursionError) as e:
        raise ValueError(f"{path}: expected the figures of an evaluation by protocol ({e})") from e
    return "\n".join(['<div class="tables">', *texts, "</div>"])


def _mistakes(folder: Path, name: str, config: CfgNode) -> str:
    try:
        gallery = open_gallery(folder, name, config)
        figures = [_figure(picture) for picture in gallery.worst(MISTAKES)] if gallery else []
    except FileNotFoundError as e:
        return f"<p>No pictures of mistakes: {html.escape(str(e))}</p>"
    if not gallery or not figures:
        return ""
    return "\n".join(
        [
            f"<h3>{gallery.heading}</h3>",
            f"<p>{gallery.note}</p>",
            '<div class="pictures">',
            *figures,
            "</div>",
        ]
    )


def _figure(picture: Picture) -> str:
    ok, data = cv2.imencode(".jpg", picture.pixels, [cv2.IMWRITE_JPEG_QUALITY, 85])
    if not ok:
        raise ValueError(f"image {picture.image_id}: could not encode the picture")
    title, caption = html.escape(picture.title), html.escape(picture.caption)
    image = _image(data.tobytes(), "image/jpeg", picture.title)
    return f"<figure><figcaption><b>{title}</b><br>{caption}</figcaption>{image}</figure>"


def _breakable(text: str) -> str:
    """Escaped; lines may break inside of long names and paths."""
    return re.sub("[./_]", r"\g<0><wbr>", html.escape(text))


def _image(data: bytes, kind: str, text: str) -> str:
    return f'<img alt="{html.escape(text)}" src="data:{kind};base64,{base64.b64encode(data).decode()}">'
