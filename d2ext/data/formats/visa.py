"""VisA (Zou et al., ECCV 2022) as it is released: one table of all images, one folder a category."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from d2ext.data.formats.rows import BrokenRows, require_records
from d2ext.reading import clear_errors, path_below, read_text

from .mvtec_ad import GOOD, image_record

SPLIT_FILE = "split_csv/1cls.csv"
ANOMALY = "anomaly"
COLUMNS = ("object", "split", "label", "image", "mask")


@clear_errors
def load_visa(root: str | Path, split: str, skip_broken: bool = False) -> list[dict[str, Any]]:
    """Records of a category as of ``load_mvtec_ad``, in the order of the table ``split_csv/1cls.csv``.

    The table lies beside the category's folder; its columns ``image`` and ``mask`` are paths relative to the
    folder of both, ``label`` is "normal" or "anomaly".

    Args:
        root: the category's folder.
        split: "train" or "test".

    Raises:
        FileNotFoundError, ValueError: no such table, row or image; names file and line.
    """
    root = Path(root)
    table = root.parent / SPLIT_FILE
    rows = csv.DictReader(read_text(table).splitlines(), strict=True)
    records, broken = [], BrokenRows(skip_broken)
    try:
        for name in COLUMNS:
            if name not in (rows.fieldnames or ()):
                raise ValueError(f"{table}: expected the columns {', '.join(COLUMNS)}, {name!r} is missing")
        for row in rows:
            if (row["object"], row["split"]) == (root.name, split):
                with broken:
                    records.append(_record(root, row, split, f"{table}:{rows.line_num}"))
    except csv.Error as error:
        raise ValueError(f"{table}:{rows.line_num}: {error}") from None
    broken.report(f"{root.name} {split}")
    return require_records(records, f"{table}: {root.name} {split}")


def _record(root: Path, row: dict[str, Any], split: str, where: str) -> dict[str, Any]:
    if row["label"] not in ("normal", ANOMALY):
        raise ValueError(
            f"{where}: column 'label': expected normal or anomaly, got {str(row['label'])[:40]!r}"
        )
    abnormal = row["label"] == ANOMALY
    if abnormal and split != "test":
        raise ValueError(f"{where}: an anomaly in {split}, expected normal images only")
    files = {}
    for name in ("image", "mask") if abnormal else ("image",):
        files[name] = path_below(root.parent, row[name] or "", f"{where}: column {name!r}")
    kind = ANOMALY if abnormal else GOOD
    try:
        record = image_record(files["image"], kind, files.get("mask"))
    except (ValueError, FileNotFoundError) as error:
        missing = isinstance(error, FileNotFoundError)
        raise (FileNotFoundError if missing else ValueError)(f"{where}: {error}") from None
    return record | {"image_id": f"{kind}/{files['image'].stem}"}
