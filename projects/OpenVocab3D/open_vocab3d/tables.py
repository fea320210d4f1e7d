"""Tables of what train_all.sh has measured."""

from __future__ import annotations

from pathlib import Path

from d2ext.engine import Column, metrics_file
from d2ext.engine.comparison import markdown_table

#: Titles, sections and metrics of the columns.
CLASSES = (
    ("base AP_3D@0.5", "base", "3d@0.5"),
    ("base AP_3D@0.25", "base", "3d@0.25"),
    ("base 2D AP", "base", "2D AP"),
    ("novel AP_3D@0.25, names", "novel", "3d@0.25"),
    ("descriptions", "described", "3d@0.25"),
    ("harmonic", "harmonic", "3d@0.25"),
    ("base recall", "recall", "base/bbox@0.5"),
    ("novel recall", "recall", "novel/bbox@0.5"),
)
WORDS = (
    ("one exemplar AP_3D@0.25", "exemplar", "3d@0.25"),
    ("seen pairs AP_3D@0.5", "seen pairs", "3d@0.5"),
    ("unseen pairs", "unseen pairs", "3d@0.5"),
    ("novel shapes", "novel shapes", "3d@0.5"),
    ("false boxes a picture and absent name", "absent", "boxes a picture and name"),
)
FORGOTTEN = (("novel AP_3D@0.25", "novel", "3d@0.25"), ("base AP_3D@0.5 lost", "forgetting", "3d@0.5"))


def tables(folder: Path, dataset: str) -> str:
    """Markdown of every table whose runs are there: classes beside the twin with fixed ones, words, and names
    that were learnt later."""
    names = {"OpenVocab3D": "open", "fixed classes": "closed"}
    runs = {title: sorted(folder.glob(f"{name}[0-9]*/test")) for title, name in names.items()}
    runs |= {"another text encoder": [folder / "other_text/test"], "fused": [folder / "fused/test"]}
    shuffled = {"shuffled prompts": sorted(folder.glob("open[0-9]*/shuffled"))}
    learnt = {path.name: [path / "test"] for path in sorted(folder.glob("learnt-*"))}
    without_closed = {title: own for title, own in runs.items() if title != "fixed classes"}
    parts = [
        _table("classes", runs | shuffled, CLASSES, dataset),
        _table("words", without_closed, WORDS, dataset),
        _table("learnt later", learnt, FORGOTTEN, dataset),
    ]
    return "\n\n".join(part for part in parts if part)


def _table(
    first: str, rows: dict[str, list[Path]], columns: tuple[tuple[str, str, str], ...], dataset: str
) -> str:
    there = {
        title: [f for f in folders if (f / metrics_file(dataset)).is_file()]
        for title, folders in rows.items()
    }
    there = {title: folders for title, folders in there.items() if folders}
    if not there:
        return ""
    return markdown_table(first, there, [Column(title, dataset, *place) for title, *place in columns])
