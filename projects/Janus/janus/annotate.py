"""Sentences for the boxes of a dataset: written, verified, and put on disk as a dataset of their own.

An image is done when its file in ``candidates/`` is there, which is written at once, so what is interrupted
goes on where it was.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog
from tqdm import tqdm

from d2ext.data.describe.mapper import record_labels
from d2ext.data.image_io import read_image
from d2ext.data.synthesis import claim, write_settings
from d2ext.data.synthroad.labels import Label
from d2ext.files import write_json
from d2ext.identity import config_digest
from d2ext.projects.janus.grounder import Grounder, class_names
from d2ext.projects.janus.page import write_page
from d2ext.projects.janus.verify import Candidate, verify
from d2ext.projects.janus.written import write_mono3drefer, write_monomulti3d
from d2ext.reading import read_json

SETTINGS = "annotate.json"
_GROUP = range(2, 9)
#: Image, objects, language, how many -> that many sentences.
Describe = Callable[[np.ndarray, Sequence[Label], str, int], list[str]]


@dataclass(frozen=True)
class Order:
    """What is wanted: candidates for each object or group, languages that take turns, images (0: all), groups
    of objects or single ones alone; ``verified`` False keeps all that is written, for comparison."""

    dataset: str
    candidates: int
    languages: tuple[str, ...]
    limit: int = 0
    groups: bool = False
    verified: bool = True
    seed: int = 0


def annotate(order: Order, root: Path, describe: Describe, grounder: Grounder | None, writer: CfgNode) -> str:
    """Write a dataset below ``root`` and a page to review it; returns a line about it.

    Args:
        order: what is wanted.
        root: folder, empty, new, or the same work unfinished.
        describe: writes candidates.
        grounder: leads them back; None where they are not verified.
        writer: config of what writes, by which a folder is known again.

    Raises:
        FileExistsError: the folder holds anything else.
        FileNotFoundError, ValueError: data that cannot be read.
    """
    settings = asdict(order) | {
        "languages": list(order.languages),
        "writer": config_digest(writer),
        "grounder": "" if grounder is None else config_digest(grounder.cfg),
    }
    records = DatasetCatalog.get(order.dataset)
    records = records[: order.limit or len(records)]
    if claim(root, SETTINGS, settings):
        for record in tqdm(records, unit="image", desc="annotate"):
            path = _path(root, record)
            if not path.is_file():
                found = _image(order, record, describe, grounder)
                write_json(path, [vars(candidate) for candidate in found])
    annotated = [(record, [Candidate(**row) for row in read_json(_path(root, record))]) for record in records]
    return _write(order, root, settings, annotated)


def _path(root: Path, record: Mapping[str, Any]) -> Path:
    return root / "candidates" / f"{Path(record['file_name']).stem}.json"


def _image(
    order: Order, record: Mapping[str, Any], describe: Describe, grounder: Grounder | None
) -> list[Candidate]:
    """All candidates of an image, the same ones whenever they are written."""
    torch.manual_seed(order.seed + zlib.crc32(str(record["image_id"]).encode()))
    image = read_image(record["file_name"])
    labels = record_labels(without_sentences(record), class_names(order.dataset))
    found = []
    for turn, ids in enumerate(targets_of(record, labels, order.groups)):
        language = order.languages[turn % len(order.languages)]
        marked = [labels[i] for i in ids]
        for text in describe(image, marked, language, order.candidates):
            found.append(Candidate(text, list(ids)))
    if grounder is None:
        return found
    return verify(found, record, labels, partial(grounder, image, record), image)


def without_sentences(record: Mapping[str, Any]) -> dict[str, Any]:
    """A dataset dict as if nobody had written about it."""
    return {**record, "sentences": []}


def targets_of(record: Mapping[str, Any], labels: Mapping[int, Label], groups: bool) -> list[tuple[int, ...]]:
    """What is to be described: every object with a 3D box; with ``groups`` those of one class and colour,
    2 to 8 of them, too."""
    ids = [a["id"] for a in record["annotations"] if a["has_3d"]]
    targets: list[tuple[int, ...]] = [(i,) for i in ids]
    if groups:
        kinds: dict[tuple[str, str], list[int]] = {}
        for i in ids:
            kinds.setdefault((labels[i].category, labels[i].color), []).append(i)
        targets += [tuple(group) for group in kinds.values() if len(group) in _GROUP]
    return targets


def _write(
    order: Order,
    root: Path,
    settings: dict[str, Any],
    annotated: Sequence[tuple[Mapping[str, Any], list[Candidate]]],
) -> str:
    kept = [(record, [c for c in found if not c.reason]) for record, found in annotated]
    level = all(record.get("level_boxes", False) for record, _ in kept)
    write = write_mono3drefer if level else write_monomulti3d
    split = MetadataCatalog.get(order.dataset).get("split", "train")
    count = write(root, split, kept, class_names(order.dataset))
    page = write_page(root / "review", f"Sentences for {order.dataset}", annotated)
    write_settings(root, SETTINGS, settings, complete=True)
    total = sum(len(found) for _, found in annotated)
    return f"{root}: kept {count} of {total} sentences in {len(annotated)} images; to review: {page}"
