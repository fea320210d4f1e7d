"""A model for each category of a folder of image datasets, and one table of what they reach."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog

from d2ext.engine import load_config, metrics_file
from d2ext.evaluation import format_table, write_json
from d2ext.files import write_bytes
from d2ext.projects.trajad.config import add_trajad_config
from d2ext.reading import read_json, read_text, require
from d2ext.tables import OTHER_UNITS

TRAINED = "model_final.pth"
SUMMARY = "summary"  # .json and .md, in the folder of all categories
SECTION = "anomaly"  # of metrics.json


def find_categories(data: str, wanted: Sequence[str] = ()) -> list[str]:
    """The categories that lie in a folder of the datasets folder, by name, or the ``wanted`` ones of them.

    Args:
        data: name of the folder, such as "mvtec_ad" or "visa"; its datasets are "<data>/<category>_train".

    Raises:
        FileNotFoundError: there is none.
        ValueError: one is wanted that is not there.
    """
    found = []
    for name in DatasetCatalog.list():
        if name.startswith(f"{data}/") and name.endswith("_train"):
            if Path(MetadataCatalog.get(name).get("dataset_root", "")).is_dir():
                found.append(name[len(data) + 1 : -len("_train")])
    if not found:
        raise FileNotFoundError(
            f"--data {data}: no category; expected {data}/CATEGORY/train/good in the datasets folder, which "
            "DETECTRON2_DATASETS names"
        )
    for category in wanted:
        if category not in found:
            raise ValueError(f"--categories: no {category!r} in {data}, which has {', '.join(sorted(found))}")
    return list(dict.fromkeys(wanted)) or sorted(found)


class CategoryRun:
    """The training and evaluation of one category by train_net.py, in a folder of its own.

    Args:
        config_file, options: of all categories.
        data, category: as in :func:`find_categories`.
        evaluate: only evaluate what was trained before.

    Raises:
        FileNotFoundError, ValueError: as :func:`~d2ext.engine.load_config`.
    """

    def __init__(
        self, config_file: str, options: Sequence[str], data: str, category: str, evaluate: bool
    ) -> None:
        name = f"{data}/{category}"
        cfg = load_config(add_trajad_config, config_file, options)
        self.folder = Path(cfg.OUTPUT_DIR) / category
        self.test = f"{name}_test"
        self.evaluate = evaluate
        self.config_file = config_file
        self.options = [
            *options,
            *("DATASETS.TRAIN", f"('{name}_train',)", "DATASETS.TEST", f"('{self.test}',)"),
            *("OUTPUT_DIR", str(self.folder)),
        ]
        if f"{name}_val" in DatasetCatalog:
            self.options += ["DATASETS.NORMAL", f"('{name}_val',)"]
        self.own_weights = evaluate and not cfg.MODEL.WEIGHTS
        if self.own_weights:
            self.options += ["MODEL.WEIGHTS", str(self.folder / TRAINED)]
        self.cfg: CfgNode = load_config(add_trajad_config, config_file, self.options)

    def is_finished(self) -> bool:
        """Whether it was done before, with the same config."""
        files = [self.folder / metrics_file(self.test), self.folder / "config.yaml"]
        files += [] if self.evaluate else [self.folder / TRAINED]
        return all(file.is_file() for file in files) and read_text(files[1]).endswith(self.cfg.dump())

    def complete(self, run: Callable[[Sequence[str]], str], flags: Sequence[str]) -> dict[str, float]:
        """Do it; its figures over all images.

        Args:
            run: runs train_net.py with arguments; gives the error in one line, or "".
            flags: more arguments.

        Raises:
            FileNotFoundError, ValueError: it failed; the message is its own.
        """
        if self.own_weights and not (self.folder / TRAINED).is_file():
            raise FileNotFoundError(f"{self.folder / TRAINED}: no such file, train before --eval-only")
        flags = [*flags, *(["--eval-only"] if self.evaluate else [])]
        error = run(["--config-file", self.config_file, *flags, *self.options])
        if error:
            raise ValueError(error)
        return self.figures()

    def figures(self) -> dict[str, float]:
        """Its figures over all images, as it has left them.

        Raises:
            FileNotFoundError, ValueError: no such file, or a damaged one.
        """
        path = self.folder / metrics_file(self.test)
        figures = require(read_json(path), SECTION, dict, str(path))
        whole = {name: value for name, value in figures.items() if "/" not in name}
        return {name: float(require(whole, name, (int, float), str(path))) for name in whole}


@dataclass
class Summary:
    """What the categories reach, and why some do not; by category."""

    figures: dict[str, dict[str, float]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def mean(self) -> dict[str, float]:
        """Of each figure, over the categories that have it; thresholds have none."""
        names = dict.fromkeys(name for row in self.figures.values() for name in row)
        return {
            name: statistics.fmean(row[name] for row in self.figures.values() if name in row)
            for name in names
            if name not in OTHER_UNITS
        }

    def markdown(self) -> str:
        """A row a category, and the mean."""
        table: dict[str, Mapping[str, float]] = {
            name.replace("|", "\\|"): {k: v for k, v in row.items() if k not in OTHER_UNITS}
            for name, row in self.figures.items()
        }
        table[f"mean of {len(self.figures)}"] = self.mean()
        lines = [f"{name}: {message}" for name, message in self.errors.items()]
        failed = ["", "Failed:", "", *(f"- {line}" for line in lines)] if lines else []
        return "\n".join([format_table("category", table, "github"), *failed]) + "\n"

    def write(self, folder: Path) -> None:
        """Write ``summary.json`` and ``summary.md``."""
        content: dict[str, Any] = {"categories": self.figures, "mean": self.mean(), "errors": self.errors}
        write_json(folder / f"{SUMMARY}.json", content)
        write_bytes(folder / f"{SUMMARY}.md", self.markdown().encode())
